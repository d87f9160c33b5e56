//! Firmware images: where they are, and the symbols the host needs.

use std::path::{Path, PathBuf};

use object::{Object, ObjectSection, ObjectSymbol};

use crate::board::Board;
use crate::boot::BOOT_OCTETS;
use crate::error::EmulatorError;

/// Where the boot block goes.
pub const BOOT_SYMBOL: &str = "MAGPIE_BOOT";
/// Frames the driver has read out of the network card: u32, wraps.
pub const RECEIVED_SYMBOL: &str = "MAGPIE_RECEIVED";

/// A firmware image with the addresses the host needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The ELF file.
    pub path: PathBuf,
    /// Address of the boot block.
    pub boot: u32,
    /// Address of the counter of frames read.
    pub received: u32,
    /// It logs by semihosting (defmt), which QEMU must allow.
    pub logs: bool,
}

impl Image {
    /// Reads an ELF file.
    pub fn open(path: &Path) -> Result<Self, EmulatorError> {
        let data = std::fs::read(path).map_err(|source| EmulatorError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &data)
    }

    /// The same over octets already read; `path` is for messages and QEMU.
    pub fn parse(path: &Path, data: &[u8]) -> Result<Self, EmulatorError> {
        let bad = |reason: String| EmulatorError::BadImage {
            path: path.to_owned(),
            reason,
        };
        let elf = object::File::parse(data).map_err(|e| bad(format!("not an ELF file ({e})")))?;
        if elf.architecture() != object::Architecture::Arm || elf.is_64() {
            return Err(bad(format!(
                "it is for {:?}, not for a 32-bit Arm core",
                elf.architecture()
            )));
        }
        let symbol = |name: &'static str, octets: usize| {
            let found = elf
                .symbols()
                .find(|s| s.name() == Ok(name) && !s.is_undefined())
                .ok_or_else(|| bad(format!("it has no symbol {name}")))?;
            // A symbol that a linker script sets has no size.
            if (1..octets as u64).contains(&found.size()) {
                return Err(bad(format!(
                    "its symbol {name} is {} octets, not {octets}",
                    found.size()
                )));
            }
            u32::try_from(found.address())
                .map_err(|_| bad(format!("its symbol {name} lies outside a 32-bit memory")))
        };
        Ok(Self {
            path: path.to_owned(),
            boot: symbol(BOOT_SYMBOL, BOOT_OCTETS)?,
            received: symbol(RECEIVED_SYMBOL, 4)?,
            logs: elf
                .sections()
                .any(|s| s.name() == Ok(".defmt") && s.size() > 0),
        })
    }
}

/// The image of a board: `explicit` if given, else `BOARD.elf` in
/// `$MAGPIE_IMAGES`, else in the `images` folder that `cargo xtask build`
/// fills: of `$CARGO_TARGET_DIR`, of the `target` folder here or above, of
/// the target folder this program was built in.
pub fn find_image(board: &Board, explicit: Option<&Path>) -> Result<Image, EmulatorError> {
    let places = match (explicit, non_empty_var("MAGPIE_IMAGES")) {
        (Some(path), _) => vec![path.to_owned()],
        (None, Some(folder)) => vec![folder.join(format!("{}.elf", board.name))],
        (None, None) => usual_places(
            &format!("{}.elf", board.name),
            non_empty_var("CARGO_TARGET_DIR").as_deref(),
            std::env::current_dir().ok().as_deref(),
            std::env::current_exe().ok().as_deref(),
        ),
    };
    match places.iter().find(|path| path.is_file()) {
        Some(path) => Image::open(path),
        None => Err(EmulatorError::NoImage {
            board: board.name.to_owned(),
            searched: places
                .iter()
                .map(|p| p.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

fn non_empty_var(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|v| !v.is_empty())
        .map(PathBuf::from)
}

fn usual_places(
    file: &str,
    target: Option<&Path>,
    here: Option<&Path>,
    program: Option<&Path>,
) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let mut add = |folder: &Path| {
        let path = folder.join("images").join(file);
        if !places.contains(&path) {
            places.push(path);
        }
    };
    if let Some(target) = target {
        add(target);
    }
    // Up to the folder that looks like the workspace, so that it works from
    // any folder of the tree, and does not wander above it.
    for folder in here.into_iter().flat_map(Path::ancestors) {
        if folder.join("Cargo.lock").is_file() || Some(folder) == here {
            add(&folder.join("target"));
        }
    }
    // target/debug/magpie, target/debug/deps/test-123: two or three up.
    for folder in program
        .into_iter()
        .flat_map(|p| p.ancestors().skip(2))
        .take(2)
    {
        add(folder);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::board;
    use crate::testelf::{self, Symbol};

    fn ours() -> Vec<Symbol> {
        vec![
            Symbol::new(BOOT_SYMBOL, 0x2000_0100, 56),
            Symbol::new("something_else", 0x44, 4),
            Symbol::new(RECEIVED_SYMBOL, 0x2000_0200, 4),
        ]
    }

    #[test]
    fn symbols_are_found() {
        let elf = testelf::build(testelf::EM_ARM, &[], &ours());
        let image = Image::parse(Path::new("x.elf"), &elf).unwrap();
        assert_eq!((image.boot, image.received), (0x2000_0100, 0x2000_0200));
        assert!(!image.logs);
    }

    #[test]
    fn what_is_wrong_with_an_image_is_said() {
        let said = |data: &[u8]| {
            Image::parse(Path::new("x.elf"), data)
                .unwrap_err()
                .to_string()
        };
        assert!(said(b"no").contains("x.elf: not an ELF file"));
        assert!(said(&testelf::build(testelf::EM_MIPS, &[], &ours())).contains("Mips"));
        let without = testelf::build(testelf::EM_ARM, &[], &ours()[..2]);
        assert!(said(&without).contains("no symbol MAGPIE_RECEIVED"));
        let mut short = ours();
        short[0].size = 36;
        let short = testelf::build(testelf::EM_ARM, &[], &short);
        assert!(said(&short).contains("MAGPIE_BOOT is 36 octets, not 56"));
    }

    #[test]
    fn hostile_files_end_in_errors() {
        let good = testelf::build(testelf::EM_ARM, &[], &ours());
        for cut in 0..good.len() {
            let _ = Image::parse(Path::new("x.elf"), &good[..cut]);
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            let _ = Image::parse(Path::new("x.elf"), &bad);
        }
    }

    #[test]
    fn an_explicit_path_is_the_only_one_tried() {
        let dir = tempfile::tempdir().unwrap();
        let board = board("mps2-an386").unwrap();
        let path = dir.path().join("mine.elf");
        let said = find_image(board, Some(&path)).unwrap_err().to_string();
        assert!(said.contains("mine.elf") && said.contains("cargo xtask build qemu-mps2-an386"));
        std::fs::write(&path, testelf::build(testelf::EM_ARM, &[], &ours())).unwrap();
        assert_eq!(find_image(board, Some(&path)).unwrap().path, path);
    }

    #[test]
    fn the_usual_places_come_in_order() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("Cargo.lock"), "").unwrap();
        let here = dir.path().join("a/b");
        let places = usual_places(
            "x.elf",
            Some(Path::new("/t")),
            Some(&here),
            Some(Path::new("/w/target/debug/deps/test-1")),
        );
        let expected = [
            PathBuf::from("/t/images/x.elf"),
            here.join("target/images/x.elf"),
            dir.path().join("target/images/x.elf"),
            PathBuf::from("/w/target/debug/images/x.elf"),
            PathBuf::from("/w/target/images/x.elf"),
        ];
        assert_eq!(places, expected);
    }
}
