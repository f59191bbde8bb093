//! Simulated NOR flash whose power is cut.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};
use pg_host::flash::Probe;
use pg_slots::Mapped;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What a unit of flash holds after the operation on it was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Torn {
    /// What it held before.
    Nothing,
    /// All of it: the power went just after.
    Everything,
    /// Any of the bits that were to move have moved.
    AnyBits(u64),
}

/// What goes wrong with simulated flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashFault {
    /// The power is off.
    PowerCut,
    /// The driver was misused.
    Misuse(NorFlashErrorKind),
}

impl NorFlashError for FlashFault {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::PowerCut => NorFlashErrorKind::Other,
            Self::Misuse(kind) => *kind,
        }
    }
}

/// NOR flash that writes units of `W` bytes and erases blocks of `E`. Writing a
/// unit twice without erasing it is an error, as it is on flash with error
/// correction. Units are written, and blocks erased, one by one; the power can
/// be cut at any of them.
#[derive(Clone, Debug)]
pub struct SimulatedFlash<const W: usize, const E: usize> {
    /// Words, so that blocks lie at multiples of 4.
    words: Vec<u32>,
    /// Units written since they were erased.
    written: Vec<bool>,
    /// Units written and blocks erased so far.
    pub operations: usize,
    /// The operation that is cut off, and what it leaves.
    pub cut: Option<(usize, Torn)>,
    off: bool,
}

impl<const W: usize, const E: usize> SimulatedFlash<W, E> {
    /// Erased flash of `blocks` blocks.
    #[must_use]
    pub fn new(blocks: usize) -> Self {
        Self {
            words: vec![u32::MAX; blocks * E / 4],
            written: vec![false; blocks * E / W],
            operations: 0,
            cut: None,
            off: false,
        }
    }

    /// The power is back: nothing is cut from now on.
    pub fn restart(&mut self) {
        (self.off, self.cut, self.operations) = (false, None, 0);
    }

    /// A bit rots.
    pub fn flip(&mut self, byte: usize) {
        self.words[byte / 4] ^= 1 << (8 * (byte % 4));
    }

    /// Every byte.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        zerocopy::IntoBytes::as_bytes(self.words.as_slice())
    }

    /// Moves `target.len()` bytes at `at` to `target`, unless the power goes.
    fn change(&mut self, at: usize, target: &[u8]) -> Result<(), FlashFault> {
        let cut = self.cut.filter(|(n, _)| *n == self.operations);
        self.operations += 1;
        let bytes = zerocopy::IntoBytes::as_mut_bytes(self.words.as_mut_slice());
        let bytes = &mut bytes[at..at + target.len()];
        match cut.map(|(_, torn)| torn) {
            None | Some(Torn::Everything) => bytes.copy_from_slice(target),
            Some(Torn::Nothing) => {}
            Some(Torn::AnyBits(seed)) => {
                let mut rng = StdRng::seed_from_u64(seed);
                for (byte, target) in bytes.iter_mut().zip(target) {
                    *byte ^= (*byte ^ target) & rng.random::<u8>();
                }
            }
        }
        if cut.is_some() {
            self.off = true;
            return Err(FlashFault::PowerCut);
        }
        Ok(())
    }

    fn powered(&self) -> Result<(), FlashFault> {
        if self.off {
            return Err(FlashFault::PowerCut);
        }
        Ok(())
    }
}

impl<const W: usize, const E: usize> ErrorType for SimulatedFlash<W, E> {
    type Error = FlashFault;
}

impl<const W: usize, const E: usize> ReadNorFlash for SimulatedFlash<W, E> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashFault> {
        self.powered()?;
        check_read(self, offset, bytes.len()).map_err(FlashFault::Misuse)?;
        bytes.copy_from_slice(&self.bytes()[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        4 * self.words.len()
    }
}

impl<const W: usize, const E: usize> NorFlash for SimulatedFlash<W, E> {
    const WRITE_SIZE: usize = W;
    const ERASE_SIZE: usize = E;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashFault> {
        self.powered()?;
        check_erase(self, from, to).map_err(FlashFault::Misuse)?;
        for block in (from as usize..to as usize).step_by(E) {
            // A block whose erasing is cut off must be erased again.
            self.written[block / W..(block + E) / W].fill(true);
            self.change(block, &[0xFF; E])?;
            self.written[block / W..(block + E) / W].fill(false);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashFault> {
        self.powered()?;
        check_write(self, offset, bytes.len()).map_err(FlashFault::Misuse)?;
        for (k, unit) in bytes.chunks_exact(W).enumerate() {
            let at = offset as usize + k * W;
            if std::mem::replace(&mut self.written[at / W], true) {
                return Err(FlashFault::Misuse(NorFlashErrorKind::Other));
            }
            self.change(at, unit)?;
        }
        Ok(())
    }
}

impl<const W: usize, const E: usize> Mapped for SimulatedFlash<W, E> {
    fn mapped(&self, offset: u32, length: u32) -> Option<&[u8]> {
        let end = offset.checked_add(length)?;
        self.bytes().get(offset as usize..end as usize)
    }
}

/// A debug probe on the flash: it erases the blocks that it writes to, and
/// programs all of every block.
impl<const W: usize, const E: usize> Probe for SimulatedFlash<W, E> {
    fn word(&mut self, address: u32) -> anyhow::Result<u32> {
        let mut bytes = [0; 4];
        let read = self.read(address, &mut bytes);
        read.map_err(|e| anyhow::anyhow!("{e:?}"))?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn program(&mut self, address: u32, bytes: &[u8]) -> anyhow::Result<()> {
        for (block, bytes) in (address..).step_by(E).zip(bytes.chunks(E)) {
            let mut whole = vec![0xFF; E];
            whole[..bytes.len()].copy_from_slice(bytes);
            let done = self.erase(block, block + E as u32);
            let done = done.and_then(|()| self.write(block, &whole));
            done.map_err(|e| anyhow::anyhow!("{e:?}"))?;
        }
        Ok(())
    }
}
