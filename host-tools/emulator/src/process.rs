//! One running QEMU and the sockets to it.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::board::Board;
use crate::boot::{BoardClock, BootBlock, Network};
use crate::error::EmulatorError;
use crate::feeder::{FeedFrame, FeedOptions, Feeder};
use crate::image::{Image, find_image};
use crate::qmp::Qmp;
use crate::sockets::{Net, accept, chardev, folder, listen, loader};
use crate::stream::NetStream;
use crate::watchdog::Watchdog;
use crate::wire::Wire;

/// How long QEMU may take to open its sockets.
const CONNECT: Duration = Duration::from_secs(20);
/// Octets of QEMU's error output that are worth showing.
const STDERR: usize = 2000;

/// How a board is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The image, where it is not in its usual place.
    pub image: Option<PathBuf>,
    /// Seed of all boots, each of which adds its number; random where there is
    /// none.
    pub seed: Option<[u8; 32]>,
    /// Which time it lives in.
    pub clock: BoardClock,
    /// Network settings, for an image that speaks.
    pub network: Network,
    /// By how much its own clock runs fast (slow where negative), in parts per
    /// million of QEMU's.
    pub clock_ppm: i32,
    /// File that QEMU's standard output goes to: the firmware's log, where
    /// it was built with one.
    pub log: Option<PathBuf>,
    /// QEMU's `-icount`, such as `shift=7,sleep=off`.
    pub icount: Option<String>,
    /// More arguments for QEMU.
    pub extra: Vec<OsString>,
    /// The program.
    pub program: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            image: None,
            seed: None,
            clock: BoardClock::default(),
            network: Network::default(),
            clock_ppm: 0,
            log: None,
            icount: None,
            extra: Vec::new(),
            program: "qemu-system-arm".to_owned(),
        }
    }
}

/// A board that runs in QEMU. Dropping it ends QEMU.
pub struct Emulator {
    board: &'static Board,
    image: Image,
    clock: BoardClock,
    child: Child,
    qmp: Arc<Mutex<Qmp>>,
    uart: UnixStream,
    net: Option<NetStream>,
    stderr: PathBuf,
    // Fields drop in this order: the watchdog before the folder.
    watchdog: Option<Watchdog>,
    _folder: tempfile::TempDir,
}

impl Emulator {
    /// Starts a board. When this returns, the firmware runs.
    pub fn start(board: &'static Board, options: &Options) -> Result<Self, EmulatorError> {
        let image = find_image(board, options.image.as_deref())?;
        Self::start_image(board, image, options)
    }

    /// The same with an image already read.
    pub fn start_image(
        board: &'static Board,
        image: Image,
        options: &Options,
    ) -> Result<Self, EmulatorError> {
        let boot = BootBlock {
            clock_ppm: options.clock_ppm,
            ..BootBlock::new(options.seed, options.clock, options.network)?
        };
        let version = version(&options.program)?;
        let folder = folder()?;
        let path = |name: &str| folder.path().join(name);
        let stderr = path("stderr");
        write(&path("boot"), &boot.encode())?;
        let uart = listen(&path("uart"))?;
        let qmp = listen(&path("qmp"))?;
        let net = Net::listen(&path("net"), version)?;

        let mut command = Command::new(&options.program);
        command
            .args(["-M", board.machine, "-display", "none", "-monitor", "none"])
            .arg("-kernel")
            .arg(&image.path)
            // Puts it there before every boot, whoever resets the board.
            .args(["-device", &loader(&path("boot"), image.boot)?])
            .args(["-netdev", &net.argument()?, "-net", "nic,netdev=n0"])
            .args(["-chardev", &chardev("uart", &path("uart"), "off")?])
            .args(["-serial", "chardev:uart"])
            .args(["-chardev", &chardev("qmp", &path("qmp"), "off")?])
            .args(["-mon", "chardev=qmp,mode=control"]);
        if image.logs {
            command.args(["-semihosting-config", "enable=on,target=native"]);
        }
        if let Some(icount) = &options.icount {
            command.args(["-icount", icount]);
        }
        command.args(&options.extra);
        let stdout = match &options.log {
            Some(log) => create(log)?.into(),
            None => Stdio::null(),
        };
        command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(create(&stderr)?)
            // Ctrl-C on the terminal is for us: the summary comes from a
            // board that still answers.
            .process_group(0);
        let child = command
            .spawn()
            .map_err(|e| spawn_error(&options.program, e))?;
        let mut start = Starting {
            watchdog: Watchdog::start(child.id(), &options.program, folder.path()),
            child: Some(child),
            machine: board.machine,
            stderr: &stderr,
        };
        let net = start.wait("network card", || net.accept())?;
        let uart = start.wait("serial line", || accept(&uart))?;
        let qmp = start.wait("control socket", || accept(&qmp))?;
        let qmp = start.explain(Qmp::new(qmp))?;
        let (child, watchdog) = start.done()?;
        Ok(Self {
            board,
            image,
            clock: options.clock,
            child,
            qmp: Arc::new(Mutex::new(qmp)),
            uart,
            net: Some(net),
            stderr,
            watchdog,
            _folder: folder,
        })
    }

    /// The board.
    pub fn board(&self) -> &'static Board {
        self.board
    }

    /// The image it runs.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// QEMU's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The board's serial line, both ways. Whoever has it must read it: a
    /// line that nobody reads holds the board up.
    pub fn uart(&self) -> Result<UnixStream, EmulatorError> {
        self.uart
            .try_clone()
            .map_err(|source| EmulatorError::Socket {
                what: "serial line",
                source,
            })
    }

    /// Starts to feed frames to the network card, in a thread of its own.
    /// Once for each board: there is one wire.
    pub fn feed<I>(&mut self, frames: I, options: FeedOptions) -> Result<Feeder, EmulatorError>
    where
        I: Iterator<Item = Result<FeedFrame, String>> + Send + 'static,
    {
        self.feed_live(frames.map(|frame| frame.map(Some)), options)
    }

    /// As [`Self::feed`], with frames that come when they come: the iterator
    /// waits a moment and gives `None` where there is none yet, so that
    /// nothing gathered is held back and the feed can be ended.
    pub fn feed_live<I>(&mut self, frames: I, options: FeedOptions) -> Result<Feeder, EmulatorError>
    where
        I: Iterator<Item = Result<Option<FeedFrame>, String>> + Send + 'static,
    {
        let net = self.net.take().ok_or(EmulatorError::Taken {
            what: "network card",
        })?;
        let (qmp, address) = (Arc::clone(&self.qmp), self.image.received);
        let counter = move || lock(&qmp).read_word(address).map_err(|e| e.to_string());
        Ok(Feeder::start(
            self.board,
            self.clock.is_stamped(),
            net,
            Box::new(frames),
            Box::new(counter),
            options,
        )?)
    }

    /// The wire of the network card itself, both ways, in place of
    /// [`Self::feed`]: for whoever also talks with the board over it.
    pub fn wire(&mut self) -> Result<Wire, EmulatorError> {
        let net = self.net.take().ok_or(EmulatorError::Taken {
            what: "network card",
        })?;
        Wire::new(net).map_err(|source| EmulatorError::Socket {
            what: "network card",
            source,
        })
    }

    /// Frames the firmware has read out of its network card since it booted
    /// (wraps at 32 bits).
    pub fn received(&self) -> Result<u32, EmulatorError> {
        self.read_word(self.image.received)
    }

    /// A 32-bit word of the board's memory.
    pub fn read_word(&self, address: u32) -> Result<u32, EmulatorError> {
        lock(&self.qmp).read_word(address)
    }

    /// Stops the board where it is. QEMU throws away frames that wait for a
    /// card of a stopped machine: hold the feeder first ([`Feeder::hold`]).
    pub fn pause(&self) -> Result<(), EmulatorError> {
        self.execute("stop")
    }

    /// Lets it run on.
    pub fn resume(&self) -> Result<(), EmulatorError> {
        self.execute("cont")
    }

    /// Pulls the cable out of the network card, or plugs it in again. What is
    /// sent meanwhile, by either side, is gone.
    pub fn plug(&self, in_again: bool) -> Result<(), EmulatorError> {
        let link = json!({ "name": "n0", "up": in_again });
        lock(&self.qmp).execute("set_link", &link).map(|_| ())
    }

    /// Presses the reset button, and lets the board run if it stood still.
    /// Frames in the card are gone then: hold the feeder first, release it with
    /// [`Feeder::release_after_reset`] and wait for the board's first batch
    /// again.
    pub fn reset(&self) -> Result<(), EmulatorError> {
        // It happens in QEMU's main loop, after the answer, and puts back all
        // memory that the image and the loader describe.
        lock(&self.qmp).execute_until("system_reset", "RESET")?;
        self.resume()
    }

    /// Whether QEMU still runs; if not, why.
    pub fn check(&mut self) -> Result<(), EmulatorError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(died(self.board.machine, &status.to_string(), &self.stderr)),
            Err(source) => Err(EmulatorError::Socket {
                what: "process",
                source,
            }),
        }
    }

    fn execute(&self, command: &str) -> Result<(), EmulatorError> {
        lock(&self.qmp).execute(command, &json!({})).map(|_| ())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The watchdog goes first, so that it never sees a foreign process.
        self.watchdog = None;
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn lock(qmp: &Mutex<Qmp>) -> MutexGuard<'_, Qmp> {
    qmp.lock().unwrap_or_else(PoisonError::into_inner)
}

/// QEMU between its start and its last socket: whatever goes wrong ends it,
/// and what it said goes into the error.
struct Starting<'a> {
    child: Option<Child>,
    watchdog: Option<Watchdog>,
    machine: &'static str,
    stderr: &'a Path,
}

impl Starting<'_> {
    fn wait<T>(
        &mut self,
        what: &'static str,
        accept: impl Fn() -> std::io::Result<Option<T>>,
    ) -> Result<T, EmulatorError> {
        let deadline = Instant::now() + CONNECT;
        loop {
            match accept() {
                Ok(Some(stream)) => return Ok(stream),
                Ok(None) => {}
                Err(source) => return Err(EmulatorError::Socket { what, source }),
            }
            self.alive()?;
            if Instant::now() > deadline {
                return Err(EmulatorError::NoConnection {
                    machine: self.machine.to_owned(),
                    what,
                    seconds: CONNECT.as_secs(),
                    said: tail(self.stderr),
                });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A broken socket often means that QEMU has ended: then say why it did.
    fn explain<T>(&mut self, result: Result<T, EmulatorError>) -> Result<T, EmulatorError> {
        if result.is_err() {
            let deadline = Instant::now() + Duration::from_millis(300);
            while Instant::now() < deadline {
                self.alive()?;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        result
    }

    fn alive(&mut self) -> Result<(), EmulatorError> {
        if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
            return Err(died(self.machine, &status.to_string(), self.stderr));
        }
        Ok(())
    }

    fn done(mut self) -> Result<(Child, Option<Watchdog>), EmulatorError> {
        let watchdog = self.watchdog.take();
        match self.child.take() {
            Some(child) => Ok((child, watchdog)),
            None => Err(EmulatorError::Taken { what: "process" }),
        }
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            self.watchdog = None;
            end(child);
        }
    }
}

fn write(path: &Path, octets: &[u8]) -> Result<(), EmulatorError> {
    std::fs::write(path, octets).map_err(|source| EmulatorError::File {
        path: path.to_owned(),
        source,
    })
}

fn create(path: &Path) -> Result<File, EmulatorError> {
    File::create(path).map_err(|source| EmulatorError::File {
        path: path.to_owned(),
        source,
    })
}

fn spawn_error(program: &str, source: std::io::Error) -> EmulatorError {
    let program = program.to_owned();
    if source.kind() == std::io::ErrorKind::NotFound {
        EmulatorError::NoQemu { program }
    } else {
        EmulatorError::Start { program, source }
    }
}

fn version(program: &str) -> Result<(u32, u32), EmulatorError> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| spawn_error(program, e))?;
    let said = String::from_utf8_lossy(&output.stdout);
    parse_version(&said).ok_or_else(|| EmulatorError::Version {
        program: program.to_owned(),
        said: said.lines().next().unwrap_or_default().to_owned(),
    })
}

/// `QEMU emulator version 7.2.22 (Debian ...)` -> (7, 2).
fn parse_version(said: &str) -> Option<(u32, u32)> {
    let (_, rest) = said.split_once("version ")?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn died(machine: &str, status: &str, stderr: &Path) -> EmulatorError {
    EmulatorError::Died {
        machine: machine.to_owned(),
        status: status.to_owned(),
        said: tail(stderr),
    }
}

fn tail(path: &Path) -> String {
    let octets = std::fs::read(path).unwrap_or_default();
    let from = octets.len().saturating_sub(STDERR);
    let said = String::from_utf8_lossy(octets.get(from..).unwrap_or_default());
    match said.trim() {
        "" => "nothing".to_owned(),
        said => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let debian = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright";
        assert_eq!(parse_version(debian), Some((7, 2)));
        assert_eq!(parse_version("QEMU emulator version 10.0.2"), Some((10, 0)));
        assert_eq!(parse_version("something else"), None);
    }

    #[test]
    fn without_qemu_the_error_says_what_to_install() {
        let said = version("no-such-qemu").unwrap_err().to_string();
        assert!(said.contains("no-such-qemu") && said.contains("apt install qemu-system-arm"));
    }

    #[test]
    fn only_the_end_of_a_long_complaint_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stderr");
        std::fs::write(&path, format!("{}the end\n", "x".repeat(10_000))).unwrap();
        let said = tail(&path);
        assert!(said.len() <= STDERR && said.ends_with("the end"));
        assert_eq!(tail(&dir.path().join("none")), "nothing");
    }
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod with_qemu;
