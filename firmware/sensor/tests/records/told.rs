//! What is told without a flush: live updates, the port, paths that are too
//! narrow, answers to a configuration.

use magpie_protocol::{
    AddressPair, Command, Configuration, EndReason, Items, LinkState, MAX_ITEM, NetState, Outcome,
    Port, Record, RecordSource, RecordType, TooBig, UplinkCounts, Want, decode_record,
};
use magpie_sensor::{Config, Sensor};

use crate::common::{drain, feed, flush, ipv4, reasons, sensor, udp};

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
