//! A live network for tests: hosts, a router and a switch in network
//! namespaces (`tests/lab/network.py`), the program at its mirror port, and
//! others who count there too.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use magpie_sources::{OpenOptions, Spec};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::boards::{self, Outcome};
use crate::program;
use crate::script::{Script, Share};
use crate::terminal::{self, Terminal};
use crate::truth::Exact;

pub use crate::script::alone;

/// The sensor's place.
pub const INTERFACE: &str = "mirror";
/// How long a program may take to start or to end on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A network that is taken down when this is dropped, or when the test dies.
pub struct Lab {
    script: Script,
    namespace: String,
    folder: TempDir,
}

#[derive(Deserialize)]
struct Greeting {
    namespace: String,
}

/// What the hosts say of their day.
#[derive(Debug, Deserialize)]
pub struct Workday {
    /// Every ping, as ping counts.
    pub pings: Vec<Ping>,
}

/// A summary of ping.
#[derive(Debug, Deserialize)]
pub struct Ping {
    /// Who was asked.
    pub target: std::net::IpAddr,
    /// Requests.
    pub sent: u64,
    /// Requests that were answered.
    pub back: u64,
}

/// Frames and their octets, without FCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frames {
    /// How many.
    pub frames: u64,
    /// Their octets.
    pub octets: u64,
}

impl Lab {
    /// Builds it: `--hub`, `--tap KIND` as `network.py serve` takes them.
    pub fn start(arguments: &[&str]) -> Self {
        let mut words = vec!["serve"];
        words.extend(arguments);
        let mut script = Script::start("lab/network.py", &words, Share::Alone(alone()));
        let Greeting { namespace } = script.answer("the start");
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            script,
            namespace,
            folder,
        }
    }

    /// Gives an order and waits until it is done.
    pub fn order<T: DeserializeOwned>(&mut self, order: &str) -> T {
        self.script.order(order)
    }

    /// An order whose answer says no more than that it is done.
    pub fn tell(&mut self, order: &str) {
        let _: serde_json::Value = self.order(order);
    }

    /// A program at the sensor's place.
    pub fn at_mirror(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace])
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// What the kernel received at the sensor's place so far.
    pub fn received(&self) -> Frames {
        let file = |name| format!("/sys/class/net/{INTERFACE}/statistics/rx_{name}");
        let said = self
            .at_mirror("cat")
            .args([file("packets"), file("bytes")])
            .output()
            .expect("iproute2");
        let text = String::from_utf8_lossy(&said.stdout);
        let mut numbers = text.lines().map(|line| line.parse().expect("a number"));
        let mut next = || numbers.next().expect("two numbers");
        Frames {
            frames: next(),
            octets: next(),
        }
    }

    fn spawn(&self, name: &str, command: &mut Command) -> Running {
        let out = self.folder.path().join(format!("{name}.out"));
        let err = self.folder.path().join(format!("{name}.err"));
        let create = |path: &Path| File::create(path).expect("a folder of ours");
        let child = command
            .stdout(create(&out))
            .stderr(create(&err))
            .spawn()
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        Running { child, out, err }
    }

    /// tcpdump at the sensor's place, listening.
    pub fn tcpdump(&self) -> Tcpdump {
        let file = self.folder.path().join("tcpdump.pcap");
        let mut command = self.at_mirror("tcpdump");
        command
            .args(["-i", INTERFACE, "-n", "-Z", "root", "-s", "0"])
            // At once, so that nothing waits in the kernel when it is ended.
            .args(["--immediate-mode", "-U"])
            .args(["--time-stamp-precision=nano", "-B", "32768", "-w"])
            .arg(&file);
        let mut running = self.spawn("tcpdump", &mut command);
        running.wait_for("listening on", |running| &running.err);
        Tcpdump { running, file }
    }

    /// The program watching a source, its sensor having answered.
    pub fn watch(&self, source: &str) -> Watch {
        let kept = self.folder.path().join("kept.magpie");
        let mut command = self.at_mirror(program::path());
        command
            .args(["watch", source, "--top", "1000", "--record"])
            .arg(&kept);
        let mut running = self.spawn("magpie", &mut command);
        running.wait_for("sensor ", |running| &running.out);
        Watch { running, kept }
    }

    /// The same on a terminal: its screen.
    pub fn screen(&self, source: &str) -> Terminal {
        let words = ["ip", "netns", "exec", &self.namespace].map(OsStr::new);
        let words = words.into_iter().chain([program::path().as_os_str()]);
        let mut command = terminal::command(words);
        command.args(["watch", source]);
        let terminal = Terminal::start(command, terminal::SMALL);
        terminal.wait_for("Waiting for the first frame");
        terminal
    }
}

/// A program that writes into files.
struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

fn text(path: &Path) -> String {
    let octets = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    String::from_utf8_lossy(&octets).into_owned()
}

impl Running {
    fn wait_for(&mut self, sign: &str, place: impl Fn(&Self) -> &PathBuf) {
        let deadline = Instant::now() + PATIENCE;
        while !text(place(self)).contains(sign) {
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "no `{sign}`: {ended:?} {} {}",
                text(&self.out),
                text(&self.err)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Ctrl-C, and what it came to.
    fn end(&mut self) -> ExitStatus {
        self.signal("INT");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end: {}",
                text(&self.err)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already over where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// tcpdump, writing a capture.
pub struct Tcpdump {
    running: Running,
    file: PathBuf,
}

impl Tcpdump {
    /// Ends it; what the capture holds, counted by the same core that is
    /// tested, but frame by frame from a file. It has lost nothing.
    pub fn end(mut self) -> Exact {
        let status = self.running.end();
        let said = text(&self.running.err);
        assert!(
            status.success() && said.contains("\n0 packets dropped by kernel"),
            "tcpdump: {status} {said}"
        );
        let file = self.file.to_str().expect("a path of ours");
        let output = program::run(&["replay", file, "--format", "exact"]);
        program::answer(&output).unwrap_or_else(|e| panic!("tcpdump's capture: {e}"))
    }
}

/// The program, as a user runs it.
pub struct Watch {
    running: Running,
    kept: PathBuf,
}

/// What a user has seen when the program has ended.
#[derive(Debug)]
pub struct Watched {
    /// Exit code.
    pub code: Option<i32>,
    /// The summary and all before it.
    pub text: String,
    /// What it said on stderr.
    pub warnings: String,
    /// What its recording amounts to.
    pub outcome: Outcome,
}

impl Watch {
    /// It gets no more time to run.
    pub fn pause(&self) {
        self.running.signal("STOP");
    }

    /// It gets time again.
    pub fn go_on(&self) {
        self.running.signal("CONT");
    }

    /// Ctrl-C.
    pub fn end(mut self) -> Watched {
        let status = self.running.end();
        let (text, warnings) = (text(&self.running.out), text(&self.running.err));
        let spec = Spec::File(self.kept.clone());
        let source = spec
            .open(&OpenOptions::default())
            .unwrap_or_else(|e| panic!("{e}; {status} {warnings}"));
        Watched {
            code: status.code(),
            text,
            warnings,
            outcome: boards::run(source, |_, _| {}),
        }
    }
}

impl Watched {
    /// The books line.
    pub fn books_line(&self) -> &str {
        self.text.lines().last().unwrap_or_default()
    }

    /// A line of the summary that begins so.
    pub fn line(&self, beginning: &str) -> &str {
        self.text
            .lines()
            .find(|line| line.starts_with(beginning))
            .unwrap_or_else(|| panic!("no line `{beginning}` in\n{}", self.text))
    }
}
