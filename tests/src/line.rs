//! A board behind a serial line that can be harmed: a proxy between the
//! board's UART and a socket that the program opens like a tty.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use magpie_collector::{Offered, Picture};
use magpie_emulator::{Board, Emulator, FeedFrame, FeedOptions, Feeder, Options, Refusal};
use magpie_link::{Deframer, MAX_BATCH};
use magpie_sources::SerialLine;

use crate::boards::{self, Outcome};
use crate::corpus::Capture;

/// How many frames out of a hundred are harmed, in both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Harm {
    /// One octet becomes another.
    pub damaged: u32,
    /// The end is missing, delimiter and all.
    pub cut: u32,
    /// It comes twice.
    pub twice: u32,
    /// Random octets come before it.
    pub garbage: u32,
    /// Equal seeds harm alike.
    pub seed: u64,
}

/// Longest wait for an octet before the other direction has its turn.
const TURN: Duration = Duration::from_millis(2);
/// A plug that was pulled is back after so long.
const UNPLUGGED: Duration = Duration::from_millis(400);

#[derive(Debug, Default)]
struct Shared {
    end: AtomicBool,
    /// Nobody takes what the board says, though the plug is in.
    stalled: AtomicBool,
    /// What the board says is lost on the way.
    deaf: AtomicBool,
    harmed: AtomicU64,
    unheard: AtomicU64,
    pulls: AtomicU64,
    /// The plug is pulled when the board has said so many octets; 0 for never.
    pull_at: AtomicU64,
}

/// A board, fed, and its line.
pub struct Line {
    path: PathBuf,
    feeder: Arc<Feeder>,
    shared: Arc<Shared>,
    pump: Option<JoinHandle<()>>,
    // Ends QEMU; after the feeder, which it serves.
    emulator: Emulator,
    _folder: tempfile::TempDir,
}

impl Line {
    /// Starts the board and feeds it with the capture; nobody listens yet.
    pub fn start(board: &'static Board, capture: &Capture, harm: Harm) -> Self {
        let frames = boards::frames(capture).unwrap_or_else(|e| panic!("{}: {e}", capture.name));
        let frames = frames.into_iter().map(|frame| Ok(Some(frame)));
        Self::start_with(board, &Options::default(), frames, harm)
    }

    /// The same with frames that come when they come (see
    /// [`Emulator::feed_live`]) and with options of one's own.
    pub fn start_with<I>(board: &'static Board, options: &Options, frames: I, harm: Harm) -> Self
    where
        I: Iterator<Item = Result<Option<FeedFrame>, String>> + Send + 'static,
    {
        let mut emulator = Emulator::start(board, options).unwrap_or_else(|e| panic!("{e}"));
        let uart = emulator.uart().unwrap_or_else(|e| panic!("{e}"));
        let feeder = emulator
            .feed_live(frames, FeedOptions::default())
            .unwrap_or_else(|e| panic!("{e}"));
        let feeder = Arc::new(feeder);
        let folder = tempfile::tempdir().expect("a folder for a socket");
        let path = folder.path().join("line");
        let listener = UnixListener::bind(&path).expect("a socket in a fresh folder");
        listener.set_nonblocking(true).expect("a socket of ours");
        let shared = Arc::new(Shared::default());
        let mut pump = Pump {
            uart,
            listener,
            host: None,
            closed_until: Instant::now(),
            feeder: Arc::clone(&feeder),
            shared: Arc::clone(&shared),
            deframer: Deframer::new(),
            up: Harmer::new(harm, 1),
            down: Harmer::new(harm, 2),
            said: 0,
        };
        let thread = std::thread::spawn(move || pump.run());
        Self {
            path,
            feeder,
            shared,
            pump: Some(thread),
            emulator,
            _folder: folder,
        }
    }

    /// Pulls the plug once the board has said so many octets.
    pub fn pull_after(&self, octets: u64) {
        self.shared.pull_at.store(octets, Relaxed);
    }

    /// From now on nobody takes what the board says, or somebody does again.
    pub fn stall(&self, stalled: bool) {
        self.shared.stalled.store(stalled, Relaxed);
    }

    /// From now on what the board says is lost on the way, or arrives again.
    pub fn deafen(&self, deaf: bool) {
        self.shared.deaf.store(deaf, Relaxed);
    }

    /// The board itself.
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// What feeds it.
    pub fn feeder(&self) -> &Feeder {
        &self.feeder
    }

    /// How often the plug was pulled.
    pub fn pulls(&self) -> u64 {
        self.shared.pulls.load(Relaxed)
    }

    /// Octets the board said while nobody listened.
    pub fn unheard(&self) -> u64 {
        self.shared.unheard.load(Relaxed)
    }

    /// Frames that were harmed, both ways.
    pub fn harmed(&self) -> u64 {
        self.shared.harmed.load(Relaxed)
    }

    /// What the feeder offered.
    pub fn progress(&self) -> Offered {
        let progress = self.feeder.progress();
        let mut offered = Offered {
            frames: progress.frames,
            octets: progress.octets,
            refused: Vec::new(),
        };
        for why in Refusal::ALL {
            let refused = progress.refused(why);
            if refused.frames > 0 {
                offered.refuse(why.word(), refused.frames, refused.octets);
            }
        }
        offered
    }

    /// A host listens to the end of the feed, then flushes.
    pub fn listen(&self) -> Outcome {
        let feeder = Arc::clone(&self.feeder);
        let mut raised = false;
        let mut outcome = boards::run(self.open(), move |picture, stop| {
            let progress = feeder.progress();
            // Who ends before the sensor was heard has nothing to flush.
            let heard = !picture.boots().is_empty();
            if !raised && ((progress.done && heard) || progress.failed.is_some()) {
                raised = true;
                stop.raise();
            }
        });
        self.check();
        // The line itself does not know; the feeder behind it does.
        outcome.report.offered = Some(self.progress());
        outcome
    }

    /// A host listens until its picture is as wished, and ends at once.
    pub fn listen_until(&self, wish: impl Fn(&Picture) -> bool) -> Outcome {
        let feeder = Arc::clone(&self.feeder);
        let outcome = boards::run(self.open(), move |picture, stop| {
            if wish(picture) || feeder.progress().failed.is_some() {
                stop.raise();
                stop.raise();
            }
        });
        self.check();
        outcome
    }

    /// Where the host's end is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The host's end, as a program opens it.
    pub fn open(&self) -> Box<SerialLine> {
        Box::new(SerialLine::open(&self.path, None).unwrap_or_else(|e| panic!("{e}")))
    }

    fn check(&self) {
        if let Some(error) = self.feeder.progress().failed {
            panic!("the feed failed: {error}");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.end.store(true, Relaxed);
        self.feeder.stop();
        if let Some(pump) = self.pump.take() {
            let _ = pump.join();
        }
    }
}

struct Pump {
    uart: UnixStream,
    listener: UnixListener,
    host: Option<UnixStream>,
    closed_until: Instant,
    feeder: Arc<Feeder>,
    shared: Arc<Shared>,
    deframer: Deframer<{ MAX_BATCH + 4 }>,
    up: Harmer,
    down: Harmer,
    said: u64,
}

impl Pump {
    fn run(&mut self) {
        let mut buffer = vec![0; 8192];
        self.uart
            .set_read_timeout(Some(TURN))
            .expect("a socket of ours");
        while !self.shared.end.load(Relaxed) {
            self.feeder.heartbeat();
            self.accept();
            if self.shared.stalled.load(Relaxed) {
                std::thread::sleep(TURN);
            } else {
                match self.uart.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(n) => self.take_from_board(&buffer[..n]),
                    Err(e) if waits(&e) => {}
                    Err(_) => return,
                }
            }
            let Some(host) = &mut self.host else { continue };
            match host.read(&mut buffer) {
                Ok(0) => self.hang_up(),
                Ok(n) => {
                    let octets = self.down.pass(&buffer[..n], &self.shared);
                    if self.uart.write_all(&octets).is_err() {
                        return;
                    }
                }
                Err(e) if waits(&e) => {}
                Err(_) => self.hang_up(),
            }
        }
    }

    fn accept(&mut self) {
        if self.host.is_none()
            && Instant::now() >= self.closed_until
            && let Ok((host, _)) = self.listener.accept()
        {
            host.set_read_timeout(Some(TURN)).expect("a socket of ours");
            host.set_write_timeout(Some(Duration::from_secs(2)))
                .expect("a socket of ours");
            self.host = Some(host);
        }
    }

    fn hang_up(&mut self) {
        self.host = None;
    }

    fn take_from_board(&mut self, octets: &[u8]) {
        for octet in octets {
            if let Some(Ok(_)) = self.deframer.push(*octet) {
                self.feeder.ready();
            }
        }
        self.said += octets.len() as u64;
        let pull_at = self.shared.pull_at.load(Relaxed);
        if pull_at > 0 && self.said >= pull_at && self.host.is_some() {
            self.shared.pull_at.store(0, Relaxed);
            self.shared.pulls.fetch_add(1, Relaxed);
            self.closed_until = Instant::now() + UNPLUGGED;
            self.hang_up();
        }
        let octets = self.up.pass(octets, &self.shared);
        let deaf = self.shared.deaf.load(Relaxed);
        match self.host.as_mut().filter(|_| !deaf) {
            Some(host) => {
                if host.write_all(&octets).is_err() {
                    self.hang_up();
                }
            }
            None => {
                self.shared.unheard.fetch_add(octets.len() as u64, Relaxed);
            }
        }
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Harms frame by frame: between two delimiters.
struct Harmer {
    harm: Harm,
    random: fastrand::Rng,
    frame: Vec<u8>,
}

impl Harmer {
    fn new(harm: Harm, direction: u64) -> Self {
        Self {
            harm,
            random: fastrand::Rng::with_seed(harm.seed * 2 + direction),
            frame: Vec::new(),
        }
    }

    fn happens(&mut self, share: u32, shared: &Shared) -> bool {
        let hit = self.frame.len() > 1 && self.random.u32(0..100) < share;
        shared.harmed.fetch_add(u64::from(hit), Relaxed);
        hit
    }

    fn pass(&mut self, octets: &[u8], shared: &Shared) -> Vec<u8> {
        if self.harm == Harm::default() {
            return octets.to_vec();
        }
        let mut out = Vec::with_capacity(octets.len());
        for octet in octets {
            self.frame.push(*octet);
            if *octet == 0 {
                self.whole(&mut out, shared);
            }
        }
        out
    }

    fn whole(&mut self, out: &mut Vec<u8>, shared: &Shared) {
        let harm = self.harm;
        if self.happens(harm.garbage, shared) {
            out.extend((0..self.random.usize(1..2000)).map(|_| self.random.u8(..)));
        }
        if self.happens(harm.twice, shared) {
            out.extend_from_slice(&self.frame);
        }
        if self.happens(harm.damaged, shared) {
            let at = self.random.usize(..self.frame.len());
            self.frame[at] ^= self.random.u8(1..=255);
        }
        if self.happens(harm.cut, shared) {
            self.frame.truncate(self.random.usize(..self.frame.len()));
        }
        out.append(&mut self.frame);
    }
}
