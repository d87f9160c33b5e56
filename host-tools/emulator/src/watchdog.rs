//! Ends QEMU when this program is killed before it could do so itself.

use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A shell that waits for our end of its input to close, which the kernel
/// does however we die, and then kills the one process it was told, if that
/// still is the one.
pub(crate) struct Watchdog {
    shell: Child,
    // Held open, never written.
    input: Option<ChildStdin>,
}

// `comm` holds the first 15 octets of the program's name.
const SCRIPT: &str = r#"read -r _
if [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ]; then kill -9 "$1"; rm -rf -- "$3"; fi"#;

impl Watchdog {
    /// Watches over process `pid`, which runs `program` and keeps its files
    /// in `folder`. No shell: no watchdog, which only matters if we are
    /// killed.
    pub(crate) fn start(pid: u32, program: &str, folder: &Path) -> Option<Self> {
        use std::os::unix::process::CommandExt as _;
        let name = Path::new(program).file_name()?.to_str()?;
        let comm: String = name.chars().take(15).collect();
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "magpie-watchdog", &pid.to_string(), &comm])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C on the terminal must not end it before us.
            .process_group(0)
            .spawn()
            .ok()?;
        let input = shell.stdin.take();
        Some(Self { shell, input })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Killed before its input closes, so that it does nothing.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        drop(self.input.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn ends(child: &mut Child, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if child.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    #[test]
    fn kills_what_we_leave_behind_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap().keep();
        let mut orphan = Command::new("sleep").arg("60").spawn().unwrap();
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        let mut right = Watchdog::start(orphan.id(), "/usr/bin/sleep", &folder).unwrap();
        let mut wrong = Watchdog::start(other.id(), "qemu-system-arm", &folder).unwrap();
        // As when we die: our ends of the pipes close.
        drop(right.input.take());
        drop(wrong.input.take());
        assert!(ends(&mut orphan, Duration::from_secs(10)));
        assert!(ends(&mut wrong.shell, Duration::from_secs(10)));
        assert!(ends(&mut right.shell, Duration::from_secs(10)));
        assert!(!folder.exists());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
