//! Filters: what they select, what becomes of it, and what is refused.
#![allow(missing_docs)]

mod common;

use common::{drain, feed, flows, flush, ipv4, udp};
use magpie_protocol::{
    BpfInstruction, Command, CommandType, FilterAction, FilterReason, FilterReply, FilterRoom,
    FilterState, FilterStatus, Instructions, Items, Ledger, MAX_ITEM, NetState, Outcome, PartPlace,
    Port, Record, RecordSource, Sum, UplinkCounts, VERSION_MINOR, Want, decode_packet_part,
};
use magpie_sensor::{Config, FilterSlot, Identity, Sensor, Storage, Way};
use proptest::collection::vec;
use proptest::prelude::*;

const LD_H_ABS: u16 = 0x28;
const LD_LEN: u16 = 0x80;
const JEQ: u16 = 0x15;
const JGT: u16 = 0x25;
const JA: u16 = 0x05;
const RET: u16 = 0x06;

fn op(code: u16, jt: u8, jf: u8, k: u32) -> BpfInstruction {
    BpfInstruction { code, jt, jf, k }
}

fn all() -> Vec<BpfInstruction> {
    vec![op(RET, 0, 0, 262_144)]
}

/// Frames longer than this on the wire.
fn longer(than: u32) -> Vec<BpfInstruction> {
    vec![
        op(LD_LEN, 0, 0, 0),
        op(JGT, 0, 1, than),
        op(RET, 0, 0, 262_144),
        op(RET, 0, 0, 0),
    ]
}

fn ethertype(is: u32) -> Vec<BpfInstruction> {
    vec![
        op(LD_H_ABS, 0, 0, 12),
        op(JEQ, 0, 1, is),
        op(RET, 0, 0, 262_144),
        op(RET, 0, 0, 0),
    ]
}

fn check_sum(program: &[BpfInstruction]) -> u32 {
    let octets: Vec<u8> = program.iter().flat_map(|i| i.to_octets()).collect();
    crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&octets)
}

const CAPTURE: FilterAction = FilterAction::Capture {
    snap_len: 0,
    max_packets: 0,
    max_octets: 0,
    wait: false,
};

fn sensor(slots: usize, ring: usize) -> Sensor<'static> {
    let storage = Storage {
        filters: vec![FilterSlot::EMPTY; slots].into(),
        ..common::storage(64, 16).with_packets(ring)
    };
    let mut core = Sensor::new(Config::exact(), Identity::default(), &[7; 32], storage);
    core.note_uplink(&UplinkCounts::default(), VERSION_MINOR);
    drain(&mut core, 0, Want::Live); // Hello
    core
}

fn told(core: &mut Sensor<'_>) -> (Vec<FilterReply>, Vec<FilterStatus>) {
    let (mut replies, mut statuses) = (vec![], vec![]);
    for record in drain(core, 0, Want::Live) {
        match record {
            Record::FilterReply(reply) => replies.push(reply),
            Record::FilterStatus(status) => statuses.push(status),
            _ => {}
        }
    }
    (replies, statuses)
}

/// The answer to one command.
fn ask(core: &mut Sensor<'_>, command: Command) -> FilterReply {
    core.handle_command(0, &command);
    let (replies, _) = told(core);
    let [reply] = replies[..] else {
        panic!("one answer to {command:?}: {replies:?}");
    };
    reply
}

fn status(core: &mut Sensor<'_>, slot: u8) -> FilterStatus {
    core.handle_command(0, &Command::Hello { major: 1, minor: 4 });
    let (_, statuses) = told(core);
    *statuses.iter().rfind(|s| s.slot == slot).unwrap()
}

fn load(core: &mut Sensor<'_>, slot: u8, program: &[BpfInstruction]) {
    let of = u16::try_from(program.len()).unwrap();
    let (mut rest, mut at) = (program, 0);
    while !rest.is_empty() {
        let instructions;
        (instructions, rest) = Instructions::take(rest);
        let command = Command::LoadFilter {
            id: 1000 + u32::from(at),
            slot,
            of,
            at,
            instructions,
        };
        at += u16::try_from(instructions.as_slice().len()).unwrap();
        let reply = ask(core, command);
        assert_eq!(
            (reply.outcome, reply.reason),
            (Outcome::Done, FilterReason::None)
        );
    }
}

fn start(id: u32, slot: u8, program: &[BpfInstruction], action: FilterAction) -> Command {
    Command::StartFilter {
        id,
        slot,
        literal: false,
        action,
        of: u16::try_from(program.len()).unwrap(),
        check: check_sum(program),
    }
}

/// Loads and starts.
fn set(core: &mut Sensor<'_>, id: u32, slot: u8, program: &[BpfInstruction], action: FilterAction) {
    load(core, slot, program);
    let reply = ask(core, start(id, slot, program, action));
    assert_eq!(reply.outcome, Outcome::Done, "{:?}", reply.reason);
}

/// A packet as the host puts it together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Packet {
    slot: u8,
    run: u32,
    number: u64,
    at_us: u64,
    wire_len: u32,
    len: u32,
    dropped: Sum,
    octets: Vec<u8>,
}

/// Packets that come out now, in a buffer of so many octets.
fn packets(core: &mut Sensor<'_>, room: usize, most: usize) -> Vec<Packet> {
    let mut all: Vec<Packet> = vec![];
    let mut out = vec![0; room];
    for _ in 0..most {
        let Some(emitted) = core.poll_record(0, Want::Packet, &mut out) else {
            break;
        };
        let item = Items::new(&out[..emitted.len]).next().unwrap().unwrap();
        let (part, octets) = decode_packet_part(item).unwrap();
        match part.place {
            PartPlace::First(head) => all.push(Packet {
                slot: part.slot,
                run: part.run,
                number: part.number,
                at_us: head.at_us,
                wire_len: head.wire_len,
                len: head.captured_len,
                dropped: head.dropped,
                octets: octets.to_vec(),
            }),
            PartPlace::Later(offset) => {
                let last = all.last_mut().expect("a part without its first");
                assert_eq!(offset.get() as usize, last.octets.len());
                assert_eq!(
                    (last.slot, last.run, last.number),
                    (part.slot, part.run, part.number)
                );
                last.octets.extend(octets);
            }
        }
    }
    all
}

fn frame(n: u8, len: usize) -> Vec<u8> {
    let mut frame = udp(1, n, 1000, 53, 18);
    frame.resize(len.max(60), n);
    frame
}

#[test]
fn a_packet_comes_back_whole_in_as_many_parts_as_it_takes() {
    let mut core = sensor(2, 40_000);
    set(&mut core, 7, 1, &longer(100), CAPTURE);
    let long = frame(3, 1514);
    feed(&mut core, 5, &frame(2, 60));
    feed(&mut core, 6, &long);
    core.observe(9, &long[..900], 9000); // cut by who captured it
    for room in [MAX_ITEM, 200, 140] {
        let mut core = sensor(2, 40_000);
        set(&mut core, 7, 1, &longer(100), CAPTURE);
        feed(&mut core, 5, &frame(2, 60));
        feed(&mut core, 6, &long);
        core.observe(9, &long[..900], 9000); // cut by who captured it
        let got = packets(&mut core, room, 1000);
        let whole = Packet {
            slot: 1,
            run: 7,
            number: 0,
            at_us: 6,
            wire_len: 1514,
            len: 1514,
            octets: long.clone(),
            ..Packet::default()
        };
        let cut = Packet {
            number: 1,
            at_us: 9,
            wire_len: 9000,
            len: 900,
            octets: long[..900].to_vec(),
            ..whole.clone()
        };
        assert_eq!(got, [whole, cut], "room for {room}");
    }
    // Nothing is begun where hardly anything fits.
    assert_eq!(packets(&mut core, 70, 9), []);
}

#[test]
fn tags_are_taken_away_unless_the_program_is_literal() {
    let mut tagged = frame(2, 60);
    tagged.splice(12..12, [0x81, 0, 0, 5]);
    for (literal, program, selected) in [
        (false, ethertype(0x0800), 2),
        (true, ethertype(0x0800), 1),
        (true, ethertype(0x8100), 1),
        (false, ethertype(0x8100), 0),
    ] {
        let mut core = sensor(1, 4000);
        load(&mut core, 0, &program);
        let Command::StartFilter { of, check, .. } = start(1, 0, &program, CAPTURE) else {
            panic!()
        };
        ask(
            &mut core,
            Command::StartFilter {
                id: 1,
                slot: 0,
                literal,
                action: CAPTURE,
                of,
                check,
            },
        );
        feed(&mut core, 0, &frame(2, 60));
        feed(&mut core, 0, &tagged);
        let got = packets(&mut core, MAX_ITEM, 99);
        assert_eq!(got.len(), selected, "{literal} {program:?}");
        // What is sent is the frame as it was.
        assert!(
            got.iter()
                .all(|p| p.octets == tagged || p.octets == frame(2, 60))
        );
    }
}

#[test]
fn a_bad_program_is_refused_with_its_instruction() {
    use FilterReason as Why;
    let two = |first, second| vec![first, second];
    let ret = op(RET, 0, 0, 1);
    for (program, reason, instruction) in [
        (two(op(0xff, 0, 0, 0), ret), Why::UnknownCode, 0),
        (two(ret, op(0x0106, 0, 0, 0)), Why::UnknownCode, 1),
        (two(op(JA, 0, 0, u32::MAX), ret), Why::JumpBackward, 0),
        (two(ret, op(JEQ, 0, 9, 0)), Why::JumpOutside, 1),
        (
            two(op(LD_LEN, 0, 0, 0), op(LD_LEN, 0, 0, 0)),
            Why::NoReturn,
            1,
        ),
        (two(op(0x02, 0, 0, 16), ret), Why::NoSuchWord, 0),
        (two(op(0x60, 0, 0, 3), ret), Why::WordNotWritten, 0),
        (two(op(0x34, 0, 0, 0), ret), Why::DivisionByZero, 0),
    ] {
        let mut core = sensor(1, 4000);
        load(&mut core, 0, &program);
        let reply = ask(&mut core, start(5, 0, &program, CAPTURE));
        let want = FilterReply {
            id: 5,
            command: CommandType::StartFilter as u8,
            slot: 0,
            outcome: Outcome::BadValue,
            reason,
            instruction,
        };
        assert_eq!(reply, want);
        assert!(reason.is_of_instruction());
    }
}

#[test]
fn what_a_sensor_lacks_it_says() {
    use FilterReason as Why;
    use Outcome::Unsupported;
    let program = longer(60);
    let action = |core: &mut Sensor<'_>, action| {
        if load_ok(core) {
            load(core, 0, &program);
        }
        let reply = ask(core, start(5, 0, &program, action));
        (reply.outcome, reply.reason)
    };
    let unknown = FilterAction::Unknown(9);
    let cases = [
        (sensor(0, 0), CAPTURE, (Unsupported, Why::NoSlot)),
        (
            sensor(0, 4000),
            FilterAction::Count,
            (Unsupported, Why::NoSlot),
        ),
        (sensor(1, 0), CAPTURE, (Unsupported, Why::NoRing)),
        (sensor(1, 4000), unknown, (Unsupported, Why::UnknownAction)),
    ];
    for (mut core, what, want) in cases {
        assert_eq!(action(&mut core, what), want);
    }
    // Without room for packets they are counted all the same.
    assert_eq!(
        action(&mut sensor(1, 0), FilterAction::Only),
        (Outcome::Done, Why::None)
    );
}

#[test]
fn what_comes_at_the_wrong_time_is_refused() {
    use FilterReason as Why;
    use Outcome::{BadValue, Refused, Unsupported};
    let program = longer(60);
    let mut core = sensor(1, 4000);
    let reply = |core: &mut Sensor<'_>, command| {
        let reply = ask(core, command);
        (reply.outcome, reply.reason, reply.instruction)
    };
    let part = |id, of, at, from: &[BpfInstruction]| Command::LoadFilter {
        id,
        slot: 0,
        of,
        at,
        instructions: Instructions::take(from).0,
    };
    assert_eq!(
        reply(&mut core, start(1, 0, &[], CAPTURE)),
        (BadValue, Why::Empty, 0)
    );
    assert_eq!(
        reply(&mut core, part(1, 0, 0, &[])),
        (BadValue, Why::Empty, 0)
    );
    assert_eq!(
        reply(&mut core, part(1, 257, 0, &program)),
        (BadValue, Why::TooMany, 0)
    );
    assert_eq!(
        reply(&mut core, part(1, 4, 2, &program)),
        (BadValue, Why::TooMany, 2)
    );
    assert_eq!(
        reply(&mut core, part(1, 9, 1, &program)),
        (BadValue, Why::Incomplete, 1)
    );
    assert_eq!(
        reply(&mut core, part(1, 4, 0, &program[..3])).0,
        Outcome::Done
    );
    assert_eq!(
        reply(&mut core, start(2, 0, &program, CAPTURE)),
        (BadValue, Why::Incomplete, 3)
    );
    assert_eq!(
        reply(&mut core, part(3, 5, 3, &program[3..])),
        (BadValue, Why::Incomplete, 3)
    );
    assert_eq!(
        reply(&mut core, part(3, 4, 3, &program[2..3])).0,
        Outcome::Done
    );
    assert_eq!(
        reply(&mut core, start(4, 0, &program, CAPTURE)),
        (BadValue, Why::CheckSum, 0)
    );
    load(&mut core, 0, &program);
    assert_eq!(
        reply(&mut core, start(5, 0, &program, CAPTURE)).0,
        Outcome::Done
    );
    // It runs: what came before may come again, and nothing else.
    assert_eq!(
        reply(&mut core, part(1000, 4, 0, &program)).0,
        Outcome::Done
    );
    assert_eq!(
        reply(&mut core, part(6, 1, 0, &all())),
        (Refused, Why::Running, 0)
    );
    assert_eq!(
        reply(&mut core, start(7, 0, &program, CAPTURE)),
        (Refused, Why::Running, 0)
    );
    let other = Command::StopFilter {
        id: 8,
        slot: 1,
        discard: false,
    };
    assert_eq!(reply(&mut core, other), (Unsupported, Why::NoSlot, 0));
}

fn load_ok(core: &mut Sensor<'_>) -> bool {
    core.handle_command(0, &Command::Hello { major: 1, minor: 4 });
    let hello = drain(core, 0, Want::Live);
    hello
        .iter()
        .any(|r| matches!(r, Record::Hello(h) if h.capacities.filters.slots > 0))
}

#[test]
fn hello_says_what_there_is_room_for() {
    let mut core = sensor(3, 4096);
    core.handle_command(0, &Command::Hello { major: 1, minor: 4 });
    let records = drain(&mut core, 0, Want::Live);
    let rooms: Vec<_> = records
        .iter()
        .filter_map(|r| match r {
            Record::Hello(hello) => Some(hello.capacities.filters),
            _ => None,
        })
        .collect();
    let room = FilterRoom {
        slots: 3,
        ring_octets: 4096,
        payload: true,
    };
    assert_eq!(rooms, [room]);
}

/// A program stays in its slot: it may be started again without being loaded,
/// and what came may come again while it runs.
#[test]
fn a_program_that_ran_runs_again() {
    let mut core = sensor(1, 4000);
    let program = longer(80);
    set(&mut core, 7, 0, &program, FilterAction::Count);
    load(&mut core, 0, &program);
    for id in [8, 10] {
        let stop = Command::StopFilter {
            id,
            slot: 0,
            discard: false,
        };
        ask(&mut core, stop);
        let again = start(id + 1, 0, &program, FilterAction::Count);
        assert_eq!(ask(&mut core, again).outcome, Outcome::Done);
        feed(&mut core, 1, &frame(2, 81));
        feed(&mut core, 1, &frame(2, 80));
        let status = status(&mut core, 0);
        assert_eq!((status.run, status.matched.frames), (id + 1, 1));
    }
}

/// A number that comes again is answered again, and does nothing else.
#[test]
fn repeated_commands_change_nothing() {
    let mut core = sensor(1, 4000);
    let program = all();
    set(&mut core, 7, 0, &program, FilterAction::Count);
    feed(&mut core, 1, &frame(2, 60));
    let again = start(7, 0, &program, FilterAction::Count);
    assert_eq!(ask(&mut core, again).outcome, Outcome::Done);
    assert_eq!(status(&mut core, 0).matched.frames, 1, "it went on");
    let stop = |id| Command::StopFilter {
        id,
        slot: 0,
        discard: true,
    };
    assert_eq!(ask(&mut core, stop(8)).outcome, Outcome::Done);
    assert_eq!(status(&mut core, 0).state, FilterState::Stopped);
    // Late, and not another run.
    assert_eq!(ask(&mut core, again).outcome, Outcome::Done);
    assert_eq!(status(&mut core, 0).state, FilterState::Stopped);
    set(&mut core, 9, 0, &program, FilterAction::Count);
    assert_eq!(ask(&mut core, stop(8)).outcome, Outcome::Done);
    assert_eq!(status(&mut core, 0).state, FilterState::Running, "late");
}

#[test]
fn a_capture_ends_at_its_limits() {
    let limited = |max_packets, max_octets| FilterAction::Capture {
        snap_len: 80,
        max_packets,
        max_octets,
        wait: false,
    };
    for (action, state, packets_kept) in [
        (limited(3, 0), FilterState::PacketLimit, 3),
        (limited(0, 239), FilterState::OctetLimit, 2),
        (limited(0, 240), FilterState::OctetLimit, 3),
        (limited(9, 0), FilterState::Running, 5),
    ] {
        let mut core = sensor(1, 4000);
        set(&mut core, 7, 0, &all(), action);
        for n in 0..5 {
            feed(&mut core, 1, &frame(n, 100));
        }
        let status = status(&mut core, 0);
        let kept = Sum {
            frames: packets_kept,
            octets: 100 * packets_kept,
        };
        assert_eq!(
            (status.state, status.kept, status.matched),
            (state, kept, kept)
        );
        assert!(!status.is_over());
        let got = packets(&mut core, MAX_ITEM, 99);
        assert!(
            got.iter()
                .all(|p| (p.octets.len(), p.wire_len) == (80, 100))
        );
        assert_eq!(got.len() as u64, packets_kept);
        // When the last has left it says so by itself.
        let (_, statuses) = told(&mut core);
        let over = statuses.iter().filter(|status| status.is_over()).count();
        assert_eq!(
            over,
            usize::from(state != FilterState::Running),
            "{statuses:?}"
        );
        assert_eq!(core.ledger(0).counted.frames, 5);
    }
}

#[test]
fn packets_that_wait_are_sent_or_given_up() {
    let mut core = sensor(1, 4000);
    let program = all();
    set(&mut core, 7, 0, &program, CAPTURE);
    for n in 0..4 {
        feed(&mut core, 1, &frame(n, 700));
    }
    assert_eq!(packets(&mut core, MAX_ITEM, 3).len(), 2, "one and a half");
    let stop = |id, discard| Command::StopFilter {
        id,
        slot: 0,
        discard,
    };
    ask(&mut core, stop(8, false));
    load(&mut core, 0, &program);
    let reply = ask(&mut core, start(9, 0, &program, CAPTURE));
    assert_eq!(
        (reply.outcome, reply.reason),
        (Outcome::Refused, FilterReason::Draining)
    );
    ask(&mut core, stop(10, true));
    let (sum, none) = (
        |frames| Sum {
            frames,
            octets: frames * 700,
        },
        Sum::default(),
    );
    let given_up = status(&mut core, 0);
    assert_eq!(
        (given_up.matched, given_up.kept, given_up.dropped),
        (sum(4), sum(1), sum(3))
    );
    assert!(given_up.is_over());
    // The next run begins at once, and what is left of the last does not come.
    set(&mut core, 11, 0, &program, CAPTURE);
    feed(&mut core, 2, &frame(9, 90));
    let got = packets(&mut core, MAX_ITEM, 99);
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].run, got[0].number, got[0].dropped), (11, 0, none));
    assert_eq!(got[0].octets, frame(9, 90));
}

#[test]
fn frames_that_no_filter_selects_reach_no_table_and_stay_in_the_books() {
    let mut core = sensor(3, 4000);
    set(&mut core, 7, 0, &longer(200), FilterAction::Only);
    set(&mut core, 8, 2, &ethertype(0x0806), FilterAction::Only);
    set(&mut core, 9, 1, &all(), FilterAction::Count);
    let mut arp = vec![0; 60];
    arp[12..14].copy_from_slice(&[8, 6]);
    feed(&mut core, 1, &frame(2, 300));
    feed(&mut core, 2, &frame(3, 100));
    feed(&mut core, 3, &arp);
    feed(&mut core, 4, &ipv4(1, 9, 47, &[0; 20]));
    let check = |ledger: &Ledger| {
        let sum = |frames, octets| Sum { frames, octets };
        assert_eq!(ledger.counted, sum(4, 300 + 100 + 60 + 54));
        assert_eq!(ledger.in_flows, sum(1, 300));
        assert_eq!(ledger.arp, sum(1, 60));
        assert_eq!(ledger.filtered, sum(2, 154));
        assert_eq!(ledger.flows.made, 1);
    };
    check(&core.ledger(5));
    let records = flush(&mut core, 5, 1);
    assert_eq!(flows(&records).len(), 1);
    let ledgers: Vec<_> = records
        .iter()
        .filter_map(|r| match r {
            Record::Ledger(ledger) => Some(*ledger),
            _ => None,
        })
        .collect();
    check(&ledgers[0]);
    assert_eq!(status(&mut core, 1).matched.frames, 4);
    // A host of 1.3 is told what adds up without the new term.
    core.note_uplink(&UplinkCounts::default(), 3);
    let records = flush(&mut core, 6, 2);
    let Some(Record::Ledger(old)) = records.last() else {
        panic!("the ledger is the last");
    };
    assert_eq!(
        (
            old.counted.frames,
            old.filtered.frames,
            old.lost.ring.value()
        ),
        (2, 0, 2)
    );
    // When the last one stops, all frames reach the tables again.
    for (id, slot) in [(20, 0), (21, 2)] {
        let stop = Command::StopFilter {
            id,
            slot,
            discard: false,
        };
        core.handle_command(0, &stop);
    }
    feed(&mut core, 7, &frame(3, 100));
    assert_eq!(core.ledger(7).filtered.frames, 2);
    assert_eq!(core.ledger(7).counted.frames, 5);
}

#[test]
fn whoever_may_be_anybody_is_refused_and_counted() {
    let mut core = sensor(1, 4000);
    core.set_port(Port {
        net: NetState::Up([10, 0, 0, 1]),
        ..Port::default()
    });
    drain(&mut core, 0, Want::Live);
    core.set_way(Way::Network);
    let program = all();
    let stop = Command::StopFilter {
        id: 3,
        slot: 0,
        discard: false,
    };
    for (count, command) in [(1, start(2, 0, &program, CAPTURE)), (2, stop)] {
        core.handle_unauthenticated(0, &command);
        let records = drain(&mut core, 0, Want::Live);
        let replies: Vec<_> = records
            .iter()
            .filter_map(|r| match r {
                Record::FilterReply(reply) => Some((reply.outcome, reply.reason)),
                _ => None,
            })
            .collect();
        assert_eq!(
            replies,
            [(Outcome::Refused, FilterReason::NotAuthenticated)]
        );
        let refused = records.iter().find_map(|r| match r {
            Record::Port(port) => Some(port.refused),
            _ => None,
        });
        assert_eq!(refused, Some(count));
    }
    feed(&mut core, 1, &frame(2, 60));
    assert_eq!(packets(&mut core, MAX_ITEM, 9), []);
    // All else is done as ever.
    core.handle_unauthenticated(0, &Command::Flush { id: 1 });
    assert!(!drain(&mut core, 0, Want::Final).is_empty());
}

/// Whoever counts what a sensor saw meanwhile needs to know where it began.
#[test]
fn the_books_as_of_its_start_come_behind_a_filter() {
    let mut core = sensor(1, 4000);
    feed(&mut core, 1, &frame(2, 60));
    load(&mut core, 0, &all());
    for (id, told) in [(7, true), (7, false), (8, false)] {
        core.handle_command(2, &start(id, 0, &all(), CAPTURE));
        feed(&mut core, 3, &frame(3, 60));
        // Before its packets.
        let mut out = [0; MAX_ITEM];
        assert_eq!(core.poll_record(3, Want::Packet, &mut out), None);
        let kinds = drain(&mut core, 3, Want::Live);
        let kinds: Vec<_> = kinds
            .iter()
            .map(|record| match record {
                Record::FilterReply(_) => "reply",
                Record::FilterStatus(_) => "status",
                Record::Ledger(ledger) => {
                    assert_eq!((ledger.at_us, ledger.flush), (3, 0));
                    "ledger"
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let want: &[_] = if told {
            &["reply", "status", "ledger"]
        } else {
            &["reply"]
        };
        assert_eq!(kinds, want, "start {id}");
        packets(&mut core, MAX_ITEM, 9);
    }
}

/// The same number, and nothing to begin.
fn renew(id: u32, slot: u8, action: FilterAction) -> Command {
    start(id, slot, &[], action)
}

/// A host that was killed cannot stop what it asked for.
#[test]
fn a_filter_that_is_not_asked_for_again_stops() {
    const LIFE_US: u64 = FilterStatus::LIFE_S as u64 * 1_000_000;
    const SECOND_US: u64 = 1_000_000;
    for action in [CAPTURE, FilterAction::Only, FilterAction::Count] {
        let mut core = sensor(2, 4000);
        core.end_unheard_filters(1_000);
        set(&mut core, 7, 1, &longer(200), action);
        let state = |core: &mut Sensor<'_>| status(core, 1).state;
        // Its life begins when the next turn does.
        core.end_unheard_filters(2_000);
        core.end_unheard_filters(2_000 + LIFE_US - 1);
        assert_eq!(state(&mut core), FilterState::Running);
        assert_eq!(ask(&mut core, renew(7, 1, action)).outcome, Outcome::Done);
        let began_us = 2_000 + LIFE_US;
        core.end_unheard_filters(began_us);
        feed(&mut core, 1, &frame(2, 300));
        feed(&mut core, 2, &frame(2, 100));
        // Another's number prolongs nothing, and begins nothing.
        for (id, slot) in [(8, 1), (7, 0)] {
            let reply = ask(&mut core, renew(id, slot, action));
            assert_ne!(reply.outcome, Outcome::Done, "{reply:?}");
        }
        core.end_unheard_filters(began_us + LIFE_US - 1);
        assert_eq!(state(&mut core), FilterState::Running);
        core.end_unheard_filters(began_us + LIFE_US + SECOND_US);
        let (_, told) = told(&mut core);
        let [told] = told[..] else {
            panic!("it is said once: {told:?}");
        };
        assert_eq!((told.state, told.matched.frames), (FilterState::Unheard, 1));
        // What comes now is for the tables, and none of it for the filter.
        let before = core.ledger(3);
        feed(&mut core, 3, &frame(2, 100));
        feed(&mut core, 3, &frame(2, 300));
        let after = core.ledger(3);
        assert_eq!(after.filtered, before.filtered);
        let frames = |ledger: &Ledger| {
            let outside = ledger.arp.frames + ledger.other.frames + ledger.invalid.frames;
            ledger.in_flows.frames + outside + ledger.filtered.frames
        };
        assert_eq!((frames(&after), after.counted.frames), (4, 4));
        assert_eq!(status(&mut core, 1).matched.frames, 1);
        // It is over for good: late words change nothing, and its packets come.
        assert_eq!(ask(&mut core, renew(7, 1, action)).outcome, Outcome::Done);
        core.end_unheard_filters(began_us + 3 * LIFE_US);
        assert_eq!(state(&mut core), FilterState::Unheard);
        let came = packets(&mut core, MAX_ITEM, 9).len();
        assert_eq!(came, usize::from(action == CAPTURE));
        assert!(status(&mut core, 1).is_over());
    }
}

/// Each has its own host.
#[test]
fn a_filter_that_is_asked_for_keeps_no_other_alive() {
    let mut core = sensor(2, 4000);
    set(&mut core, 7, 0, &all(), FilterAction::Only);
    set(&mut core, 8, 1, &all(), FilterAction::Count);
    for n in 0..10 {
        core.end_unheard_filters(n * 8_000_000);
        ask(&mut core, renew(8, 1, FilterAction::Count));
    }
    assert_eq!(status(&mut core, 0).state, FilterState::Unheard);
    assert_eq!(status(&mut core, 1).state, FilterState::Running);
    // While none runs nobody tells the time: what starts then is new.
    for (id, slot) in [(9, 0), (10, 1)] {
        let discard = false;
        ask(&mut core, Command::StopFilter { id, slot, discard });
    }
    set(&mut core, 11, 0, &all(), FilterAction::Only);
    for at_us in [3_600_000_000, 3_620_000_000] {
        core.end_unheard_filters(at_us);
        assert_eq!(status(&mut core, 0).state, FilterState::Running);
    }
}

/// Live records go before packets, and packets to nobody who cannot read them.
#[test]
fn packets_come_after_all_else() {
    let mut core = sensor(1, 4000);
    set(&mut core, 7, 0, &all(), CAPTURE);
    feed(&mut core, 1, &frame(2, 60));
    let mut out = [0; MAX_ITEM];
    core.handle_command(0, &Command::Hello { major: 1, minor: 4 });
    assert!(core.poll_record(0, Want::Packet, &mut out).is_none());
    told(&mut core);
    core.note_uplink(&UplinkCounts::default(), 3);
    assert!(core.poll_record(0, Want::Packet, &mut out).is_none());
    core.note_uplink(&UplinkCounts::default(), VERSION_MINOR);
    assert!(core.poll_record(0, Want::Packet, &mut out).is_some());
    // While a pass is under way, none.
    let live = Command::Configure {
        id: 1,
        set: magpie_protocol::Configuration {
            live_us: Some(1_000_000),
            ..magpie_protocol::Configuration::default()
        },
    };
    core.handle_command(0, &live);
    feed(&mut core, 2, &frame(3, 60));
    // The answer and the ledger, with which a pass begins.
    for _ in 0..2 {
        assert!(core.poll_record(3, Want::Live, &mut out).is_some());
    }
    assert!(core.poll_record(3, Want::Packet, &mut out).is_none());
    let mut shown = 0;
    for _ in 0..1000 {
        shown += u32::from(core.poll_record(3, Want::Live, &mut out).is_some());
    }
    assert!(shown > 1, "status, flow ...");
    assert!(core.poll_record(3, Want::Packet, &mut out).is_some());
}

#[test]
fn frames_wait_for_room_where_they_were_asked_to() {
    let wait = |wait| FilterAction::Capture {
        snap_len: 0,
        max_packets: 0,
        max_octets: 0,
        wait,
    };
    let mut core = sensor(1, 2 * (1518 + 45));
    assert!(!core.must_wait());
    set(&mut core, 7, 0, &longer(60), wait(true));
    assert!(!core.must_wait());
    feed(&mut core, 1, &frame(2, 1514));
    assert!(!core.must_wait());
    feed(&mut core, 1, &frame(2, 61));
    assert!(core.must_wait(), "the largest would find no room");
    packets(&mut core, MAX_ITEM, 99);
    assert!(!core.must_wait());
    // A ring that never can: not for ever.
    let mut small = sensor(1, 500);
    set(&mut small, 7, 0, &all(), wait(true));
    feed(&mut small, 1, &frame(2, 1514));
    assert!(!small.must_wait());
    feed(&mut small, 1, &frame(2, 100));
    assert!(small.must_wait());
    let mut impatient = sensor(1, 500);
    set(&mut impatient, 7, 0, &all(), wait(false));
    feed(&mut impatient, 1, &frame(2, 100));
    assert!(!impatient.must_wait());
}

#[derive(Debug, Clone)]
enum Step {
    Frame(u8, usize),
    Poll(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any::<u8>(), 60..1600_usize).prop_map(|(n, len)| Step::Frame(n, len)),
        2 => (100..=MAX_ITEM, 0..6_usize).prop_map(|(room, most)| Step::Poll(room, most)),
    ]
}

proptest! {
    /// Every frame selected comes out as it was or is counted as dropped, with
    /// its octets, before the next one that comes: whatever the ring, the snap
    /// length, the link.
    #[test]
    fn every_selected_frame_is_accounted_for(
        steps in vec(step(), 0..120),
        ring in 0..6000_usize,
        snap_len in prop_oneof![Just(0_u32), 1..1600_u32],
        than in 0..1600_u32,
    ) {
        let mut core = sensor(2, ring.max(1));
        let action = FilterAction::Capture { snap_len, max_packets: 0, max_octets: 0, wait: false };
        set(&mut core, 7, 1, &longer(than), action);
        set(&mut core, 8, 0, &longer(than), FilterAction::Count);
        let mut selected = vec![];
        let mut got: Vec<Packet> = vec![];
        // A packet may come in two polls.
        let mut take = |core: &mut Sensor<'static>, room: usize, most: usize| {
            let mut out = vec![0; room];
            for _ in 0..most {
                let Some(emitted) = core.poll_record(0, Want::Packet, &mut out) else { break };
                let item = Items::new(&out[..emitted.len]).next().unwrap().unwrap();
                let (part, octets) = decode_packet_part(item).unwrap();
                match part.place {
                    PartPlace::First(head) => got.push(Packet {
                        slot: part.slot, run: part.run, number: part.number, at_us: head.at_us,
                        wire_len: head.wire_len, len: head.captured_len, dropped: head.dropped,
                        octets: octets.to_vec(),
                    }),
                    PartPlace::Later(offset) => {
                        let last = got.last_mut().unwrap();
                        assert_eq!(offset.get() as usize, last.octets.len());
                        last.octets.extend(octets);
                    }
                }
            }
        };
        for (at, step) in (0_u64..).zip(steps) {
            match step {
                Step::Frame(n, len) => {
                    let frame = frame(n, len);
                    feed(&mut core, at, &frame);
                    if frame.len() > than as usize {
                        selected.push((at, frame));
                    }
                }
                Step::Poll(room, most) => take(&mut core, room, most),
            }
        }
        // The last frame there is tells what was dropped before it.
        take(&mut core, MAX_ITEM, 10_000);
        let status = status(&mut core, 1);
        let octets = |all: &[(u64, Vec<u8>)]| all.iter().map(|(_, f)| f.len() as u64).sum::<u64>();
        prop_assert_eq!(status.matched.frames, selected.len() as u64);
        prop_assert_eq!(status.matched.octets, octets(&selected));
        prop_assert_eq!(status.matched.frames, status.kept.frames + status.dropped.frames);
        prop_assert_eq!(status.matched.octets, status.kept.octets + status.dropped.octets);
        prop_assert_eq!(status.forwarded, status.kept);
        prop_assert_eq!(got.len() as u64, status.kept.frames);
        let mut place = 0;
        for (number, packet) in (0..).zip(&got) {
            let at = selected[place..].iter().position(|(at, _)| *at == packet.at_us);
            let skipped = at.expect("a frame that was selected");
            place += skipped;
            let frame = &selected[place].1;
            prop_assert_eq!(packet.number, number);
            let kept_before = number + packet.dropped.frames;
            prop_assert_eq!(kept_before, place as u64, "all before it are known");
            let len = if snap_len == 0 { frame.len() } else { frame.len().min(snap_len as usize) };
            prop_assert_eq!(&packet.octets, &frame[..len]);
            prop_assert_eq!((packet.len as usize, packet.wire_len as usize), (len, frame.len()));
            place += 1;
        }
        let books = core.ledger(0);
        prop_assert_eq!(books.counted.frames, books.in_flows.frames + books.invalid.frames + books.other.frames);
    }
}
