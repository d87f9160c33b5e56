//! A network of the test's own, and others who look at it in the same moment.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::MutexGuard;

use magpie_tests::{lab, program};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

/// How often both are asked again since what they look at changed meanwhile.
const ATTEMPTS: u32 = 40;

/// A network of this thread's own, with its own `/sys`: it goes with the
/// thread. Programs that the thread starts are in it. No lab runs meanwhile.
pub(crate) fn network() -> MutexGuard<'static, ()> {
    let alone = lab::alone();
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces need root");
    // What is mounted here is seen here alone.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("mounts of our own");
    let none = MsFlags::empty();
    mount(Some("sysfs"), "/sys", Some("sysfs"), none, None::<&str>).expect("/sys of our own");
    ip("link set lo up");
    alone
}

/// iproute2, in this thread's network.
pub(crate) fn ip(arguments: &str) {
    let words = arguments.split_whitespace();
    let done = run(Command::new("ip").args(words));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {arguments}: {said}");
}

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// What a program says that must go well.
pub(crate) fn says(name: impl AsRef<OsStr>, words: &[&str]) -> String {
    let output = run(Command::new(name).args(words));
    assert!(
        output.status.success(),
        "{words:?}: {} {}",
        output.status,
        program::stderr(&output)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What `magpie` says, with nothing on stderr but lines that begin so.
pub(crate) fn magpie(words: &[&str], notes: &[&str]) -> String {
    let output = run(Command::new(program::path()).args(words));
    let said = program::stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
    for line in said.lines() {
        assert!(
            notes.iter().any(|n| line.starts_with(n)),
            "{words:?}: {line}"
        );
    }
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Asks another before and after us, until it says the same twice; then holds
/// what we said against that.
pub(crate) fn at_one_moment<T: PartialEq>(other: impl Fn() -> T, ours: impl Fn() -> T) -> (T, T) {
    for _ in 0..ATTEMPTS {
        let before = other();
        let said = ours();
        if before == other() {
            return (before, said);
        }
    }
    panic!("it never stands still");
}

/// The program where a user without rights may start it.
pub(crate) struct Anyones {
    folder: TempDir,
}

impl Anyones {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("a folder of ours");
        let copy = folder.path().join("magpie");
        std::fs::copy(program::path(), copy).expect("the program");
        Self { folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("magpie")
    }

    /// As a user whom nothing is granted.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        let user = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
        run(Command::new("setpriv")
            .args(user)
            .arg(self.path())
            .args(words))
    }
}
