//! Counters of translated blocks, and the file they end in.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::arguments::Arguments;

/// Most different blocks; the firmware of a bench has some thousands.
const BLOCKS: usize = 1 << 16;

/// No block was executed since the start of counting.
const NONE: usize = usize::MAX;

/// What the execution callback needs of a block.
///
/// There is one processor and so one thread that counts; the atomics are plain
/// loads and stores that the compiler accepts in a static.
#[derive(Default)]
struct Block {
    /// Address of the first instruction.
    first: AtomicU64,
    /// Address after the last instruction.
    end: AtomicU64,
    /// Executions.
    count: AtomicU64,
    /// Executions after which control did not go on at `end`.
    taken: AtomicU64,
}

/// What only translation and writing need.
#[derive(Default)]
struct Blocks {
    /// Index by first address and number of instructions: QEMU translates
    /// the same code again when it pleases.
    index: HashMap<(u64, usize), usize>,
    /// Addresses of the instructions of every block.
    addresses: Vec<Vec<u64>>,
}

/// What a block is to the profiler.
#[derive(Clone, Copy)]
pub enum Role {
    /// Counted while counting.
    Counted(usize),
    /// Starts counting.
    Start,
    /// Stops counting.
    Stop,
    /// Ends the region.
    End,
}

/// All counters.
pub struct Profiler {
    markers: [u64; 3],
    counters: Box<[Block]>,
    blocks: Mutex<Blocks>,
    active: AtomicBool,
    last: AtomicUsize,
    entries: AtomicU64,
    out: Mutex<File>,
}

impl Profiler {
    /// Counters at zero, and an empty profile.
    pub fn new(arguments: &Arguments) -> io::Result<Self> {
        Ok(Self {
            markers: [arguments.start, arguments.stop, arguments.end],
            counters: (0..BLOCKS).map(|_| Block::default()).collect(),
            blocks: Mutex::default(),
            active: AtomicBool::new(false),
            last: AtomicUsize::new(NONE),
            entries: AtomicU64::new(0),
            out: Mutex::new(File::create(&arguments.out)?),
        })
    }

    /// A block was translated: its instructions' addresses, and the address
    /// after them. `None` when there is nothing to count.
    pub fn translated(&self, addresses: Vec<u64>, end: u64) -> Option<Role> {
        let &first = addresses.first()?;
        let [start, stop, finish] = self.markers;
        match first {
            a if a == start => return Some(Role::Start),
            a if a == stop => return Some(Role::Stop),
            a if a == finish => return Some(Role::End),
            _ => {}
        }
        let mut blocks = lock(&self.blocks);
        let next = blocks.addresses.len();
        let index = *blocks.index.entry((first, addresses.len())).or_insert(next);
        if index == next {
            let Some(block) = self.counters.get(index) else {
                self.error("more code than there are counters for");
                return None;
            };
            block.first.store(first, Relaxed);
            block.end.store(end, Relaxed);
            blocks.addresses.push(addresses);
        }
        Some(Role::Counted(index))
    }

    /// The block of this index is about to run.
    #[inline]
    pub fn counted(&self, index: usize) {
        if !self.active.load(Relaxed) {
            return;
        }
        let Some(block) = self.counters.get(index) else {
            return;
        };
        self.leave(block.first.load(Relaxed));
        increment(&block.count);
        self.last.store(index, Relaxed);
    }

    /// Control goes from the last block to `address`.
    #[inline]
    fn leave(&self, address: u64) {
        if let Some(last) = self.counters.get(self.last.load(Relaxed))
            && last.end.load(Relaxed) != address
        {
            increment(&last.taken);
        }
    }

    /// The firmware called `start`.
    pub fn start(&self) {
        if self.active.swap(true, Relaxed) {
            self.error("start was called twice without stop");
        }
        self.last.store(NONE, Relaxed);
        increment(&self.entries);
    }

    /// The firmware called `stop`.
    pub fn stop(&self) {
        if !self.active.swap(false, Relaxed) {
            self.error("stop was called without start");
        }
        let [_, stop, _] = self.markers;
        self.leave(stop);
    }

    /// The firmware called `end`: writes the region and clears the counters.
    pub fn end(&self) {
        if self.active.load(Relaxed) {
            self.error("end was called before stop");
        }
        if let Err(error) = self.write() {
            eprintln!("pg-emulator-plugin: cannot write the profile: {error}");
        }
    }

    fn write(&self) -> io::Result<()> {
        let blocks = lock(&self.blocks);
        let (mut counts, mut taken) = (BTreeMap::new(), BTreeMap::new());
        for (addresses, block) in blocks.addresses.iter().zip(&self.counters) {
            let count = block.count.swap(0, Relaxed);
            let left = block.taken.swap(0, Relaxed);
            if count > 0 {
                for &address in addresses {
                    *counts.entry(address).or_insert(0) += count;
                }
            }
            if let (Some(&branch), 1..) = (addresses.last(), left) {
                *taken.entry(branch).or_insert(0) += left;
            }
        }
        let mut text = format!("region {}\n", self.entries.swap(0, Relaxed));
        for (tag, map) in [("i", counts), ("t", taken)] {
            for (address, count) in map {
                text += &format!("{tag} {address:x} {count}\n");
            }
        }
        lock(&self.out).write_all(text.as_bytes())
    }

    /// Puts a line into the profile that the reader must not overlook.
    fn error(&self, words: &str) {
        // A full disk also cuts the profile short, which the reader sees.
        let _ = writeln!(lock(&self.out), "error {words}");
    }
}

/// A panic in a callback ends the emulator: nobody sees what it left behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One thread counts: a load and a store, cheaper than a locked addition.
#[inline]
fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}
