//! What is refused, and the reason that is given.

use magpie_protocol::{
    BpfInstruction, Command, CommandType, FilterAction, FilterReason, FilterReply, Instructions,
    MAX_ITEM, NetState, Outcome, Port, Record, Want,
};
use magpie_sensor::{Sensor, Way};

use super::{
    CAPTURE, JA, JEQ, LD_LEN, RET, all, ask, frame, load, longer, op, packets, sensor, start,
};
use crate::common::{drain, feed};

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
