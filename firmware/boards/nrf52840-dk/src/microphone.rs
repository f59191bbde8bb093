//! The PDM microphone: DMA fills one of two buffers while the other is taken,
//! and the core sleeps until the application's next block is there.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};
use embassy_executor::{InterruptExecutor, task};
use embassy_nrf::interrupt;
use embassy_nrf::interrupt::{InterruptExt, Priority};
use embassy_nrf::pdm::{self, Edge, Frequency, OperationMode, Pdm, Ratio, SamplerState};
use embassy_nrf::peripherals::{P0_25, P0_26, PDM};
use embassy_nrf::{Peri, bind_interrupts};
use heapless::spsc::{Consumer, Producer, Queue};
use pg_app::{AudioSource, Record};
use static_cell::{ConstStaticCell, StaticCell};

/// Samples of a block: one frame's hop, 20 ms.
const BLOCK: usize = pg_runtime::audio::HOP;
/// Blocks that may wait; the queue keeps one place free.
const WAITING: usize = 8;

type Block = [i16; BLOCK];

bind_interrupts!(struct Interrupts {
    PDM => pdm::InterruptHandler<PDM>;
});

/// Why there are no samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum Error {
    /// The application was too slow: this many blocks of 20 ms are lost.
    Overrun(u32),
    /// The microphone cannot be started twice.
    Taken,
}

/// Blocks lost because the queue was full.
static LOST: AtomicU32 = AtomicU32::new(0);

/// Runs the microphone's task, above the application.
static EXECUTOR: InterruptExecutor = InterruptExecutor::new();

#[interrupt]
fn EGU0_SWI0() {
    // SAFETY: this is the interrupt that the executor is started with, which
    // enables it; nothing else calls this.
    unsafe { EXECUTOR.on_interrupt() }
}

/// Samples from the microphone, for ever.
pub struct Microphone {
    blocks: Consumer<'static, Block>,
    started: bool,
}

/// Starts the microphone: 16 kHz, of a clock of 1.28 MHz, one channel.
pub fn start(
    pdm: Peri<'static, PDM>,
    clock: Peri<'static, P0_25>,
    data: Peri<'static, P0_26>,
) -> Result<Microphone, Error> {
    static QUEUE: StaticCell<Queue<Block, WAITING>> = StaticCell::new();
    let (producer, blocks) = QUEUE.init_with(Queue::new).split();
    let config = pdm::Config {
        operation_mode: OperationMode::Mono,
        edge: Edge::LeftFalling,
        frequency: Frequency::_1280k,
        ratio: Ratio::Ratio80,
        ..pdm::Config::default()
    };
    let pdm = Pdm::new(pdm, Interrupts, clock, data, config);
    interrupt::EGU0_SWI0.set_priority(Priority::P6);
    let task = listen(pdm, producer).map_err(|_| Error::Taken)?;
    EXECUTOR.start(interrupt::EGU0_SWI0).spawn(task);
    Ok(Microphone {
        blocks,
        started: false,
    })
}

/// Puts every block in the queue.
#[task]
async fn listen(mut pdm: Pdm<'static>, mut blocks: Producer<'static, Block>) {
    static BUFFERS: ConstStaticCell<[Block; 2]> = ConstStaticCell::new([[0; BLOCK]; 2]);
    let sampler = |block: &Block| {
        if blocks.enqueue(*block).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        SamplerState::Sampled
    };
    if let Err(error) = pdm.run_task_sampler(BUFFERS.take(), sampler).await {
        defmt::error!("microphone: {}", error);
    }
}

impl AudioSource for Microphone {
    type Error = Error;

    fn next_record(&mut self) -> Result<Option<Record>, Error> {
        let first = !core::mem::replace(&mut self.started, true);
        Ok(first.then_some(Record {
            reset: true,
            detect: true,
        }))
    }

    fn read(&mut self, samples: &mut [i16]) -> Result<usize, Error> {
        match LOST.load(Ordering::Relaxed) {
            0 => {}
            lost => return Err(Error::Overrun(lost)),
        }
        let block = loop {
            if let Some(block) = self.blocks.dequeue() {
                break block;
            }
            // An interrupt between the question and here is an event, and this
            // returns at once.
            cortex_m::asm::wfe();
        };
        let count = samples.len().min(BLOCK);
        samples[..count].copy_from_slice(&block[..count]);
        Ok(count)
    }
}
