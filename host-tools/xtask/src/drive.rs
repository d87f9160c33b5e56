//! The drive as which a board shows itself while its boot ROM waits for an
//! image: found among what is mounted, and written to.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What every UF2 boot drive has (github.com/microsoft/uf2).
const INFO: &str = "INFO_UF2.TXT";
/// More of it is not read: it has three lines.
const INFO_OCTETS: u64 = 4096;
/// File systems that a boot drive can have; the others may be slow or dead.
const FAT: [&str; 4] = ["vfat", "msdos", "exfat", "fuseblk"];

/// Whether a folder is the boot drive of such a chip.
fn is_drive_of(dir: &Path, model: &str) -> Result<bool> {
    let path = dir.join(INFO);
    let mut octets = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(INFO_OCTETS).read_to_end(&mut octets))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(names(&String::from_utf8_lossy(&octets), model))
}

/// Whether the model or the board is this one: `Model: Raspberry Pi RP2350`,
/// `Board-ID: RP2350`. A maker may change one of them.
fn names(info: &str, model: &str) -> bool {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| matches!(*key, "Model" | "Board-ID"))
        .any(|(_, value)| value.split([' ', '-', '_', '\t']).any(|word| word == model))
}

/// The folder that `--drive` names, if it is such a drive.
pub(crate) fn named(dir: &Path, model: &str) -> Result<PathBuf> {
    let is = is_drive_of(dir, model)
        .with_context(|| format!("{} is no boot drive; {}", dir.display(), how_to(model)))?;
    if !is {
        bail!(
            "{} is the boot drive of another chip: its {INFO} does not name {model}; give that of \
             the right board as --drive PATH",
            dir.display()
        );
    }
    Ok(dir.to_owned())
}

/// The one such drive among these folders.
pub(crate) fn only_one(mounts: &[PathBuf], model: &str) -> Result<PathBuf> {
    let mut found: Vec<_> = mounts
        .iter()
        .filter(|dir| is_drive_of(dir, model).unwrap_or(false))
        .collect();
    found.dedup();
    match found.as_slice() {
        [] => bail!("no {model} boot drive is mounted; {}", how_to(model)),
        [drive] => Ok((*drive).clone()),
        several => bail!(
            "{} {model} boot drives are mounted: {}; say which one by --drive PATH",
            several.len(),
            several
                .iter()
                .map(|d| d.display().to_string())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

fn how_to(model: &str) -> String {
    format!(
        "hold BOOTSEL while plugging the board's USB in; if no drive appears by itself, mount the one \
         with the label {model} (`lsblk -o NAME,LABEL`), and give it as --drive PATH"
    )
}

/// Where something is mounted that could be a boot drive.
pub(crate) fn mounts() -> Vec<PathBuf> {
    if let Ok(table) = fs::read("/proc/self/mounts") {
        return fat_mounts(&table);
    }
    // macOS mounts them here.
    let volumes = fs::read_dir("/Volumes").into_iter().flatten();
    volumes.flatten().map(|volume| volume.path()).collect()
}

/// Of `/proc/self/mounts`: device, folder, file system, …; a space in a name is
/// written as `\040` (proc(5), getmntent(3)).
fn fat_mounts(table: &[u8]) -> Vec<PathBuf> {
    table
        .split(|octet| *octet == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|octet| *octet == b' ').skip(1);
            let (folder, kind) = (fields.next()?, fields.next()?);
            FAT.iter()
                .any(|fat| fat.as_bytes() == kind)
                .then(|| PathBuf::from(std::ffi::OsString::from_vec(unescaped(folder))))
        })
        .collect()
}

fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.first_chunk::<3>().filter(|_| *first == b'\\');
        let value = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        octets.push(value.unwrap_or(*first));
        rest = if value.is_some() {
            &behind[3..]
        } else {
            behind
        };
    }
    octets
}

/// Writes the image to the drive. The board takes it and restarts, and the
/// drive goes away: says whether it did.
pub(crate) fn write(image: &[u8], drive: &Path, patience: Duration) -> Result<bool> {
    let path = drive.join("MAGPIE.UF2");
    let cannot = || {
        format!(
            "cannot write {}; plug the board in with BOOTSEL held once more",
            path.display()
        )
    };
    let mut file = File::create(&path).with_context(cannot)?;
    // With the last block the board restarts, so that what is still to be
    // written then (the folder, the table of the file system) finds no drive.
    match file.write_all(image).and_then(|()| file.sync_all()) {
        Err(error) if !is_gone(drive, Duration::from_secs(1)) => Err(error).with_context(cannot),
        Err(_) => Ok(true),
        Ok(()) => Ok(is_gone(drive, patience)),
    }
}

fn is_gone(drive: &Path, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    loop {
        if !drive.join(INFO).exists() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::{fat_mounts, named, names, only_one, unescaped, write};

    /// As the boot ROM of an RP2350 writes it.
    const PICO2: &str = "UF2 Bootloader v1.0\r\nModel: Raspberry Pi RP2350\r\nBoard-ID: RP2350\r\n";
    const PICO: &str = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n";

    /// Folders of one test, gone with it.
    struct Folders(PathBuf);

    impl Folders {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("magpie-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).expect("a folder");
            Self(dir)
        }

        fn drive(&self, name: &str, info: Option<&str>) -> PathBuf {
            let dir = self.0.join(name);
            fs::create_dir_all(&dir).expect("a folder");
            if let Some(info) = info {
                fs::write(dir.join("INFO_UF2.TXT"), info).expect("a file");
            }
            dir
        }
    }

    impl Drop for Folders {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_drive_is_known_by_its_info() {
        assert!(names(PICO2, "RP2350"));
        assert!(!names(PICO, "RP2350"));
        assert!(names("Model: Some Maker\nBoard-ID: RP2350\n", "RP2350"));
        assert!(names("Model: Some RP2350\nBoard-ID: W6100-EVB\n", "RP2350"));
        assert!(!names("Model: RP23501\nNote: RP2350\n", "RP2350"));
        assert!(!names("", "RP2350"));
    }

    #[test]
    fn one_drive_is_taken_and_none_or_two_are_errors() {
        let folders = Folders::new("drives");
        let (disk, pico) = (
            folders.drive("disk", None),
            folders.drive("pico", Some(PICO)),
        );
        let first = folders.drive("first", Some(PICO2));
        let second = folders.drive("second", Some(PICO2));
        let none = only_one(&[disk.clone(), pico.clone()], "RP2350").expect_err("none");
        assert!(
            none.to_string().contains("hold BOOTSEL while plugging"),
            "{none}"
        );
        let one = only_one(&[disk.clone(), first.clone(), pico.clone()], "RP2350").expect("one");
        assert_eq!(one, first);
        let two = only_one(&[first.clone(), second.clone()], "RP2350").expect_err("two");
        assert!(two.to_string().contains("--drive PATH"), "{two}");
        assert!(
            two.to_string().contains(&second.display().to_string()),
            "{two}"
        );

        assert_eq!(named(&second, "RP2350").expect("named"), second);
        let other = named(&pico, "RP2350").expect_err("another chip");
        assert!(other.to_string().contains("another chip"), "{other}");
        let no_drive = named(&disk, "RP2350").expect_err("no drive");
        assert!(no_drive.to_string().contains("no boot drive"), "{no_drive}");
    }

    #[test]
    fn mounts_with_odd_names() {
        let table = b"/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /media/me/MY\\040DISK vfat rw 0 0\n\
                      server:/x /mnt/dead nfs4 rw 0 0\n/dev/sdc1 /media/me/RP2350 vfat rw 0 0\nodd\n";
        let expected = [
            Path::new("/media/me/MY DISK"),
            Path::new("/media/me/RP2350"),
        ];
        assert_eq!(fat_mounts(table), expected);
        assert_eq!(unescaped(b"a\\134b\\9\\04"), b"a\\b\\9\\04");
    }

    #[test]
    fn the_image_lands_on_the_drive() {
        let folders = Folders::new("write");
        let drive = folders.drive("drive", Some(PICO2));
        let gone = write(b"image", &drive, Duration::ZERO).expect("written");
        assert!(!gone, "a folder does not go away");
        assert_eq!(fs::read(drive.join("MAGPIE.UF2")).expect("there"), b"image");

        let leaves = folders.drive("leaves", Some(PICO2));
        let info = leaves.join("INFO_UF2.TXT");
        let board = std::thread::spawn({
            let image = leaves.join("MAGPIE.UF2");
            move || {
                while !fs::read(&image).is_ok_and(|octets| octets == b"image") {
                    std::thread::sleep(Duration::from_millis(5));
                }
                fs::remove_file(info)
            }
        });
        assert!(write(b"image", &leaves, Duration::from_secs(20)).expect("written"));
        board.join().expect("no panic").expect("removed");

        assert!(write(b"image", &folders.0.join("nowhere"), Duration::ZERO).is_err());
    }
}
