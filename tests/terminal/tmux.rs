//! In tmux, as many a sensor is watched: what `capture-pane` reads there.

use std::io::ErrorKind;
use std::process::{Command, Output};

use magpie_tests::program;
use magpie_tests::terminal::{self, LARGE, SMALL};
use tempfile::TempDir;

use crate::feed::{Feed, thousands};
use crate::laws;

/// A server of its own, with one session. Dropping it ends all.
struct Tmux {
    folder: TempDir,
}

impl Tmux {
    /// The program watching the feed in a window of this size.
    fn start(feed: &Feed, (columns, rows): (u16, u16)) -> Self {
        let tmux = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        // All of the window is the program's, also when it has ended.
        let settings = "set -g status off\nset -g remain-on-exit on\n";
        std::fs::write(tmux.folder.path().join("conf"), settings).expect("a folder of ours");
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let (program, feed) = (program::path(), feed.path());
        let script = r#""$0" watch "$1"; echo "it ended with $?""#;
        tmux.run(
            &[
                "new-session",
                "-d",
                "-x",
                &columns,
                "-y",
                &rows,
                "--",
                "sh",
                "-c",
                script,
            ],
            &[program.as_os_str(), feed.as_os_str()],
        );
        tmux
    }

    fn run(&self, arguments: &[&str], more: &[&std::ffi::OsStr]) -> Output {
        let mut command = Command::new("tmux");
        command
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .arg("-S")
            .arg(self.folder.path().join("socket"))
            .arg("-f")
            .arg(self.folder.path().join("conf"))
            .args(arguments)
            .args(more);
        match command.output() {
            Ok(output) if output.status.success() => output,
            Ok(output) => panic!(
                "tmux {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                panic!("tmux is not installed: apt-get install tmux")
            }
            Err(e) => panic!("tmux does not run: {e}"),
        }
    }

    fn said(&self, arguments: &[&str]) -> String {
        String::from_utf8_lossy(&self.run(arguments, &[]).stdout).into_owned()
    }

    /// What stands in the window.
    fn text(&self) -> String {
        self.said(&["capture-pane", "-p"])
    }

    fn wait(&self, what: &str, until: impl Fn(&str) -> bool) -> String {
        terminal::wait(what, || self.text(), until)
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // The server takes the program with it.
        self.run(&["kill-server"], &[]);
    }
}

fn seen_through_tmux(flows: u32) {
    for size in [SMALL, LARGE] {
        let feed = Feed::new(flows);
        let tmux = Tmux::start(&feed, size);
        let live = format!("FLOWS  {} live", thousands(flows));
        let last = usize::from(size.1) - 1;
        let text = tmux.wait(&live, |text| {
            let last = text.lines().nth(last).unwrap_or_default();
            text.contains(&live) && last.starts_with("-- q quit")
        });
        laws::fills(&text, flows, size);
        tmux.run(&["send-keys", "q"], &[]);
        let text = tmux.wait("the end", |text| text.contains("it ended with "));
        assert!(text.contains("books CLOSED"), "{text}");
        assert!(text.contains("it ended with 0"), "{text}");
        // The terminal is its own again.
        assert!(!text.contains("-- q quit"), "{text}");
        let other_screen = tmux.said(&["display-message", "-p", "#{alternate_on}"]);
        assert_eq!(other_screen.trim(), "0");
        drop(tmux);
        feed.end();
    }
}

#[test]
#[ignore = "needs tmux: cargo verify runs it"]
fn three_flows() {
    seen_through_tmux(3);
}

#[test]
#[ignore = "needs tmux: cargo verify runs it"]
fn three_hundred_flows() {
    seen_through_tmux(300);
}

#[test]
#[ignore = "needs tmux: cargo verify runs it"]
fn thirty_thousand_flows() {
    seen_through_tmux(30_000);
}
