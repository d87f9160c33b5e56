use proptest::prelude::*;

use super::super::netlink::tests::attribute;
use super::*;
use crate::States;

/// `struct inet_diag_msg` as the kernel writes it.
fn message(family: u8, state: u8) -> Vec<u8> {
    let mut body = vec![family, state, 3, 7];
    body.extend_from_slice(&[0x1f, 0x90, 0x01, 0xbb]); // ports 8080, 443
    body.extend_from_slice(&[10, 0, 0, 1]);
    body.extend_from_slice(&[0; 12]);
    body.extend_from_slice(&[0x20, 1, 0x0d, 0xb8]);
    body.extend_from_slice(&[0; 11]);
    body.push(9);
    for word in [3_u32, 0x11, 0x22, 59_000, 5, 6, 1000, 4242] {
        body.extend_from_slice(&word.to_ne_bytes());
    }
    assert_eq!(body.len(), HEADER);
    body
}

#[test]
fn a_socket_is_read() {
    let mut body = message(2, 6);
    body.extend(attribute(CONGESTION, b"cubic\0"));
    body.extend(attribute(SHUTDOWN, &[2]));
    body.extend(attribute(99, b"of a later kernel"));
    let words: Vec<u8> = (1..=9_u32).flat_map(u32::to_ne_bytes).collect();
    body.extend(attribute(SK_MEMORY, &words));
    body.extend(attribute(INFO, &[0; 104]));
    let words: Vec<u8> = [8_u32, 1, 5, 256, 512]
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    body.extend(attribute(BBR_INFO, &words));
    body.extend(attribute(MARK, &7_u32.to_ne_bytes()));
    let got = socket(SocketKind::Tcp, &body).unwrap();
    let address = |text: &str| text.parse().unwrap();
    assert_eq!(got.state, State::TimeWait);
    assert_eq!(
        got.local,
        End::Inet {
            address: address("10.0.0.1"),
            port: 8080
        }
    );
    assert_eq!(
        got.peer,
        End::Inet {
            address: address("32.1.13.184"),
            port: 443
        }
    );
    // What the crate leaves out.
    let timer = Timer {
        number: 3,
        expires_ms: 59_000,
        retransmits: 7,
    };
    assert_eq!(got.timer, Some(timer));
    assert_eq!((got.recv_queue, got.send_queue), (5, 6));
    assert_eq!((got.uid, got.inode), (Some(1000), 4242));
    assert_eq!(got.cookie, Some(0x22_0000_0011));
    assert_eq!(got.interface_index, 3);
    assert_eq!(got.congestion.as_deref(), Some("cubic"));
    assert_eq!((got.shutdown, got.mark), (Some(2), Some(7)));
    assert_eq!(got.memory.unwrap().drops, Some(9));
    let bbr = CongestionInfo::Bbr {
        bandwidth_octets_per_s: 0x1_0000_0008,
        min_rtt_us: 5,
        pacing_gain_256ths: 256,
        cwnd_gain_256ths: 512,
    };
    assert_eq!(got.congestion_info, Some(bbr));
    assert!(got.tcp.unwrap().total_retransmits.is_some());
    let six = socket(SocketKind::Tcp, &message(10, 1)).unwrap();
    assert_eq!(
        six.peer,
        End::Inet {
            address: address("2001:db8::9"),
            port: 443
        }
    );
}

#[test]
fn what_is_no_socket_is_none() {
    let whole = message(2, 1);
    for length in 0..HEADER {
        assert_eq!(socket(SocketKind::Tcp, &whole[..length]), None, "{length}");
    }
    assert_eq!(socket(SocketKind::Tcp, &message(1, 1)), None);
    assert_eq!(socket(SocketKind::Tcp, &message(2, 0)), None);
    assert_eq!(socket(SocketKind::Tcp, &message(2, 99)), None);
}

#[test]
fn an_old_kernel_tells_less_of_memory() {
    let words: Vec<u8> = (1..=7_u32).flat_map(u32::to_ne_bytes).collect();
    let got = memory(&words).unwrap();
    assert_eq!((got.option_octets, got.backlog_octets), (7, None));
    assert_eq!(memory(&words[..24]), None);
}

#[test]
fn the_question_is_as_long_as_the_kernel_wants() {
    let query = SocketQuery {
        kinds: Vec::new(),
        states: States::ALL,
        ipv4: true,
        ipv6: true,
        memory: true,
        tcp_info: true,
    };
    let body = request(SocketKind::Tcp, true, &query).unwrap();
    assert_eq!(body.len(), 56);
    assert_eq!(body[..4], [10, 6, 0b0100_1110, 0]);
    let body = request(SocketKind::Udp, false, &query).unwrap();
    assert_eq!(body[..4], [2, 17, 0b0100_0000, 0]);
}

proptest! {
    #[test]
    fn no_octets_make_it_panic(
        family in prop::sample::select(vec![1_u8, 2, 10]),
        rest in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut body = vec![family];
        body.extend(rest);
        let _ = socket(SocketKind::Tcp, &body);
        let _ = (memory(&body), bbr(&body), dctcp(&body));
    }

    #[test]
    fn nor_attributes_of_any_length(
        kind in 0_u16..24,
        value in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut body = message(10, 1);
        body.extend(attribute(kind, &value));
        prop_assert!(socket(SocketKind::Tcp, &body).is_some());
    }
}
