//! Peak stack: paint what is free at start, look later how far the paint is
//! gone.
#![allow(unsafe_code)]

use core::ptr;

use crate::arch;

/// No likely value of a variable.
const PAINT: u32 = 0xc5a3_5ac5;

/// Bytes below the stack pointer that are left unpainted: the compiler may
/// enlarge the frame after it was read.
const FRAME: usize = 128;

/// Fewer untouched bytes than this at the end and the stack counts as
/// exhausted: the deepest call may have jumped over the last words.
const MARGIN: usize = 64;

unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

/// Lowest address of the stack.
fn bottom() -> usize {
    (&raw const _stack_end).addr()
}

/// First address above the stack.
fn top() -> usize {
    (&raw const _stack_start).addr()
}

/// Size of the stack in bytes.
pub fn size() -> usize {
    top() - bottom()
}

/// Paints the stack below the caller. Called once, first thing in `main`.
#[inline(never)]
pub fn paint() {
    let mut address = bottom();
    let end = arch::stack_pointer() - FRAME;
    while address < end {
        // SAFETY: the word lies between the end of the stack and the stack
        // pointer, with room for this function's own frame, so no live
        // variable is in it; neither architecture has a red zone, and no
        // interrupt is enabled. Volatile, so that this does not
        // become a call of memset, whose frame would lie in the painted part.
        unsafe { ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(PAINT) };
        address += size_of::<u32>();
    }
}

/// Most bytes of stack in use since [`paint`], to the word.
pub fn peak() -> usize {
    let mut address = bottom();
    while address < top() {
        // SAFETY: an aligned word of the stack region, which is plain memory.
        let word = unsafe { ptr::with_exposed_provenance::<u32>(address).read_volatile() };
        if word != PAINT {
            break;
        }
        address += size_of::<u32>();
    }
    top() - address
}

/// Whether the deepest call came so near the end of the stack that it may
/// have gone beyond it.
pub fn exhausted() -> bool {
    peak() + MARGIN > size()
}
