//! Keyword spotting on the nRF52840 development kit: a PDM microphone on P0.25
//! (clock) and P0.26 (data), LED 1 for half a second after a word.
//!
//! The model is in the newer of two slots, see `pg_slots`; `pg-host flash`
//! writes it.
#![no_std]
#![no_main]

mod clock;
mod flash;
mod led;
mod microphone;

use cortex_m_rt::entry;
use defmt_rtt as _;
use embassy_nrf::config::{Config, HfclkSource};
use embassy_nrf::gpio::{Level, Output, OutputDrive};
use panic_probe as _;
use pg_app::{Devices, Workspace};
use pg_runtime::image::Image;
use pg_slots::Slots;
use static_cell::StaticCell;

/// Words of the arena: 32 KB.
const ARENA: usize = 8 * 1024;

#[entry]
fn main() -> ! {
    // The microphone's clock comes from the crystal: the internal oscillator is
    // off by up to 8 %, and its jitter is noise.
    let mut config = Config::default();
    config.hfclk_source = HfclkSource::ExternalXtal;
    let board = embassy_nrf::init(config);

    let (flash, layout) = flash::open(board.NVMC);
    let slots = match Slots::new(flash, layout) {
        Ok(slots) => slots,
        Err(error) => stop(error),
    };
    let active = match slots.active() {
        Ok(active) => active,
        Err(error) => stop(error),
    };
    defmt::info!("{}", active);
    let image = match Image::parse_region(flash::in_use(layout.offset(active.slot), layout.slot)) {
        Ok(image) => image,
        Err(error) => stop(error),
    };

    let Some(clock) = clock::Cycles::start() else {
        stop("the cycle counter is taken")
    };
    let source = match microphone::start(board.PDM, board.P0_25, board.P0_26) {
        Ok(source) => source,
        Err(error) => stop(error),
    };
    let mut devices = Devices {
        source,
        sink: (),
        led: led::ActiveLow(Output::new(board.P0_13, Level::High, OutputDrive::Standard)),
        clock,
    };
    static MEMORY: StaticCell<([u32; ARENA], Workspace)> = StaticCell::new();
    let (arena, work) = MEMORY.init_with(|| ([0; ARENA], Workspace::new()));
    match pg_app::run(&image, arena, work, &mut devices) {
        Ok(report) => stop(report),
        Err(error) => stop(error),
    }
}

/// Says why the application ended, and stays there.
fn stop(reason: impl defmt::Format) -> ! {
    defmt::error!("stopped: {}", reason);
    loop {
        cortex_m::asm::wfe();
    }
}
