//! ELF to UF2, the format of the RP2350's boot drive.
//!
//! A UF2 file is made of blocks of 512 octets, each of which says by itself
//! where its 256 octets go (github.com/microsoft/uf2, "File format"). The boot
//! ROM takes them in any order, and restarts the board when it has all.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Result, bail};
use object::elf::{FileHeader32, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadRef};

/// Octets of a block.
pub(crate) const BLOCK: usize = 512;
/// Octets that a block carries: a page of the flash.
const PAGE: usize = PAGE_OCTETS as usize;
const PAGE_OCTETS: u32 = 256;
/// Octets of an erase sector.
const SECTOR: u32 = 4096;
const MAGIC: [u32; 2] = [0x0a32_4655, 0x9e5d_5157];
const MAGIC_END: u32 = 0x0ab1_6f30;
/// The word behind the number of blocks is a family, not a file's length.
const FAMILY_PRESENT: u32 = 0x2000;
/// Tags follow behind the page.
const TAGS_PRESENT: u32 = 0x8000;
/// Families of the RP2350 (datasheet, table "UF2 family IDs"): absolute, data,
/// Arm secure, RISC-V, Arm non-secure.
const RP2350: Range<u32> = 0xe48b_ff57..0xe48b_ff5c;
const ABSOLUTE: u32 = RP2350.start;
/// Where its flash is seen, both chip selects (datasheet, "Address map").
const FLASH: Range<u32> = 0x1000_0000..0x1200_0000;
/// The last page of the first chip select.
const END_OF_FLASH: u32 = 0x10ff_ff00;
/// Tag for boot ROMs and tools that know better: ignore this block.
const IGNORE: u32 = 0x9957_e304;

/// What `INFO_UF2.TXT` names on the boot drive of a chip of this family.
pub(crate) fn model(family: u32) -> Result<&'static str> {
    if !RP2350.contains(&family) {
        bail!("UF2 family {family:#010x} is none of the RP2350's, and no other chip is known here");
    }
    Ok("RP2350")
}

/// The UF2 file that puts what an ELF file loads into flash.
pub(crate) fn from_elf(elf: &[u8], family: u32) -> Result<Vec<u8>> {
    model(family)?;
    let mut pages = pages(elf)?;
    // Boot ROMs reckon by block numbers which sector is to be erased, so that
    // sectors are whole up to the last page (picotool pads them, too).
    let touched: Vec<u32> = pages.keys().copied().collect();
    let Some(last) = touched.last().copied() else {
        bail!("there is nothing to load in this ELF file");
    };
    for page in &touched {
        let start = page - page % SECTOR;
        for padding in (start..start + SECTOR)
            .step_by(PAGE)
            .take_while(|p| *p < last)
        {
            pages.entry(padding).or_insert([0; PAGE]);
        }
    }
    // RP2350-E10: a boot ROM of stepping A2 that finds a partition table takes a
    // file only if its first block is of the absolute family. picotool writes
    // this one. It may land in the last page of the flash (of a smaller chip,
    // too: addresses wrap), so nothing else may be kept in that sector.
    let mut file = block(END_OF_FLASH, &[0xef; PAGE], (0, 2), ABSOLUTE);
    set(&mut file, 2, FAMILY_PRESENT | TAGS_PRESENT);
    set(&mut file, 8 + PAGE / 4, IGNORE);
    let count = u32::try_from(pages.len())?;
    for (number, (at, page)) in (0..).zip(&pages) {
        file.extend(block(*at, page, (number, count), family));
    }
    Ok(file)
}

/// One block: number and count are `of`.
fn block(at: u32, page: &[u8; PAGE], of: (u32, u32), family: u32) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    let head = [
        MAGIC[0],
        MAGIC[1],
        FAMILY_PRESENT,
        at,
        PAGE_OCTETS,
        of.0,
        of.1,
        family,
    ];
    for (index, word) in head.into_iter().enumerate() {
        set(&mut block, index, word);
    }
    block[32..32 + PAGE].copy_from_slice(page);
    set(&mut block, BLOCK / 4 - 1, MAGIC_END);
    block
}

fn set(block: &mut [u8], index: usize, word: u32) {
    block[index * 4..index * 4 + 4].copy_from_slice(&word.to_le_bytes());
}

/// What is loaded, by pages of the flash; what no segment fills is zero.
fn pages(elf: &[u8]) -> Result<BTreeMap<u32, [u8; PAGE]>> {
    let header = FileHeader32::<Endianness>::parse(elf)?;
    let endian = header.endian()?;
    let mut pages = BTreeMap::new();
    for segment in header.program_headers(endian, elf)? {
        // Zeroed statics have no octets in the file, and nothing to load.
        let (size, at) = (segment.p_filesz(endian), segment.p_paddr(endian));
        if segment.p_type(endian) != PT_LOAD || size == 0 {
            continue;
        }
        let Some(end) = at
            .checked_add(size)
            .filter(|end| FLASH.contains(&at) && *end <= FLASH.end)
        else {
            bail!(
                "{size} octets would be loaded at {at:#010x}, which is not in the flash \
                 ({:#010x} to {:#010x}); look at the board's memory.x",
                FLASH.start,
                FLASH.end
            );
        };
        let Ok(octets) = elf.read_bytes_at(segment.p_offset(endian).into(), size.into()) else {
            bail!("the ELF file ends within the segment for {at:#010x}");
        };
        for (at, octet) in (at..end).zip(octets) {
            let page = at - at % PAGE_OCTETS;
            pages.entry(page).or_insert([0; PAGE])[(at - page) as usize] = *octet;
        }
    }
    Ok(pages)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{ABSOLUTE, BLOCK, END_OF_FLASH, FLASH, from_elf, model};

    const ARM_SECURE: u32 = 0xe48b_ff59;

    /// An ELF file with these segments: where they run, where they are loaded,
    /// what is in them.
    pub(crate) fn elf(segments: &[(u32, u32, &[u8])]) -> Vec<u8> {
        const HEADER: u16 = 52;
        const ENTRY: u16 = 32;
        let mut file = b"\x7fELF\x01\x01\x01".to_vec();
        file.resize(16, 0);
        let count = u16::try_from(segments.len()).expect("few");
        file.extend([2, 0, 40, 0, 1, 0, 0, 0]); // executable, Arm, version 1
        for word in [0, u32::from(HEADER), 0, 0x0500_0000] {
            file.extend(word.to_le_bytes());
        }
        for half in [HEADER, ENTRY, count, 40, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        let mut offset = u32::from(HEADER + ENTRY * count);
        for (runs, loads, octets) in segments {
            let size = u32::try_from(octets.len()).expect("short");
            for word in [1, offset, *runs, *loads, size, size + 64, 5, 4] {
                file.extend(word.to_le_bytes());
            }
            offset += size;
        }
        for (_, _, octets) in segments {
            file.extend(*octets);
        }
        file
    }

    fn word(block: &[u8], index: usize) -> u32 {
        u32::from_le_bytes(block[index * 4..index * 4 + 4].try_into().expect("four"))
    }

    #[test]
    fn every_octet_of_the_segments_comes_back() {
        let code: Vec<u8> = (0..251_u8).cycle().take(700).map(|i| i | 1).collect();
        let data = [0xaa; 300];
        let far = [0x55; 10];
        let segments: [(u32, u32, &[u8]); 4] = [
            (0x1000_0000, 0x1000_0000, &code),
            // Runs in RAM, is loaded behind the code, in the middle of a page.
            (0x2000_0000, 0x1000_02bc, &data),
            (0x1000_6080, 0x1000_6080, &far),
            (0x2000_0200, 0x2000_0200, &[]),
        ];
        let file = from_elf(&elf(&segments), ARM_SECURE).expect("converts");
        let blocks: Vec<_> = file.chunks(BLOCK).collect();
        assert!(file.len().is_multiple_of(BLOCK));
        let mut flash = std::collections::BTreeMap::new();
        for (number, block) in blocks[1..].iter().enumerate() {
            assert_eq!([word(block, 0), word(block, 1)], [0x0a32_4655, 0x9e5d_5157]);
            assert_eq!(word(block, 2), 0x2000, "a family, no tags");
            assert_eq!(word(block, 3) % 256, 0, "a page");
            assert_eq!(word(block, 4), 256);
            assert_eq!(word(block, 5) as usize, number);
            assert_eq!(word(block, 6) as usize, blocks.len() - 1);
            assert_eq!(word(block, 7), ARM_SECURE);
            assert!(block[288..508].iter().all(|o| *o == 0));
            assert_eq!(word(block, 127), 0x0ab1_6f30);
            for (at, octet) in (word(block, 3)..).zip(&block[32..288]) {
                assert!(flash.insert(at, *octet).is_none(), "{at:#x} twice");
            }
        }
        for (_, loads, octets) in segments {
            for (at, octet) in (loads..).zip(octets) {
                assert_eq!(flash.remove(&at), Some(*octet), "{at:#x}");
            }
        }
        assert!(flash.values().all(|octet| *octet == 0), "padding is zero");
        // 16 pages of the first sector, and a first and a last one of the other.
        assert_eq!(blocks.len(), 1 + 16 + 1);
    }

    /// RP2350-E10, with the fields that picotool writes.
    #[test]
    fn the_first_block_is_absolute_and_to_be_ignored() {
        let file =
            from_elf(&elf(&[(FLASH.start, FLASH.start, &[1])]), ARM_SECURE).expect("converts");
        assert_eq!(file.len(), 2 * BLOCK);
        let expected = [
            0x0a32_4655,
            0x9e5d_5157,
            0xa000,
            END_OF_FLASH,
            256,
            0,
            2,
            ABSOLUTE,
        ];
        for (index, expected) in expected.into_iter().enumerate() {
            assert_eq!(word(&file, index), expected, "word {index}");
        }
        assert!(file[32..288].iter().all(|o| *o == 0xef));
        assert_eq!(word(&file, 72), 0x9957_e304);
        assert_eq!(word(&file, 127), 0x0ab1_6f30);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |segments: &[(u32, u32, &[u8])]| {
            let error = from_elf(&elf(segments), ARM_SECURE).expect_err("refused");
            format!("{error:#}")
        };
        assert!(refused(&[]).contains("nothing to load"));
        assert!(refused(&[(0x2000_0000, 0x2000_0000, &[1])]).contains("0x20000000"));
        assert!(refused(&[(FLASH.end - 1, FLASH.end - 1, &[1, 2])]).contains("memory.x"));
        assert!(refused(&[(u32::MAX, u32::MAX, &[1, 2])]).contains("0xffffffff"));
        let mut cut = elf(&[(FLASH.start, FLASH.start, &[1, 2, 3])]);
        cut.pop();
        assert!(from_elf(&cut, ARM_SECURE).is_err());
        assert!(from_elf(b"no ELF file at all", ARM_SECURE).is_err());
        let rp2040 = 0xe48b_ff56;
        assert!(model(rp2040).is_err());
        assert!(from_elf(&elf(&[(FLASH.start, FLASH.start, &[1])]), rp2040).is_err());
    }
}
