//! The benches on an emulated core.
//!
//! Reads `frames.bin` and writes `cases.txt`, one line per case in the order
//! of the plugin's regions: name, steps, MACs of a dense step, and the digest
//! of the outputs in hex.
#![no_std]
#![no_main]

use core::fmt::Write as _;

#[cfg(target_arch = "arm")]
use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
use riscv_rt::entry;

use heapless::String;
use pg_bench::meter::Markers;
use pg_bench::{Case, Inputs, InputsError};
use pg_emulated::{FileError, Once, read_file};
use pg_runtime::error::ImageError;
use pg_runtime::image::Image;
use semihosting::fs::File;
use semihosting::io::Write as _;
use semihosting::process;

/// Memory of the benches.
struct Memory {
    arena: [u32; 44 * 1024],
    frames: [u8; 64 * 1024],
}

static MEMORY: Once<Memory> = Once::new(Memory {
    arena: [0; 44 * 1024],
    frames: [0; 64 * 1024],
});

/// What ends a run.
#[derive(Clone, Copy, defmt::Format)]
enum Failure {
    /// No usable model image at the model address.
    Image(ImageError),
    /// `frames.bin` or `cases.txt`.
    File(FileError),
    /// `frames.bin` holds something else.
    Inputs(InputsError),
    /// The benches stopped.
    Bench(pg_bench::Error<FileError>),
    /// The memory was taken twice.
    Taken,
}

#[entry]
fn main() -> ! {
    process::exit(match session() {
        Ok(()) => 0,
        Err(failure) => {
            defmt::error!("{}", failure);
            1
        }
    })
}

fn session() -> Result<(), Failure> {
    let Memory { arena, frames } = MEMORY.take().ok_or(Failure::Taken)?;
    let length = read_file(c"frames.bin", frames).map_err(Failure::File)?;
    let inputs = Inputs::parse(frames.get(..length).unwrap_or(&[])).map_err(Failure::Inputs)?;
    let region = pg_emulated::model_region();
    let image = Image::parse_region(region).map_err(Failure::Image)?;

    let open = |error: semihosting::io::Error| FileError::Open(error.into());
    let mut file = File::create(c"cases.txt").map_err(|e| Failure::File(open(e)))?;
    let record = |case: &Case| {
        let mut line = String::<96>::new();
        let Case {
            name,
            steps,
            macs,
            check,
        } = case;
        // A name too long for the line is cut, which the host notices.
        let _ = writeln!(line, "{name} {steps} {macs} {check:08x}");
        file.write_all(line.as_bytes())
            .map_err(|error| FileError::Write(error.into()))
    };
    pg_bench::run(&image, &inputs, arena, &mut Markers(record)).map_err(Failure::Bench)
}
