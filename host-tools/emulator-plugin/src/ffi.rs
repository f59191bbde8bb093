//! QEMU's plugin interface, as far as it is used: only functions that are the
//! same in every version since 4.2.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::OnceLock;

use crate::arguments::Arguments;
use crate::profile::{Profiler, Role};

/// The version of the interface this plugin is for; QEMU refuses to load what
/// it does not support.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "QEMU looks for this name")]
pub static qemu_plugin_version: c_int = api_version(env!("PG_QEMU_PLUGIN_API"));

/// The digits as a number; build.rs has checked them.
const fn api_version(digits: &str) -> c_int {
    let mut value = 0;
    let mut rest = digits.as_bytes();
    while let [digit, after @ ..] = rest {
        value = 10 * value + (*digit - b'0') as c_int;
        rest = after;
    }
    value
}

type Id = u64;
type Callback = extern "C" fn(vcpu: c_uint, data: *mut c_void);

/// A block being translated; only QEMU knows what is in it.
#[repr(C)]
pub struct Tb([u8; 0]);

/// An instruction of it.
#[repr(C)]
pub struct Insn([u8; 0]);

/// `QEMU_PLUGIN_CB_NO_REGS`: the callback looks at no register.
const NO_REGISTERS: c_int = 0;

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, callback: extern "C" fn(Id, *mut Tb));
    fn qemu_plugin_register_vcpu_tb_exec_cb(
        tb: *mut Tb,
        callback: Callback,
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_tb_n_insns(tb: *const Tb) -> usize;
    fn qemu_plugin_tb_get_insn(tb: *const Tb, index: usize) -> *mut Insn;
    fn qemu_plugin_insn_vaddr(insn: *const Insn) -> u64;
    fn qemu_plugin_insn_size(insn: *const Insn) -> usize;
}

static PROFILER: OnceLock<Profiler> = OnceLock::new();

/// Called once by QEMU after loading; anything but 0 makes it give up.
///
/// # Safety
///
/// `argv` points to `argc` C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: Id,
    _info: *const c_void,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let mut words = Vec::new();
    for index in 0..usize::try_from(argc).unwrap_or(0) {
        // SAFETY: QEMU passes `argc` valid strings, which live until we return.
        let word = unsafe { CStr::from_ptr(*argv.add(index)) };
        words.push(word.to_string_lossy().into_owned());
    }
    let profiler = Arguments::parse(words.iter().map(String::as_str)).and_then(|arguments| {
        Profiler::new(&arguments)
            .map_err(|error| format!("cannot create {}: {error}", arguments.out.display()))
    });
    match profiler {
        Ok(profiler) => {
            if PROFILER.set(profiler).is_err() {
                eprintln!("pg-emulator-plugin: loaded twice");
                return 1;
            }
            // SAFETY: `id` is this plugin's, and the callback has the
            // signature that the interface states.
            unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
            0
        }
        Err(error) => {
            eprintln!("pg-emulator-plugin: {error}");
            1
        }
    }
}

/// A block was translated: registers the callback for its execution.
extern "C" fn translated(_id: Id, tb: *mut Tb) {
    // SAFETY: QEMU calls this with a block that lives until we return.
    let instructions = unsafe { qemu_plugin_tb_n_insns(tb) };
    let mut addresses = Vec::with_capacity(instructions);
    let mut end = 0;
    for index in 0..instructions {
        // SAFETY: the index is below the number of instructions; the
        // instruction lives as long as the block.
        let (address, size) = unsafe {
            let insn = qemu_plugin_tb_get_insn(tb, index);
            (qemu_plugin_insn_vaddr(insn), qemu_plugin_insn_size(insn))
        };
        addresses.push(address);
        end = address + size as u64;
    }
    let Some(role) = PROFILER.get().and_then(|p| p.translated(addresses, end)) else {
        return;
    };
    let (callback, index): (Callback, usize) = match role {
        Role::Counted(index) => (counted, index),
        Role::Start => (start, 0),
        Role::Stop => (stop, 0),
        Role::End => (finish, 0),
    };
    // SAFETY: the block is alive, the callback has the signature that the
    // interface states, and it takes the data for a number, never a pointer.
    unsafe {
        qemu_plugin_register_vcpu_tb_exec_cb(
            tb,
            callback,
            NO_REGISTERS,
            ptr::without_provenance_mut(index),
        );
    }
}

extern "C" fn counted(_vcpu: c_uint, data: *mut c_void) {
    if let Some(profiler) = PROFILER.get() {
        profiler.counted(data.addr());
    }
}

extern "C" fn start(_vcpu: c_uint, _data: *mut c_void) {
    if let Some(profiler) = PROFILER.get() {
        profiler.start();
    }
}

extern "C" fn stop(_vcpu: c_uint, _data: *mut c_void) {
    if let Some(profiler) = PROFILER.get() {
        profiler.stop();
    }
}

extern "C" fn finish(_vcpu: c_uint, _data: *mut c_void) {
    if let Some(profiler) = PROFILER.get() {
        profiler.end();
    }
}
