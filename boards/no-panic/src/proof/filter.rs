//! Programs, from whoever sent them.

use core::hint::black_box;

use magpie_filter::{Instruction, Packet, Program, Quick};

use super::{opaque, opaque_octets};

pub(super) fn all() {
    let instructions: &[Instruction] = black_box(&[]);
    let _ = black_box(Program::verify(instructions));
    let program = Program::assume_verified(instructions);
    let mut quick = Quick::EMPTY;
    let quick = black_box(&mut quick);
    quick.learn(program);
    for packet in [
        Packet::literal(opaque_octets(), opaque(0)),
        Packet::untagged(opaque_octets(), opaque(0)),
    ] {
        black_box((packet.wire_len(), packet.captured_len()));
        black_box(quick.run(&packet));
        black_box(program.run(&packet));
    }
}
