//! The built program, run as a user runs it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::truth::Exact;

/// The program, built with the profile of these tests.
pub fn path() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let build = escargot::CargoBuild::new()
            .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
            .package("magpie")
            .bin("magpie");
        let build = if cfg!(feature = "libpcap") {
            build.features("libpcap")
        } else {
            build
        };
        let build = if cfg!(debug_assertions) {
            build
        } else {
            build.release()
        };
        build
            .run()
            .unwrap_or_else(|e| panic!("the program cannot be built: {e}"))
            .path()
            .to_owned()
    })
}

/// A call of the program with at most 2 GB of address space: whatever a file
/// says, memory is bounded.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"ulimit -v 2000000; exec "$0" "$@""#])
        .arg(path())
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run(arguments: &[&str]) -> Output {
    command(arguments)
        .output()
        .unwrap_or_else(|e| panic!("the program cannot be run: {e}"))
}

/// Runs it with these octets on stdin.
pub fn run_with_stdin(arguments: &[&str], octets: &[u8]) -> Output {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("the program cannot be run: {e}"));
    let mut stdin = child.stdin.take().expect("a pipe was asked for");
    let octets = octets.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that read enough may close it.
        let _ = stdin.write_all(&octets);
    });
    let output = child.wait_with_output().expect("a child of ours");
    writer.join().expect("a thread that only writes");
    output
}

/// What it said on stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The answer of a run with `--format exact`, or why there is none.
pub fn answer(output: &Output) -> Result<Exact, String> {
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, stderr(output)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Exact::parse(&text).map_err(|e| format!("{e} in {text:.200}"))
}
