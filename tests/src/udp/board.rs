//! The board, the cable, and who feeds it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use magpie_emulator::{
    Admission, Board, Credit, Emulator, FeedFrame, FeedRule, Network, Options, Wire, find_image,
};
use magpie_link::Header;
use magpie_protocol::{Command, Items, decode_command};
use magpie_sources::{Incoming, Source, SourceError};
use smoltcp::wire::EthernetAddress;

use self::feed::Feed;
pub use self::line::SerialEnd;
use super::host::{BOARD, HOST, Host, PREFIX};
use super::own;
use super::passed::{Frames, Passed};
use super::weather::{Way, Weather};
use crate::boards::{self, Outcome};
use crate::corpus::Capture;

mod faults;
mod feed;
mod line;

/// UDP port of the sensor (`magpie_node::speak::PORT`).
pub const PORT: u16 = 50_739;
/// Ethernet address that QEMU gives its first card.
pub const ETHERNET: EthernetAddress = EthernetAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

/// One look at the cable.
const LOOK: Duration = Duration::from_micros(300);
/// The board may move nothing for so long: the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// The image that speaks.
pub fn image(board: &Board) -> PathBuf {
    variant(board, "speak", "--speak")
}

/// The same with address and host built in.
fn image_with_settings(board: &Board) -> PathBuf {
    let options = format!("--speak --address {BOARD}/{PREFIX} --host {HOST} --suffix static");
    variant(board, "static", &options)
}

fn variant(board: &Board, suffix: &str, options: &str) -> PathBuf {
    let image = find_image(board, None).unwrap_or_else(|e| panic!("{e}"));
    let name = format!("{}-{suffix}.elf", board.name);
    let path = image.path.with_file_name(name);
    assert!(
        path.is_file(),
        "{} is not there; cargo xtask build {} {options}",
        path.display(),
        board.name
    );
    path
}

/// How board and host find each other, and what the cable is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each may be so or not
pub struct Wiring {
    /// The board asks for its address; else it has been told.
    pub dhcp: bool,
    /// The board is not told its host: whoever commands is it.
    pub host_unknown: bool,
    /// It is told nothing at boot, for all of it is in the image.
    pub built_in: bool,
    /// A hub: the board sees its own frames as well.
    pub hub: bool,
    /// Frames under the board's address that it never sent.
    pub forged: usize,
}

/// A board that speaks, fed with a capture, as a source of records.
pub struct SpeakingBoard {
    name: String,
    wiring: Wiring,
    host: Host,
    wire: Wire,
    emulator: Emulator,
    /// It said something, be it on its serial line: its port takes frames.
    ready: Arc<AtomicBool>,
    credit: Credit,
    /// Frames of the capture sent before the board is waited for.
    burst: usize,
    frames: VecDeque<FeedFrame>,
    /// Each has its time behind it.
    stamped: bool,
    at_us: u64,
    passed: Arc<Mutex<Passed>>,
    /// Datagrams to the program, and to the board.
    ways: [Way; 2],
    weather: Weather,
    /// Until somebody takes it.
    line: Option<SerialEnd>,
    /// The host's machine is off.
    host_off: bool,
    /// The cable is pulled out; what was sent into its open end.
    unplugged: Option<Frames>,
    /// The boot that speaks, and one that does no more.
    boot_id: Option<u32>,
    old_boot: Option<u32>,
    feed: Feed,
    asked: u32,
    answered: u32,
    moved: Instant,
}

impl SpeakingBoard {
    /// Starts the board, with a capture to be fed.
    pub fn start(board: &'static Board, capture: &Capture, wiring: Wiring) -> Self {
        let frames = boards::frames(capture).unwrap_or_else(|e| panic!("{}: {e}", capture.name));
        let name = format!("{} {} over UDP", board.name, capture.name);
        Self::start_with(name, board, frames, wiring, &Options::default())
    }

    /// The same with frames and options of one's own.
    pub fn start_with(
        name: String,
        board: &'static Board,
        frames: Vec<FeedFrame>,
        wiring: Wiring,
        options: &Options,
    ) -> Self {
        let (image, network) = if wiring.built_in {
            (image_with_settings(board), Network::default())
        } else {
            let network = Network {
                host: (!wiring.host_unknown).then_some(HOST),
                own: (!wiring.dhcp).then_some((BOARD, PREFIX)),
                gateway: None,
            };
            (image(board), network)
        };
        let options = Options {
            image: Some(image),
            network,
            ..options.clone()
        };
        let mut emulator = Emulator::start(board, &options).unwrap_or_else(|e| panic!("{e}"));
        let wire = emulator.wire().unwrap_or_else(|e| panic!("{e}"));
        let ready = Arc::new(AtomicBool::new(false));
        let uart = emulator.uart().unwrap_or_else(|e| panic!("{e}"));
        let line = SerialEnd::new(uart, Arc::clone(&ready));
        Self {
            name,
            wiring,
            host: Host::new(wiring.dhcp),
            wire,
            emulator,
            ready,
            credit: Credit::new(board.feed, 0),
            burst: match board.feed {
                FeedRule::Credit { frames, .. } => frames,
                // As many records as the board holds for sure.
                FeedRule::BackPressure => 24,
            },
            stamped: options.clock.is_stamped(),
            at_us: frames.first().map_or(0, |frame| frame.at_us),
            frames: frames.into(),
            passed: Arc::default(),
            ways: [Way::new(1), Way::new(2)],
            weather: Weather::default(),
            line: Some(line),
            host_off: false,
            unplugged: None,
            boot_id: None,
            old_boot: None,
            feed: Feed::Waiting,
            asked: feed::OUR_IDS,
            answered: 0,
            moved: Instant::now(),
        }
    }

    fn failed(&self, reason: &dyn ToString) -> SourceError {
        SourceError::failed(self.name.clone(), reason.to_string(), "see the board's log")
    }

    /// What passed so far.
    pub fn passed_so_far(&self) -> Passed {
        self.passed().clone()
    }

    /// The board itself.
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Puts a frame on the cable, with its stamp if it has one. False where that is pulled.
    fn deliver(&mut self, frame: &[u8]) -> Result<bool, SourceError> {
        let stamp = self.at_us.to_be_bytes();
        let stamp = if self.stamped { &stamp[..] } else { &[] };
        let sent = [frame, stamp].concat();
        if let Some(missed) = &mut self.unplugged {
            missed.add(frame);
            self.wire.send(&sent).map_err(|e| self.failed(&e))?;
            return Ok(false);
        }
        let octets = sent.len();
        let since = Instant::now();
        while self.credit.admit(octets) != Admission::Now {
            self.confirm()?;
            if since.elapsed() > PATIENCE {
                return Err(self.failed(&"it reads no frames"));
            }
        }
        self.wire.send(&sent).map_err(|e| self.failed(&e))?;
        self.credit.sent(octets);
        Ok(true)
    }

    fn deliver_own(&mut self, frame: Vec<u8>) -> Result<(), SourceError> {
        // What host and board say into the open end is no loss of the wire's.
        if self.unplugged.is_none() && self.deliver(&frame)? {
            self.passed().own.push(frame);
        }
        Ok(())
    }

    fn confirm(&mut self) -> Result<(), SourceError> {
        let read = self.emulator.received().map_err(|e| self.failed(&e))?;
        match self.credit.confirm(read) {
            Ok(_) => Ok(()),
            Err(overrun) => Err(self.failed(&format!("{overrun:?}"))),
        }
    }

    /// Takes what the board says.
    fn hear(&mut self) -> Result<(), SourceError> {
        let mut wait = LOOK;
        while let Some(frame) = self.wire.receive(wait).map_err(|e| self.failed(&e))? {
            wait = Duration::ZERO;
            self.moved = Instant::now();
            self.ready.store(true, Relaxed);
            if let Err(wrong) = own::said(&frame, PORT) {
                return Err(self.failed(&wrong));
            }
            self.passed().said.push(frame.clone());
            self.passed().leases = self.host.leases;
            if self.wiring.hub {
                self.deliver_own(frame.clone())?;
            }
            if !self.host_off {
                self.host.take(frame);
            }
        }
        Ok(())
    }

    /// Moves what is on the cable, both ways.
    fn pump(&mut self) -> Result<(), SourceError> {
        self.hear()?;
        // A card that is not ready would lose it, and nobody would know.
        if !self.ready.load(Relaxed) || self.host_off {
            return Ok(());
        }
        for frame in self.host.poll() {
            self.deliver_own(frame)?;
        }
        while let Some(batch) = self.host.receive() {
            self.note(&batch);
            self.ways[0].put(self.weather, batch);
        }
        while let Some(batch) = self.ways[1].take(self.weather) {
            self.host.send(&batch, PORT);
        }
        Ok(())
    }

    fn passed(&self) -> MutexGuard<'_, Passed> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs it to its end.
    pub fn run(self) -> (Outcome, Passed) {
        let (name, passed) = (self.name.clone(), Arc::clone(&self.passed));
        let outcome = boards::run(Box::new(self), |_, _| {}).sound(&name);
        let passed = passed.lock().unwrap_or_else(PoisonError::into_inner);
        (outcome, passed.clone())
    }
}

impl Source for SpeakingBoard {
    fn name(&self) -> &str {
        &self.name
    }

    fn receive(&mut self, timeout: Duration) -> Result<Incoming, SourceError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(batch) = self.ways[0].take(self.weather) {
                return Ok(Incoming::Batch(batch));
            }
            self.pump()?;
            if let Some(batch) = self.ways[0].take(self.weather) {
                return Ok(Incoming::Batch(batch));
            }
            if self.step()? {
                return Ok(Incoming::FeedDone);
            }
            if Instant::now() > deadline {
                return Ok(Incoming::Idle);
            }
        }
    }

    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        // What is sent to a port that is not open yet is lost, and never
        // counted by anybody.
        if self.ready.load(Relaxed) && !self.host_off {
            if asks_for_flush(batch) {
                let mut passed = self.passed();
                let own = passed.own.len();
                passed.own_at_flush.get_or_insert(own);
            }
            self.ways[1].put(self.weather, batch.to_vec());
        }
        Ok(())
    }
}

fn asks_for_flush(batch: &[u8]) -> bool {
    let Ok((_, octets)) = Header::parse(batch) else {
        return false;
    };
    Items::new(octets)
        .flatten()
        .any(|item| matches!(decode_command(item), Ok(Command::Flush { .. })))
}
