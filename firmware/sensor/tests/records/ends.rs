//! When and why a flow is told of: its end, its time-outs, its eviction, sums
//! that grow too large.

use magpie_protocol::{EndReason, Want};
use magpie_sensor::Config;

use super::tcp::{opened, then};
use crate::common::{ACK, FIN, RST, SYN, drain, feed, flows, flush, reasons, sensor, tcp, udp};

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
