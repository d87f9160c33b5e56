//! Sensor time and wall time: what the host says a frame's wall time was is
//! held against its own clock, read before the frame was sent and after the
//! board had read it, with boards whose clocks stop, run slow, and run for
//! longer than 32 bits of microseconds.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use magpie_collector::{Clock, State};
use magpie_emulator::{Board, BoardClock, FeedFrame, Options};
use magpie_protocol::EndReason;
use magpie_sensor::Config;
use magpie_sources::Source;
use magpie_tests::line::{Harm, Line};

use crate::host::{Host, now_us};
use crate::traffic::{HOUR, SECOND, Traffic, UDP, key_of};

on_each_board!(
    wall_time_holds_while_the_board_runs_stops_and_drifts,
    wall_time_holds_with_a_clock_slowed_by_its_instructions,
    a_clock_since_boot_beyond_32_bits_of_microseconds
);

/// A board that takes its time from its own clock, and its host.
pub(crate) struct Bench {
    line: Line,
    pub(crate) host: Host,
    frames: Sender<FeedFrame>,
    fed: Traffic,
}

/// A frame between two looks at the host's clock.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) port: u16,
    pub(crate) before_us: u64,
    pub(crate) after_us: u64,
    /// What was known of the sensor's clock then.
    pub(crate) clock: Clock,
}

fn from(frames: Receiver<FeedFrame>) -> impl Iterator<Item = Result<Option<FeedFrame>, String>> {
    std::iter::from_fn(
        move || match frames.recv_timeout(Duration::from_millis(1)) {
            Ok(frame) => Some(Ok(Some(frame))),
            Err(RecvTimeoutError::Timeout) => Some(Ok(None)),
            Err(RecvTimeoutError::Disconnected) => None,
        },
    )
}

impl Bench {
    pub(crate) fn start(board: &'static Board, icount: Option<&str>, clock_ppm: i32) -> Self {
        let options = Options {
            clock: BoardClock::Own,
            icount: icount.map(str::to_owned),
            clock_ppm,
            ..Options::default()
        };
        let (frames, received) = channel();
        let line = Line::start_with(board, &options, from(received), Harm::default());
        let mut host = Host::on(&line);
        let greeted = |host: &Host| host.picture.hello().is_some() && host.syncs > 0;
        host.until("a first word", greeted);
        Self {
            line,
            host,
            frames,
            fed: Traffic::default(),
        }
    }

    fn read(&self) -> u64 {
        let progress = self.line.feeder().progress();
        assert_eq!(progress.failed, None);
        progress.read
    }

    /// One datagram of this port.
    fn send(&mut self, port: u16) {
        self.fed.udp(0, port, false);
        let frame = self.fed.frames.last().expect("just made").clone();
        self.frames.send(frame).expect("a feed that runs");
    }

    /// A frame that the board reads; the host says nothing meanwhile.
    pub(crate) fn event(&mut self, port: u16) -> Event {
        let clock = *self.host.picture.clock().expect("synchronised");
        let read = self.read();
        let before_us = now_us();
        self.send(port);
        let begin = Instant::now();
        while self.read() == read {
            assert!(begin.elapsed() < Duration::from_mins(2), "frame not read");
            std::thread::sleep(Duration::from_micros(200));
        }
        Event {
            port,
            before_us,
            after_us: now_us(),
            clock,
        }
    }

    /// Lets the machine stand still for a moment, again and again, for so
    /// long: a clock that is slow by about a tenth.
    fn drift(&mut self, lasting: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < lasting {
            self.line.emulator().pause().expect("a machine that runs");
            std::thread::sleep(Duration::from_millis(4));
            self.line
                .emulator()
                .resume()
                .expect("a machine that stands");
            for _ in 0..6 {
                self.host.turn();
            }
        }
    }
}

impl Event {
    /// The wall time of its frame, as the picture has it, lies between the two
    /// looks, give or take the bound stated at that time. By how far it misses
    /// the looks.
    pub(crate) fn check<S: Source>(&self, host: &mut Host<S>) -> u64 {
        let key = key_of(UDP, self.port);
        let first = |host: &Host<S>| {
            let flows = host.picture.flows();
            flows.get(&key)?.total().map(|sums| sums.first_us)
        };
        host.until("the frame", |host| first(host).is_some());
        let sensor_us = first(host).expect("just seen");
        let wall_us = self.clock.wall_us(sensor_us);
        let bound = self.clock.bound_at(self.after_us);
        let early = i128::from(self.before_us) - wall_us;
        let late = wall_us - i128::from(self.after_us);
        println!(
            "{} port {}: bound {bound} us, {} us after and {} us before the looks",
            host.source.name(),
            self.port,
            -early,
            -late,
        );
        let off = u64::try_from(early.max(late).max(0)).expect("this era");
        assert!(off <= bound, "{self:?}: {off} us off, said to be {bound}");
        assert!(bound < 2_000_000, "a bound that says nothing: {self:?}");
        off
    }
}

fn check(bench: &mut Bench, events: &[Event]) {
    for event in events {
        event.check(&mut bench.host);
    }
}

fn wall_time_holds_while_the_board_runs_stops_and_drifts(board: &'static Board) {
    let mut bench = Bench::start(board, None, 0);
    let mut events = Vec::new();
    for port in 1..4 {
        bench.host.synchronise();
        events.push(bench.event(port));
    }
    // Time that the board does not live through.
    for port in 4..7 {
        bench.line.emulator().pause().expect("a machine that runs");
        std::thread::sleep(Duration::from_millis(700));
        bench
            .line
            .emulator()
            .resume()
            .expect("a machine that stands");
        bench.host.synchronise();
        events.push(bench.event(port));
    }
    // A clock that is slow now and then. (A steady drift: `drift`.)
    for n in 0..4 {
        bench.drift(Duration::from_millis(1_200));
        bench.host.synchronise();
        events.push(bench.event(10 + n));
    }
    check(&mut bench, &events);
}

/// Every instruction takes as long as told, which is not what it takes here.
fn wall_time_holds_with_a_clock_slowed_by_its_instructions(board: &'static Board) {
    let mut bench = Bench::start(board, Some("shift=0,sleep=on"), 0);
    let mut events = Vec::new();
    for port in 1..6 {
        for n in 0..200 {
            bench.send(1_000 + n);
        }
        for _ in 0..100 {
            bench.host.turn();
        }
        bench.host.synchronise();
        events.push(bench.event(port));
    }
    check(&mut bench, &events);
}

/// Virtual time that runs as fast as it can: 71.6 minutes since boot, and ten
/// more, with frames all the way and records that expire.
fn a_clock_since_boot_beyond_32_bits_of_microseconds(board: &'static Board) {
    const END: u64 = (1 << 32) + HOUR / 6;
    let mut bench = Bench::start(board, Some("shift=4,sleep=off"), 0);
    let (mut sent, mut latest) = (0_u16, 0);
    let begin = Instant::now();
    while latest < END {
        assert!(
            begin.elapsed() < Duration::from_mins(4),
            "{}: {} s since boot",
            board.name,
            latest / SECOND
        );
        if bench.read() == u64::from(sent) && sent < 4_000 {
            bench.send(1_000 + sent % 7);
            sent += 1;
        }
        bench.host.turn();
        if let Some(ledger) = bench.host.picture.ledger() {
            assert!(ledger.at_us >= latest, "its clock went back");
            latest = ledger.at_us;
        }
    }
    bench.host.until("the frames", |_| {
        bench.line.feeder().progress().read == u64::from(sent)
    });
    bench.host.flush();
    let books = bench.host.picture.books(Some(&bench.line.progress()));
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    let flows = bench.host.picture.flows().sorted();
    assert_eq!(flows.len(), bench.fed.truth.len());
    for (key, have) in flows {
        bench.fed.check_ways(board.name, &key, &have);
        assert!(have.last_us > have.first_us && have.last_us < END + HOUR);
    }
    for record in bench.host.records.values() {
        assert!(record.last_us - record.first_us < Config::default().active_us);
    }
    let ended = bench.host.ended(EndReason::Active) + bench.host.ended(EndReason::Idle);
    assert!(ended > 10, "{ended} records expired");
    println!(
        "{}: {sent} frames in {} s since boot",
        board.name,
        latest / SECOND
    );
}
