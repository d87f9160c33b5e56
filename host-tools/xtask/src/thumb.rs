//! Machine code of a Thumb image, as far as its functions, their calls and
//! what they put on the stack can be read from it. Encodings: Armv7-M
//! Architecture Reference Manual, A7.7.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind, SymbolKind, elf};

/// Functions of an image by their address (without the Thumb bit).
#[derive(Default)]
pub(crate) struct Code {
    pub(crate) functions: BTreeMap<u64, Function>,
    /// Those whose address is a word of data or is put together in a register,
    /// the vector table left aside. A number that looks like one counts, too.
    pub(crate) taken: BTreeSet<u64>,
}

/// One function.
#[derive(Debug, Default)]
pub(crate) struct Function {
    /// Demangled, without hash.
    pub(crate) name: String,
    /// Octets it puts on the stack at most; `None` when it takes an amount
    /// that is not a constant.
    pub(crate) frame: Option<u64>,
    /// Direct calls and jumps: where, and to which function's start.
    pub(crate) calls: Vec<(u64, u64)>,
    /// How many calls and jumps go to an address in a register.
    pub(crate) by_address: usize,
}

/// What one instruction does, of what is of interest here.
#[derive(Debug, PartialEq, Eq)]
enum Act {
    /// Calls or jumps.
    Branch(u64),
    /// Calls or jumps to where a register says.
    ByAddress,
    /// Puts a half of a constant into a register: which half, register, value.
    Half(Part, u32, u64),
    /// Moves the stack pointer down.
    Push(u64),
    /// Moves it by an amount in a register.
    PushUnknown,
    Other,
}

/// Half of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The other half becomes zero.
    Low,
    High,
}

impl Code {
    /// Reads all functions.
    pub(crate) fn read(file: &object::File<'_>) -> Result<Self> {
        // Bit 0 of a function's address says Thumb; it is no part of the address.
        let mut functions: BTreeMap<u64, Function> = file
            .symbols()
            .filter(|s| s.kind() == SymbolKind::Text)
            .filter_map(|s| {
                let name = format!("{:#}", rustc_demangle::demangle(s.name().ok()?));
                Some((
                    s.address() & !1,
                    Function {
                        name,
                        frame: Some(0),
                        ..Function::default()
                    },
                ))
            })
            .collect();
        let starts: Vec<u64> = functions.keys().copied().collect();
        // Mapping symbols: where code ($t) turns into data ($d) and back.
        let is_data: BTreeMap<u64, bool> = file
            .symbols()
            .filter_map(|s| match s.name().ok()?.get(..2)? {
                "$d" => Some((s.address(), true)),
                "$t" => Some((s.address(), false)),
                _ => None,
            })
            .collect();
        let mut taken = BTreeSet::new();
        let mut take = |value: u64| {
            if value & 1 == 1 && starts.binary_search(&(value & !1)).is_ok() {
                taken.insert(value & !1);
            }
        };
        for section in file.sections().filter(|s| is_loaded(s)) {
            let data = section.data()?;
            // Words of data, of code too: what looks like an address is none the worse.
            if section.name() != Ok(".vector_table") {
                let words = data.chunks_exact(4).filter_map(|w| w.first_chunk());
                words.for_each(|w| take(u32::from_le_bytes(*w).into()));
            }
            if section.kind() != SectionKind::Text {
                continue;
            }
            let mut halves = BTreeMap::new();
            let mut offset = 0;
            while let Some(first) = half(data, offset) {
                let at = section.address() + offset as u64;
                let second = half(data, offset + 2);
                let in_data = is_data
                    .range(..=at)
                    .next_back()
                    .is_some_and(|(_, data)| *data);
                // Data is not made of instructions: go by half words.
                offset += if is_wide(first) && !in_data { 4 } else { 2 };
                if in_data {
                    continue;
                }
                let Some((_, function)) = functions.range_mut(..=at).next_back() else {
                    continue;
                };
                match act(at, first, second.unwrap_or_default()) {
                    // Jumps within a function do not lead to a start.
                    Act::Branch(to) if starts.binary_search(&to).is_ok() => {
                        function.calls.push((at, to));
                    }
                    Act::Push(octets) => function.frame = function.frame.map(|f| f + octets),
                    Act::PushUnknown => function.frame = None,
                    Act::ByAddress => function.by_address += 1,
                    Act::Half(Part::Low, register, value) => {
                        take(value);
                        halves.insert(register, value);
                    }
                    Act::Half(Part::High, register, value) => {
                        let low = halves.get(&register).copied().unwrap_or_default();
                        take(value << 16 | low);
                    }
                    Act::Branch(_) | Act::Other => {}
                }
            }
        }
        Ok(Self { functions, taken })
    }
}

/// Whether it is in the file and in the machine's memory.
fn is_loaded(section: &object::Section<'_, '_>) -> bool {
    let alloc = u64::from(elf::SHF_ALLOC);
    let flags = section.flags();
    matches!(flags, SectionFlags::Elf { sh_flags } if sh_flags & alloc != 0)
        && section.file_range().is_some()
}

fn half(data: &[u8], offset: usize) -> Option<u32> {
    let octets = data.get(offset..offset + 2)?;
    Some(u32::from(u16::from_le_bytes([octets[0], octets[1]])))
}

fn is_wide(first: u32) -> bool {
    first >> 11 >= 0x1d
}

/// Registers.
const LR: u32 = 14;
const PC: u32 = 15;

fn act(at: u64, first: u32, second: u32) -> Act {
    // push {..} and sub sp, #imm7
    if first & 0xfe00 == 0xb400 {
        return Act::Push(u64::from((first & 0x1ff).count_ones()) * 4);
    }
    if first & 0xff80 == 0xb080 {
        return Act::Push(u64::from(first & 0x7f) * 4);
    }
    // blx rm; bx rm, unless it is the lr and returns; mov pc, rm
    if first & 0xff87 == 0x4780 || first & 0xff87 == 0x4687 {
        return Act::ByAddress;
    }
    if first & 0xff87 == 0x4700 && first >> 3 & 0xf != LR {
        return Act::ByAddress;
    }
    if !is_wide(first) {
        return Act::Other;
    }
    let to_sp = second & 0x8f00 == 0x0d00;
    let imm12 = (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xff;
    match first {
        // push.w {..}; str rt, [sp, #-4]!; strd rt, ru, [sp, #-n]!; vpush
        0xe92d => Act::Push(u64::from(second.count_ones()) * 4),
        0xf84d if second & 0xfff == 0x0d04 => Act::Push(4),
        0xe96d | 0xed2d | 0xed6d => Act::Push(u64::from(second & 0xff) * 4),
        // sub.w sp, sp, #const; subw sp, sp, #imm12; sub.w sp, sp, rm
        f if f & 0xfbef == 0xf1ad && to_sp => Act::Push(u64::from(expand(imm12))),
        f if f & 0xfbff == 0xf2ad && to_sp => Act::Push(u64::from(imm12)),
        0xebad if second & 0x0f00 == 0x0d00 => Act::PushUnknown,
        // movw, movt
        f if f & 0xfb70 == 0xf240 && second & 0x8000 == 0 => {
            let part = if f & 0x80 == 0 { Part::Low } else { Part::High };
            let value = (f & 0xf) << 12 | imm12;
            Act::Half(part, second >> 8 & 0xf, value.into())
        }
        // ldr pc, [..], unless it pops: ldr pc, [sp], #4
        f if f & 0xff70 == 0xf850 && second >> 12 == PC && (f, second) != (0xf85d, 0xfb04) => {
            Act::ByAddress
        }
        f if f & 0xf800 == 0xf000 && second & 0x9000 == 0x9000 => {
            // BL (T1) and B.W (T4): 25 bits, signed.
            let sign = f >> 10 & 1;
            let i1 = !(second >> 13 ^ sign) & 1;
            let i2 = !(second >> 11 ^ sign) & 1;
            let bits = sign << 24 | i1 << 23 | i2 << 22 | (f & 0x3ff) << 12 | (second & 0x7ff) << 1;
            let offset = i64::from((bits << 7).cast_signed() >> 7);
            Act::Branch(at.wrapping_add(4).wrapping_add_signed(offset))
        }
        _ => Act::Other,
    }
}

/// `ThumbExpandImm` (A5.3.2).
fn expand(imm12: u32) -> u32 {
    let low = imm12 & 0xff;
    match imm12 >> 8 {
        0 => low,
        1 => low << 16 | low,
        2 => low << 24 | low << 8,
        3 => low * 0x0101_0101,
        _ => (0x80 | imm12 & 0x7f).rotate_right(imm12 >> 7),
    }
}

#[cfg(test)]
mod tests {
    use super::{Act, Part, act};

    /// Assembled for address 0x8000.
    #[test]
    fn instructions() {
        let cases: [(&str, u32, u32, Act); 24] = [
            ("nop", 0xbf00, 0xbf00, Act::Other),
            ("bl .+4", 0xf000, 0xf800, Act::Branch(0x8004)),
            ("bl .-0x100", 0xf7ff, 0xff7e, Act::Branch(0x7f00)),
            ("b.w .+0x1000", 0xf000, 0xbffe, Act::Branch(0x9000)),
            ("push {r4, lr}", 0xb510, 0, Act::Push(8)),
            ("push.w {r4-r11, lr}", 0xe92d, 0x4ff0, Act::Push(36)),
            ("str r11, [sp, #-4]!", 0xf84d, 0xbd04, Act::Push(4)),
            ("vpush {d8}", 0xed2d, 0x8b02, Act::Push(8)),
            ("sub sp, #24", 0xb086, 0, Act::Push(24)),
            ("add sp, #24", 0xb006, 0, Act::Other),
            ("sub.w sp, sp, #1024", 0xf5ad, 0x6d80, Act::Push(1024)),
            ("subw sp, sp, #1252", 0xf2ad, 0x4de4, Act::Push(1252)),
            ("sub.w sp, sp, r4", 0xebad, 0x0d04, Act::PushUnknown),
            ("strd r0, r1, [sp, #-8]!", 0xe96d, 0x0102, Act::Push(8)),
            ("blx r1", 0x4788, 0, Act::ByAddress),
            ("bx r3", 0x4718, 0, Act::ByAddress),
            ("bx lr", 0x4770, 0, Act::Other),
            ("mov pc, r2", 0x4697, 0, Act::ByAddress),
            ("ldr.w pc, [r1, r2, lsl #2]", 0xf851, 0xf022, Act::ByAddress),
            ("ldr.w pc, [pc, #0]", 0xf8df, 0xf000, Act::ByAddress),
            ("ldr pc, [sp], #4", 0xf85d, 0xfb04, Act::Other),
            ("ldr.w r8, [r1, #72]", 0xf8d1, 0x8048, Act::Other),
            (
                "movw r3, #0xabcd",
                0xf64a,
                0x33cd,
                Act::Half(Part::Low, 3, 0xabcd),
            ),
            (
                "movt r3, #0x2407",
                0xf2c2,
                0x4307,
                Act::Half(Part::High, 3, 0x2407),
            ),
        ];
        for (text, first, second, expected) in cases {
            assert_eq!(act(0x8000, first, second), expected, "{text}");
        }
    }
}
