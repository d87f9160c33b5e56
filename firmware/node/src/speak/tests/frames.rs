//! What the port brings is counted, and what leaves by it is ours.

use super::{Bench, US, arp, between};
use crate::speak::{PORT, may_leave};
use crate::tests::HIDDEN;

#[test]
fn every_frame_is_counted_and_the_stack_hears_its_own_only() {
    let mut bench = Bench::new(None);
    let other = [2, 0, 0, 0, 0, 7];
    let multicast = [1, 0, 0x5e, 0, 0, 1];
    let to_all = |kind: [u8; 2], to: u16| {
        let mut frame = between([0xff; 6], other);
        frame[12..14].copy_from_slice(&kind);
        frame[36..38].copy_from_slice(&to.to_be_bytes());
        frame
    };
    let frames = [
        between(US, other),
        to_all([8, 6], 0),
        to_all([8, 0], 68),
        to_all([8, 0], 67),
        to_all([0x86, 0xdd], 68),
        between(multicast, other),
        between(other, US), // never sent
        between(other, other),
        vec![1, 2, 3],
    ];
    for frame in &frames {
        bench.port.frames.push_back(frame.clone());
        // The image under test hides the third frame of all.
        if HIDDEN == 1 && bench.port.frames.len() == 2 {
            bench.port.frames.push_back(vec![0; 60]);
        }
    }
    bench.rest();
    let ledger = bench.ledger();
    assert_eq!(ledger.counted.frames, 9);
    assert_eq!((ledger.own_rx, ledger.own_tx, ledger.forged), (1, 0, 1));
    assert_eq!(bench.stack().heard, frames[..3]);
}

#[test]
fn a_stack_without_room_misses_frames_and_the_counts_do_not() {
    let mut bench = Bench::new(None);
    bench.stack().ears = 3;
    for _ in 0..200 {
        bench.port.frames.push_back(between(US, [2; 6]));
    }
    bench.rest();
    assert_eq!(bench.ledger().counted.frames, 200 - HIDDEN);
    assert_eq!(bench.stack().heard.len(), 3);
    assert_eq!(bench.side.unheard(), 197 - HIDDEN);
}

#[test]
fn only_arp_dhcp_and_the_export_leave() {
    let udp_from = |from: u16, to: u16| {
        let mut frame = between([2; 6], US);
        frame[34..36].copy_from_slice(&from.to_be_bytes());
        frame[36..38].copy_from_slice(&to.to_be_bytes());
        frame
    };
    let icmp = {
        let mut frame = udp_from(PORT, 9);
        frame[23] = 1;
        frame
    };
    let fragment = {
        let mut frame = udp_from(PORT, 9);
        frame[20] = 0x20;
        frame
    };
    let options = {
        let mut frame = udp_from(PORT, 9);
        frame[14] = 0x46;
        frame
    };
    let ipv6 = {
        let mut frame = udp_from(PORT, 9);
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        frame
    };
    let pause = {
        let mut frame = arp();
        frame[12..14].copy_from_slice(&[0x88, 0x08]);
        frame
    };
    let good = [arp(), udp_from(68, 67), udp_from(PORT, 4739)];
    let bad = [
        icmp,
        fragment,
        options,
        ipv6,
        pause,
        udp_from(67, 68),
        udp_from(53, 53),
        arp()[..13].to_vec(),
        udp_from(PORT, 9)[..37].to_vec(),
        vec![],
    ];
    for frame in &bad {
        assert!(!may_leave(frame), "{frame:02x?}");
    }
    let mut bench = Bench::new(None);
    for frame in bad.iter().chain(&good) {
        bench.stack().to_send.push_back(frame.clone());
    }
    bench.rest();
    assert_eq!(bench.port.sent, good);
    assert_eq!(bench.side.refused(), bad.len() as u64);
}

#[test]
fn a_full_port_keeps_the_frame_and_what_is_sent_may_be_seen() {
    let mut bench = Bench::new(None);
    bench.port.room = 1;
    bench.stack().to_send.extend([arp(), arp()]);
    bench.rest();
    assert_eq!((bench.port.sent.len(), bench.stack().to_send.len()), (1, 1));
    for _ in 0..2 {
        bench.port.frames.push_back(arp());
    }
    bench.rest();
    let ledger = bench.ledger();
    assert_eq!((ledger.own_tx, ledger.forged), (1, 1));
    bench.port.room = 1;
    bench.rest();
    assert_eq!(bench.port.sent.len(), 2);
}

/// A frame that the port took and gave up, or never takes, was not seen: what
/// passes under the address is forged.
#[test]
fn what_did_not_leave_is_not_ours() {
    let mut bench = Bench::new(None);
    bench.stack().to_send.extend([arp(), arp()]);
    bench.rest();
    for _ in 0..2 {
        bench.port.frames.push_back(arp());
    }
    bench.rest();
    let told = |bench: &Bench| (bench.ledger().own_tx, bench.ledger().forged);
    assert_eq!(told(&bench), (2, 0));
    bench.port.failed = 1;
    bench.rest();
    assert_eq!(told(&bench), (1, 1));
    bench.port.longest = Some(59);
    bench.stack().to_send.push_back(arp());
    bench.rest();
    assert!(bench.stack().to_send.is_empty(), "it blocks nothing");
    // (The image under test hides the third frame of all.)
    for _ in 0..=HIDDEN {
        bench.port.frames.push_back(arp());
    }
    bench.rest();
    assert_eq!(told(&bench), (1, 2));
}
