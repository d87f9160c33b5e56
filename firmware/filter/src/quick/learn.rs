//! A program, understood: the tests that it makes.

use super::{MAX_TESTS, Quick, REJECT, Test, kind};
use crate::packet::ADDRESSES;
use crate::{Instruction, MAX_INSTRUCTIONS, Program, code};

/// Where an IPv4 header begins.
const IPV4: u32 = 14;

impl Quick {
    /// Takes the place of what was known with the tests of this program.
    pub fn learn(&mut self, program: Program<'_>) {
        *self = Self::EMPTY;
        let instructions = program.instructions();
        let sources = Sources::of(instructions);
        // Tests, and ends, before each instruction.
        let mut number = [0_u16; MAX_INSTRUCTIONS];
        let mut count = 0_u16;
        for (number, instruction) in number.iter_mut().zip(instructions) {
            *number = count;
            count = count.saturating_add(u16::from(is_last_of_step(instruction.code)));
        }
        let mut tests = self.tests.iter_mut();
        let mut begins = 0;
        for (at, instruction) in instructions.iter().enumerate() {
            if !is_last_of_step(instruction.code) {
                continue;
            }
            let Some(place) = tests.next() else {
                return;
            };
            let skip = |skipped: u8| {
                let to = at.checked_add(usize::from(skipped))?.checked_add(1)?;
                let here = number.get(at)?.checked_add(1)?;
                if is_rejection(*instructions.get(to)?) {
                    return Some(REJECT);
                }
                let to = *number.get(to)?;
                (usize::from(to) < MAX_TESTS).then_some(())?;
                u8::try_from(to.checked_sub(here)?).ok()
            };
            let test = make(*instruction, begins, at, &sources);
            let skips = (skip(instruction.jt), skip(instruction.jf));
            *place = match (test, skips) {
                (Some(end), _) if end.at == kind::END => end,
                // A field of no bit is compared by its opposite.
                (Some(test), (Some(holds), Some(fails))) if instruction.code == code::JSET_K => {
                    Test {
                        holds: fails,
                        fails: holds,
                        ..test
                    }
                }
                (Some(test), (Some(holds), Some(fails))) => Test {
                    holds,
                    fails,
                    ..test
                },
                _ => Test::LEAVE,
            };
            begins = at.saturating_add(1);
        }
    }
}

/// Ends where it stands, whatever was loaded before it.
fn is_rejection(instruction: Instruction) -> bool {
    (instruction.code, instruction.k) == (code::RET_K, 0)
}

/// A step is some loads, and what decides by them.
fn is_last_of_step(code: u16) -> bool {
    matches!(
        code,
        code::JEQ_K | code::JGT_K | code::JGE_K | code::JSET_K | code::RET_K | code::RET_A
    )
}

/// The test that a jump makes, or the end; `None` where it is more than that.
/// Its step is what stands from `begins` to `at`.
fn make(instruction: Instruction, begins: usize, at: usize, sources: &Sources) -> Option<Test> {
    if instruction.code == code::RET_A {
        return None;
    }
    if instruction.code == code::RET_K {
        return (begins == at).then_some(Test {
            at: kind::END,
            value: instruction.k,
            ..Test::ZERO
        });
    }
    let field = sources.field(at)?;
    // What else was loaded on the way may be what rejects the packet.
    let is_needed = |n: usize| [Some(field.load), field.and, field.header].contains(&Some(n));
    if !(begins..at).all(is_needed) {
        return None;
    }
    let width = field.width.checked_mul(8)?;
    let all = u32::MAX.checked_shl(32_u32.checked_sub(width)?)?;
    let in_place = |k: u32| {
        let shifted = k.checked_shl(32_u32.checked_sub(width)?)?;
        // What is too large for the field never holds.
        (shifted.checked_shr(32_u32.checked_sub(width)?)? == k).then_some(shifted)
    };
    let mask = all & in_place(field.kept & all.checked_shr(32_u32.checked_sub(width)?)?)?;
    let k = instruction.k;
    let (mask, value) = match instruction.code {
        code::JSET_K => (mask & in_place(k)?, 0),
        _ => (mask, in_place(k)?),
    };
    let at = place(&field, instruction.code)?;
    Some(Test {
        mask,
        value,
        at,
        ..Test::ZERO
    })
}

/// Where the field is, and how it is compared.
fn place(field: &Field, code: u16) -> Option<u16> {
    let behind = field.k.checked_sub(ADDRESSES_OCTETS);
    let near = behind.and_then(|at| u8::try_from(at).ok()).map(u16::from);
    if field.header.is_some() {
        let kind = match code {
            code::JGT_K => kind::BEHIND_GREATER,
            code::JGE_K => kind::BEHIND_NOT_LESS,
            _ => kind::BEHIND_EQUAL,
        };
        return Some(kind | near?);
    }
    match (code, behind) {
        (code::JGT_K, _) => Some(kind::GREATER | near?),
        (code::JGE_K, _) => Some(kind::NOT_LESS | near?),
        (_, Some(at)) => u16::try_from(at).ok().filter(|at| *at < kind::FIRST),
        // Whole within the addresses, with the octets that the mask hides.
        (_, None) if field.k <= LAST_ADDRESS_WORD => {
            Some(kind::ADDRESS_EQUAL | u16::try_from(field.k).ok()?)
        }
        _ => None,
    }
}

const ADDRESSES_OCTETS: u32 = 12;
const _: () = assert!(ADDRESSES == ADDRESSES_OCTETS as usize);
/// The last four of their octets begin here.
const LAST_ADDRESS_WORD: u32 = ADDRESSES_OCTETS - 4;

/// What a jump looks at.
struct Field {
    /// Octets.
    width: u32,
    /// Where it begins, behind the IPv4 header where that has a place here.
    k: u32,
    /// The bits that are left of it.
    kept: u32,
    /// The instructions: that loads it, that masks it, that finds the length of
    /// the IPv4 header.
    load: usize,
    and: Option<usize>,
    header: Option<usize>,
}

/// Which instruction filled a register. Numbers of instructions, plus 1.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Source(u16);

impl Source {
    /// No path there is known yet.
    const UNKNOWN: Self = Self(0);
    /// Another one on each path, or something that is no load.
    const OTHER: Self = Self(u16::MAX);

    fn instruction(at: usize) -> Self {
        u16::try_from(at)
            .ok()
            .and_then(|at| at.checked_add(1))
            .map_or(Self::OTHER, Self)
    }

    fn number(self) -> Option<usize> {
        (self != Self::OTHER).then_some(())?;
        usize::from(self.0).checked_sub(1)
    }

    fn merge(&mut self, other: Self) {
        if *self == Self::UNKNOWN {
            *self = other;
        } else if *self != other {
            *self = Self::OTHER;
        }
    }
}

/// What stands in the registers before each instruction.
struct Sources<'a> {
    instructions: &'a [Instruction],
    a: [Source; MAX_INSTRUCTIONS],
    x: [Source; MAX_INSTRUCTIONS],
}

impl<'a> Sources<'a> {
    /// Jumps go forward: all ways to an instruction are known at its turn.
    fn of(instructions: &'a [Instruction]) -> Self {
        let mut sources = Self {
            instructions,
            a: [Source::UNKNOWN; MAX_INSTRUCTIONS],
            x: [Source::UNKNOWN; MAX_INSTRUCTIONS],
        };
        sources.meet(0, (Source::OTHER, Source::OTHER));
        for (at, instruction) in instructions.iter().enumerate() {
            let (mut a, mut x) = sources.before(at);
            let Instruction { code, jt, jf, k } = *instruction;
            let mut skips = [Some(0), None];
            match code {
                code::LD_W_ABS
                | code::LD_H_ABS
                | code::LD_B_ABS
                | code::LD_W_IND
                | code::LD_H_IND
                | code::LD_B_IND => a = Source::instruction(at),
                // Of a load; else it is no field.
                code::AND_K if sources.is_load(a) => a = Source::instruction(at),
                code::LDX_MSH => x = Source::instruction(at),
                code::JEQ_K
                | code::JGT_K
                | code::JGE_K
                | code::JSET_K
                | code::JEQ_X
                | code::JGT_X
                | code::JGE_X
                | code::JSET_X => {
                    skips = [Some(u32::from(jt)), Some(u32::from(jf))];
                }
                code::JA => skips = [Some(k), None],
                code::RET_K | code::RET_A => skips = [None, None],
                code::ST | code::STX => {}
                _ => (a, x) = (Source::OTHER, Source::OTHER),
            }
            for skip in skips.into_iter().flatten() {
                let to = at.saturating_add(1).saturating_add(skip as usize);
                sources.meet(to, (a, x));
            }
        }
        sources
    }

    fn meet(&mut self, at: usize, (a, x): (Source, Source)) {
        if let (Some(a_there), Some(x_there)) = (self.a.get_mut(at), self.x.get_mut(at)) {
            a_there.merge(a);
            x_there.merge(x);
        }
    }

    fn before(&self, at: usize) -> (Source, Source) {
        let a = self.a.get(at).copied().unwrap_or(Source::OTHER);
        (a, self.x.get(at).copied().unwrap_or(Source::OTHER))
    }

    fn get(&self, source: Source) -> Option<(usize, &Instruction)> {
        let at = source.number()?;
        Some((at, self.instructions.get(at)?))
    }

    fn is_load(&self, source: Source) -> bool {
        self.get(source)
            .is_some_and(|(_, instruction)| instruction.code != code::AND_K)
    }

    /// What the jump at this place looks at, if that is a field.
    fn field(&self, at: usize) -> Option<Field> {
        let (mut load, mut by) = self.get(self.before(at).0)?;
        let (mut kept, mut and) = (u32::MAX, None);
        if by.code == code::AND_K {
            (kept, and) = (by.k, Some(load));
            (load, by) = self.get(self.before(load).0)?;
        }
        let width = match by.code {
            code::LD_W_ABS | code::LD_W_IND => 4,
            code::LD_H_ABS | code::LD_H_IND => 2,
            _ => 1,
        };
        let is_behind = matches!(by.code, code::LD_W_IND | code::LD_H_IND | code::LD_B_IND);
        let header = if is_behind {
            let (header, length) = self.get(self.before(load).1)?;
            (length.k == IPV4).then_some(())?;
            Some(header)
        } else {
            None
        };
        Some(Field {
            width,
            k: by.k,
            kept,
            load,
            and,
            header,
        })
    }
}
