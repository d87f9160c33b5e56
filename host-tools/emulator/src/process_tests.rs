//! With a real QEMU and a program of 60 octets, so no image is needed.

use super::*;
use crate::board::board;
use crate::image::{BOOT_SYMBOL, RECEIVED_SYMBOL};
use crate::testelf::{self, Symbol};
use std::io::Read;

fn image(folder: &Path, words: &[u32]) -> Image {
    let symbols = [
        Symbol::new(BOOT_SYMBOL, 0x2000_0100, 56),
        Symbol::new(RECEIVED_SYMBOL, 0x2000_0200, 4),
    ];
    let path = folder.join("test.elf");
    std::fs::write(&path, testelf::build(testelf::EM_ARM, words, &symbols)).unwrap();
    Image::open(&path).unwrap()
}

fn start(seed: u8) -> (Emulator, UnixStream, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        seed: Some([seed; 32]),
        ..Options::default()
    };
    let image = image(folder.path(), &testelf::PROGRAM);
    let emulator = Emulator::start_image(board("mps2-an386").unwrap(), image, &options).unwrap();
    let uart = emulator.uart().unwrap();
    uart.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    (emulator, uart, folder)
}

/// As much of it as the program prints.
fn boot_block(uart: &mut UnixStream) -> [u8; 40] {
    let mut block = [0; 40];
    uart.read_exact(&mut block).unwrap();
    block
}

fn until_counted(emulator: &Emulator) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while emulator.received().unwrap() != 7 {
        assert!(Instant::now() < deadline);
    }
}

#[test]
#[ignore = "needs qemu-system-arm"]
fn the_boot_block_is_there_before_the_first_instruction_and_again_after_a_reset() {
    let (mut emulator, mut uart, _folder) = start(0x41);
    let block = boot_block(&mut uart);
    assert_eq!(block[..32], [0x41; 32]);
    assert_eq!(block[32..], [1, 0, 0, 0, 0, 0, 0, 0]);
    until_counted(&emulator);
    for paused in [false, true] {
        if paused {
            emulator.pause().unwrap();
        }
        emulator.reset().unwrap();
        assert_eq!(boot_block(&mut uart), block);
        until_counted(&emulator);
    }
    emulator.check().unwrap();
}

#[test]
#[ignore = "needs qemu-system-arm"]
fn a_paused_board_answers_and_runs_on() {
    let (emulator, mut uart, _folder) = start(1);
    boot_block(&mut uart);
    emulator.pause().unwrap();
    emulator.received().unwrap();
    emulator.resume().unwrap();
    until_counted(&emulator);
}

#[test]
#[ignore = "needs qemu-system-arm"]
fn dropping_it_ends_qemu_and_removes_its_files() {
    let (emulator, mut uart, _folder) = start(1);
    let (pid, file) = (emulator.pid(), emulator.stderr.clone());
    assert!(Path::new(&format!("/proc/{pid}")).exists() && file.exists());
    drop(emulator);
    assert!(!Path::new(&format!("/proc/{pid}")).exists() && !file.exists());
    let mut rest = Vec::new();
    uart.read_to_end(&mut rest).unwrap();
}

#[test]
#[ignore = "needs qemu-system-arm"]
fn why_qemu_died_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        extra: vec!["-no-such-option".into()],
        ..Options::default()
    };
    let image = image(folder.path(), &testelf::PROGRAM);
    let said = Emulator::start_image(board("mps2-an386").unwrap(), image, &options)
        .err()
        .unwrap()
        .to_string();
    assert!(
        said.contains("mps2-an386") && said.contains("no-such-option"),
        "{said}"
    );
}

#[test]
#[ignore = "needs qemu-system-arm"]
fn a_firmware_that_locks_up_is_reported() {
    // A stack and a reset vector that point nowhere: Lockup.
    let folder = tempfile::tempdir().unwrap();
    let image = image(folder.path(), &[0, 0]);
    let board = board("mps2-an386").unwrap();
    let said = match Emulator::start_image(board, image, &Options::default()) {
        Err(e) => e.to_string(),
        Ok(mut emulator) => {
            let deadline = Instant::now() + Duration::from_secs(20);
            loop {
                match emulator.check() {
                    Err(e) => break e.to_string(),
                    Ok(()) => assert!(Instant::now() < deadline),
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    };
    assert!(said.contains("Lockup"), "{said}");
}

#[test]
#[ignore = "needs qemu-system-arm"]
fn qemu_before_7_2_is_fed_over_tcp() {
    // Any QEMU still takes the older socket; the version is what a wrapper
    // says it is.
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let wrapper = folder.path().join("qemu-system-old");
    let script = "#!/bin/sh\nif [ \"$1\" = --version ]; then echo QEMU emulator version 6.2.0; exit; fi\nexec qemu-system-arm \"$@\"\n";
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = Options {
        program: wrapper.to_str().unwrap().to_owned(),
        ..Options::default()
    };
    let image = image(folder.path(), &testelf::PROGRAM);
    let emulator = Emulator::start_image(board("mps2-an386").unwrap(), image, &options).unwrap();
    assert!(matches!(emulator.net, Some(NetStream::Tcp(_))));
    until_counted(&emulator);
}
