//! What a flow record says of TCP: handshakes, and sequence numbers.

use magpie_protocol::{Handshake, Side, TcpFacts};
use magpie_sensor::Config;

use crate::common::{ACK, RST, SYN, feed, flows, flush, sensor, tcp};

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

pub(crate) fn opened() -> Vec<(u64, Vec<u8>)> {
    vec![
        (0, tcp(true, 100, 0, SYN, 0)),
        (20_000, tcp(false, 500, 101, SYN | ACK, 0)),
        (25_000, tcp(true, 101, 501, ACK, 0)),
    ]
}

pub(crate) fn then(more: &[(u64, Vec<u8>)]) -> Vec<(u64, Vec<u8>)> {
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
