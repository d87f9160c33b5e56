//! `magpie extcap` as Wireshark calls it: by the real tshark, and by hand.
//!
//! What needs tshark, QEMU or libpcap is left out of a plain `cargo test`, and
//! says so; `cargo verify` runs it, or
//!
//! ```text
//! cargo test --release -p magpie-tests --features libpcap --test extcap -- --include-ignored
//! ```

mod installed;
mod live;

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use magpie_tests::program;
use tempfile::TempDir;

/// A folder where Wireshark finds magpie.
struct Installed {
    folder: TempDir,
}

impl Installed {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let output = magpie(&["--install", "--dir", path(folder.path())]);
        assert!(output.status.success(), "{}", program::stderr(&output));
        Self { folder }
    }

    /// tshark that finds magpie, and nothing else.
    ///
    /// Wireshark looks into a folder that the environment names, unless root
    /// runs it: then the folder is put in the place of the system's, in a mount
    /// namespace of the test's own.
    fn tshark(&self, arguments: &[&str]) -> Command {
        let mut command = if magpie_os::may_administer() {
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "sh", "-c"])
                .arg(r#"mount --bind "$0" "$1" && shift && exec "$@""#)
                .arg(self.folder.path())
                .arg(system_folder())
                .arg("tshark");
            command
        } else {
            let mut command = Command::new("tshark");
            command.env("WIRESHARK_EXTCAP_DIR", self.folder.path());
            command
        };
        command.args(arguments).stdin(Stdio::null());
        command
    }
}

/// Where the Wireshark of this machine looks, as it says itself.
fn system_folder() -> String {
    let output = Command::new("tshark")
        .args(["-G", "folders"])
        .output()
        .expect("tshark: apt-get install tshark");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("Extcap path:"));
    let path = line.and_then(|line| line.split_once(':'));
    path.unwrap_or_else(|| panic!("no folder: {text}"))
        .1
        .trim()
        .to_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// `magpie extcap`, to its end.
fn magpie(arguments: &[&str]) -> Output {
    let arguments = [&["extcap"], arguments].concat();
    Command::new(program::path())
        .args(arguments)
        .output()
        .expect("the program")
}

/// What an ended program said on stdout.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits for a child, at most so long; then it is killed and the test fails.
fn within(child: &mut Child, bound: Duration, what: &str) -> ExitStatus {
    let end = Instant::now() + bound;
    loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("{what}: not within {bound:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Everything on a pipe of a child that has ended.
fn rest(pipe: Option<impl std::io::Read>) -> String {
    let mut text = String::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_string(&mut text).expect("text");
    }
    text
}

/// Processes that are below this one.
fn descendants(of: u32) -> Vec<u32> {
    let output = Command::new("ps")
        .args(["-e", "-o", "pid=,ppid="])
        .output()
        .expect("ps");
    let pairs: Vec<(u32, u32)> = said(&output)
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect();
    let mut found = vec![of];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(
            pairs
                .iter()
                .filter(|(_, p)| *p == parent)
                .map(|(pid, _)| pid),
        );
        at += 1;
    }
    found.split_off(1)
}

fn is_alive(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Behind the name in brackets; a zombie is gone.
    let state = state
        .rsplit_once(") ")
        .map(|(_, rest)| rest.starts_with('Z'));
    state == Some(false)
}

/// Waits until none of them runs any more.
fn all_gone(pids: &[u32], bound: Duration) {
    let end = Instant::now() + bound;
    while pids.iter().any(|pid| is_alive(*pid)) {
        assert!(Instant::now() < end, "still running: {pids:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
