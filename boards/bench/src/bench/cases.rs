//! The cases. Each says in the end what must have happened in the books, so
//! that no case measures something else than its name says.

use super::captures::Capture;
use super::change::Change;
#[cfg(not(lm3s6965evb))]
use super::filter;
use super::frame::{ACK, Frame, Pair, SYN, Segment};
use super::run::{Bench, Run};
use super::worst;

/// Flows that are open at once.
const OPEN: u16 = 64;
/// Frames counted of each.
const ROUNDS: u32 = 16;
/// All of them.
const COUNTED: u64 = OPEN as u64 * ROUNDS as u64;
/// Echo pairs at once; the smaller board has room for 16.
const PAIRS: u16 = 8;

/// Nothing but frames of flows that are there.
const HELD: Change = Change {
    in_flows: COUNTED,
    made: 0,
    evicted: 0,
    ended: 0,
    lost: 0,
    malformed: 0,
};

pub(crate) fn all(bench: &mut Bench) {
    let capacity = bench.capacity();
    bench.case("tcp64", &mut |run, buffer| established(run, buffer, &[]));
    bench.case("udp64", &mut udp64);
    bench.case("tcp1514", &mut tcp1514);
    bench.case("dedup", &mut |run, buffer| {
        run.look_for_doubles();
        established(run, buffer, &[]);
    });
    #[cfg(not(lm3s6965evb))]
    bench.case("tcp64_filter", &mut |run, buffer| {
        filtered(run, buffer, filter::NOBODY, 0x0959_9d7e);
    });
    #[cfg(not(lm3s6965evb))]
    bench.case("tcp64_filter_port", &mut |run, buffer| {
        filtered(run, buffer, filter::SERVER, 0xbb15_a753);
    });
    bench.case("double", &mut double);
    bench.case("echo", &mut echo);
    bench.case("vlan_qinq_tcp", &mut |run, buffer| {
        established(run, buffer, &[(0x88a8, 200), (0x8100, 100)]);
    });
    bench.case("ipv6_ext", &mut ipv6_ext);
    bench.case("new_flow", &mut |run, buffer| {
        new_flow(run, buffer, capacity);
    });
    bench.case("evict", &mut |run, buffer| {
        evict(run, buffer, capacity, |run, frame| {
            run.count(frame);
        });
    });
    bench.case("evict_slow_link", &mut |run, buffer| {
        evict(run, buffer, capacity, |run, frame| {
            run.count_with_slow_link(frame);
        });
    });
    bench.case("evict_stalled", &mut |run, buffer| {
        evict_stalled(run, buffer, capacity);
    });
    bench.case("malformed", &mut malformed);
    bench.case("walks", &mut walks);
    bench.case("mix", &mut mix);
    worst::case(bench);
}

/// Cache lines of 32 octets that the frames of `tcp64` touch, beside the stack
/// and the frame.
#[cfg(not(lm3s6965evb))]
pub(crate) fn lines(bench: Bench, scb: cortex_m::peripheral::SCB) {
    let mut lines = super::lines::Lines::new(scb);
    bench.case_of_lines("tcp64_lines", &mut lines, &mut |run, buffer| {
        established(run, buffer, &[]);
    });
}

/// The `n`th connection is opened; both ends are at sequence number 1.
fn open(run: &mut Run<'_, '_>, buffer: &mut [u8], tags: &[(u16, u16)], pair: Pair) {
    let there = Segment {
        flags: SYN,
        seq: 0,
        ack: 0,
        payload: 0,
    };
    run.show(Frame::new(buffer).tcp(tags, pair, there));
    let back = Segment {
        flags: SYN | ACK,
        ack: 1,
        ..there
    };
    run.show(Frame::new(buffer).tcp(tags, pair.back(), back));
    run.show(Frame::new(buffer).tcp(tags, pair, acknowledges(1, 1)));
}

fn acknowledges(seq: u32, ack: u32) -> Segment {
    Segment {
        flags: ACK,
        seq,
        ack,
        payload: 0,
    }
}

/// Who sends in this round: both in turn.
fn in_turn(pair: Pair, round: u32) -> Pair {
    if round.is_multiple_of(2) {
        pair
    } else {
        pair.back()
    }
}

fn established(run: &mut Run<'_, '_>, buffer: &mut [u8], tags: &[(u16, u16)]) {
    for n in 0..OPEN {
        open(run, buffer, tags, Pair::client(n, 443));
    }
    for round in 0..ROUNDS {
        for n in 0..OPEN {
            let pair = in_turn(Pair::client(n, 443), round);
            run.count(Frame::new(buffer).tcp(tags, pair, acknowledges(1, 1)));
        }
    }
    assert_eq!(run.change, HELD);
}

/// As `tcp64`, past a filter that captures: the program of `host HOST and port
/// 4433`, and its check sum. The frames are of no such port.
#[cfg(not(lm3s6965evb))]
fn filtered(run: &mut Run<'_, '_>, buffer: &mut [u8], host: u32, check: u32) {
    run.set_filter(&filter::program(host), check);
    established(run, buffer, &[]);
    assert!(!run.has_packet());
    let wanted = Pair {
        destination: host,
        ..Pair::client(0, 4433)
    };
    run.show(Frame::new(buffer).tcp(&[], wanted, acknowledges(1, 1)));
    assert!(run.has_packet(), "the filter does not run");
}

/// As `dedup`, and each frame a second time: that one is counted.
fn double(run: &mut Run<'_, '_>, buffer: &mut [u8]) {
    run.look_for_doubles();
    for n in 0..OPEN {
        let frame = Frame::new(buffer).tcp(&[], Pair::client(n, 443), acknowledges(1, 1));
        run.show(frame);
        run.count(frame);
    }
    assert_eq!(run.change, Change::default());
}

fn udp64(run: &mut Run<'_, '_>, buffer: &mut [u8]) {
    for n in 0..OPEN {
        run.show(Frame::new(buffer).udp(Pair::client(n, 53), 18));
    }
    for round in 0..ROUNDS {
        for n in 0..OPEN {
            let pair = in_turn(Pair::client(n, 53), round);
            run.count(Frame::new(buffer).udp(pair, 18));
        }
    }
    assert_eq!(run.change, HELD);
}

/// Full segments of 1,460 octets, each acknowledged.
fn tcp1514(run: &mut Run<'_, '_>, buffer: &mut [u8]) {
    for n in 0..OPEN {
        open(run, buffer, &[], Pair::client(n, 443));
    }
    let mut seq = 1;
    for _ in 0..ROUNDS {
        for n in 0..OPEN {
            let pair = Pair::client(n, 443);
            let segment = Segment {
                payload: 1460,
                ..acknowledges(seq, 1)
            };
            run.count(Frame::new(buffer).tcp(&[], pair, segment));
            let back = acknowledges(1, seq + 1460);
            run.show(Frame::new(buffer).tcp(&[], pair.back(), back));
        }
        seq += 1460;
    }
    assert_eq!(run.change, HELD);
}

/// Replies; each makes a sample.
fn echo(run: &mut Run<'_, '_>, buffer: &mut [u8]) {
    for seq in 0..32 {
        for n in 0..PAIRS {
            let pair = Pair::client(n, 0);
            run.show(Frame::new(buffer).echo(pair, 8, seq));
            // The first exchange opens flow and pair.
            let reply = Frame::new(buffer).echo(pair.back(), 0, seq);
            if seq == 0 {
                run.show(reply);
            } else {
                run.count(reply);
            }
        }
    }
    let replies = 31 * u64::from(PAIRS);
    let expected = Change {
        in_flows: replies,
        ended: replies,
        ..Change::default()
    };
    assert_eq!(run.change, expected);
}

fn ipv6_ext(run: &mut Run<'_, '_>, buffer: &mut [u8]) {
    for n in 0..OPEN {
        run.show(Frame::new(buffer).tcp6_extended(Pair::client(n, 443), acknowledges(1, 1)));
    }
    for round in 0..ROUNDS {
        for n in 0..OPEN {
            let pair = in_turn(Pair::client(n, 443), round);
            run.count(Frame::new(buffer).tcp6_extended(pair, acknowledges(1, 1)));
        }
    }
    assert_eq!(run.change, HELD);
}

/// A flood of SYNs, each from another address and port, or to another address.
struct Flood {
    number: u32,
    scans: bool,
}

impl Flood {
    fn new() -> Self {
        Self {
            number: 0,
            scans: false,
        }
    }

    fn next<'b>(&mut self, buffer: &'b mut [u8]) -> &'b [u8] {
        // An odd factor runs through all 2^32 sources, in no order.
        self.number = self.number.wrapping_add(1);
        let source = self.number.wrapping_mul(0x9e37_79b1);
        let [.., high, low] = self.number.wrapping_mul(0x85eb_ca77).to_be_bytes();
        let (source, destination) = if self.scans {
            (0xc000_0250, source)
        } else {
            (source, 0xc000_0250)
        };
        let pair = Pair {
            source,
            destination,
            source_port: u16::from_be_bytes([high, low]),
            destination_port: 443,
        };
        let segment = Segment {
            flags: SYN,
            seq: self.number.wrapping_mul(0x9e37_79b1),
            ack: 0,
            payload: 0,
        };
        Frame::new(buffer).tcp(&[], pair, segment)
    }
}

/// Into a table that has room: an eighth of it.
fn new_flow(run: &mut Run<'_, '_>, buffer: &mut [u8], capacity: u32) {
    let mut flood = Flood::new();
    let flows = capacity / 8;
    for _ in 0..flows {
        run.count(flood.next(buffer));
    }
    let expected = Change {
        made: u64::from(flows),
        in_flows: u64::from(flows),
        ..Change::default()
    };
    assert_eq!(run.change, expected);
}

/// Into a table that was filled eight times over.
fn evict(
    run: &mut Run<'_, '_>,
    buffer: &mut [u8],
    capacity: u32,
    count: impl Fn(&mut Run<'_, '_>, &[u8]),
) {
    let mut flood = Flood::new();
    for _ in 0..8 * capacity {
        run.show(flood.next(buffer));
    }
    for _ in 0..COUNTED {
        count(run, flood.next(buffer));
    }
    let expected = Change {
        made: COUNTED,
        in_flows: COUNTED,
        evicted: COUNTED,
        ended: COUNTED,
        ..Change::default()
    };
    assert_eq!(run.change, expected);
}

/// The same with nobody at the link: each flow that leaves was of another
/// responder, and takes another's line among those that were not kept.
fn evict_stalled(run: &mut Run<'_, '_>, buffer: &mut [u8], capacity: u32) {
    let mut flood = Flood {
        scans: true,
        ..Flood::new()
    };
    for _ in 0..8 * capacity {
        run.count_stalled(flood.next(buffer));
    }
    run.begin_anew();
    for _ in 0..COUNTED {
        run.count_stalled(flood.next(buffer));
    }
    let expected = Change {
        made: COUNTED,
        in_flows: COUNTED,
        evicted: COUNTED,
        lost: COUNTED,
        ..Change::default()
    };
    assert_eq!(run.change, expected);
    run.change.lost = 0; // as it should be
}

/// Every malformed frame of the capture that has them all.
fn malformed(run: &mut Run<'_, '_>, buffer: &mut [u8]) {
    let mut capture =
        Capture::open("tests/captures/malformed.pcap\0").expect("tests/captures/malformed.pcap");
    while let Some((_, frame)) = capture.next(buffer) {
        run.count_if_malformed(frame);
    }
}

/// Of another host each time, so that flow and counters are new as well.
fn walks(run: &mut Run<'_, '_>, buffer: &mut [u8]) {
    for n in 0..OPEN {
        run.count(Frame::new(buffer).walks(Pair::client(n, 0)));
    }
    assert_eq!(run.change.in_flows, u64::from(OPEN));
}

/// Real traffic, with its own times.
fn mix(run: &mut Run<'_, '_>, buffer: &mut [u8]) {
    let mut capture = Capture::open("tests/captures/lab.pcap\0").expect("tests/captures/lab.pcap");
    while let Some((at_us, frame)) = capture.next(buffer) {
        run.at(at_us);
        run.count(frame);
    }
}
