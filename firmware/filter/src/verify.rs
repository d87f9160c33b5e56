//! The verifier.

use crate::{Instruction, MAX_INSTRUCTIONS, code};

/// Words of scratch memory (`BPF_MEMWORDS`).
pub const MEMORY_WORDS: usize = 16;

/// Why a program is refused, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invalid {
    /// The instruction, the first is 0.
    pub at: usize,
    /// What is wrong with it.
    pub why: Reason,
}

/// What is wrong with an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// There is no instruction at all.
    Empty,
    /// It is one more than [`MAX_INSTRUCTIONS`].
    TooMany,
    /// Its code is none of [`crate::code`].
    UnknownCode,
    /// It jumps back: a loop, as `protochain` makes it.
    JumpBackward,
    /// It jumps behind the last instruction.
    JumpOutside,
    /// It is the last and no return.
    NoReturn,
    /// It names a word of scratch memory beyond [`MEMORY_WORDS`].
    NoSuchWord,
    /// It reads a word of scratch memory that some path there has not written.
    WordNotWritten,
    /// It divides by the constant 0.
    DivisionByZero,
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Empty => "the program has no instruction",
            Self::TooMany => "the program has more than 256 instructions",
            Self::UnknownCode => "unknown operation code",
            Self::JumpBackward => "jumps back",
            Self::JumpOutside => "jumps out of the program",
            Self::NoReturn => "the program does not end in a return",
            Self::NoSuchWord => "scratch memory has 16 words only",
            Self::WordNotWritten => "reads scratch memory that may not have been written",
            Self::DivisionByZero => "divides by zero",
        })
    }
}

impl core::fmt::Display for Invalid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "instruction {}: {}", self.at, self.why)
    }
}

impl core::error::Error for Invalid {}

/// Words of scratch memory, a bit each.
type Words = u16;
const _: () = assert!(Words::BITS as usize == MEMORY_WORDS);

/// Checks the instructions one after the other: jumps go forward, so all that
/// lead to an instruction have been seen when it is its turn.
pub(crate) fn verify(instructions: &[Instruction]) -> Result<(), Invalid> {
    let refuse = |at, why| Err(Invalid { at, why });
    if instructions.is_empty() {
        return refuse(0, Reason::Empty);
    }
    if instructions.len() > MAX_INSTRUCTIONS {
        return refuse(MAX_INSTRUCTIONS, Reason::TooMany);
    }
    // Words that every path to the instruction has written; all of them as
    // long as no path is known.
    let mut written = [Words::MAX; MAX_INSTRUCTIONS];
    if let Some(first) = written.first_mut() {
        *first = 0;
    }
    for (at, instruction) in instructions.iter().copied().enumerate() {
        let mut words = written.get(at).copied().unwrap_or(0);
        let skips = check(instruction, &mut words).map_err(|why| Invalid { at, why })?;
        let fault = match instruction.code {
            code::JA if instruction.k > i32::MAX.cast_unsigned() => Reason::JumpBackward,
            code::JA => Reason::JumpOutside,
            _ if is_conditional(instruction.code) => Reason::JumpOutside,
            _ => Reason::NoReturn,
        };
        for skip in skips.into_iter().flatten() {
            let to = at.saturating_add(1).saturating_add(skip as usize);
            match written.get_mut(to) {
                Some(there) if to < instructions.len() => *there &= words,
                _ => return refuse(at, fault),
            }
        }
    }
    Ok(())
}

/// What can follow an instruction: instructions skipped, on two ways at most.
type Skips = [Option<u32>; 2];

/// The next one.
const ON: Skips = [Some(0), None];

fn is_conditional(code: u16) -> bool {
    use code::{JEQ_K, JEQ_X, JGE_K, JGE_X, JGT_K, JGT_X, JSET_K, JSET_X};
    matches!(
        code,
        JEQ_K | JEQ_X | JGT_K | JGT_X | JGE_K | JGE_X | JSET_K | JSET_X
    )
}

/// Checks one instruction by itself, given the words written before; adds what
/// it writes, and tells where it leads.
fn check(instruction: Instruction, words: &mut Words) -> Result<Skips, Reason> {
    let Instruction { code, jt, jf, k } = instruction;
    let word = || 1_u16.checked_shl(k).ok_or(Reason::NoSuchWord);
    match code {
        code::RET_K | code::RET_A => Ok([None, None]),
        code::JA => Ok([Some(k), None]),
        _ if is_conditional(code) => Ok([Some(jt.into()), Some(jf.into())]),
        code::ST | code::STX => {
            *words |= word()?;
            Ok(ON)
        }
        code::LD_MEM | code::LDX_MEM if *words & word()? == 0 => Err(Reason::WordNotWritten),
        code::DIV_K | code::MOD_K if k == 0 => Err(Reason::DivisionByZero),
        _ if is_plain(code) => Ok(ON),
        _ => Err(Reason::UnknownCode),
    }
}

/// Whether the instruction after this one follows, and nothing of it can be
/// wrong but what [`check`] has looked at.
fn is_plain(code: u16) -> bool {
    use code::{
        ADD_K, ADD_X, AND_K, AND_X, DIV_K, DIV_X, LD_B_ABS, LD_B_IND, LD_H_ABS, LD_H_IND, LD_IMM,
        LD_LEN, LD_MEM, LD_W_ABS, LD_W_IND, LDX_IMM, LDX_LEN, LDX_MEM, LDX_MSH, LSH_K, LSH_X,
        MOD_K, MOD_X, MUL_K, MUL_X, NEG, OR_K, OR_X, RSH_K, RSH_X, SUB_K, SUB_X, TAX, TXA, XOR_K,
        XOR_X,
    };
    matches!(
        code,
        LD_W_ABS
            | LD_H_ABS
            | LD_B_ABS
            | LD_W_IND
            | LD_H_IND
            | LD_B_IND
            | LD_LEN
            | LD_IMM
            | LD_MEM
            | LDX_IMM
            | LDX_MEM
            | LDX_LEN
            | LDX_MSH
            | ADD_K
            | ADD_X
            | SUB_K
            | SUB_X
            | MUL_K
            | MUL_X
            | DIV_K
            | DIV_X
            | MOD_K
            | MOD_X
            | AND_K
            | AND_X
            | OR_K
            | OR_X
            | XOR_K
            | XOR_X
            | LSH_K
            | LSH_X
            | RSH_K
            | RSH_X
            | NEG
            | TAX
            | TXA
    )
}

#[cfg(test)]
mod tests {
    use super::{Invalid, Reason, verify};
    use crate::code::*;
    use crate::{Instruction, MAX_INSTRUCTIONS};

    fn program(instructions: &[(u16, u8, u8, u32)]) -> Vec<Instruction> {
        let new = |&(code, jt, jf, k): &_| Instruction::new(code, jt, jf, k);
        instructions.iter().map(new).collect()
    }

    const END: (u16, u8, u8, u32) = (RET_K, 0, 0, 0);

    #[test]
    fn what_is_refused() {
        let all = [
            (&[][..], 0, Reason::Empty),
            (&[(LD_IMM, 0, 0, 7)], 0, Reason::NoReturn),
            (&[END, (LD_IMM, 0, 0, 7)], 1, Reason::NoReturn),
            (&[(JA, 0, 0, 1), END], 0, Reason::JumpOutside),
            (&[(JA, 0, 0, 0)], 0, Reason::JumpOutside),
            (&[(JA, 0, 0, 0x7fff_ffff), END], 0, Reason::JumpOutside),
            (&[END, (JA, 0, 0, u32::MAX), END], 1, Reason::JumpBackward),
            (&[(JA, 0, 0, 0x8000_0000), END], 0, Reason::JumpBackward),
            (&[(JEQ_K, 1, 0, 0), END], 0, Reason::JumpOutside),
            (&[(JSET_X, 0, 1, 0), END], 0, Reason::JumpOutside),
            (&[(JGT_K, 0, 255, 0), END], 0, Reason::JumpOutside),
            (&[END, (JGE_X, 0, 0, 0)], 1, Reason::JumpOutside),
            (&[(DIV_K, 0, 0, 0), END], 0, Reason::DivisionByZero),
            (&[(MOD_K, 0, 0, 0), END], 0, Reason::DivisionByZero),
            (&[(ST, 0, 0, 16), END], 0, Reason::NoSuchWord),
            (&[(STX, 0, 0, u32::MAX), END], 0, Reason::NoSuchWord),
            (&[(LD_MEM, 0, 0, 16), END], 0, Reason::NoSuchWord),
            (&[(LDX_MEM, 0, 0, 32), END], 0, Reason::NoSuchWord),
            (&[(LD_MEM, 0, 0, 0), END], 0, Reason::WordNotWritten),
            (
                &[(ST, 0, 0, 3), (LDX_MEM, 0, 0, 2), END],
                1,
                Reason::WordNotWritten,
            ),
            // Written on one of two ways.
            (
                &[(JEQ_K, 0, 1, 0), (ST, 0, 0, 3), (LD_MEM, 0, 0, 3), END],
                2,
                Reason::WordNotWritten,
            ),
            (
                &[
                    (ST, 0, 0, 1),
                    (JA, 0, 0, 1),
                    (ST, 0, 0, 3),
                    (LD_MEM, 0, 0, 3),
                    END,
                ],
                3,
                Reason::WordNotWritten,
            ),
            // The first fault is the one that is named.
            (
                &[(0xffff, 0, 0, 0), (DIV_K, 0, 0, 0)],
                0,
                Reason::UnknownCode,
            ),
        ];
        for (instructions, at, why) in all {
            let refused = verify(&program(instructions));
            assert_eq!(refused, Err(Invalid { at, why }), "{instructions:x?}");
        }
    }

    #[test]
    fn what_is_accepted() {
        let all = [
            &[END][..],
            &[(RET_A, 0, 0, 0)],
            &[(JA, 0, 0, 0), END],
            &[(JEQ_K, 0, 1, 0), END, END],
            &[(DIV_X, 0, 0, 0), (MOD_X, 0, 0, 0), END],
            &[(LSH_K, 0, 0, 32), (RSH_K, 0, 0, u32::MAX), END],
            &[(ST, 0, 0, 15), (LDX_MEM, 0, 0, 15), END],
            // Written on both of two ways.
            &[
                (JEQ_K, 0, 2, 0),
                (ST, 0, 0, 3),
                (JA, 0, 0, 1),
                (STX, 0, 0, 3),
                (LD_MEM, 0, 0, 3),
                END,
            ],
            // Nothing leads to what reads it.
            &[(JA, 0, 0, 1), (LD_MEM, 0, 0, 0), END],
            // Whatever it loads, the packet decides.
            &[(LD_W_ABS, 0, 0, u32::MAX), END],
        ];
        for instructions in all {
            let accepted = verify(&program(instructions));
            assert_eq!(accepted, Ok(()), "{instructions:x?}");
        }
    }

    #[test]
    fn the_longest_program() {
        let mut longest = vec![Instruction::new(TAX, 0, 0, 0); MAX_INSTRUCTIONS - 1];
        longest.push(Instruction::new(RET_A, 0, 0, 0));
        assert_eq!(verify(&longest), Ok(()));
        longest[0] = Instruction::new(JEQ_K, 254, 254, 0);
        assert_eq!(verify(&longest), Ok(()));
        longest[0].jf = 255;
        let outside = Invalid {
            at: 0,
            why: Reason::JumpOutside,
        };
        assert_eq!(verify(&longest), Err(outside));
        longest.insert(0, Instruction::new(TAX, 0, 0, 0));
        let more = Invalid {
            at: 256,
            why: Reason::TooMany,
        };
        assert_eq!(verify(&longest), Err(more));
    }

    /// `pcap/bpf.h`: of all 65,536 codes, these.
    #[test]
    fn exactly_the_codes_of_classic_bpf_are_known() {
        let known: Vec<u16> = (0..=u16::MAX)
            .filter(|&code| {
                let tried = program(&[(ST, 0, 0, 1), (code, 0, 0, 1), END, END]);
                verify(&tried)
                    != Err(Invalid {
                        at: 1,
                        why: Reason::UnknownCode,
                    })
            })
            .collect();
        let expected = [
            0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0c, 0x14, 0x15, 0x16, 0x1c, 0x1d,
            0x20, 0x24, 0x25, 0x28, 0x2c, 0x2d, 0x30, 0x34, 0x35, 0x3c, 0x3d, 0x40, 0x44, 0x45,
            0x48, 0x4c, 0x4d, 0x50, 0x54, 0x5c, 0x60, 0x61, 0x64, 0x6c, 0x74, 0x7c, 0x80, 0x81,
            0x84, 0x87, 0x94, 0x9c, 0xa4, 0xac, 0xb1,
        ];
        assert_eq!(known, expected);
    }

    #[test]
    fn the_instruction_and_the_reason_are_told() {
        let back = program(&[(TAX, 0, 0, 0), (JA, 0, 0, u32::MAX), END]);
        let told = verify(&back).unwrap_err().to_string();
        assert_eq!(told, "instruction 1: jumps back");
    }
}
