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
use magpie_tests::line::{Harm, Line};

use crate::host::{Host, now_us};
use crate::traffic::{HOUR, SECOND, Traffic, UDP, key_of};

on_each_board!(
    wall_time_holds_while_the_board_runs_stops_and_drifts,
    wall_time_holds_with_a_clock_slowed_by_its_instructions,
    a_clock_since_boot_beyond_32_bits_of_microseconds
);

/// A board that takes its time from its own clock, and its host.
struct Bench {
    line: Line,
    host: Host,
    frames: Sender<FeedFrame>,
    fed: Traffic,
}

/// A frame between two looks at the host's clock.
#[derive(Debug)]
struct Event {
    port: u16,
    before_us: u64,
    after_us: u64,
    /// What was known of the sensor's clock then.
    clock: Clock,
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
    fn start(board: &'static Board, icount: Option<&str>) -> Self {
        let options = Options {
            clock: BoardClock::Own,
            icount: icount.map(str::to_owned),
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

    fn synchronise(&mut self) {
        let before = self.host.syncs;
        // A session asks at once when its connection is back.
        self.host.session.reconnected();
        self.host.until("the time", |host| host.syncs > before);
    }

    fn event(&mut self, port: u16) -> Event {
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

    /// The wall time of each event's frame, as the picture has it, lies
    /// between the two looks, give or take the bound stated at that time.
    fn check(&mut self, events: &[Event]) {
        for event in events {
            let key = key_of(UDP, event.port);
            let first = |host: &Host| {
                let flows = host.picture.flows();
                flows.get(&key)?.total().map(|sums| sums.first_us)
            };
            self.host.until("the frame", |host| first(host).is_some());
            let sensor_us = first(&self.host).expect("just seen");
            let wall_us = event.clock.wall_us(sensor_us);
            let bound = i128::from(event.clock.bound_at(event.after_us));
            let earliest = i128::from(event.before_us) - bound;
            let latest = i128::from(event.after_us) + bound;
            println!(
                "port {}: bound {bound} us, {} us after and {} us before the looks",
                event.port,
                wall_us - i128::from(event.before_us),
                i128::from(event.after_us) - wall_us
            );
            assert!(
                (earliest..=latest).contains(&wall_us),
                "{event:?}: said to be {} us before, {} us after",
                earliest - wall_us,
                wall_us - latest
            );
            assert!(bound < 2_000_000, "a bound that says nothing: {event:?}");
        }
    }
}

fn wall_time_holds_while_the_board_runs_stops_and_drifts(board: &'static Board) {
    let mut bench = Bench::start(board, None);
    let mut events = Vec::new();
    for port in 1..4 {
        bench.synchronise();
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
        bench.synchronise();
        events.push(bench.event(port));
    }
    // A clock that is slow now and then. (A steady drift between two looks:
    // the collector's own tests.)
    for n in 0..4 {
        bench.drift(Duration::from_millis(1_200));
        bench.synchronise();
        events.push(bench.event(10 + n));
    }
    bench.check(&events);
}

/// Every instruction takes as long as told, which is not what it takes here.
fn wall_time_holds_with_a_clock_slowed_by_its_instructions(board: &'static Board) {
    let mut bench = Bench::start(board, Some("shift=0,sleep=on"));
    let mut events = Vec::new();
    for port in 1..6 {
        for n in 0..200 {
            bench.send(1_000 + n);
        }
        for _ in 0..100 {
            bench.host.turn();
        }
        bench.synchronise();
        events.push(bench.event(port));
    }
    bench.check(&events);
}

/// Virtual time that runs as fast as it can: 71.6 minutes since boot, and ten
/// more, with frames all the way and records that expire.
fn a_clock_since_boot_beyond_32_bits_of_microseconds(board: &'static Board) {
    const END: u64 = (1 << 32) + HOUR / 6;
    let mut bench = Bench::start(board, Some("shift=4,sleep=off"));
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
