//! `stream.bin` and `outputs.bin` in the emulator's working directory; their
//! format is in `firmware/PROTOCOL.md`.

use core::ffi::CStr;

use heapless::Vec;
use pg_app::{AudioSource, Record, Sink};
use pg_runtime::detector::Event;
use semihosting::fs::File;
use semihosting::io::{Error, Read, Seek, SeekFrom, Write};
use zerocopy::IntoBytes;

const STREAM: &CStr = c"stream.bin";
#[cfg(feature = "pictures")]
const PICTURES: &CStr = c"pictures.bin";
const OUTPUTS: &CStr = c"outputs.bin";

const RESET: u32 = 1 << 0;
const DETECT: u32 = 1 << 1;

/// Most detections in one record.
const MAX_EVENTS: usize = 64;

/// What went wrong with a file.
#[derive(Clone, Copy, defmt::Format)]
pub enum FileError {
    /// It cannot be opened: run the emulator in the folder it lies in.
    Open(Errno),
    /// Reading failed.
    Read(Errno),
    /// Writing failed: is the disk full?
    Write(Errno),
    /// The file ends within a record.
    Truncated {
        /// Bytes that are missing.
        missing: u32,
    },
    /// A record has flags that this firmware does not know.
    UnknownFlags(u32),
    /// More detections in one record than there is memory for: split it.
    TooManyEvents,
}

/// The host's error number, 0 when there is none.
#[derive(Clone, Copy, defmt::Format)]
pub struct Errno(i32);

impl From<Error> for Errno {
    fn from(error: Error) -> Self {
        Self(error.raw_os_error().unwrap_or(0))
    }
}

/// Reads until `bytes` is full or the file ends; returns how many were read.
fn read_up_to(file: &mut File, bytes: &mut [u8]) -> Result<usize, FileError> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) => return Err(FileError::Read(error.into())),
        }
    }
    Ok(filled)
}

/// Reads the front of a file into `bytes`; returns how much there was.
///
/// # Errors
/// [`FileError::Open`] or [`FileError::Read`].
pub fn read_file(name: &CStr, bytes: &mut [u8]) -> Result<usize, FileError> {
    let mut file = File::open(name).map_err(|error| FileError::Open(error.into()))?;
    read_up_to(&mut file, bytes)
}

/// The samples, as if from a microphone.
pub struct Stream {
    file: File,
    /// Samples left in the record.
    left: u32,
}

impl Stream {
    /// Opens `stream.bin`.
    pub fn open() -> Result<Self, FileError> {
        let file = File::open(STREAM).map_err(|error| FileError::Open(error.into()))?;
        Ok(Self { file, left: 0 })
    }
}

impl AudioSource for Stream {
    type Error = FileError;

    fn next_record(&mut self) -> Result<Option<Record>, FileError> {
        let mut header = [0_u32; 2];
        let bytes = header.as_mut_bytes();
        let missing = match read_up_to(&mut self.file, bytes)? {
            0 => return Ok(None),
            count => bytes.len() - count,
        };
        if missing > 0 {
            return Err(FileError::Truncated {
                missing: missing as u32,
            });
        }
        let [flags, samples] = header.map(u32::from_le);
        if flags & !(RESET | DETECT) != 0 {
            return Err(FileError::UnknownFlags(flags));
        }
        self.left = samples;
        Ok(Some(Record {
            reset: flags & RESET != 0,
            detect: flags & DETECT != 0,
        }))
    }

    fn read(&mut self, samples: &mut [i16]) -> Result<usize, FileError> {
        let count = samples.len().min(self.left as usize);
        let samples = &mut samples[..count];
        let missing = size_of_val(samples) - read_up_to(&mut self.file, samples.as_mut_bytes())?;
        if missing > 0 {
            return Err(FileError::Truncated {
                missing: missing as u32,
            });
        }
        for sample in samples {
            *sample = i16::from_le(*sample);
        }
        self.left -= count as u32;
        Ok(count)
    }
}

/// Pictures, one after another.
#[cfg(feature = "pictures")]
pub struct Pictures {
    file: File,
}

#[cfg(feature = "pictures")]
impl Pictures {
    /// Opens `pictures.bin`.
    pub fn open() -> Result<Self, FileError> {
        let file = File::open(PICTURES).map_err(|error| FileError::Open(error.into()))?;
        Ok(Self { file })
    }

    /// Fills `bytes`; false at the end of the file.
    pub fn read(&mut self, bytes: &mut [u8]) -> Result<bool, FileError> {
        let missing = match read_up_to(&mut self.file, bytes)? {
            0 => return Ok(false),
            count => bytes.len() - count,
        };
        if missing > 0 {
            return Err(FileError::Truncated {
                missing: missing as u32,
            });
        }
        Ok(true)
    }
}

/// Room for the detections of one record.
pub type Events = Vec<Event, MAX_EVENTS>;

/// The outputs of every frame, for comparison with the host's.
pub struct Outputs<'e> {
    file: File,
    /// Bytes written.
    length: u64,
    /// Where the frame count of the open record belongs.
    record: u64,
    frames: u32,
    events: &'e mut Events,
}

impl<'e> Outputs<'e> {
    /// Creates `outputs.bin`, empty.
    pub fn create(events: &'e mut Events) -> Result<Self, FileError> {
        Ok(Self {
            file: File::create(OUTPUTS).map_err(|error| FileError::Open(error.into()))?,
            length: 0,
            record: 0,
            frames: 0,
            events,
        })
    }

    /// Appends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.length += bytes.len() as u64;
        self.file
            .write_all(bytes)
            .map_err(|error| FileError::Write(error.into()))
    }

    fn seek(&mut self, position: u64) -> Result<(), FileError> {
        match self.file.seek(SeekFrom::Start(position)) {
            Ok(_) => Ok(()),
            Err(error) => Err(FileError::Write(error.into())),
        }
    }
}

// Both architectures are little endian, as the file is, so slices of numbers
// are written as they lie in memory.
#[cfg(not(target_endian = "little"))]
compile_error!("outputs.bin is little endian");

impl Sink for Outputs<'_> {
    type Error = FileError;

    fn begin(&mut self) -> Result<(), FileError> {
        self.record = self.length;
        self.frames = 0;
        self.events.clear();
        self.write(&0_u32.to_le_bytes())
    }

    fn frame(&mut self, logits: &[i16], posteriors: &[u16]) -> Result<(), FileError> {
        self.frames += 1;
        self.write(logits.as_bytes())?;
        self.write(posteriors.as_bytes())
    }

    fn event(&mut self, event: Event) -> Result<(), FileError> {
        self.events
            .push(event)
            .map_err(|_| FileError::TooManyEvents)
    }

    fn end(&mut self) -> Result<(), FileError> {
        let frames = self.frames.to_le_bytes();
        let end = self.length;
        self.seek(self.record)?;
        self.write(&frames)?;
        self.length = end;
        self.seek(end)?;

        let count = self.events.len() as u32;
        self.write(&count.to_le_bytes())?;
        for index in 0..self.events.len() {
            let Some(&Event {
                label,
                frame,
                score,
            }) = self.events.get(index)
            else {
                break;
            };
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&frame.to_le_bytes());
            bytes[4..6].copy_from_slice(&u16::from(label).to_le_bytes());
            bytes[6..].copy_from_slice(&score.to_le_bytes());
            self.write(&bytes)?;
        }
        Ok(())
    }
}
