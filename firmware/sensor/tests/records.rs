//! What records say, case by case: TCP, echo, reasons, flush, live.
#![allow(missing_docs)]

mod common;

use common::{
    ACK, FIN, RST, SYN, drain, echo, feed, flows, flush, ipv4, reasons, sensor, tcp, udp,
};
use magpie_protocol::{
    AddressPair, Command, Configuration, EndReason, Handshake, Items, Ledger, LinkState, MAX_ITEM,
    Malformed, NetState, Outcome, Port, Record, RecordSource, RecordType, Side, TableId, TcpFacts,
    TooBig, UplinkCounts, VERSION_MINOR, Want, decode_record,
};
use magpie_sensor::{Config, EMPTY_REQUEST_SET, Identity, Sensor, Storage};

/// Feeds segments (time, frame) and gives the one flow's TCP facts.
fn facts(segments: &[(u64, Vec<u8>)]) -> TcpFacts {
    let mut core = sensor(Config::exact(), 64);
    for (at, frame) in segments {
        feed(&mut core, *at, frame);
    }
    let found = flows(&flush(&mut core, 10_000_000, 1));
    assert_eq!(found.len(), 1);
    found[0].tcp.unwrap()
}

fn opened() -> Vec<(u64, Vec<u8>)> {
    vec![
        (0, tcp(true, 100, 0, SYN, 0)),
        (20_000, tcp(false, 500, 101, SYN | ACK, 0)),
        (25_000, tcp(true, 101, 501, ACK, 0)),
    ]
}

fn then(more: &[(u64, Vec<u8>)]) -> Vec<(u64, Vec<u8>)> {
    opened().into_iter().chain(more.iter().cloned()).collect()
}

#[test]
fn handshake_times_and_repetitions() {
    let expected = Handshake {
        client: Side::A,
        syn_retx: 0,
        synack_retx: 0,
        syn_to_synack_us: 20_000,
        synack_to_ack_us: 5_000,
    };
    assert_eq!(facts(&opened()).handshake, Some(expected));
    let mut again = opened();
    again.insert(1, (10_000, tcp(true, 100, 0, SYN, 0)));
    again.insert(3, (21_000, tcp(false, 500, 101, SYN | ACK, 0)));
    let expected = Handshake {
        syn_retx: 1,
        synack_retx: 1,
        syn_to_synack_us: 10_000,
        ..expected
    };
    assert_eq!(facts(&again).handshake, Some(expected));
    assert_eq!(facts(&opened()[1..]).handshake, None);
    assert_eq!(facts(&opened()[..2]).handshake, None);
}

#[test]
fn the_first_completed_handshake_stays() {
    let second = then(&[
        (1_000_000, tcp(true, 9000, 0, SYN, 0)),
        (1_000_001, tcp(false, 7000, 9001, SYN | ACK, 0)),
        (1_000_002, tcp(true, 9001, 7001, ACK, 0)),
    ]);
    assert_eq!(facts(&second).handshake.unwrap().syn_to_synack_us, 20_000);
    assert_eq!(facts(&second).seq_back, [0, 0]); // a new connection starts tracking anew
}

#[test]
fn a_clock_that_steps_back_gives_a_negative_time() {
    let mut back = opened();
    back[0].0 = 30_000;
    assert_eq!(facts(&back).handshake.unwrap().syn_to_synack_us, -10_000);
}

#[test]
fn fast_open_acknowledges_data_of_the_syn() {
    let open = [
        (0, tcp(true, 100, 0, SYN, 5)),
        (1_000, tcp(false, 500, 106, SYN | ACK, 0)),
        (1_500, tcp(true, 106, 501, ACK, 0)),
    ];
    assert_eq!(facts(&open).handshake.unwrap().synack_to_ack_us, 500);
    let mut beyond = open;
    beyond[1].1 = tcp(false, 500, 107, SYN | ACK, 0);
    assert_eq!(facts(&beyond).handshake, None);
}

#[test]
fn what_came_back_in_sequence_space() {
    let data = |at, sequence, len| (at, tcp(true, sequence, 501, ACK, len));
    let twice = facts(&then(&[data(30_000, 101, 100), data(31_000, 101, 100)]));
    assert_eq!((twice.seq_back, twice.seq_back_octets), ([1, 0], [100, 0]));
    let partly = facts(&then(&[data(30_000, 101, 100), data(31_000, 151, 100)]));
    assert_eq!((partly.seq_back, partly.seq_back_octets), ([1, 0], [50, 0]));
    let keep_alive = facts(&then(&[data(30_000, 101, 100), data(31_000, 200, 1)]));
    assert_eq!(keep_alive.seq_back, [0, 0]);
    let reset = facts(&then(&[
        data(30_000, 101, 100),
        (31_000, tcp(true, 101, 501, RST, 100)),
    ]));
    assert_eq!(reset.seq_back, [0, 0]);
}

#[test]
fn sequence_numbers_wrap() {
    let isn = u32::MAX - 10;
    let wrapped = facts(&[
        (0, tcp(true, isn, 0, SYN, 0)),
        (1, tcp(false, 500, isn.wrapping_add(1), SYN | ACK, 0)),
        (2, tcp(true, isn.wrapping_add(1), 501, ACK, 50)),
        (3, tcp(true, 40, 501, ACK, 10)),
        (4, tcp(false, 501, 60, ACK, 0)),
    ]);
    assert_eq!(wrapped.seq_back, [0, 0]);
    assert_eq!(wrapped.unseen_octets, [60 - 50, 0]);
}

#[test]
fn what_was_acknowledged_and_never_seen() {
    let ack = |at, acknowledged| (at, tcp(false, 501, acknowledged, ACK, 0));
    let gap = then(&[(30_000, tcp(true, 101, 501, ACK, 10)), ack(31_000, 1111)]);
    assert_eq!(facts(&gap).unseen_octets, [1000, 0]);
    assert_eq!(facts(&gap[1..]).unseen_octets, [0, 0], "no SYN, no claim");
    assert_eq!(
        facts(&then(&[ack(31_000, 101 + (1 << 24))])).unseen_octets,
        [1 << 24, 0]
    );
    assert_eq!(
        facts(&then(&[ack(31_000, 102 + (1 << 24))])).unseen_octets,
        [0, 0]
    );
}

#[test]
fn sums_of_octets_split_before_they_overflow() {
    let mut core = sensor(Config::exact(), 64);
    for (at, frame) in opened() {
        feed(&mut core, at, &frame);
    }
    // Each acknowledgement skips 16 MiB: 300 of them pass 2^32.
    let mut acknowledged = 101_u32;
    for step in 0..300_u64 {
        acknowledged = acknowledged.wrapping_add(1 << 24);
        feed(
            &mut core,
            30_000 + step,
            &tcp(false, 501, acknowledged, ACK, 0),
        );
    }
    let records = flush(&mut core, 1_000_000, 1);
    let unseen: u64 = flows(&records)
        .iter()
        .map(|f| f.tcp.unwrap().unseen_octets[0])
        .sum();
    assert_eq!(unseen, 300 << 24);
    assert!(reasons(&records).contains(&EndReason::Split));
    let with_handshake = flows(&records)
        .iter()
        .filter(|f| f.tcp.unwrap().handshake.is_some())
        .count();
    assert_eq!(with_handshake, flows(&records).len());
}

#[test]
fn octet_counters_split_before_they_overflow() {
    let mut core = sensor(Config::exact(), 64);
    let frame = udp(1, 2, 5, 6, 10);
    for at in 0..5 {
        core.observe(at, &frame, u32::MAX - 7);
    }
    let found = flows(&flush(&mut core, 10, 1));
    assert_eq!(
        found.iter().map(|f| f.ab.frame_octets).sum::<u64>(),
        5 * u64::from(u32::MAX - 7)
    );
    assert_eq!(found.iter().map(|f| f.ab.packets).sum::<u64>(), 5);
    assert_eq!(found.len(), 5);
}

#[test]
fn a_closed_connection_ends_and_its_ports_may_be_used_again() {
    let close = [
        (30_000, tcp(true, 101, 501, FIN | ACK, 0)),
        (31_000, tcp(false, 501, 102, FIN | ACK, 0)),
        (32_000, tcp(true, 102, 502, ACK, 0)),
    ];
    let mut core = sensor(Config::default(), 64);
    for (at, frame) in then(&close) {
        feed(&mut core, at, &frame);
    }
    assert_eq!(reasons(&drain(&mut core, 900_000, Want::Final)), []);
    assert_eq!(
        reasons(&drain(&mut core, 2_000_000, Want::Final)),
        [EndReason::End]
    );

    let mut core = sensor(Config::default(), 64);
    for (at, frame) in then(&close) {
        feed(&mut core, at, &frame);
    }
    feed(&mut core, 40_000, &tcp(true, 77_000, 0, SYN, 0));
    assert_eq!(
        reasons(&drain(&mut core, 40_000, Want::Final)),
        [EndReason::Reuse]
    );
    let last = flows(&flush(&mut core, 50_000, 1));
    assert_eq!((last[0].ab.packets, last[0].reason), (1, EndReason::Flush));
}

#[test]
fn a_reset_closes_and_one_sided_fin_does_not() {
    for (closing, expected) in [
        (tcp(false, 501, 101, RST, 0), EndReason::End),
        (tcp(false, 501, 101, FIN | ACK, 0), EndReason::Idle),
    ] {
        let mut core = sensor(Config::default(), 64);
        for (at, frame) in then(&[(30_000, closing)]) {
            feed(&mut core, at, &frame);
        }
        let early = reasons(&drain(&mut core, 5_000_000, Want::Final));
        assert_eq!(
            early,
            if expected == EndReason::End {
                vec![expected]
            } else {
                vec![]
            }
        );
        let late = reasons(&drain(&mut core, 70_000_000, Want::Final));
        assert_eq!(
            late,
            if expected == EndReason::Idle {
                vec![expected]
            } else {
                vec![]
            }
        );
    }
}

#[test]
fn active_export_forgets_nothing() {
    let mut core = sensor(
        Config {
            active_us: 1_000_000,
            ..Config::default()
        },
        64,
    );
    for (at, frame) in opened() {
        feed(&mut core, at, &frame);
    }
    feed(&mut core, 2_000_000, &tcp(true, 101, 501, ACK, 10));
    feed(&mut core, 2_000_001, &tcp(true, 101, 501, ACK, 10));
    let records = flush(&mut core, 2_000_002, 1);
    assert_eq!(reasons(&records), [EndReason::Active, EndReason::Flush]);
    let found = flows(&records);
    assert!(found[0].flow_id < found[1].flow_id);
    assert_eq!(
        found[1].tcp.unwrap().seq_back,
        [1, 0],
        "sequence tracking went on"
    );
    assert_eq!(found[1].first_us, 2_000_000);
}

#[test]
fn the_oldest_is_evicted_and_exported() {
    let mut core = sensor(Config::default(), 8);
    for port in 0..9_u16 {
        feed(&mut core, u64::from(port), &udp(1, 2, 1000 + port, 53, 1));
    }
    let records = drain(&mut core, 10, Want::Final);
    assert_eq!(reasons(&records), [EndReason::Evicted]);
    assert_eq!(flows(&records)[0].key.a_port, 1000);
    assert_eq!(core.ledger(10).flows.evicted, 1);
}

#[test]
fn echo_pairs_match_newest_request_first() {
    let mut core = sensor(Config::exact(), 64);
    for (at, frame) in [
        (0, echo(1, 2, true, 7, 1)),
        (100, echo(1, 2, true, 7, 1)),
        (350, echo(2, 1, false, 7, 1)),
        (400, echo(2, 1, false, 7, 1)),  // duplicate
        (500, echo(2, 1, false, 7, 99)), // orphan
        (600, echo(1, 2, true, 7, 2)),   // lost
        (700, echo(1, 2, true, 7, 1)),   // asked again: a reply is no duplicate now
        (900, echo(2, 1, false, 7, 1)),
        (950, echo(2, 1, true, 7, 5)), // the other way round is another pair
    ] {
        feed(&mut core, at, &frame);
    }
    let records = flush(&mut core, 1000, 1);
    let rtts: Vec<i64> = records
        .iter()
        .filter_map(|r| match r {
            Record::EchoSample(sample) => Some(sample.rtt_us),
            _ => None,
        })
        .collect();
    assert_eq!(rtts, [250, 200]);
    let mut pairs: Vec<_> = records
        .iter()
        .filter_map(|r| match r {
            Record::Echo(e) => Some((
                e.requests,
                e.replies,
                e.matched,
                e.unanswered(),
                e.duplicates,
                e.orphans,
            )),
            _ => None,
        })
        .collect();
    pairs.sort_unstable();
    assert_eq!(pairs, [(1, 0, 0, 1, 0, 0), (4, 4, 2, 2, 1, 1)]);
}

#[test]
fn requests_wait_then_time_out_and_a_late_reply_still_counts() {
    let mut core = sensor(Config::default(), 64);
    feed(&mut core, 0, &echo(1, 2, true, 7, 1));
    let waiting = |records: &[Record]| {
        records.iter().find_map(|r| match r {
            Record::Echo(e) => Some((e.waiting, e.unanswered())),
            _ => None,
        })
    };
    assert_eq!(
        waiting(&drain(&mut core, 1_000_000, Want::Live)),
        Some((1, 1))
    );
    drain(&mut core, 11_000_000, Want::Final);
    assert_eq!(
        waiting(&drain(&mut core, 11_000_000, Want::Live)),
        Some((0, 1))
    );
    feed(&mut core, 12_000_000, &echo(2, 1, false, 7, 1));
    assert_eq!(
        waiting(&drain(&mut core, 13_000_000, Want::Live)),
        Some((0, 0))
    );
}

/// Eight pairs and eight requests: each of twenty pairs asks once, so twelve
/// pairs leave with their request, and no request leaves twice.
#[test]
fn a_forgotten_request_is_booked_once() {
    let mut storage = Storage::owned(8, 8);
    storage.requests = vec![EMPTY_REQUEST_SET; 1].into();
    let mut core = Sensor::new(Config::exact(), Identity::default(), &[7; 32], storage);
    for id in 0..20_u16 {
        feed(&mut core, u64::from(id), &echo(1, 2, true, id, 1));
    }
    assert_eq!(core.ledger(20).echo_forgotten, 12);
    // A pair that idles away takes its waiting request along.
    let config = Config {
        idle_us: 1_000,
        ..Config::default()
    };
    let mut core = sensor(config, 64);
    feed(&mut core, 0, &echo(1, 2, true, 7, 1));
    assert_eq!(core.ledger(0).echo_forgotten, 0);
    drain(&mut core, 2_000_000, Want::Final);
    assert_eq!(core.ledger(2_000_000).echo_forgotten, 1);
}

/// What is left of them has no pair any more, and takes no room in a table that
/// grows: it would find none, however large.
#[test]
fn requests_of_pairs_that_idled_away_do_not_grow_a_table() {
    let config = Config {
        idle_us: 1_000,
        ..Config::default()
    };
    let mut core = sensor(config, 64);
    for id in 0..12 {
        core.grow_if_crowded();
        feed(&mut core, 0, &echo(1, 2, true, id, 1));
    }
    drain(&mut core, 2_000_000, Want::Final);
    assert_eq!(core.ledger(2_000_000).echoes.live, 0);
    for sequence in 0..2_000 {
        core.grow_if_crowded();
        feed(&mut core, 2_000_000, &echo(1, 2, true, 99, sequence));
    }
    let forgotten = core.ledger(2_000_000).echo_forgotten;
    assert_eq!(forgotten, 12, "those that waited for ever");
}

/// As a provider's trunk has them: every customer tag under every service tag.
#[test]
fn an_exact_run_has_a_line_for_every_stack() {
    let mut core = sensor(Config::exact(), 64);
    for outer in 100..164_u8 {
        for inner in 100..164_u8 {
            let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
            frame.extend([0x88, 0xa8, 0, outer, 0x81, 0, 0, inner, 0x88, 0xcc]);
            frame.resize(60, 0);
            core.grow_if_crowded();
            feed(&mut core, 0, &frame);
        }
    }
    assert_eq!(core.shortfalls(), Vec::<String>::new());
}

#[test]
fn a_flush_ends_however_few_slots_a_call_may_look_at() {
    let config = Config {
        scan_slots: 0,
        ..Config::exact()
    };
    let mut core = sensor(config, 64);
    feed(&mut core, 0, &udp(1, 2, 9, 9, 0));
    core.handle_command(1, &Command::Flush { id: 1 });
    let mut out = [0; magpie_protocol::MAX_ITEM];
    for _ in 0..100_000 {
        core.poll_record(1, Want::Final, &mut out);
    }
    assert_eq!(core.poll_at(), None, "nothing is under way any more");
    assert_eq!(core.ledger(1).exported.flows, 1);
}

#[test]
fn live_shows_hello_once_then_only_what_changed() {
    let mut core = sensor(Config::default(), 64);
    feed(&mut core, 0, &udp(1, 2, 5, 6, 1));
    let first = drain(&mut core, 0, Want::Live);
    assert!(matches!(first[0], Record::Hello(_)));
    assert_eq!(reasons(&first), [EndReason::Live]);
    assert!(drain(&mut core, 500_000, Want::Live).is_empty());
    let quiet = drain(&mut core, 1_000_000, Want::Live);
    assert_eq!(reasons(&quiet), []);
    assert!(quiet.iter().any(|r| matches!(r, Record::Ledger(_))));
    core.handle_command(1_000_001, &Command::Hello { major: 1, minor: 9 });
    assert!(matches!(
        drain(&mut core, 1_000_001, Want::Live)[..],
        [Record::Hello(_)]
    ));
}

/// Finished or live, past the outbox or through it.
#[test]
fn flows_are_written_as_their_host_reads_them() {
    let kinds = |minor: Option<u8>| {
        let config = Config {
            active_us: 1,
            ..Config::default()
        };
        let mut core = sensor(config, 8);
        if let Some(minor) = minor {
            core.note_uplink(&UplinkCounts::default(), minor);
        }
        let mut kinds = Vec::new();
        let mut out = [0; MAX_ITEM];
        for host in 0..100 {
            feed(&mut core, u64::from(host), &udp(host, 2, 5, 6, 1));
        }
        assert!(core.ledger(0).flows.evicted > 0);
        for want in [Want::Live, Want::Final] {
            for _ in 0..300 {
                if let Some(emitted) = core.poll_record(1_000, want, &mut out) {
                    let item = Items::new(&out[..emitted.len]).next().unwrap().unwrap();
                    if let Ok(Record::Flow(flow)) = decode_record(item) {
                        kinds.push((item.kind, flow.reason));
                    }
                }
            }
        }
        for reason in [EndReason::Live, EndReason::Evicted, EndReason::Active] {
            assert!(kinds.iter().any(|(_, of)| *of == reason), "{reason:?}");
        }
        kinds.dedup_by_key(|(kind, _)| *kind);
        kinds.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>()
    };
    let [old, compact] = [RecordType::Flow, RecordType::CompactFlow].map(|kind| kind as u8);
    assert_eq!(kinds(None), [old]);
    assert_eq!(kinds(Some(2)), [old]);
    assert_eq!(kinds(Some(3)), [compact]);
}

#[test]
fn a_port_is_told_with_each_ledger_and_when_it_changes() {
    let config = Config {
        sweep_us: 0,
        ..Config::default()
    };
    let mut core = sensor(config, 64);
    let told = |core: &mut Sensor<'_>, at_us| {
        let records = drain(core, at_us, Want::Live);
        let ports = records.iter().filter_map(|r| match r {
            Record::Port(port) => Some(*port),
            _ => None,
        });
        ports.collect::<Vec<_>>()
    };
    core.note_uplink(&UplinkCounts::default(), 2);
    assert_eq!(told(&mut core, 0), [], "a core without a port");
    let mut port = Port {
        net: NetState::Asking,
        cpu_permille: Some(31),
        ..Port::default()
    };
    core.set_port(port);
    assert_eq!(told(&mut core, 4), [], "to a host that cannot read it");
    core.note_uplink(&UplinkCounts::default(), 3);
    assert_eq!(core.poll_at(), Some(0));
    let at = |at_us, port| Port { at_us, ..port };
    assert_eq!(told(&mut core, 5), [at(5, port)]);
    // A load that changes is no news.
    port.cpu_permille = Some(500);
    core.set_port(port);
    assert_eq!(core.poll_at(), Some(1_000_000));
    assert_eq!(told(&mut core, 6), []);
    assert_eq!(told(&mut core, 1_000_000), [at(1_000_000, port)]);
    for (at_us, link, net) in [
        (1_000_001, LinkState::Down, NetState::Asking),
        (1_000_002, LinkState::Down, NetState::NoLease),
    ] {
        port.link = link;
        port.net = net;
        core.set_port(port);
        assert_eq!(told(&mut core, at_us), [at(at_us, port)]);
        core.set_port(port);
        assert_eq!(told(&mut core, at_us), []);
    }
    core.handle_command(1_000_003, &Command::Hello { major: 1, minor: 3 });
    assert!(matches!(
        drain(&mut core, 1_000_003, Want::Live)[..],
        [Record::Hello(_), Record::Port(_)]
    ));
    // Live updates are off: changes are told all the same.
    let set = Configuration {
        live_us: Some(0),
        ..Configuration::default()
    };
    core.handle_command(1_000_004, &Command::Configure { id: 1, set });
    assert_eq!(told(&mut core, 9_000_000), []);
    port.link = LinkState::Unknown;
    core.set_port(port);
    assert_eq!(told(&mut core, 9_000_001), [at(9_000_001, port)]);
}

/// The latest one, when another came, and with every flush.
#[test]
fn who_says_that_a_packet_was_too_big_is_told() {
    let config = Config {
        live_us: 1_000_000,
        ..Config::default()
    };
    let mut core = sensor(config, 64);
    let told = |records: Vec<Record>| {
        let told = records.into_iter().filter_map(|r| match r {
            Record::TooBig(one) => Some(one),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let says = |router, mtu: u8| ipv4(router, 77, 1, &[3, 4, 0, 0, 0xff, 0xff, 5, mtu]);
    core.note_uplink(&UplinkCounts::default(), 3);
    assert_eq!(told(drain(&mut core, 0, Want::Live)), []);
    feed(&mut core, 10, &says(1, 140));
    feed(&mut core, 20, &says(99, 141));
    let latest = TooBig {
        at_us: 20,
        addresses: AddressPair::V4 {
            a: [10, 0, 0, 99],
            b: [10, 0, 0, 77],
        },
        mtu: 5 * 256 + 141,
    };
    assert_eq!(told(drain(&mut core, 30, Want::Live)), [], "not yet due");
    assert_eq!(told(drain(&mut core, 1_000_030, Want::Live)), [latest]);
    assert_eq!(told(drain(&mut core, 2_000_030, Want::Live)), []);
    assert_eq!(told(flush(&mut core, 2_000_031, 1)), [latest]);
    core.note_uplink(&UplinkCounts::default(), 2);
    assert_eq!(told(flush(&mut core, 2_000_032, 2)), [], "not read");
}

#[test]
fn flush_ends_with_the_ledger_and_is_done_once() {
    let mut core = sensor(Config::default(), 64);
    feed(&mut core, 0, &udp(1, 2, 5, 6, 1));
    feed(&mut core, 1, &[1, 2, 3]);
    let records = flush(&mut core, 5, 42);
    let Some(Record::Ledger(ledger)) = records.last() else {
        panic!("{records:?}")
    };
    assert_eq!(
        (ledger.flush, ledger.counted.frames, ledger.invalid.frames),
        (42, 2, 1)
    );
    assert_eq!(
        ledger.exported.records,
        u64::try_from(records.len()).unwrap()
    );
    assert_eq!(
        (ledger.flows.live, ledger.flows.made, ledger.exported.flows),
        (0, 1, 1)
    );
    let short = Malformed::EthShort as u64;
    assert!(records.iter().any(|r| matches!(r, Record::Counts(c)
        if c.table == TableId::Malformed && c.entries.iter().any(|e| e.key == short && e.frames == 1))));
    assert!(flush(&mut core, 6, 42).is_empty());
    // Nothing was seen since: the tables and the ledger again, no flow.
    assert_eq!(reasons(&flush(&mut core, 7, 43)), []);
    feed(&mut core, 8, &udp(1, 2, 5, 6, 1));
    assert_eq!(reasons(&flush(&mut core, 9, 44)), [EndReason::Flush]);
}

#[test]
fn configure_answers_and_takes_effect() {
    let mut core = sensor(Config::default(), 64);
    feed(&mut core, 0, &udp(1, 2, 5, 6, 1));
    let set = Configuration {
        idle_us: Some(5),
        ..Configuration::default()
    };
    core.handle_command(1, &Command::Configure { id: 9, set });
    let replies = drain(&mut core, 1, Want::Live);
    assert!(
        replies
            .iter()
            .any(|r| matches!(r, Record::CommandReply(reply)
        if reply.id == 9 && reply.outcome == Outcome::Done))
    );
    assert_eq!(
        reasons(&drain(&mut core, 100, Want::Final)),
        [EndReason::Idle]
    );
}

/// Flushes while frames come in: one after every `every` records, `most` in
/// all. Ethertype lines as the host keeps them, and the ledger.
fn flush_in_traffic(every: u64, most: u64, answers: bool) -> (u64, Ledger) {
    let mut acked = UplinkCounts::default();
    let mut core = sensor(Config::exact(), 64);
    for n in 0..40 {
        feed(&mut core, 0, &udp(1, 2, n, 53, 0));
    }
    core.handle_command(1, &Command::Flush { id: 7 });
    let mut out = [0; magpie_protocol::MAX_ITEM];
    let (mut made, mut fed, mut lines) = (0, 0, std::collections::BTreeMap::new());
    for _ in 0..2_000_000 {
        let Some(emitted) = core.poll_record(1, Want::Final, &mut out) else {
            // A link that takes all there is, and a host that has it.
            acked.acked = if answers { made } else { 0 };
            core.note_uplink(&acked, VERSION_MINOR);
            continue;
        };
        let item = Items::new(&out[..emitted.len]).next().unwrap().unwrap();
        match decode_record(item).unwrap() {
            Record::Counts(counts) if counts.table == TableId::Ethertype => {
                for entry in &counts.entries {
                    lines.insert(entry.key, entry.frames);
                }
            }
            Record::Ledger(ledger) => return (lines.values().sum(), ledger),
            _ => {}
        }
        made += 1;
        if made % every == 0 && fed < most {
            fed += 1;
            feed(&mut core, 1, &udp(3, 4, 9, 53, 0));
        }
    }
    panic!("the flush does not end");
}

#[test]
fn tables_and_ledger_of_a_flush_are_as_of_the_same_frame() {
    for every in [1, 2, 7, 41, 43] {
        let (lines, ledger) = flush_in_traffic(every, 5, true);
        assert_eq!((ledger.flush, lines), (7, ledger.counted.frames), "{every}");
    }
    // A port that never rests gets its ledger all the same, also without a
    // host that acknowledges.
    for answers in [true, false] {
        let (lines, ledger) = flush_in_traffic(1, u64::MAX, answers);
        assert!(lines < ledger.counted.frames);
    }
}
