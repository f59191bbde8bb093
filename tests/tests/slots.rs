//! Updates of a model whose power is cut at every operation on the flash.

use ed25519_dalek::{Signer, SigningKey};
use pg_host::flash::{self, SlotImage};
use pg_host::image::{ImageBytes, build, unpack};
use pg_runtime::error::ImageError;
use pg_runtime::image::Image;
use pg_runtime::kernels::{Kernels, Selected};
use pg_slots::{Active, Error, Layout, Mapped, Slot, Slots};
use pg_tests::flash::{FlashFault, SimulatedFlash, Torn};
use pg_tests::{SMALL, random_model};

fn image(seed: u64) -> Vec<u8> {
    let image = build(&random_model(seed, SMALL), Selected::TARGET).expect("image");
    image.as_bytes().to_vec()
}

/// The slots of a flash that has one block before and one behind them.
fn layout<const W: usize, const E: usize>(image: &[u8]) -> (SimulatedFlash<W, E>, Layout) {
    let blocks = (image.len() + 128).div_ceil(E);
    let layout = Layout {
        start: E as u32,
        slot: (blocks * E) as u32,
    };
    (SimulatedFlash::new(2 * blocks + 2), layout)
}

/// A whole update; bytes come in pieces of `piece`.
fn update<F: Mapped>(
    slots: &mut Slots<F>,
    image: &[u8],
    piece: usize,
) -> Result<Active, Error<F::Error>> {
    let mut update = slots.update(image.len() as u32)?;
    for bytes in image.chunks(piece) {
        update.write(bytes)?;
    }
    update.finish()?.commit()
}

/// The image that a start would run.
fn running<F: Mapped + Clone>(flash: &F, layout: Layout) -> Option<Vec<u8>>
where
    F::Error: std::fmt::Debug,
{
    let slots = Slots::new(flash.clone(), layout).expect("layout");
    let active = slots.active().ok()?;
    let flash = slots.release();
    let bytes = flash
        .mapped(active.offset, layout.room(F::WRITE_SIZE as u32))
        .expect("inside");
    let length = Image::parse_region(bytes).expect("accepted").total_bytes();
    Some(bytes[..length].to_vec())
}

/// Cuts an update of either slot at every operation, in several ways; returns
/// how many cuts there were.
fn cut_everywhere<const W: usize, const E: usize>() -> usize {
    let images = [1, 2, 3].map(image);
    let longest = images.iter().max_by_key(|i| i.len()).expect("images");
    let (flash, layout) = layout::<W, E>(longest);
    let mut slots = Slots::new(flash, layout).expect("layout");
    let mut cuts = 0;
    // The first update goes to A, the second, which is cut, to B; then the same
    // with the slots the other way round.
    for turn in 0..2 {
        let [old, new, next] = [0, 1, 2].map(|k| &images[(k + turn) % 3]);
        let active = update(&mut slots, old, 100).expect("old");
        assert_eq!(active.slot, Slot::BOTH[turn]);
        let mut whole = slots.release();
        whole.restart();
        let operations = {
            let mut slots = Slots::new(whole.clone(), layout).expect("layout");
            update(&mut slots, new, 64).expect("update");
            slots.release().operations
        };
        for cut in 0..operations {
            let bits = (0..2).map(|seed| Torn::AnyBits(seed + 2 * cut as u64));
            for torn in bits.chain([Torn::Nothing, Torn::Everything]) {
                let mut flash = whole.clone();
                flash.cut = Some((cut, torn));
                let mut slots = Slots::new(flash, layout).expect("layout");
                let failed = update(&mut slots, new, 64).expect_err("cut");
                assert_eq!(failed, Error::Flash(FlashFault::PowerCut));
                let mut flash = slots.release();
                flash.restart();
                let found = running(&flash, layout).expect("a model");
                // The word is written last, in one operation or byte by byte.
                let word = operations - 4usize.div_ceil(W).min(4);
                if cut < word {
                    assert!(&found == old, "cut {cut} of {operations}, {torn:?}");
                } else if cut + 1 == operations && torn == Torn::Everything {
                    assert!(&found == new, "committed");
                } else {
                    assert!(&found == old || &found == new, "commit, {torn:?}");
                }
                // Nothing is worn out: the next update goes through.
                let mut slots = Slots::new(flash, layout).expect("layout");
                update(&mut slots, next, 33).expect("after a cut");
                assert!(running(&slots.release(), layout).as_ref() == Some(next));
                cuts += 1;
            }
        }
        slots = Slots::new(whole, layout).expect("layout");
    }
    cuts
}

#[test]
fn a_cut_anywhere_leaves_a_whole_model() {
    // Write sizes of nRF52, STM32L4 and STM32H7.
    let mut cuts = vec![
        cut_everywhere::<4, 4096>(),
        cut_everywhere::<8, 2048>(),
        cut_everywhere::<32, 1024>(),
    ];
    // Those of RP2040 and STM32F4: too many operations for an unoptimised build.
    if !cfg!(debug_assertions) {
        cuts.push(cut_everywhere::<1, 4096>());
    }
    assert!(cuts.iter().all(|&cuts| cuts > 200), "{cuts:?}");
    println!(
        "{} cuts, none left the board without a model",
        cuts.iter().sum::<usize>()
    );
}

#[test]
fn updates_alternate() {
    let images = [1, 2].map(image);
    let (flash, layout) = layout::<4, 4096>(&images[0]);
    let mut slots = Slots::new(flash, layout).expect("layout");
    assert_eq!(slots.active(), Err(Error::Empty));
    for (k, slot) in Slot::BOTH.into_iter().cycle().take(6).enumerate() {
        let active = update(&mut slots, &images[k % 2], 256).expect("update");
        assert_eq!((active.slot, active.sequence), (slot, k as u16));
        assert_eq!(slots.active(), Ok(active));
    }
}

#[test]
fn what_cannot_be_accepted_is_named_and_changes_nothing() {
    let [old, new] = [1, 2].map(image);
    let (flash, layout) = layout::<4, 4096>(&old);
    let room = layout.room(4);
    let mut slots = Slots::new(flash, layout).expect("layout");
    let active = update(&mut slots, &old, 64).expect("old");
    let too_long = Error::TooLong {
        image: room + 1,
        room,
    };
    assert_eq!(slots.update(room + 1).map(|_| ()), Err(too_long));

    let mut longer = slots.update(10).expect("room");
    let length = |written| Error::Length {
        announced: 10,
        written,
    };
    assert_eq!(longer.write(&new[..11]), Err(length(11)));
    assert_eq!(longer.finish().map(|_| ()), Err(length(0)));

    let mut damaged = new.clone();
    damaged[200] ^= 1;
    let error = update(&mut slots, &damaged, 64).expect_err("damaged");
    assert!(
        matches!(error, Error::Image(ImageError::Checksum { .. })),
        "{error:?}"
    );
    assert_eq!(slots.active(), Ok(active));

    // A candidate that the application does not want.
    let mut unwanted = slots.update(new.len() as u32).expect("room");
    unwanted.write(&new).expect("written");
    {
        let candidate = unwanted.finish().expect("valid");
        assert_eq!(candidate.image().expect("valid").total_bytes(), new.len());
    }
    assert_eq!(slots.active(), Ok(active));
}

#[test]
fn a_slot_that_rots_gives_way_to_the_other() {
    let [old, new] = [1, 2].map(image);
    let (flash, layout) = layout::<4, 4096>(&old);
    let mut slots = Slots::new(flash, layout).expect("layout");
    update(&mut slots, &old, 64).expect("old");
    let active = update(&mut slots, &new, 64).expect("new");
    let mut flash = slots.release();
    assert!(running(&flash, layout).as_ref() == Some(&new));
    flash.flip(active.offset as usize + 300);
    assert!(running(&flash, layout).as_ref() == Some(&old));
    flash.flip(layout.offset(active.slot.other()) as usize + 300);
    assert!(running(&flash, layout).is_none());
}

#[test]
fn unsuitable_flash_is_refused() {
    let of = |start, slot| {
        Slots::new(SimulatedFlash::<4, 4096>::new(4), Layout { start, slot }).map(|_| ())
    };
    assert_eq!(of(0, 8192), Ok(()));
    for (start, slot) in [
        (0, 0),
        (0, 4100),
        (64, 4096),
        (4096, 8192),
        (0, u32::MAX - 4095),
    ] {
        assert_eq!(of(start, slot), Err(Error::Layout), "{start} {slot}");
    }
    let unit = Slots::new(
        SimulatedFlash::<128, 4096>::new(4),
        Layout {
            start: 0,
            slot: 8192,
        },
    );
    assert_eq!(unit.map(|_| ()), Err(Error::WriteSize));
}

#[test]
fn where_a_key_is_asked_for_only_its_images_count() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let other = SigningKey::from_bytes(&[8; 32]);
    let [old, new] = [1, 2].map(image);
    let (flash, layout) = layout::<32, 4096>(&old);
    let mut slots = Slots::new(flash, layout)
        .expect("layout")
        .signed_by(key.verifying_key());
    let mut send = |image: &[u8], signature: Option<[u8; 64]>| {
        let mut update = slots.update(image.len() as u32)?;
        if let Some(signature) = signature {
            update.sign(&signature)?;
        }
        update.write(image)?;
        update.finish()?.commit()?;
        slots.active()
    };
    assert_eq!(send(&old, None), Err(Error::Signature));
    let first = send(&old, Some(key.sign(&old).to_bytes())).expect("signed");
    for wrong in [
        None,
        Some(other.sign(&new).to_bytes()),
        Some(key.sign(&old).to_bytes()),
    ] {
        assert_eq!(send(&new, wrong), Err(Error::Signature));
    }
    let second = send(&new, Some(key.sign(&new).to_bytes())).expect("signed");
    assert_eq!(second.slot, first.slot.other());
    // Another key, at the next start: no model counts.
    let slots = Slots::new(slots.release(), layout)
        .expect("layout")
        .signed_by(other.verifying_key());
    assert_eq!(slots.active(), Err(Error::Empty));
}

/// The keyword model that ships, and one that differs from it.
fn keyword_images() -> [Vec<u8>; 2] {
    let shipped = ImageBytes::read("../models/kws/kws.pgi".as_ref()).expect("image");
    let mut spec = unpack(&shipped.image_of_any_target().expect("image"));
    let mut images = || {
        spec.labels.reverse();
        let image = build(&spec, Selected::TARGET).expect("image");
        image.as_bytes().to_vec()
    };
    [images(), images()]
}

/// A keyword image in the layout of this host, for the slots of the nRF52840.
fn keyword_slots(image: &[u8]) -> SlotImage {
    let (mut board, chip) = flash::find("nrf52840-dk").expect("board");
    board.layout = Selected::TARGET;
    SlotImage::new(ImageBytes::new(image), &board, &chip).expect("fits")
}

#[test]
fn what_the_host_flashes_the_board_runs() {
    const BLOCK: u32 = 4096;
    let [old, new] = keyword_images();
    let (board, _) = flash::find("nrf52840-dk").expect("board");
    let layout = Layout {
        start: board.model.address as u32,
        slot: board.model.size as u32 / 2,
    };
    let blocks = (layout.start + 2 * layout.slot) / BLOCK;
    let mut flash = SimulatedFlash::<4, 4096>::new(blocks as usize);
    // The host's updates and the board's own alternate between the slots.
    let first = keyword_slots(&old).flash(&mut flash).expect("flashed");
    assert_eq!((first.slot, first.sequence), (Slot::A, 0));
    assert!(running(&flash, layout).as_ref() == Some(&old));
    let mut slots = Slots::new(flash, layout).expect("layout");
    let second = update(&mut slots, &new, 256).expect("update");
    assert_eq!((second.slot, second.sequence), (Slot::B, 1));
    let whole = slots.release();
    let third = keyword_slots(&old);
    let operations = {
        let mut flash = whole.clone();
        flash.restart();
        let flashed = third.flash(&mut flash).expect("flashed");
        assert_eq!((flashed.slot, flashed.sequence), (Slot::A, 2));
        assert!(running(&flash, layout).as_ref() == Some(&old));
        flash.operations
    };
    // The probe is pulled all over the image, and everywhere in the last block.
    let last = operations - 1 - (BLOCK / 4) as usize;
    let step = if cfg!(debug_assertions) { 61 } else { 1 };
    let cuts = (0..last).step_by(499 * step);
    for cut in cuts.chain((last..operations).step_by(step)) {
        let mut flash = whole.clone();
        flash.restart();
        flash.cut = Some((cut, Torn::AnyBits(cut as u64)));
        third.flash(&mut flash).expect_err("cut");
        flash.restart();
        let found = running(&flash, layout).expect("a model");
        assert!(
            found == new || (cut + 1 == operations && found == old),
            "{cut}"
        );
    }
}

#[test]
fn images_that_no_board_can_use_are_refused() {
    let (board, chip) = flash::find("nrf52840-dk").expect("board");
    let long = Layout {
        start: board.model.address as u32,
        slot: board.model.size as u32 / 2,
    };
    let mut small = board.clone();
    small.model.size = 2 * u64::from(chip.erase);
    let shipped = ImageBytes::read("../models/kws/kws.pgi".as_ref()).expect("image");
    assert!(shipped.as_bytes().len() < long.room(chip.write) as usize);
    SlotImage::new(shipped.clone(), &board, &chip).expect("fits");
    let error = SlotImage::new(shipped, &small, &chip).expect_err("too long");
    assert!(error.to_string().contains("has room for 4028"), "{error}");
    let pictures = ImageBytes::read("../models/cifar10-resnet20/resnet20.pgi".as_ref());
    let error = SlotImage::new(pictures.expect("image"), &board, &chip).expect_err("no audio");
    assert!(error.to_string().contains("no keyword model"), "{error}");
    let error = flash::find("microbit").expect_err("emulated");
    assert!(error.to_string().contains("nrf52840-dk"), "{error}");
}
