//! Laws that hold for any frames, any times and any table sizes.
#![allow(missing_docs)]

mod common;

use common::{Sums, drain, echo, feed, flush, sensor, storage, sums, tcp, udp};
use magpie_protocol::{
    Counts, FlowSum, Record, RecordSource, TableId, UplinkCounts, VERSION_MINOR, Want,
};
use magpie_sensor::{Config, EMPTY_UNSENT_SET, Identity, OutboxEntry, Sensor, Storage};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Input {
    Udp(u8, u8, u16, u16),
    Tcp(bool, u32, u32, u8, u16),
    Echo(u8, bool, u16),
    Junk(Vec<u8>, u32),
    /// The link takes this many finished records.
    Drain(u8),
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => (1..20_u8, 1..20_u8, 0..6_u16, 0..6_u16).prop_map(|(a, b, p, q)| Input::Udp(a, b, p, q)),
        2 => (any::<bool>(), 0..5000_u32, 0..5000_u32, any::<u8>(), 0..1000_u16)
            .prop_map(|(up, s, a, f, n)| Input::Tcp(up, s, a, f, n)),
        2 => (2..9_u8, any::<bool>(), 0..9_u16).prop_map(|(to, request, n)| Input::Echo(to, request, n)),
        1 => (proptest::collection::vec(any::<u8>(), 0..90), any::<u32>()).prop_map(|(b, n)| Input::Junk(b, n)),
        1 => (0..20_u8).prop_map(Input::Drain),
    ]
}

/// Times mostly go on, sometimes jump, sometimes step back.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..2_000_i64, 1 => 0..100_000_000_i64, 1 => -5_000_000..0_i64]
}

fn run(core: &mut Sensor<'_>, inputs: &[(i64, Input)]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut at = 1_000_000_000_u64;
    for (step, input) in inputs {
        at = at.saturating_add_signed(*step);
        match input {
            Input::Udp(a, b, p, q) => feed(core, at, &udp(*a, *b, *p, *q, 3)),
            Input::Tcp(up, s, a, f, n) => feed(core, at, &tcp(*up, *s, *a, *f, usize::from(*n))),
            Input::Echo(to, true, n) => feed(core, at, &echo(1, *to, true, 3, *n)),
            Input::Echo(to, false, n) => feed(core, at, &echo(*to, 1, false, 3, *n)),
            Input::Junk(octets, wire_len) => core.observe(at, octets, *wire_len),
            Input::Drain(n) => {
                let mut out = [0; magpie_protocol::MAX_ITEM];
                for _ in 0..*n {
                    let Some(emitted) = core.poll_record(at, Want::Final, &mut out) else {
                        break;
                    };
                    let item = magpie_protocol::Items::new(&out[..emitted.len])
                        .next()
                        .unwrap();
                    records.push(magpie_protocol::decode_record(item.unwrap()).unwrap());
                }
            }
        }
    }
    records.extend(flush(core, at, 1));
    records
}

fn table_sum(records: &[Record], wanted: TableId) -> (u64, u64) {
    let lines = records.iter().filter_map(|r| match r {
        Record::Counts(Counts { table, entries }) if *table == wanted => Some(entries),
        _ => None,
    });
    lines.flatten().fold((0, 0), |(frames, octets), line| {
        (frames + line.frames, octets.wrapping_add(line.octets))
    })
}

/// All lines of what was not kept.
fn unsent_sum(records: &[Record]) -> FlowSum {
    let lines = records.iter().filter_map(|r| match r {
        Record::Unsent(unsent) => Some(&unsent.lines),
        _ => None,
    });
    lines.flatten().fold(FlowSum::default(), |mut sum, line| {
        assert_eq!(line.unconfirmed, FlowSum::default());
        sum.add(&line.never_sent);
        sum
    })
}

fn check_books(core: &Sensor<'_>) {
    let ledger = core.ledger(0);
    let parts = [ledger.in_flows, ledger.arp, ledger.other, ledger.invalid];
    assert_eq!(
        ledger.counted.frames,
        parts.iter().map(|p| p.frames).sum::<u64>()
    );
    assert_eq!(
        ledger.counted.octets,
        parts.iter().map(|p| p.octets).sum::<u64>()
    );
    let (flows, exported, lost) = (ledger.flows, ledger.exported, ledger.never_sent);
    assert_eq!(flows.made, flows.live + exported.flows + lost.flows);
    assert_eq!(
        ledger.in_flows.frames,
        flows.live_packets + exported.packets + lost.packets
    );
    assert_eq!(
        ledger.in_flows.octets,
        flows.live_octets + exported.octets + lost.octets
    );
}

fn exact(inputs: &[(i64, Input)]) -> Sums {
    let mut core = sensor(Config::exact(), 4096);
    let records = run(&mut core, inputs);
    assert_eq!(core.shortfalls(), Vec::<String>::new());
    sums(&records)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn time_outs_and_table_sizes_never_change_the_sums(
        inputs in proptest::collection::vec((step(), input()), 0..300),
        flows in prop_oneof![Just(8_usize), Just(16), Just(64), Just(1024)],
        idle_us in prop_oneof![Just(0_u64), 1..2_000_000_u64],
        active_us in prop_oneof![Just(0_u64), 1..2_000_000_u64],
        end_us in prop_oneof![Just(0_u64), 1..2_000_000_u64],
    ) {
        let config = Config { idle_us, active_us, end_us, ..Config::default() };
        let mut core = sensor(config, flows);
        let records = run(&mut core, &inputs);
        check_books(&core);
        prop_assert_eq!(sums(&records), exact(&inputs));
        let ledger = core.ledger(0);
        prop_assert_eq!(table_sum(&records, TableId::Ethertype), (ledger.counted.frames, ledger.counted.octets));
        prop_assert_eq!(table_sum(&records, TableId::Vlan).0, ledger.counted.frames);
        prop_assert_eq!(table_sum(&records, TableId::IpProtocol).0, ledger.in_flows.frames);
        prop_assert_eq!(ledger.exported.records, u64::try_from(records.len()).unwrap());
    }

    #[test]
    fn what_an_outbox_without_room_loses_is_in_the_books(
        inputs in proptest::collection::vec((step(), input()), 0..200),
        outbox in 0_usize..6,
        sets in 0_usize..3,
    ) {
        let storage = Storage {
            outbox: vec![OutboxEntry::EMPTY; outbox].into(),
            unsent: vec![EMPTY_UNSENT_SET; sets].into(),
            ..storage(8, 4)
        };
        let mut core = Sensor::new(Config::default(), Identity::default(), &[3; 32], storage);
        core.note_uplink(&UplinkCounts::default(), VERSION_MINOR);
        let records = run(&mut core, &inputs);
        check_books(&core);
        let ledger = core.ledger(0);
        let told: u64 = sums(&records).values().map(|(ab, ba, ..)| ab.packets + ba.packets).sum();
        prop_assert_eq!(told, ledger.exported.packets);
        prop_assert_eq!(told + ledger.never_sent.packets, ledger.in_flows.frames);
        prop_assert_eq!(unsent_sum(&records), FlowSum::from(&ledger.never_sent));
    }

    #[test]
    fn a_growing_table_evicts_nothing(inputs in proptest::collection::vec((step(), input()), 0..300)) {
        let mut core = sensor(Config::exact(), 8);
        let mut records = Vec::new();
        for one in &inputs {
            core.grow_if_crowded();
            // Time restarts at each call of `run`: exact runs do not mind.
            records.extend(run(&mut core, std::slice::from_ref(one)));
            records.extend(drain(&mut core, 0, Want::Final));
        }
        check_books(&core);
        prop_assert_eq!(core.ledger(0).flows.evicted, 0);
        prop_assert_eq!(core.ledger(0).echoes.evicted, 0);
        prop_assert_eq!(core.ledger(0).echo_forgotten, 0);
    }

    #[test]
    fn no_storage_at_all_still_closes_the_books(inputs in proptest::collection::vec((step(), input()), 0..60)) {
        let storage = Storage {
            flows: vec![].into(), echoes: vec![].into(), requests: vec![].into(),
            ethertypes: vec![].into(), protocols: vec![].into(), vlans: vec![].into(),
            icmp: vec![].into(), arp_operations: vec![].into(), outbox: vec![].into(), unsent: vec![].into(), doubled: None,
            filters: vec![].into(), packets: vec![].into(),
        };
        let mut core = Sensor::new(Config::default(), Identity::default(), &[0; 32], storage);
        core.note_uplink(&UplinkCounts::default(), VERSION_MINOR);
        let records = run(&mut core, &inputs);
        check_books(&core);
        prop_assert_eq!(unsent_sum(&records), FlowSum::from(&core.ledger(0).never_sent));
    }
}
