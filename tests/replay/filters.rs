//! Filters over a line that loses, repeats and reorders, a sensor that starts
//! anew, versions that do not know of each other: every frame that a filter
//! selects is delivered, dropped and counted, or lost and counted.

use std::fs::File;

use magpie_capture::Reader;
use magpie_collector::{FilterAccount, FilterEvent, FilterRefusal, FilterRequest, State};
use magpie_protocol::{BpfInstruction, FilterAction, FilterState};
use magpie_tests::bench::{Bench, Setup};
use magpie_tests::corpus::{Capture, own_named};
use magpie_tests::wire::Plan;

const MINUTE_US: u64 = 60_000_000;

/// `greater 101`.
fn longer() -> Vec<BpfInstruction> {
    vec![
        BpfInstruction::new(0x80, 0, 0, 0),
        BpfInstruction::new(0x25, 0, 1, 100),
        BpfInstruction::new(0x06, 0, 0, 262_144),
        BpfInstruction::new(0x06, 0, 0, 0),
    ]
}

fn request(wait: bool, again: bool) -> FilterRequest {
    FilterRequest {
        slot: 1,
        program: longer(),
        literal: true,
        action: FilterAction::Capture {
            snap_len: 0,
            max_packets: 0,
            max_octets: 0,
            wait,
        },
        again,
    }
}

/// Frames of a capture.
fn frames(capture: &Capture) -> Vec<(u64, Vec<u8>)> {
    let file = File::open(&capture.path).expect("one of ours");
    let mut reader = Reader::new(&capture.name, file).expect("a capture");
    let mut all = Vec::new();
    while let Some(frame) = reader.next_frame().expect("a whole capture") {
        all.push((frame.at_us, frame.data.to_vec()));
    }
    all
}

/// A host with its events.
struct Watched {
    bench: Bench,
    events: Vec<FilterEvent>,
}

impl Watched {
    fn new(setup: Setup, request: FilterRequest) -> Self {
        let mut bench = Bench::new(setup);
        let host = bench.host.as_mut().expect("a host runs");
        host.session.request_filter(request);
        Self {
            bench,
            events: Vec::new(),
        }
    }

    fn collect(&mut self) {
        let host = self.bench.host.as_mut().expect("a host runs");
        self.events.extend(host.session.take_filter_events());
    }

    fn until(&mut self, what: impl Fn(&FilterEvent) -> bool) {
        let known = self.events.len();
        for _ in 0..3_000 {
            self.bench.wait(100_000);
            self.collect();
            if self.events.iter().skip(known).any(&what) {
                return;
            }
        }
        panic!("it never came: {:?}", self.events.last());
    }

    fn started(&mut self) {
        self.until(|e| matches!(e, FilterEvent::Started { .. }));
    }

    fn feed(&mut self, frames: &[(u64, Vec<u8>)]) {
        for (at_us, data) in frames {
            let len = u32::try_from(data.len()).expect("short");
            self.bench.frame(*at_us, data, len);
        }
        self.collect();
    }

    /// Stops the filter and takes the rest.
    fn end(&mut self) -> FilterAccount {
        let host = self.bench.host.as_mut().expect("a host runs");
        host.session.request_filter_stop(1, false);
        self.until(|e| matches!(e, FilterEvent::Ended(_)));
        let Some(FilterEvent::Ended(account)) = self.events.last() else {
            panic!("nothing comes behind the end: {:?}", self.events.last());
        };
        *account
    }

    /// Packets, each the frame that its number and what was dropped before it
    /// say; the sums of what was dropped and lost before them.
    fn check(&self, selected: &[(u64, Vec<u8>)]) -> (u64, u64, u64) {
        let (mut packets, mut dropped, mut lost) = (0, 0, 0);
        for event in &self.events {
            let FilterEvent::Packet(packet) = event else {
                continue;
            };
            dropped += packet.dropped_before.frames;
            lost += packet.lost_before;
            assert_eq!(packet.number, packets + lost);
            let at = usize::try_from(packet.number + dropped).expect("few");
            let (at_us, octets) = &selected[at];
            assert_eq!(
                (packet.at_us, &packet.octets),
                (*at_us, octets),
                "frame {at}"
            );
            packets += 1;
        }
        (packets, dropped, lost)
    }
}

fn is_selected(frame: &(u64, Vec<u8>)) -> bool {
    frame.1.len() > 100
}

#[test]
fn over_a_line_that_loses_and_repeats_all_is_accounted_for() {
    let plan = Plan {
        lost: 100,
        twice: 100,
        ..Plan::default()
    };
    let all = frames(&own_named("lab.pcap"));
    let selected: Vec<_> = all.iter().filter(|f| is_selected(f)).cloned().collect();
    let octets: u64 = selected.iter().map(|(_, f)| f.len() as u64).sum();
    let (mut was_lost, mut was_dropped) = (0, 0);
    for (seed, wait, rate) in [
        (1, true, 300_000),
        (2, false, 300_000),
        (3, false, 50_000),
        (4, true, 100_000),
    ] {
        let setup = Setup {
            up: plan,
            down: plan,
            seed,
            rate,
            ..Setup::board(256)
        };
        let mut watched = Watched::new(setup, request(wait, false));
        watched.started();
        watched.feed(&all);
        let account = watched.end();
        assert!(account.is_closed(), "seed {seed}: {account:?}");
        assert_eq!(account.matched.frames, selected.len() as u64);
        assert_eq!(account.matched.octets, octets);
        let (packets, dropped, lost) = watched.check(&selected);
        assert_eq!(account.delivered.frames, packets);
        // Behind the last packet others may have been lost or dropped.
        assert!(account.lost.frames >= lost && account.dropped.frames >= dropped);
        assert!(!wait || account.dropped.frames == 0, "seed {seed}");
        was_lost += account.lost.frames;
        was_dropped += account.dropped.frames;
        assert!(watched.bench.flush());
        let books = watched.bench.books();
        assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    }
    assert!(
        was_lost > 10 && was_dropped > 10,
        "{was_lost} {was_dropped}"
    );
}

#[test]
fn over_a_line_that_overtakes_nothing_comes_twice_or_wrong() {
    let plan = Plan {
        late: 100,
        ..Plan::default()
    };
    let all = frames(&own_named("lab.pcap"));
    let selected: Vec<_> = all.iter().filter(|f| is_selected(f)).cloned().collect();
    let setup = Setup {
        up: plan,
        down: plan,
        ..Setup::board(256)
    };
    let mut watched = Watched::new(setup, request(true, false));
    watched.started();
    watched.feed(&all);
    let account = watched.end();
    assert!(account.is_closed(), "{account:?}");
    watched.check(&selected);
}

#[test]
fn a_restart_forgets_it_and_it_is_asked_for_again() {
    let all = frames(&own_named("lab.pcap"));
    let (first, second) = all.split_at(all.len() / 2);
    let mut watched = Watched::new(Setup::board(256), request(true, true));
    watched.started();
    watched.feed(first);
    watched.bench.reboot();
    watched.started();
    let forgotten = watched.events.iter().find_map(|event| match event {
        FilterEvent::Forgotten { account, again } => Some((*account, *again)),
        _ => None,
    });
    let (account, again) = forgotten.expect("it says so");
    assert!(again && account.delivered.frames > 0);
    assert_eq!(account.state, FilterState::Running);
    watched.events.clear();
    watched.feed(second);
    let last = watched.end();
    assert!(last.is_closed(), "{last:?}");
    let selected: Vec<_> = second.iter().filter(|f| is_selected(f)).cloned().collect();
    let (packets, dropped, lost) = watched.check(&selected);
    assert_eq!((packets, dropped, lost), (selected.len() as u64, 0, 0));
    assert_ne!(account.run, last.run);
}

/// Another program takes the place of one that died.
#[test]
fn a_new_host_takes_the_slot_over() {
    let all = frames(&own_named("lab.pcap"));
    let (first, second) = all.split_at(all.len() / 2);
    let setup = Setup {
        rate: 20_000, // so that packets are left over
        ..Setup::board(256)
    };
    let mut watched = Watched::new(setup, request(false, false));
    watched.started();
    watched.feed(first);
    watched.bench.stop_host();
    watched.bench.wait(MINUTE_US);
    watched.bench.start_host();
    watched.events.clear();
    let host = watched.bench.host.as_mut().expect("it was started");
    host.session.request_filter(request(false, false));
    watched.started();
    watched.feed(second);
    let account = watched.end();
    assert!(account.is_closed(), "{account:?}");
    let selected: Vec<_> = second.iter().filter(|f| is_selected(f)).cloned().collect();
    watched.check(&selected);
    assert_eq!(account.matched.frames, selected.len() as u64);
}

/// What a host of 1.3 sees of a sensor of this version is as ever, whatever
/// filters another one has set.
#[test]
fn a_host_of_1_3_closes_its_books_beside_filters() {
    let capture = own_named("lab.pcap");
    let only = FilterRequest {
        action: FilterAction::Only,
        ..request(false, false)
    };
    let mut watched = Watched::new(Setup::board(256), only);
    watched.started();
    watched.bench.feed(&capture, 0, 500);
    assert!(watched.bench.flush());
    let books = watched.bench.books();
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
    assert!(books.filtered > 0, "{books}");
    // The same sensor, and another program in the place of this one.
    watched.bench.stop_host();
    watched.bench.host_speaks(3);
    watched.bench.start_host();
    watched.bench.wait(1_000_000);
    watched.bench.feed(&capture, 500, 700);
    assert!(watched.bench.flush());
    let books = watched.bench.books();
    assert!(
        !matches!(books.state, State::Open { .. }),
        "{books} {:?}",
        books.broken
    );
    assert_eq!(books.filtered, 0, "it knows nothing of that");
    assert_eq!(books.unaccounted, Some(0), "{books}");
    assert!(watched.bench.picture().link().unknown.is_empty());
}

/// A sensor of 1.3 cannot answer: its host knows by its Hello.
#[test]
fn a_sensor_of_1_3_is_told_by_its_hello() {
    let mut watched = Watched::new(Setup::board(256), request(false, false));
    watched.bench.sensor_says(3);
    watched.until(|e| matches!(e, FilterEvent::Refused { .. }));
    let [FilterEvent::Refused { slot: 1, why }] = watched.events[..] else {
        panic!("{:?}", watched.events);
    };
    assert_eq!(why, FilterRefusal::TooOld { minor: 3 });
    assert!(why.to_string().contains("protocol 1.3"), "{why}");
    let all = frames(&own_named("vlan.pcap"));
    watched.feed(&all);
    assert!(watched.bench.flush());
    let books = watched.bench.books();
    assert_eq!(books.state, State::Closed, "{books} {:?}", books.broken);
}
