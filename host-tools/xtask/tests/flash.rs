//! `cargo xtask flash` as it is typed, with a probe-rs that only notes what it
//! is asked.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("magpie-xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(dir.join("bin")).expect("a folder");
        fs::write(dir.join("image.elf"), b"an image").expect("a file");
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A probe-rs that notes its arguments, a line a call, and fails when asked to.
    fn probe_rs(&self) {
        let program = self.path("bin/probe-rs");
        let text = format!(
            "#!/bin/sh\necho \"$*\" >> '{}'\ncase \"$*\" in *fail*) exit 1;; esac\n",
            self.path("asked").display()
        );
        fs::write(&program, text).expect("a file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.path("asked")).unwrap_or_default()
    }

    fn flash(&self, args: &[&str]) -> Output {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        // The rest of PATH, without any real probe-rs.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let others = std::env::split_paths(&path).filter(|dir| !dir.join("probe-rs").exists());
        let folders = std::iter::once(self.path("bin")).chain(others);
        xtask
            .arg("flash")
            .args(args)
            .current_dir(&self.0)
            .env("PATH", std::env::join_paths(folders).expect("no colons"));
        // Beside cargo, should its folder have been left out just now.
        let rustc = std::env::var_os("CARGO").map(|c| Path::new(&c).with_file_name("rustc"));
        if let Some(rustc) = rustc.filter(|r| r.exists()) {
            xtask.env("RUSTC", OsString::from(rustc));
        }
        xtask.output().expect("starts")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

const NUCLEO: [&str; 3] = ["nucleo-h743zi2", "--image", "image.elf"];

#[test]
fn a_probe_is_asked_to_flash_and_to_reset() {
    let folder = Folder::new("probe");
    folder.probe_rs();
    let options = ["--", "--probe", "0483:374e:0042"];
    let out = folder.flash(&[&NUCLEO[..], &options[..]].concat());
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(
        folder.asked(),
        "download --verify --chip STM32H743ZITx --probe 0483:374e:0042 image.elf\n\
         reset --chip STM32H743ZITx --probe 0483:374e:0042\n"
    );
    assert_eq!(
        text(&out.stdout),
        "next: magpie watch serial:/dev/ttyACM0@921600\n"
    );
}

#[test]
fn a_probe_that_fails_ends_it() {
    let folder = Folder::new("fails");
    folder.probe_rs();
    let out = folder.flash(&[&NUCLEO[..], &["--", "--probe", "fail"]].concat());
    assert!(!out.status.success());
    assert!(!folder.asked().contains("reset"), "{}", folder.asked());
    assert!(
        text(&out.stderr).contains("probe-rs list"),
        "{}",
        text(&out.stderr)
    );
    assert!(!text(&out.stdout).contains("next"), "{}", text(&out.stdout));
}

#[test]
fn a_dry_run_does_nothing() {
    let folder = Folder::new("dry");
    folder.probe_rs();
    let out = folder.flash(&["nucleo-h743zi2", "--features", "defmt", "--dry-run"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(folder.asked(), "");
    let said = text(&out.stdout);
    let image = "images/nucleo-h743zi2-defmt.elf";
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(
        said.starts_with("would build ") && said.contains(image),
        "{said}"
    );
    assert!(
        said.contains("would run probe-rs download --verify --chip STM32H743ZITx "),
        "{said}"
    );
    assert!(
        said.ends_with("would run probe-rs reset --chip STM32H743ZITx\n"),
        "{said}"
    );
}

#[test]
fn a_port_that_speaks_is_told_who_it_is() {
    let folder = Folder::new("speak");
    folder.probe_rs();
    let told = |line: &str| {
        let args: Vec<&str> = line.split_whitespace().collect();
        folder.flash(&args)
    };
    let out = told(
        "nucleo-h743zi2 --dry-run --speak --address 192.0.2.9/24 --host 192.0.2.1:4739 \
         --features defmt",
    );
    assert!(out.status.success(), "{}", text(&out.stderr));
    let image = "images/nucleo-h743zi2-speak-192-0-2-9-to-192-0-2-1-defmt.elf";
    assert!(text(&out.stdout).contains(image), "{}", text(&out.stdout));
    for (line, says) in [
        (
            "nucleo-h743zi2 --dry-run --speak --address 192.0.2.255/24",
            "everybody in it",
        ),
        (
            "nucleo-h743zi2 --dry-run --speak --address 192.0.2.9/24 --host 10.0.0.1:4739",
            "which --gateway",
        ),
        ("nucleo-h743zi2 --dry-run --address 192.0.2.9/24", "--speak"),
        (
            "wiznet-w6100-evb-pico2 --dry-run --speak",
            "no variant that speaks",
        ),
    ] {
        let out = told(line);
        assert!(!out.status.success(), "{line}");
        assert!(text(&out.stderr).contains(says), "{}", text(&out.stderr));
    }
    assert_eq!(folder.asked(), "");
}

#[test]
fn errors_say_what_to_do() {
    let folder = Folder::new("errors");
    let cases: [(&[&str], &str); 4] = [
        (&NUCLEO, "cargo install probe-rs-tools --locked"),
        (&["qemu-mps2-an386"], "cargo demo --board qemu-mps2-an386"),
        (&["nobody"], "no board is called `nobody`"),
        (
            &["nucleo-h743zi2", "--drive", "."],
            "flashed by a debug probe",
        ),
    ];
    for (args, says) in cases {
        let out = folder.flash(args);
        assert!(!out.status.success(), "{args:?}");
        assert!(
            text(&out.stderr).contains(says),
            "{args:?}: {}",
            text(&out.stderr)
        );
    }
    folder.probe_rs();
    let out = folder.flash(&["nucleo-h743zi2", "--image", "nowhere.elf"]);
    assert!(
        text(&out.stderr).contains("no image nowhere.elf"),
        "{}",
        text(&out.stderr)
    );
    assert_eq!(folder.asked(), "");
}
