//! Sensor, link, collector on a bench: the code of board and host with a wire
//! between them that misbehaves as told, in a time of its own. A minute of
//! silence is a minute to both ends and takes none here; equal seeds give
//! equal runs.

use std::fs::File;

use magpie_capture::Reader;
use magpie_collector::{Books, Limits, Offered, Picture, Session};
use magpie_link::{Header, MAX_BATCH, Overflow, Sender};
use magpie_protocol::{
    ClockKind, Emitted, Items, RecordSource, RecordType, Tally, UplinkCounts, VERSION_MINOR, Want,
};
use magpie_sensor::{
    Config, EMPTY_UNSENT_SET, Identity, OutboxEntry, ROOM_PER_FRAME, Sensor, Storage,
};

use crate::corpus::Capture;
use crate::wire::{Plan, Wire};

/// Host time at the beginning: some day in 2023.
const BEGIN_US: u64 = 1_700_000_000_000_000;
/// Longest time a capture's pause lasts on the bench: pauses hold no faults.
const LONGEST_PAUSE_US: u64 = 20_000;
/// How long a Flush may take, in bench time.
const PATIENCE_US: u64 = 300_000_000;

/// Sizes and manners of the sensor's end.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Flow table entries.
    pub flows: usize,
    /// Echo pairs.
    pub echoes: usize,
    /// Finished records that the outbox holds.
    pub outbox: usize,
    /// Sets of eight lines for those that are not kept.
    pub unsent_sets: usize,
    /// Octets the link keeps for repetition.
    pub resend: usize,
    /// Lines of each counter table.
    pub lines: usize,
    /// Octets of packets that wait for the link.
    pub packets: usize,
    /// Time-outs.
    pub config: Config,
    /// What the link does when nobody acknowledges.
    pub overflow: Overflow,
    /// Frames wait while the outbox is full, as in front of a board whose
    /// card pushes back.
    pub hold: bool,
    /// Octets a second that the line carries upwards.
    pub rate: u64,
    /// Minor version of the protocol that the host says it speaks.
    pub host_minor: u8,
    /// The line to the host.
    pub up: Plan,
    /// The line to the sensor.
    pub down: Plan,
    /// Seed of all that is drawn.
    pub seed: u8,
}

impl Setup {
    /// A board with small tables, short time-outs and a good line.
    pub fn board(flows: usize) -> Self {
        Self {
            flows,
            echoes: flows / 16,
            outbox: 16,
            // As qemu-lm3s6965evb, or as the larger boards.
            unsent_sets: if flows > 256 { 8 } else { 1 },
            resend: 8192,
            lines: 4096,
            packets: 32 * 1024,
            config: Config {
                idle_us: 3_000_000,
                active_us: 5_000_000,
                end_us: 1_000_000,
                live_us: 1_000_000,
                ..Config::default()
            },
            overflow: Overflow::Hold,
            hold: true,
            rate: 300_000,
            host_minor: VERSION_MINOR,
            up: Plan::default(),
            down: Plan::default(),
            seed: 1,
        }
    }
}

impl Setup {
    /// Nothing is forgotten, the line is as good as no line.
    pub fn exact() -> Self {
        Self {
            flows: 1024,
            echoes: 64,
            outbox: 8192,
            resend: 1 << 20,
            lines: 1 << 17,
            config: Config::exact(),
            rate: u64::MAX,
            ..Self::board(0)
        }
    }
}

/// The host's end.
#[derive(Debug)]
pub struct Host {
    /// The conversation.
    pub session: Session,
    /// What it came to.
    pub picture: Picture,
}

impl Host {
    fn new() -> Self {
        Self {
            session: Session::new("bench"),
            picture: Picture::new("bench", Limits::EXACT),
        }
    }
}

/// What was put in front of the sensor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fed {
    /// Frames.
    pub frames: u64,
    /// Their octets.
    pub octets: u64,
}

/// The sensor takes its time from the frames; the link has the bench's.
struct AtFrameTime<'s>(&'s mut Sensor<'static>, u64);

impl RecordSource for AtFrameTime<'_> {
    fn poll_record(&mut self, _: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        self.0.poll_record(self.1, want, out)
    }

    fn note_uplink(&mut self, counts: &UplinkCounts, host_minor: u8) {
        self.0.note_uplink(counts, host_minor);
    }

    fn note_dropped(&mut self, item: &[u8], tally: &Tally, sent: bool) {
        self.0.note_dropped(item, tally, sent);
    }
}

/// Both ends and the wire.
pub struct Bench {
    setup: Setup,
    /// The sensor as it runs.
    pub sensor: Sensor<'static>,
    sender: Sender<'static>,
    /// The host, while there is one.
    pub host: Option<Host>,
    /// To the host.
    pub up: Wire,
    /// To the sensor.
    pub down: Wire,
    /// What was fed so far.
    pub fed: Fed,
    /// Every batch the sensor sent, where it is kept.
    pub tap: Option<Vec<Vec<u8>>>,
    now_us: u64,
    frame_us: u64,
    line_free_us: u64,
    boots: u8,
    /// What a Hello is made to say of the sensor's version.
    told_minor: Option<u8>,
}

fn start(setup: &Setup, boots: u8) -> (Sensor<'static>, Sender<'static>) {
    let mut storage = Storage::owned(setup.flows, setup.echoes)
        .with_packets(setup.packets)
        .with_doubled::<4096>();
    storage.outbox = vec![OutboxEntry::EMPTY; setup.outbox].into();
    storage.unsent = vec![EMPTY_UNSENT_SET; setup.unsent_sets].into();
    for lines in [
        &mut storage.ethertypes,
        &mut storage.protocols,
        &mut storage.vlans,
        &mut storage.icmp,
        &mut storage.arp_operations,
    ] {
        *lines = vec![magpie_protocol::CountEntry::default(); setup.lines].into();
    }
    let identity = Identity {
        name: "bench",
        clock: ClockKind::Unix,
        max_frame: 9216,
        ..Identity::default()
    };
    let seed = [setup.seed.wrapping_mul(31).wrapping_add(boots).max(1); 32];
    let sensor = Sensor::new(setup.config, identity, &seed, storage);
    // A test's worth of memory; a board has a static here.
    let kept = Box::leak(vec![0; setup.resend].into_boxed_slice());
    let sender = Sender::new(sensor.boot_id(), kept, setup.overflow);
    (sensor, sender)
}

/// Makes every Hello of a batch say this minor version.
fn put_minor(batch: &mut [u8], minor: u8) {
    let mut at = Header::OCTETS;
    let bodies: Vec<(u8, usize)> = Items::new(&batch[at..])
        .map(|item| {
            let item = item.expect("an item of our own sensor");
            let head = if item.body.len() < 0x80 { 2 } else { 3 };
            let body = at + head;
            at = body + item.body.len();
            (item.kind, body)
        })
        .collect();
    for (kind, body) in bodies {
        if kind == RecordType::Hello as u8 {
            batch[body + 1] = minor;
        }
    }
}

impl Bench {
    /// Everything switched on.
    pub fn new(setup: Setup) -> Self {
        let (sensor, sender) = start(&setup, 0);
        let seed = u64::from(setup.seed);
        Self {
            sensor,
            sender,
            host: Some(Host::new()),
            up: Wire::new(setup.up, seed),
            down: Wire::new(setup.down, seed + 1000),
            fed: Fed::default(),
            tap: None,
            now_us: BEGIN_US,
            frame_us: 0,
            line_free_us: BEGIN_US,
            boots: 0,
            told_minor: None,
            setup,
        }
    }

    /// The picture of the host that runs.
    pub fn picture(&self) -> &Picture {
        &self.host.as_ref().expect("a host runs").picture
    }

    /// Puts one frame in front of the sensor and lets both ends work.
    pub fn frame(&mut self, at_us: u64, data: &[u8], wire_len: u32) {
        let pause = at_us
            .saturating_sub(self.frame_us)
            .clamp(10, LONGEST_PAUSE_US);
        self.frame_us = at_us;
        self.now_us += pause;
        let begin = self.now_us;
        let is_full =
            |sensor: &Sensor<'_>| sensor.outbox_room() < ROOM_PER_FRAME || sensor.must_wait();
        while self.setup.hold && is_full(&self.sensor) {
            self.turn();
            self.now_us += 500;
            assert!(
                self.now_us - begin < PATIENCE_US,
                "frames wait for ever: the outbox does not empty"
            );
        }
        let exact = Config {
            dedup_us: self.setup.config.dedup_us,
            ..Config::exact()
        };
        if self.setup.config == exact {
            self.sensor.grow_if_crowded();
        }
        self.sensor.observe(at_us, data, wire_len);
        self.fed.frames += 1;
        self.fed.octets += u64::from(wire_len);
        self.turn();
    }

    /// Feeds the capture's frames from `from` to `to` (counted from 0).
    pub fn feed(&mut self, capture: &Capture, from: usize, to: usize) {
        let file =
            File::open(&capture.path).unwrap_or_else(|e| panic!("{}: {e}", capture.path.display()));
        let mut reader = Reader::new(&capture.name, file).expect("a capture");
        let mut number = 0;
        while let Some(frame) = reader.next_frame().expect("a whole capture") {
            if (from..to).contains(&number) {
                self.frame(frame.at_us, frame.data, frame.wire_len);
            }
            number += 1;
        }
    }

    /// Time passes without frames.
    pub fn wait(&mut self, us: u64) {
        let end = self.now_us + us;
        while self.now_us < end {
            self.turn();
            self.now_us += 2_000;
        }
        self.turn();
    }

    /// Asks for everything and waits for the ledger; false when it never came.
    pub fn flush(&mut self) -> bool {
        if let Some(host) = &mut self.host {
            host.session.request_flush();
        }
        let end = self.now_us + PATIENCE_US;
        while self.now_us < end {
            self.turn();
            if self
                .host
                .as_ref()
                .is_some_and(|host| host.session.flushed())
            {
                return true;
            }
            self.now_us += 1_000;
        }
        false
    }

    /// The sensor starts again: tables, numbers and what waited are gone.
    pub fn reboot(&mut self) {
        self.boots += 1;
        (self.sensor, self.sender) = start(&self.setup, self.boots);
    }

    /// The host's program ends; what it knew is gone.
    pub fn stop_host(&mut self) -> Option<Host> {
        self.host.take()
    }

    /// A host's program starts and knows nothing.
    pub fn start_host(&mut self) {
        self.host = Some(Host::new());
    }

    /// From now on the host says that it speaks this minor version.
    pub fn host_speaks(&mut self, minor: u8) {
        self.setup.host_minor = minor;
    }

    /// From now on the sensor's Hello says that it speaks this one.
    pub fn sensor_says(&mut self, minor: u8) {
        self.told_minor = Some(minor);
    }

    /// The books of the host that runs, against what was fed.
    pub fn books(&self) -> Books {
        let Fed { frames, octets } = self.fed;
        self.picture().books(Some(&Offered {
            frames,
            octets,
            refused: Vec::new(),
        }))
    }

    /// What the link says of finished records.
    pub fn uplink(&self) -> UplinkCounts {
        self.sender.counts()
    }

    /// Both ends do all they can at this time.
    pub fn turn(&mut self) {
        let mut batch = [0; MAX_BATCH];
        while self.line_free_us <= self.now_us {
            let mut source = AtFrameTime(&mut self.sensor, self.frame_us);
            let Some(len) = self
                .sender
                .poll_transmit(self.now_us, &mut source, &mut batch)
            else {
                break;
            };
            if let Some(minor) = self.told_minor {
                put_minor(&mut batch[..len], minor);
            }
            if let Some(tap) = &mut self.tap {
                tap.push(batch[..len].to_vec());
            }
            self.up.send(self.now_us, &batch[..len]);
            self.line_free_us =
                self.line_free_us.max(self.now_us) + len as u64 * 1_000_000 / self.setup.rate;
        }
        for batch in self.up.arrived(self.now_us) {
            if let Some(host) = &mut self.host {
                // What the batch was refused for stands in the picture.
                let _ = host
                    .session
                    .handle_batch(self.now_us, &batch, &mut host.picture);
            }
        }
        while let Some(mut batch) = self
            .host
            .as_mut()
            .and_then(|host| host.session.poll_transmit(self.now_us))
        {
            batch[1] = self.setup.host_minor;
            self.down.send(self.now_us, &batch);
        }
        for batch in self.down.arrived(self.now_us) {
            let Ok(commands) = self.sender.handle_batch(self.now_us, &batch) else {
                continue;
            };
            for command in commands {
                self.sensor.handle_command(self.frame_us, &command);
            }
        }
    }
}
