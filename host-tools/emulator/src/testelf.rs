//! Small ELF files for tests, made by hand.

pub(crate) const EM_ARM: u16 = 40;
pub(crate) const EM_MIPS: u16 = 8;

#[derive(Clone, Copy)]
pub(crate) struct Symbol {
    pub(crate) name: &'static str,
    pub(crate) address: u32,
    pub(crate) size: u32,
}

impl Symbol {
    pub(crate) fn new(name: &'static str, address: u32, size: u32) -> Self {
        Self {
            name,
            address,
            size,
        }
    }
}

/// A program for QEMU's mps2-an386, assembled from:
///
/// ```text
/// vectors: stack 0x20008000, reset 0x8
/// UART0 (0x40004000): BAUDDIV = 16, CTRL = 1
/// for 40 octets from 0x20000100: wait for STATE.0 clear, write to DATA
/// store 7 at 0x20000200; b .
/// ```
pub(crate) const PROGRAM: [u32; 15] = [
    0x2000_8000,
    0x0000_0009,
    0x2110_4809,
    0x2101_6101,
    0x4a08_6081,
    0x6844_2328,
    0xd1fc_420c,
    0x6004_7814,
    0x3b01_3201,
    0x4a04_d1f7,
    0x6011_2107,
    0xbf00_e7fe,
    0x4000_4000,
    0x2000_0100,
    0x2000_0200,
];

const HEADER: u32 = 52;
const PROGRAM_HEADER: u32 = 32;
const SYMBOL: u32 = 16;
const SHF_ALLOC_WRITE: u32 = 3;

/// An executable of 32 bits that holds these words at address 0, and these
/// symbols.
pub(crate) fn build(machine: u16, words: &[u32], symbols: &[Symbol]) -> Vec<u8> {
    let mut names = vec![0_u8];
    let mut table = vec![0; SYMBOL as usize];
    for symbol in symbols {
        let name = len(&names);
        names.extend_from_slice(symbol.name.as_bytes());
        names.push(0);
        for word in [name, symbol.address, symbol.size] {
            table.extend_from_slice(&word.to_le_bytes());
        }
        // A global object in section 1.
        table.extend_from_slice(&[0x11, 0, 1, 0]);
    }
    let mut section_names = b"\0.bss\0.symtab\0.strtab\0.shstrtab\0".to_vec();
    while !(names.len() + section_names.len()).is_multiple_of(4) {
        section_names.push(0);
    }
    let code = HEADER + PROGRAM_HEADER;
    let code_octets = u32::try_from(words.len() * 4).unwrap();
    let table_at = code + code_octets;
    let names_at = table_at + len(&table);
    let section_names_at = names_at + len(&names);
    let sections_at = section_names_at + len(&section_names);

    let mut out = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    half(&mut out, &[2, machine]);
    // version, entry, program headers, section headers, flags (EABI 5)
    word(&mut out, &[1, 9, HEADER, sections_at, 0x0500_0000]);
    // sizes: header, program header (1), section header (5); names are in 4
    half(&mut out, &[52, 32, 1, 40, 5, 4]);
    // LOAD: offset, virtual, physical, size in file and in memory, R+X
    word(&mut out, &[1, code, 0, 0, code_octets, code_octets, 5, 4]);
    word(&mut out, words);
    out.extend_from_slice(&table);
    out.extend_from_slice(&names);
    out.extend_from_slice(&section_names);
    // name, type, flags, address, offset, size, link, info, align, entry size
    word(&mut out, &[0; 10]);
    word(
        &mut out,
        &[1, 8, SHF_ALLOC_WRITE, 0x2000_0000, 0, 0x1000, 0, 0, 4, 0],
    );
    word(
        &mut out,
        &[6, 2, 0, 0, table_at, len(&table), 3, 1, 4, SYMBOL],
    );
    word(&mut out, &[14, 3, 0, 0, names_at, len(&names), 0, 0, 1, 0]);
    word(
        &mut out,
        &[
            22,
            3,
            0,
            0,
            section_names_at,
            len(&section_names),
            0,
            0,
            1,
            0,
        ],
    );
    out
}

fn len(octets: &[u8]) -> u32 {
    u32::try_from(octets.len()).unwrap()
}

fn half(out: &mut Vec<u8>, values: &[u16]) {
    out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
}

fn word(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
}
