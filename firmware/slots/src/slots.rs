//! Which model is in use.

use crate::error::Error;
use crate::flash::Mapped;
use crate::layout::{Layout, Slot};
use crate::update::Update;
use crate::{SIGNATURE, commit};
use pg_runtime::image::Image;

/// The model in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Active {
    /// Its slot.
    pub slot: Slot,
    /// Offset of the image in the flash.
    pub offset: u32,
    /// Number of the update that brought it; it wraps around.
    pub sequence: u16,
}

/// The two slots.
#[derive(Debug)]
pub struct Slots<F> {
    pub(crate) flash: F,
    pub(crate) layout: Layout,
    #[cfg(feature = "signature")]
    key: Option<ed25519_dalek::VerifyingKey>,
}

impl<F: Mapped> Slots<F> {
    /// The slots of `layout` in `flash`. Nothing is read yet.
    ///
    /// # Errors
    ///
    /// [`Error::WriteSize`] and [`Error::Layout`] if the flash has other blocks.
    pub fn new(flash: F, layout: Layout) -> Result<Self, Error<F::Error>> {
        layout.check(&flash)?;
        Ok(Self {
            flash,
            layout,
            #[cfg(feature = "signature")]
            key: None,
        })
    }

    /// From now on a slot counts only with an image signed by this key: Ed25519
    /// over the image's bytes.
    #[cfg(feature = "signature")]
    #[must_use]
    pub fn signed_by(mut self, key: ed25519_dalek::VerifyingKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Gives the flash back.
    pub fn release(self) -> F {
        self.flash
    }

    /// The model to run: of the slots with a commit word and a valid image, the
    /// one that was committed last.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] if neither has one.
    pub fn active(&self) -> Result<Active, Error<F::Error>> {
        let [a, b] = Slot::BOTH.map(|slot| self.committed(slot));
        let mut order = [a, b];
        if let [Some(a), Some(b)] = order
            && commit::newer(b.sequence, a.sequence)
        {
            order.swap(0, 1);
        }
        (order.into_iter().flatten())
            .find(|active| self.accept(active.slot, None).is_ok())
            .ok_or(Error::Empty)
    }

    /// Begins to replace the model that is not in use by an image of `length`
    /// bytes: erases its slot, the commit word first.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] before anything is erased, [`Error::Flash`].
    pub fn update(&mut self, length: u32) -> Result<Update<'_, F>, Error<F::Error>> {
        let room = self.layout.room(F::WRITE_SIZE as u32);
        if length > room {
            return Err(Error::TooLong {
                image: length,
                room,
            });
        }
        let (slot, sequence) = match self.active() {
            Ok(active) => (active.slot.other(), active.sequence.wrapping_add(1)),
            Err(_) => (Slot::A, 0),
        };
        let (start, block) = (self.layout.offset(slot), F::ERASE_SIZE as u32);
        for k in (0..self.layout.slot / block).rev() {
            let from = start + k * block;
            self.flash.erase(from, from + block).map_err(Error::Flash)?;
        }
        Ok(Update::new(self, slot, sequence, length))
    }

    /// The valid commit word of a slot.
    fn committed(&self, slot: Slot) -> Option<Active> {
        let bytes = self.flash.mapped(
            self.layout.commit(slot, F::WRITE_SIZE as u32),
            commit::BYTES,
        )?;
        let word = u32::from_le_bytes(bytes.try_into().ok()?);
        Some(Active {
            slot,
            offset: self.layout.offset(slot),
            sequence: commit::sequence(word)?,
        })
    }

    /// The image in a slot, if this firmware may run it; with `length`, only if
    /// it is that long.
    pub(crate) fn accept(
        &self,
        slot: Slot,
        length: Option<u32>,
    ) -> Result<Image<'_>, Error<F::Error>> {
        let (offset, room) = (
            self.layout.offset(slot),
            self.layout.room(F::WRITE_SIZE as u32),
        );
        let bytes = (self.flash.mapped(offset, length.unwrap_or(room))).ok_or(Error::Layout)?;
        let image = match length {
            Some(_) => Image::parse(bytes),
            None => Image::parse_region(bytes),
        }
        .map_err(Error::Image)?;
        let signature = self.flash.mapped(
            self.layout.signature(slot, F::WRITE_SIZE as u32),
            SIGNATURE as u32,
        );
        self.check_signature(&bytes[..image.total_bytes()], signature)?;
        Ok(image)
    }

    #[cfg(feature = "signature")]
    fn check_signature(
        &self,
        image: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<(), Error<F::Error>> {
        let Some(key) = &self.key else { return Ok(()) };
        let signature = signature.and_then(|s| ed25519_dalek::Signature::from_slice(s).ok());
        signature
            .and_then(|s| key.verify_strict(image, &s).ok())
            .ok_or(Error::Signature)
    }

    #[cfg(not(feature = "signature"))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "as with signatures"
    )]
    fn check_signature(&self, _: &[u8], _: Option<&[u8]>) -> Result<(), Error<F::Error>> {
        Ok(())
    }
}
