//! The virtual machine, with libpcap's semantics (`bpf_filter`).

use crate::code;
use crate::verify::MEMORY_WORDS;
use crate::{Instruction, Packet};

/// Scratch memory; made when first written, since few programs do and zeroing
/// it costs.
type Memory = Option<[u32; MEMORY_WORDS]>;

/// Runs the instructions on the packet. Each step goes forward, so it ends
/// whatever they are. A load beyond the packet and a division by 0 reject it.
#[inline(never)] // what most programs do is known without it
pub(crate) fn run(program: &[Instruction], packet: &Packet<'_>) -> u32 {
    let mut registers = Registers::default();
    let mut memory = None;
    loop {
        let stepped = program
            .get(registers.next)
            .and_then(|instruction| step(*instruction, packet, &mut memory, &mut registers));
        match stepped {
            Some(Step::On) => {}
            Some(Step::End(kept)) => return kept,
            None => return 0,
        }
    }
}

/// The accumulator, the index, and the number of the next instruction.
#[derive(Default)]
struct Registers {
    a: u32,
    x: u32,
    next: usize,
}

/// How it goes on.
enum Step {
    On,
    End(u32),
}

/// Any instruction; `None` rejects. What is seldom done is out of line, to
/// leave the registers to the rest.
#[inline]
fn step(
    instruction: Instruction,
    packet: &Packet<'_>,
    memory: &mut Memory,
    registers: &mut Registers,
) -> Option<Step> {
    let Instruction { code, jt, jf, k } = instruction;
    let Registers { a, x, next } = registers;
    let mut skipped = 0;
    let mut jump = |holds| skipped = u32::from(if holds { jt } else { jf });
    match code {
        code::LD_W_ABS => *a = packet.word(0, k)?,
        code::LD_H_ABS => *a = packet.half(0, k)?,
        code::LD_B_ABS => *a = packet.octet(0, k)?,
        code::LD_W_IND => *a = packet.word(*x, k)?,
        code::LD_H_IND => *a = packet.half(*x, k)?,
        code::LD_B_IND => *a = packet.octet(*x, k)?,
        code::LDX_MSH => *x = (packet.octet(0, k)? & 0xf) << 2,
        code::JEQ_K => jump(*a == k),
        code::JEQ_X => jump(*a == *x),
        code::JGT_K => jump(*a > k),
        code::JGT_X => jump(*a > *x),
        code::JGE_K => jump(*a >= k),
        code::JGE_X => jump(*a >= *x),
        code::JSET_K => jump(*a & k != 0),
        code::JSET_X => jump(*a & *x != 0),
        code::JA => skipped = k,
        code::RET_K => return Some(Step::End(k)),
        code::RET_A => return Some(Step::End(*a)),
        code::LD_LEN => *a = packet.wire_len(),
        code::LDX_LEN => *x = packet.wire_len(),
        code::LD_IMM => *a = k,
        code::LDX_IMM => *x = k,
        code::LD_MEM => *a = recall(memory, k),
        code::LDX_MEM => *x = recall(memory, k),
        code::ST => store(memory, k, *a),
        code::STX => store(memory, k, *x),
        code::TAX => *x = *a,
        code::TXA => *a = *x,
        code if code & BY_X == 0 => *a = compute(code, *a, k)?,
        code => *a = compute(code & !BY_X, *a, *x)?,
    }
    *next = next.saturating_add(1).saturating_add(skipped as usize);
    Some(Step::On)
}

/// In the code of an operation: its operand is `X`.
const BY_X: u16 = 0x08;

/// An operation on the accumulator; `None` also where there is no such code:
/// the verifier lets none through.
#[inline(never)]
fn compute(code: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match code {
        code::ADD_K => a.wrapping_add(operand),
        code::SUB_K => a.wrapping_sub(operand),
        code::MUL_K => a.wrapping_mul(operand),
        code::DIV_K => a.checked_div(operand)?,
        code::MOD_K => a.checked_rem(operand)?,
        code::AND_K => a & operand,
        code::OR_K => a | operand,
        code::XOR_K => a ^ operand,
        code::LSH_K => a.checked_shl(operand).unwrap_or(0),
        code::RSH_K => a.checked_shr(operand).unwrap_or(0),
        code::NEG => a.wrapping_neg(),
        _ => return None,
    })
}

/// A word of scratch memory; 0 where nothing was written.
#[inline(never)]
fn recall(memory: &Memory, at: u32) -> u32 {
    let words = memory.as_ref();
    let word = words.and_then(|words| words.get(at as usize));
    word.copied().unwrap_or(0)
}

#[inline(never)]
fn store(memory: &mut Memory, at: u32, value: u32) {
    let words = memory.get_or_insert([0; MEMORY_WORDS]);
    if let Some(word) = words.get_mut(at as usize) {
        *word = value;
    }
}

#[cfg(test)]
mod tests {
    use crate::code::*;
    use crate::{Instruction, Packet, Program};

    const PACKET: [u8; 8] = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0];

    type Case = (&'static [(u16, u8, u8, u32)], u32);

    /// Runs each on [`PACKET`], of 1,000 octets on the wire; returns `A`.
    fn table(cases: &[Case]) {
        for (instructions, result) in cases {
            let program: Vec<_> = instructions
                .iter()
                .map(|&(code, jt, jf, k)| Instruction::new(code, jt, jf, k))
                .chain([Instruction::new(RET_A, 0, 0, 0)])
                .collect();
            let program = Program::verify(&program).expect("a program");
            let packet = Packet::literal(&PACKET, 1_000);
            assert_eq!(program.run(&packet), *result, "{instructions:x?}");
        }
    }

    #[test]
    fn loads() {
        table(&[
            (&[], 0),
            (&[(LD_W_ABS, 0, 0, 0)], 0x1234_5678),
            (&[(LD_W_ABS, 0, 0, 4)], 0x9abc_def0),
            (&[(LD_H_ABS, 0, 0, 6)], 0xdef0),
            (&[(LD_B_ABS, 0, 0, 7)], 0xf0),
            (&[(LDX_IMM, 0, 0, 3), (LD_W_IND, 0, 0, 1)], 0x9abc_def0),
            (&[(LDX_IMM, 0, 0, 3), (LD_H_IND, 0, 0, 0)], 0x789a),
            (&[(LDX_IMM, 0, 0, 6), (LD_B_IND, 0, 0, 1)], 0xf0),
            (&[(LD_LEN, 0, 0, 0)], 1_000),
            (&[(LDX_LEN, 0, 0, 0), (TXA, 0, 0, 0)], 1_000),
            (&[(LDX_MSH, 0, 0, 4), (TXA, 0, 0, 0)], 0xa * 4),
            (&[(LD_IMM, 0, 0, u32::MAX)], u32::MAX),
            (&[(LD_IMM, 0, 0, 5), (TAX, 0, 0, 0), (ADD_X, 0, 0, 0)], 10),
        ]);
    }

    #[test]
    fn a_load_beyond_the_packet_rejects_it() {
        let beyond: &[&[(u16, u8, u8, u32)]] = &[
            &[(LD_W_ABS, 0, 0, 5)],
            &[(LD_W_ABS, 0, 0, u32::MAX)],
            &[(LD_W_ABS, 0, 0, u32::MAX - 3)],
            &[(LD_H_ABS, 0, 0, 7)],
            &[(LD_B_ABS, 0, 0, 8)],
            &[(LDX_MSH, 0, 0, 8)],
            &[(LDX_IMM, 0, 0, 4), (LD_W_IND, 0, 0, 1)],
            &[(LDX_IMM, 0, 0, 8), (LD_B_IND, 0, 0, 0)],
            // Their sum would be 0 in 32 bits.
            &[(LDX_IMM, 0, 0, u32::MAX), (LD_B_IND, 0, 0, 1)],
            &[(LDX_IMM, 0, 0, 1), (LD_H_IND, 0, 0, u32::MAX)],
        ];
        for instructions in beyond {
            let program: Vec<_> = instructions
                .iter()
                .map(|&(code, jt, jf, k)| Instruction::new(code, jt, jf, k))
                .chain([Instruction::new(RET_K, 0, 0, 7)])
                .collect();
            let program = Program::verify(&program).expect("a program");
            let packet = Packet::literal(&PACKET, 1_000);
            assert_eq!(program.run(&packet), 0, "{instructions:x?}");
        }
    }

    #[test]
    fn arithmetic() {
        const A: u32 = 0xf000_000f;
        const LOAD: (u16, u8, u8, u32) = (LD_IMM, 0, 0, A);
        table(&[
            (&[LOAD, (ADD_K, 0, 0, 0x1000_0001)], 0x10),
            (&[LOAD, (SUB_K, 0, 0, 0xf000_0010)], u32::MAX),
            (&[LOAD, (MUL_K, 0, 0, 0x10)], 0xf0),
            (&[LOAD, (DIV_K, 0, 0, 2)], 0x7800_0007),
            (&[LOAD, (MOD_K, 0, 0, 16)], 15),
            (&[LOAD, (AND_K, 0, 0, 0xff)], 0xf),
            (&[LOAD, (OR_K, 0, 0, 0xf0)], 0xf000_00ff),
            (&[LOAD, (XOR_K, 0, 0, u32::MAX)], 0x0fff_fff0),
            (&[LOAD, (LSH_K, 0, 0, 4)], 0xf0),
            (&[LOAD, (RSH_K, 0, 0, 28)], 0xf),
            (&[LOAD, (LSH_K, 0, 0, 32)], 0),
            (&[LOAD, (RSH_K, 0, 0, 32)], 0),
            (&[LOAD, (LSH_K, 0, 0, u32::MAX)], 0),
            (&[LOAD, (NEG, 0, 0, 0)], 0x0fff_fff1),
            (&[(NEG, 0, 0, 0)], 0),
            (
                &[LOAD, (LDX_IMM, 0, 0, 0x1000_0001), (ADD_X, 0, 0, 0)],
                0x10,
            ),
            (
                &[LOAD, (LDX_IMM, 0, 0, 0xf000_0010), (SUB_X, 0, 0, 0)],
                u32::MAX,
            ),
            (&[LOAD, (LDX_IMM, 0, 0, 0x10), (MUL_X, 0, 0, 0)], 0xf0),
            (&[LOAD, (LDX_IMM, 0, 0, 2), (DIV_X, 0, 0, 0)], 0x7800_0007),
            (&[LOAD, (LDX_IMM, 0, 0, 16), (MOD_X, 0, 0, 0)], 15),
            (&[LOAD, (LDX_IMM, 0, 0, 0xff), (AND_X, 0, 0, 0)], 0xf),
            (&[LOAD, (LDX_IMM, 0, 0, 0xf0), (OR_X, 0, 0, 0)], 0xf000_00ff),
            (
                &[LOAD, (LDX_IMM, 0, 0, u32::MAX), (XOR_X, 0, 0, 0)],
                0x0fff_fff0,
            ),
            (&[LOAD, (LDX_IMM, 0, 0, 4), (LSH_X, 0, 0, 0)], 0xf0),
            (&[LOAD, (LDX_IMM, 0, 0, 31), (RSH_X, 0, 0, 0)], 1),
            (&[LOAD, (LDX_IMM, 0, 0, 32), (LSH_X, 0, 0, 0)], 0),
            (&[LOAD, (LDX_IMM, 0, 0, 33), (RSH_X, 0, 0, 0)], 0),
        ]);
    }

    #[test]
    fn a_division_by_x_0_rejects_the_packet() {
        for code in [DIV_X, MOD_X] {
            let program = [
                Instruction::new(LD_IMM, 0, 0, 7),
                Instruction::new(code, 0, 0, 1),
                Instruction::new(RET_K, 0, 0, 7),
            ];
            let program = Program::verify(&program).expect("a program");
            assert_eq!(program.run(&Packet::literal(&PACKET, 8)), 0);
        }
    }

    #[test]
    fn memory() {
        table(&[
            (
                &[
                    (LD_IMM, 0, 0, 1),
                    (LDX_IMM, 0, 0, 2),
                    (ST, 0, 0, 0),
                    (STX, 0, 0, 15),
                    (LD_MEM, 0, 0, 15),
                    (LDX_MEM, 0, 0, 0),
                    (LSH_X, 0, 0, 0),
                ],
                4,
            ),
            (
                &[
                    (ST, 0, 0, 3),
                    (LD_IMM, 0, 0, 9),
                    (ST, 0, 0, 3),
                    (LD_MEM, 0, 0, 3),
                ],
                9,
            ),
        ]);
    }

    #[test]
    fn jumps() {
        // Of A = 5, X = 3: the taken way leaves 5, the other makes it 50.
        for (code, k, holds) in [
            (JEQ_K, 5, true),
            (JEQ_K, 6, false),
            (JGT_K, 4, true),
            (JGT_K, 5, false),
            (JGT_K, u32::MAX, false),
            (JGE_K, 5, true),
            (JGE_K, 6, false),
            (JSET_K, 0xc, true),
            (JSET_K, 0xa, false),
            (JEQ_X, 5, false),
            (JGT_X, 9, true),
            (JGE_X, 9, true),
            (JSET_X, 0, true),
        ] {
            for (jt, jf, taken) in [(1, 0, holds), (0, 1, !holds)] {
                let program = [
                    Instruction::new(LD_IMM, 0, 0, 5),
                    Instruction::new(LDX_IMM, 0, 0, 3),
                    Instruction::new(code, jt, jf, k),
                    Instruction::new(MUL_K, 0, 0, 10),
                    Instruction::new(RET_A, 0, 0, 0),
                ];
                let program = Program::verify(&program).expect("a program");
                let a = program.run(&Packet::literal(&PACKET, 8));
                assert_eq!(a, if taken { 5 } else { 50 }, "{code:#x} {k}");
            }
        }
        table(&[(&[(LD_IMM, 0, 0, 5), (JA, 0, 0, 1), (NEG, 0, 0, 0)], 5)]);
    }

    #[test]
    fn what_no_verifier_saw_ends_too() {
        for unverified in [
            &[][..],
            &[Instruction::new(LD_IMM, 0, 0, 7)],
            &[Instruction::new(0xffff, 0, 0, 0)],
            &[Instruction::new(JA, 0, 0, u32::MAX)],
            &[Instruction::new(JEQ_K, 255, 255, 0)],
            &[Instruction::new(DIV_K, 0, 0, 0)],
            &[
                Instruction::new(ST, 0, 0, 99),
                Instruction::new(LD_MEM, 0, 0, 99),
                Instruction::new(RET_A, 0, 0, 0),
            ],
        ] {
            let program = Program::assume_verified(unverified);
            assert_eq!(program.run(&Packet::literal(&PACKET, 8)), 0);
        }
    }
}
