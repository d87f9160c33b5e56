//! Programs that only compare fields of a packet, as most do, in a form in
//! which a comparison takes a sensor some twenty machine instructions.
//!
//! A field is read as the four octets that begin with it, and a mask leaves
//! what belongs to it: so octets, halves and words, tests of equality and of
//! bits, and networks (`and` before `jeq`) are all one kind of test.

use crate::packet::ADDRESSES;
use crate::{Instruction, MAX_INSTRUCTIONS, Packet, Program, code};

/// Tests that are kept of a program. What has more is left to the machine as
/// soon as one of those would be made.
pub const MAX_TESTS: usize = 64;

/// A program's tests. [`Quick::EMPTY`] knows none: everything is left to the
/// machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quick {
    tests: [Test; MAX_TESTS],
}

/// One test. All zero is one that holds; as each goes on behind itself, a table
/// of those has an end too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(16))] // else its place takes a multiplication
struct Test {
    mask: u32,
    /// What the field is compared with, in its place under the mask.
    value: u32,
    /// Where the field begins, in octets behind the addresses; or, if no packet
    /// is that long, one of [`kind`] and what it needs.
    at: u16,
    /// Tests that are skipped where it holds, and where it does not; [`REJECT`].
    holds: u8,
    fails: u8,
}

/// In place of tests that are skipped: the packet is rejected. More than there
/// are, wherever one is.
const REJECT: u8 = 128;
const _: () = assert!(MAX_TESTS <= REJECT as usize);

impl Test {
    const ZERO: Self = Self {
        at: 0,
        holds: 0,
        fails: 0,
        mask: 0,
        value: 0,
    };
    const LEAVE: Self = Self {
        at: kind::LEAVE,
        ..Self::ZERO
    };
}

/// What is no test for equality of a field behind the addresses. The lower
/// octet is where the field begins.
mod kind {
    /// Less is the place of a field.
    pub(super) const FIRST: u16 = 0x8000;
    /// The packet is left to the machine.
    pub(super) const LEAVE: u16 = 0x8000;
    /// The end: `value` octets are kept.
    pub(super) const END: u16 = 0x8100;
    /// Greater, unsigned; greater or equal: of a field behind the addresses.
    pub(super) const GREATER: u16 = 0x8300;
    pub(super) const NOT_LESS: u16 = 0x8400;
    /// The same of a field behind the IPv4 header.
    pub(super) const BEHIND_GREATER: u16 = 0x8500;
    pub(super) const BEHIND_NOT_LESS: u16 = 0x8600;
    /// Equality of a field within the addresses.
    pub(super) const ADDRESS_EQUAL: u16 = 0x8700;
    /// Equality of a field behind the IPv4 header (and so many octets). The
    /// last one: those of ports are many.
    pub(super) const BEHIND_EQUAL: u16 = 0xff00;
}

/// Where an IPv4 header begins.
const IPV4: u32 = 14;

impl Quick {
    /// Knows no test.
    pub const EMPTY: Self = Self {
        tests: [Test::ZERO; MAX_TESTS],
    };

    /// Octets to keep of the packet, as [`Program::run`] would tell; `None`
    /// where only that can tell.
    #[inline]
    pub fn run(&self, packet: &Packet<'_>) -> Option<u32> {
        let rest = packet.rest();
        let mut next = 0_usize;
        // Left at the first test that there is not: all is known before, or not
        // at all.
        while let Some(test) = self.tests.get(next) {
            let at = usize::from(test.at);
            let skipped = if let Some(field) = field(rest, at) {
                test.skipped(field)
            } else if test.at >= kind::BEHIND_EQUAL {
                let at = behind(rest, at & 0xff)?;
                test.skipped(field(rest, at)?)
            } else if test.at == kind::END {
                return Some(test.value);
            } else {
                seldom(test, packet.head(), rest)?
            };
            next = next.wrapping_add(usize::from(skipped)).wrapping_add(1);
        }
        (next > usize::from(REJECT)).then_some(0)
    }

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

impl Test {
    #[inline]
    fn skipped(&self, field: u32) -> u8 {
        if field & self.mask == self.value {
            self.holds
        } else {
            self.fails
        }
    }
}

/// The four octets from there on.
#[inline]
fn field(octets: &[u8], at: usize) -> Option<u32> {
    let field = octets.get(at..at.wrapping_add(4))?.first_chunk()?;
    Some(u32::from_be_bytes(*field))
}

/// So many octets behind an IPv4 header, less those of the addresses.
#[inline]
fn behind(rest: &[u8], at: usize) -> Option<usize> {
    let [_, _, first, ..] = *rest else {
        return None;
    };
    Some(usize::from(first & 0xf).wrapping_mul(4).wrapping_add(at))
}

/// What few programs need: tests to skip.
#[inline(never)]
fn seldom(test: &Test, head: &[u8], rest: &[u8]) -> Option<u8> {
    let [kind, at] = test.at.to_be_bytes();
    let (kind, at) = (u16::from_be_bytes([kind, 0]), usize::from(at));
    let (from, at) = match kind {
        kind::BEHIND_GREATER | kind::BEHIND_NOT_LESS => (rest, behind(rest, at)?),
        kind::GREATER | kind::NOT_LESS => (rest, at),
        kind::ADDRESS_EQUAL => (head, at),
        _ => return None,
    };
    let field = field(from, at)? & test.mask;
    let holds = match kind {
        kind::GREATER | kind::BEHIND_GREATER => field > test.value,
        kind::NOT_LESS | kind::BEHIND_NOT_LESS => field >= test.value,
        _ => field == test.value,
    };
    Some(if holds { test.holds } else { test.fails })
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

#[cfg(test)]
mod tests {
    use super::{MAX_TESTS, Quick};
    use crate::code::*;
    use crate::{Instruction, Packet, Program};

    type Row = (u16, u8, u8, u32);

    /// What libpcap makes of `host 192.0.2.80 and port 4433`.
    const HOST_AND_PORT: [Row; 19] = [
        (LD_H_ABS, 0, 0, 12),
        (JEQ_K, 0, 16, 0x0800),
        (LD_W_ABS, 0, 0, 26),
        (JEQ_K, 2, 0, 0xc000_0250),
        (LD_W_ABS, 0, 0, 30),
        (JEQ_K, 0, 12, 0xc000_0250),
        (LD_B_ABS, 0, 0, 23),
        (JEQ_K, 2, 0, 132),
        (JEQ_K, 1, 0, 6),
        (JEQ_K, 0, 8, 17),
        (LD_H_ABS, 0, 0, 20),
        (JSET_K, 6, 0, 0x1fff),
        (LDX_MSH, 0, 0, 14),
        (LD_H_IND, 0, 0, 14),
        (JEQ_K, 2, 0, 4433),
        (LD_H_IND, 0, 0, 16),
        (JEQ_K, 0, 1, 4433),
        (RET_K, 0, 0, 262_144),
        (RET_K, 0, 0, 0),
    ];

    fn program(rows: &[Row]) -> Vec<Instruction> {
        let new = |&(code, jt, jf, k): &Row| Instruction::new(code, jt, jf, k);
        rows.iter().map(new).collect()
    }

    /// What is known, and what the machine says.
    fn both(rows: &[Row], frame: &[u8]) -> (Option<u32>, u32) {
        let program = program(rows);
        let program = Program::verify(&program).expect("a program");
        let mut quick = Quick::EMPTY;
        quick.learn(program);
        let packet = Packet::untagged(frame, 60);
        (quick.run(&packet), program.run(&packet))
    }

    /// UDP from 192.0.2.80 to a port, with so many words of IPv4 header.
    fn udp(words: u8, port: u16) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00, 0x40 | words, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0]);
        frame.extend([192, 0, 2, 80, 192, 0, 2, 9]);
        frame.resize(14 + usize::from(words) * 4, 1);
        frame.extend([[0, 53], port.to_be_bytes()].concat());
        frame.resize(60 + usize::from(words), 0);
        frame
    }

    #[test]
    fn a_host_and_a_port_are_known_without_the_machine() {
        let mut other = udp(5, 4433);
        other[29] = 81;
        let mut fragment = udp(5, 4433);
        fragment[21] = 1;
        for (frame, kept) in [
            (udp(5, 4433), 262_144),
            (udp(9, 4433), 262_144),
            (udp(5, 4434), 0),
            (other, 0),
            (fragment, 0),
            ([&[0; 12], &[0x86, 0xdd][..], &[0; 46]].concat(), 0),
        ] {
            let found = both(&HOST_AND_PORT, &frame);
            assert_eq!(found, (Some(kept), kept), "{frame:x?}");
            // Behind tags, too.
            let tags = [0x88, 0xa8, 0, 1, 0x81, 0x00, 0, 2];
            let tagged = [&frame[..12], &tags, &frame[12..]].concat();
            assert_eq!(both(&HOST_AND_PORT, &tagged), (Some(kept), kept));
        }
    }

    #[test]
    fn what_is_not_there_is_left_to_the_machine() {
        // The frame ends before the port, or behind it at once.
        let whole = udp(5, 4433);
        for (len, kept) in [(13, 0), (30, 0), (37, 0), (38, 262_144)] {
            let (quick, machine) = both(&HOST_AND_PORT, &whole[..len]);
            assert_eq!((quick, machine), (None, kept), "{len}");
        }
    }

    #[test]
    fn fields_of_every_kind() {
        let frame: Vec<u8> = (0..60).map(|n| if n == 14 { 0x46 } else { n }).collect();
        for (step, holds) in [
            (
                &[(LD_W_ABS, 0, 0, 20), (JEQ_K, 0, 1, 0x1415_1617)][..],
                true,
            ),
            (&[(LD_W_ABS, 0, 0, 20), (JEQ_K, 0, 1, 0x1415_1618)], false),
            (&[(LD_B_ABS, 0, 0, 20), (JEQ_K, 0, 1, 0x14)], true),
            (&[(LD_B_ABS, 0, 0, 20), (JSET_K, 0, 1, 0x04)], true),
            (&[(LD_B_ABS, 0, 0, 20), (JSET_K, 0, 1, 0x08)], false),
            (&[(LD_H_ABS, 0, 0, 20), (JGT_K, 0, 1, 0x1414)], true),
            (&[(LD_H_ABS, 0, 0, 20), (JGT_K, 0, 1, 0x1415)], false),
            (&[(LD_H_ABS, 0, 0, 20), (JGE_K, 0, 1, 0x1415)], true),
            (&[(LD_H_ABS, 0, 0, 20), (JGE_K, 0, 1, 0x1416)], false),
            // A network.
            (
                &[
                    (LD_W_ABS, 0, 0, 26),
                    (AND_K, 0, 0, 0xffff_0000),
                    (JEQ_K, 0, 1, 0x1a1b_0000),
                ],
                true,
            ),
            // Behind 24 octets of IPv4 header.
            (
                &[
                    (LDX_MSH, 0, 0, 14),
                    (LD_H_IND, 0, 0, 14),
                    (JEQ_K, 0, 1, 0x2627),
                ],
                true,
            ),
            (
                &[
                    (LDX_MSH, 0, 0, 14),
                    (LD_B_IND, 0, 0, 14),
                    (JGE_K, 0, 1, 0x27),
                ],
                false,
            ),
            (
                &[
                    (LDX_MSH, 0, 0, 14),
                    (LD_W_IND, 0, 0, 14),
                    (JGT_K, 0, 1, 0x2627_2828),
                ],
                true,
            ),
            // Within the addresses.
            (&[(LD_W_ABS, 0, 0, 8), (JEQ_K, 0, 1, 0x0809_0a0b)], true),
            (&[(LD_H_ABS, 0, 0, 6), (JEQ_K, 0, 1, 0x0607)], true),
            (&[(LD_B_ABS, 0, 0, 0), (JSET_K, 0, 1, 1)], false),
        ] {
            let ends = [(RET_K, 0, 0, 1), (RET_K, 0, 0, 0)];
            let kept = u32::from(holds);
            let found = both(&[step, &ends].concat(), &frame);
            assert_eq!(found, (Some(kept), kept), "{step:x?}");
        }
    }

    #[test]
    fn what_is_more_than_a_comparison_is_left_to_the_machine() {
        let frame: Vec<u8> = (0..60).collect();
        for steps in [
            // Of it, only the last of both is looked at; the first may be what rejects.
            &[
                (LD_W_ABS, 0, 0, 99),
                (LD_B_ABS, 0, 0, 20),
                (JEQ_K, 0, 1, 0x14),
            ][..],
            &[(LD_LEN, 0, 0, 0), (JGT_K, 0, 1, 50)],
            // So many octets as the field says.
            &[(LD_B_ABS, 0, 0, 20), (RET_A, 0, 0, 20)],
            &[(LD_B_ABS, 0, 0, 20), (ADD_K, 0, 0, 1), (JEQ_K, 0, 1, 0x15)],
            &[(LD_B_ABS, 0, 0, 20), (TAX, 0, 0, 0), (JEQ_X, 0, 1, 0)],
            &[(LD_B_ABS, 0, 0, 20), (JEQ_K, 0, 1, 0x1_0014)],
            &[(LDX_MSH, 0, 0, 15), (LD_B_IND, 0, 0, 0), (JEQ_K, 0, 1, 60)],
            // Across the end of the addresses.
            &[(LD_W_ABS, 0, 0, 10), (JEQ_K, 0, 1, 0x0a0b_0c0d)],
            // What is compared depends on the way there.
            &[
                (LD_B_ABS, 0, 0, 20),
                (JEQ_K, 0, 1, 0x14),
                (LD_B_ABS, 0, 0, 21),
                (JEQ_K, 0, 1, 0x15),
            ],
        ] {
            let ends = [(RET_K, 0, 0, 1), (RET_K, 0, 0, 0)];
            let (quick, _) = both(&[steps, &ends].concat(), &frame);
            assert_eq!(quick, None, "{steps:x?}");
        }
        let load = [(LD_B_ABS, 0, 0, 20)];
        let many = vec![(JEQ_K, 0, 0, 9); MAX_TESTS];
        let end = [(RET_K, 0, 0, 7)];
        assert_eq!(both(&[&load, &many[..], &end].concat(), &frame), (None, 7));
        // One that leads behind those that are known.
        let far = [(JEQ_K, 90, 0, 0x14)];
        let ends = vec![(RET_K, 0, 0, 9); 91];
        let far = [&load, &many[..63], &far, &ends, &end].concat();
        assert_eq!(both(&far, &frame), (None, 9));
        let fewer = [&load, &many[1..], &end].concat();
        assert_eq!(both(&fewer, &frame), (Some(7), 7));
    }

    #[test]
    fn what_was_learned_before_is_forgotten() {
        let mut quick = Quick::EMPTY;
        let (long, short) = (program(&HOST_AND_PORT), program(&[(RET_K, 0, 0, 9)]));
        quick.learn(Program::assume_verified(&long));
        quick.learn(Program::assume_verified(&short));
        assert_eq!(quick.run(&Packet::untagged(&udp(5, 1), 60)), Some(9));
        quick.learn(Program::assume_verified(&[]));
        assert_eq!(quick.run(&Packet::untagged(&udp(5, 1), 60)), None);
    }
}
