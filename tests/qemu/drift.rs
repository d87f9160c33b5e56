//! The stated error of a sensor's time while it ages: boards whose clocks run
//! fast or slow, by less than is assumed of a crystal and by fifty times more,
//! behind hosts that do not ask them for seconds. What the host says a frame's
//! wall time was is held against its own clock, as in `clock`.

use std::time::Duration;

use magpie_collector::Clock;
use magpie_emulator::{Board, BoardClock, Options};
use magpie_sources::{SerialLine, Source};
use magpie_tests::udp::{SpeakingBoard, Wiring};

use crate::clock::{self, Event};
use crate::host::{Host, now_us};
use crate::traffic::Traffic;

on_each_board!(
    the_bound_holds_while_it_ages,
    the_bound_holds_while_it_ages_over_udp
);

/// Parts per million by which clocks run fast. Up to 200 are assumed
/// (`magpie_collector::Clock`), so that one answer bounds the error for good;
/// more are known from the second answer on.
const RATES: [i32; 4] = [150, -150, 10_000, -10_000];
const ASSUMED: u64 = 200;
/// How old the comparison of the clocks becomes.
const AGES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(9)];

/// A board whose clock runs at a rate of its own, and its host.
trait Bench {
    type Source: Source;

    fn host(&mut self) -> &mut Host<Self::Source>;

    /// A frame of this port that the board reads, while the host asks nothing.
    fn event(&mut self, port: u16) -> Event;
}

impl Bench for clock::Bench {
    type Source = SerialLine;

    fn host(&mut self) -> &mut Host {
        &mut self.host
    }

    fn event(&mut self, port: u16) -> Event {
        Self::event(self, port)
    }
}

/// The same over UDP.
struct Udp(Host<SpeakingBoard>);

impl Udp {
    fn start(board: &'static Board, clock_ppm: i32) -> Self {
        let options = Options {
            clock: BoardClock::Own,
            clock_ppm,
            ..Options::default()
        };
        let name = format!("{} over UDP", board.name);
        let board = SpeakingBoard::start_with(name, board, Vec::new(), Wiring::default(), &options);
        let mut host = Host::with(board);
        let greeted = |host: &Host<_>| host.picture.hello().is_some() && host.syncs > 0;
        host.until("a first word", greeted);
        Self(host)
    }
}

impl Bench for Udp {
    type Source = SpeakingBoard;

    fn host(&mut self) -> &mut Host<SpeakingBoard> {
        &mut self.0
    }

    fn event(&mut self, port: u16) -> Event {
        let host = &mut self.0;
        let clock = *host.picture.clock().expect("just compared");
        let mut fed = Traffic::default();
        fed.udp(0, port, false);
        let read = |host: &Host<SpeakingBoard>| {
            let read = host.source.emulator().received();
            read.expect("a board that runs")
        };
        let (before, before_us) = (read(host), now_us());
        host.source.feed(&fed.frames);
        while read(host) == before {
            host.listen();
        }
        let after_us = now_us();
        while !host.source.is_fed() {
            host.listen();
        }
        Event {
            port,
            before_us,
            after_us,
            clock,
        }
    }
}

/// Boards of all rates at once: most of the time they wait.
fn at_each_rate<B: Bench>(start: impl Fn(i32) -> B + Sync) {
    std::thread::scope(|scope| {
        for ppm in RATES {
            let start = &start;
            scope.spawn(move || ages(ppm, &mut start(ppm)));
        }
    });
}

/// Compares the clocks, lets some seconds pass in which nobody asks, and shows
/// the board a frame; twice.
fn ages<B: Bench>(ppm: i32, bench: &mut B) {
    let rate = u64::from(ppm.unsigned_abs());
    let mut before: Option<Clock> = None;
    for (port, age) in (1..).zip(AGES) {
        bench.host().synchronise();
        std::thread::sleep(age);
        let event = bench.event(port);
        let clock = event.clock;
        let old = event.after_us - clock.measured_us;
        assert!(u128::from(old) >= age.as_micros(), "{event:?}");
        if let Some(before) = before {
            moved(ppm, &before, &clock);
        }
        if rate <= ASSUMED {
            assert_eq!(clock.drift_ppm, ASSUMED);
            event.check(bench.host());
        } else if before.is_some() {
            let off = event.check(bench.host());
            // It is the age that is allowed for: without, this is too much.
            let looks = event.after_us - event.before_us;
            let fresh = clock.bound_at(clock.measured_us);
            assert!(off + looks > fresh + rate * old / 2_000_000, "{event:?}");
        }
        before = Some(clock);
    }
}

/// From one comparison to the next the offset has moved as the rate says, as
/// far as the two can tell; and more than is assumed was noticed.
fn moved(ppm: i32, before: &Clock, clock: &Clock) {
    let age = clock.measured_us - before.measured_us;
    let unsure: u64 = [before, clock]
        .map(|c| c.bound_at(c.measured_us))
        .iter()
        .sum();
    let apart = i64::try_from(age).expect("seconds") * i64::from(ppm) / 1_000_000;
    let off = (clock.offset_us - before.offset_us + apart).unsigned_abs();
    assert!(off <= unsure + 2, "{ppm} ppm: {before:?} {clock:?}");
    let rate = u64::from(ppm.unsigned_abs()).max(ASSUMED);
    assert!((rate..5 * rate).contains(&clock.drift_ppm), "{clock:?}");
}

fn the_bound_holds_while_it_ages(board: &'static Board) {
    at_each_rate(|ppm| clock::Bench::start(board, None, ppm));
}

fn the_bound_holds_while_it_ages_over_udp(board: &'static Board) {
    at_each_rate(|ppm| Udp::start(board, ppm));
}
