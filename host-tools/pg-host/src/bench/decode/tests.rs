//! Instructions as an assembler encodes them (llvm-mc), against their class.

use super::Class::{
    Alu, Branch, Call, Coprocessor, Divide, Jump, Load, LoadMultiple, Multiply, MultiplyAdd,
    MultiplyLong, MultiplyLongAdd, Store, StoreMultiple, System, Unknown,
};
use super::*;

type Row = (&'static str, &'static [u8], Class);

fn classes(isa: Isa, table: &[Row]) {
    for (text, bytes, class) in table {
        let instruction = isa.decode(bytes).expect(text);
        assert_eq!(instruction.class, *class, "{text}");
        assert_eq!(instruction.size as usize, bytes.len(), "{text}");
    }
}

fn thumb(bytes: &[u8]) -> Instruction {
    Isa::Thumb.decode(bytes).expect("complete")
}

fn rv32(bytes: &[u8]) -> Instruction {
    Isa::Rv32.decode(bytes).expect("complete")
}

/// Registers by number, as a set.
fn set(registers: &[u32]) -> Registers {
    registers.iter().fold(0, |set, &r| set | bit(r))
}

#[rustfmt::skip]
#[test]
fn thumb_narrow() {
    classes(Isa::Thumb, &[
        ("adds r0, r1, r2", &[0x88, 0x18], Alu),
        ("movs r0, #5", &[0x05, 0x20], Alu),
        ("muls r0, r1, r0", &[0x48, 0x43], Multiply),
        ("cmp r3, r9", &[0x4b, 0x45], Alu),
        ("mov r8, r0", &[0x80, 0x46], Alu),
        ("mov pc, r3", &[0x9f, 0x46], Jump),
        ("add pc, r3", &[0x9f, 0x44], Jump),
        ("bx lr", &[0x70, 0x47], Jump),
        ("blx r3", &[0x98, 0x47], Call),
        ("ldr r1, [pc, #8]", &[0x02, 0x49], Load),
        ("ldr r0, [r1, r2]", &[0x88, 0x58], Load),
        ("ldrsb r0, [r1, r2]", &[0x88, 0x56], Load),
        ("strh r0, [r1, r2]", &[0x88, 0x52], Store),
        ("str r0, [r1, #4]", &[0x48, 0x60], Store),
        ("ldrb r0, [r1, #3]", &[0xc8, 0x78], Load),
        ("strh r0, [r1, #2]", &[0x48, 0x80], Store),
        ("ldrh r2, [r1, #2]", &[0x4a, 0x88], Load),
        ("ldr r3, [sp, #8]", &[0x02, 0x9b], Load),
        ("str r3, [sp, #8]", &[0x02, 0x93], Store),
        ("add r0, sp, #8", &[0x02, 0xa8], Alu),
        ("sub sp, #8", &[0x82, 0xb0], Alu),
        ("uxtb r0, r1", &[0xc8, 0xb2], Alu),
        ("rev r0, r1", &[0x08, 0xba], Alu),
        ("push {r4, lr}", &[0x10, 0xb5], StoreMultiple),
        ("pop {r4, r5, pc}", &[0x30, 0xbd], LoadMultiple),
        ("stm r0!, {r1, r2, r3}", &[0x0e, 0xc0], StoreMultiple),
        ("ldm r0!, {r1, r2}", &[0x06, 0xc8], LoadMultiple),
        ("cbz r4, .+6", &[0x0c, 0xb1], Branch),
        ("cbnz r1, .+4", &[0x01, 0xb9], Branch),
        ("bne .-2", &[0xfd, 0xd1], Branch),
        ("b .-2", &[0xfd, 0xe7], Branch),
        ("it eq", &[0x08, 0xbf], Alu),
        ("nop", &[0x00, 0xbf], Alu),
        ("bkpt #171", &[0xab, 0xbe], System),
        ("svc #0", &[0x00, 0xdf], System),
        ("cpsid i", &[0x72, 0xb6], System),
        ("udf #0", &[0x00, 0xde], Unknown),
    ]);
}

#[rustfmt::skip]
#[test]
fn thumb_wide() {
    classes(Isa::Thumb, &[
        ("ldm.w r0, {r4, r9, r10}", &[0x90, 0xe8, 0x10, 0x06], LoadMultiple),
        ("stmdb sp!, {r4-r8, lr}", &[0x2d, 0xe9, 0xf0, 0x41], StoreMultiple),
        ("ldrd r0, r1, [r2], #8", &[0xf2, 0xe8, 0x02, 0x01], LoadMultiple),
        ("strd r0, r1, [r2, #8]", &[0xc2, 0xe9, 0x02, 0x01], StoreMultiple),
        ("ldrex r0, [r1]", &[0x51, 0xe8, 0x00, 0x0f], Load),
        ("strex r0, r1, [r2]", &[0x42, 0xe8, 0x00, 0x10], Store),
        ("tbb [pc, r1]", &[0xdf, 0xe8, 0x01, 0xf0], Branch),
        ("tbh [pc, r1, lsl #1]", &[0xdf, 0xe8, 0x11, 0xf0], Branch),
        ("add.w r0, r1, r2, lsl #3", &[0x01, 0xeb, 0xc2, 0x00], Alu),
        ("and r0, r1, #255", &[0x01, 0xf0, 0xff, 0x00], Alu),
        ("movw r0, #4660", &[0x41, 0xf2, 0x34, 0x20], Alu),
        ("ubfx r0, r1, #3, #5", &[0xc1, 0xf3, 0xc4, 0x00], Alu),
        ("ssat r0, #16, r1, asr #3", &[0x21, 0xf3, 0xcf, 0x00], Alu),
        ("dmb sy", &[0xbf, 0xf3, 0x5f, 0x8f], System),
        ("msr apsr_nzcvq, r0", &[0x80, 0xf3, 0x00, 0x88], System),
        ("mrs r0, primask", &[0xef, 0xf3, 0x10, 0x80], System),
        ("beq.w .-542", &[0x3f, 0xf4, 0xf1, 0xae], Branch),
        ("b.w .-4", &[0xff, 0xf7, 0xfe, 0xbf], Branch),
        ("bl .+0x4dd4", &[0x04, 0xf0, 0xe8, 0xfe], Call),
        ("ldr.w r0, [r1, #300]", &[0xd1, 0xf8, 0x2c, 0x01], Load),
        ("ldr r0, [r1], #4", &[0x51, 0xf8, 0x04, 0x0b], Load),
        ("ldrsh.w r0, [r1, r2, lsl #1]", &[0x31, 0xf9, 0x12, 0x00], Load),
        ("strb.w r5, [r11]", &[0x8b, 0xf8, 0x00, 0x50], Store),
        ("pld [r0]", &[0x90, 0xf8, 0x00, 0xf0], Alu),
        ("sxtb16 r0, r1, ror #8", &[0x2f, 0xfa, 0x91, 0xf0], Alu),
        ("uxtah r0, r1, r2", &[0x11, 0xfa, 0x82, 0xf0], Alu),
        ("usub16 r0, r1, r2", &[0xd1, 0xfa, 0x42, 0xf0], Alu),
        ("sadd16 r0, r1, r2", &[0x91, 0xfa, 0x02, 0xf0], Alu),
        ("sel r0, r1, r2", &[0xa1, 0xfa, 0x82, 0xf0], Alu),
        ("qadd r0, r1, r2", &[0x82, 0xfa, 0x81, 0xf0], Alu),
        ("clz r0, r1", &[0xb1, 0xfa, 0x81, 0xf0], Alu),
        ("mul r0, r1, r2", &[0x01, 0xfb, 0x02, 0xf0], Multiply),
        ("mla r0, r1, r2, r3", &[0x01, 0xfb, 0x02, 0x30], MultiplyAdd),
        ("mls r0, r1, r2, r3", &[0x01, 0xfb, 0x12, 0x30], MultiplyAdd),
        ("smlad r0, r1, r2, r3", &[0x21, 0xfb, 0x02, 0x30], Multiply),
        ("smuad r0, r1, r2", &[0x21, 0xfb, 0x02, 0xf0], Multiply),
        ("smlawt r0, r1, r2, r3", &[0x31, 0xfb, 0x12, 0x30], Multiply),
        ("smlabb r0, r1, r2, r3", &[0x11, 0xfb, 0x02, 0x30], Multiply),
        ("smmla r0, r1, r2, r3", &[0x51, 0xfb, 0x02, 0x30], Multiply),
        ("usad8 r0, r1, r2", &[0x71, 0xfb, 0x02, 0xf0], Multiply),
        ("smull r0, r1, r2, r3", &[0x82, 0xfb, 0x03, 0x01], MultiplyLong),
        ("umull r0, r1, r2, r3", &[0xa2, 0xfb, 0x03, 0x01], MultiplyLong),
        ("smlal r0, r1, r2, r3", &[0xc2, 0xfb, 0x03, 0x01], MultiplyLongAdd),
        ("umlal r0, r1, r2, r3", &[0xe2, 0xfb, 0x03, 0x01], MultiplyLongAdd),
        ("umaal r0, r1, r2, r3", &[0xe2, 0xfb, 0x63, 0x01], MultiplyLongAdd),
        ("smlald r0, r1, r2, r3", &[0xc2, 0xfb, 0xc3, 0x01], MultiplyLongAdd),
        ("sdiv r0, r1, r2", &[0x91, 0xfb, 0xf2, 0xf0], Divide),
        ("udiv r0, r1, r2", &[0xb1, 0xfb, 0xf2, 0xf0], Divide),
        ("vadd.f32 s0, s1, s2", &[0x30, 0xee, 0x81, 0x0a], Coprocessor),
        ("vldr s0, [r0]", &[0x90, 0xed, 0x00, 0x0a], Coprocessor),
        ("vpush {s16}", &[0x2d, 0xed, 0x01, 0x8a], Coprocessor),
    ]);
}

#[test]
fn thumb_registers() {
    let ldr = thumb(&[0x88, 0x58]); // ldr r0, [r1, r2]
    assert_eq!((ldr.result, ldr.address), (set(&[0]), set(&[1, 2])));
    let indexed = thumb(&[0x31, 0xf9, 0x12, 0x00]); // ldrsh.w r0, [r1, r2, lsl #1]
    assert_eq!(indexed.address, set(&[1, 2]));
    let offset = thumb(&[0xd1, 0xf8, 0x2c, 0x01]); // ldr.w r0, [r1, #300]
    assert_eq!(offset.address, set(&[1]));
    let literal = thumb(&[0xdf, 0xf8, 0xe8, 0x03]); // ldr.w r0, [pc, #1000]
    assert_eq!(literal.address, set(&[15]));
    let strb = thumb(&[0x8b, 0xf8, 0x00, 0x50]); // strb.w r5, [r11]
    assert_eq!((strb.result, strb.address), (0, set(&[11])));
    let pair = thumb(&[0xf2, 0xe8, 0x02, 0x01]); // ldrd r0, r1, [r2], #8
    assert_eq!((pair.transfers, pair.result), (2, set(&[0, 1])));
    let pop = thumb(&[0x30, 0xbd]); // pop {r4, r5, pc}
    assert_eq!((pop.transfers, pop.to_pc), (3, true));
    let push = thumb(&[0x10, 0xb5]); // push {r4, lr}
    assert_eq!((push.transfers, push.to_pc, push.result), (2, false, 0));
    let wide = thumb(&[0xbd, 0xe8, 0x10, 0x81]); // ldm.w sp!, {r4, r8, pc}
    assert_eq!((wide.transfers, wide.to_pc), (3, true));
    let to_pc = thumb(&[0x50, 0xf8, 0x21, 0xf0]); // ldr pc, [r0, r1, lsl #2]
    assert!(to_pc.to_pc && to_pc.class == Load);
    let long = thumb(&[0x82, 0xfb, 0x03, 0x01]); // smull r0, r1, r2, r3
    assert_eq!(long.result, set(&[0, 1]));
}

#[rustfmt::skip]
#[test]
fn rv32_full() {
    classes(Isa::Rv32, &[
        ("lw a0, 8(a1)", &[0x03, 0xa5, 0x85, 0x00], Load),
        ("lbu s0, -1(t0)", &[0x03, 0xc4, 0xf2, 0xff], Load),
        ("sw a0, 8(a1)", &[0x23, 0xa4, 0xa5, 0x00], Store),
        ("addi a0, a1, 100", &[0x13, 0x85, 0x45, 0x06], Alu),
        ("add a0, a1, a2", &[0x33, 0x85, 0xc5, 0x00], Alu),
        ("mul a0, a1, a2", &[0x33, 0x85, 0xc5, 0x02], Multiply),
        ("mulhu a0, a1, a2", &[0x33, 0xb5, 0xc5, 0x02], MultiplyLong),
        ("divu a0, a1, a2", &[0x33, 0xd5, 0xc5, 0x02], Divide),
        ("remu a0, a1, a2", &[0x33, 0xf5, 0xc5, 0x02], Divide),
        ("lui a0, 74565", &[0x37, 0x55, 0x34, 0x12], Alu),
        ("auipc a0, 1", &[0x17, 0x15, 0x00, 0x00], Alu),
        ("bne a0, a1, 8", &[0x63, 0x14, 0xb5, 0x00], Branch),
        ("jal ra, 16", &[0xef, 0x00, 0x00, 0x01], Call),
        ("j 16", &[0x6f, 0x00, 0x00, 0x01], Jump),
        ("jalr a0", &[0xe7, 0x00, 0x05, 0x00], Call),
        ("ret", &[0x67, 0x80, 0x00, 0x00], Jump),
        ("fence", &[0x0f, 0x00, 0xf0, 0x0f], System),
        ("csrr a0, mcycle", &[0x73, 0x25, 0x00, 0xb0], System),
        ("ebreak", &[0x73, 0x00, 0x10, 0x00], System),
        ("lr.w a0, (a1)", &[0x2f, 0xa5, 0x05, 0x10], Load),
        ("amoadd.w a0, a2, (a1)", &[0x2f, 0xa5, 0xc5, 0x00], Load),
        ("sh1add a0, a1, a2", &[0x33, 0xa5, 0xc5, 0x20], Alu),
        ("clz a0, a1", &[0x13, 0x95, 0x05, 0x60], Alu),
        ("fadd.s fa0, fa1, fa2", &[0x53, 0xf5, 0xc5, 0x00], Coprocessor),
        ("all ones", &[0xff, 0xff, 0xff, 0xff], Unknown),
    ]);
}

#[rustfmt::skip]
#[test]
fn rv32_compressed() {
    classes(Isa::Rv32, &[
        ("c.addi4spn a0, sp, 16", &[0x08, 0x08], Alu),
        ("c.lw a0, 4(a1)", &[0xc8, 0x41], Load),
        ("c.sw a0, 4(a1)", &[0xc8, 0xc1], Store),
        ("c.addi t0, 1", &[0x85, 0x02], Alu),
        ("c.nop", &[0x01, 0x00], Alu),
        ("c.jal 16", &[0x01, 0x28], Call),
        ("c.li t0, 3", &[0x8d, 0x42], Alu),
        ("c.lui t0, 3", &[0x8d, 0x62], Alu),
        ("c.addi16sp sp, 32", &[0x05, 0x61], Alu),
        ("c.srli a0, 3", &[0x0d, 0x81], Alu),
        ("c.andi a0, 3", &[0x0d, 0x89], Alu),
        ("c.sub a0, a1", &[0x0d, 0x8d], Alu),
        ("c.j 16", &[0x01, 0xa8], Jump),
        ("c.beqz a0, 16", &[0x01, 0xc9], Branch),
        ("c.bnez a0, 16", &[0x01, 0xe9], Branch),
        ("c.slli t0, 3", &[0x8e, 0x02], Alu),
        ("c.lwsp t0, 8(sp)", &[0xa2, 0x42], Load),
        ("c.jr ra", &[0x82, 0x80], Jump),
        ("c.mv t0, t1", &[0x9a, 0x82], Alu),
        ("c.ebreak", &[0x02, 0x90], System),
        ("c.jalr t0", &[0x82, 0x92], Call),
        ("c.add t0, t1", &[0x9a, 0x92], Alu),
        ("c.swsp t0, 8(sp)", &[0x16, 0xc4], Store),
        ("zeros", &[0x00, 0x00], Unknown),
    ]);
}

#[test]
fn rv32_registers() {
    let lw = rv32(&[0xc8, 0x41]); // c.lw a0, 4(a1)
    assert_eq!((lw.result, lw.sources), (set(&[10]), set(&[11])));
    let lbu = rv32(&[0x03, 0xc4, 0xf2, 0xff]); // lbu s0, -1(t0)
    assert_eq!((lbu.result, lbu.address), (set(&[8]), set(&[5])));
    let sw = rv32(&[0xc8, 0xc1]); // c.sw a0, 4(a1)
    assert_eq!((sw.result, sw.address), (0, set(&[11])));
    assert_eq!(sw.sources, set(&[10, 11]));
    let add = rv32(&[0x9a, 0x92]); // c.add t0, t1
    assert_eq!((add.result, add.sources), (0, set(&[5, 6])));
    let mul = rv32(&[0x33, 0x85, 0xc5, 0x02]); // mul a0, a1, a2
    assert_eq!((mul.result, mul.sources), (set(&[10]), set(&[11, 12])));
    let andi = rv32(&[0x0d, 0x89]); // c.andi a0, 3
    assert_eq!(andi.sources, set(&[10]));
}

#[test]
fn incomplete() {
    assert_eq!(Isa::Thumb.decode(&[0x88]), None);
    assert_eq!(Isa::Thumb.decode(&[0x90, 0xe8, 0x10]), None);
    assert_eq!(Isa::Rv32.decode(&[0x03, 0xa5]), None);
}
