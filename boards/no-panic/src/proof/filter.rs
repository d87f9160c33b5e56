//! Programs, from whoever sent them.

use core::hint::black_box;

use magpie_filter::{Instruction, Packet, Program};

use super::{opaque, opaque_octets};

pub(super) fn all() {
    let instructions: &mut [Instruction] = black_box(&mut []);
    let _ = black_box(Program::prepare(instructions));
    let instructions: &[Instruction] = black_box(&[]);
    let _ = black_box(Program::verify(instructions));
    let program = Program::assume_verified(instructions);
    for packet in [
        Packet::literal(opaque_octets(), opaque(0)),
        Packet::untagged(opaque_octets(), opaque(0)),
    ] {
        black_box((packet.wire_len(), packet.captured_len()));
        black_box(program.run(&packet));
    }
}
