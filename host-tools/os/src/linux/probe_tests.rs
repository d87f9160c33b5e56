//! Probe sockets against this kernel's loopback interface. What needs root
//! says so; the rest runs as anybody.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::OsError;
use crate::probe::{
    Family, Origin, PathMtu, ProbeOptions, Purpose, Queued, Received, SendOptions, SocketKind,
};
use crate::{ProbeSocket, source_address, wait, zone_name};

fn to(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn open(purpose: Purpose, options: &ProbeOptions) -> ProbeSocket {
    ProbeSocket::open(purpose, Family::V4, options).unwrap()
}

/// An echo request; a raw socket for IPv4 wants its checksum.
fn request(family: Family, identifier: u16, sequence: u16) -> Vec<u8> {
    let kind = if family == Family::V4 { 8 } else { 128 };
    let mut octets = vec![kind, 0, 0, 0];
    octets.extend(identifier.to_be_bytes());
    octets.extend(sequence.to_be_bytes());
    let sum: u32 = octets
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    octets[2..4].copy_from_slice(&sum.to_be_bytes());
    octets
}

/// What comes within a second, errors first.
fn next(socket: &ProbeSocket, buffer: &mut [u8]) -> Option<Received> {
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        let ready = wait(&[socket], None, Duration::from_millis(100)).unwrap();
        if ready[0].errors
            && let Some(received) = socket.receive_error(buffer).unwrap()
        {
            return Some(received);
        }
        if let Some(received) = socket.receive(buffer).unwrap() {
            return Some(received);
        }
    }
    None
}

#[test]
fn a_closed_port_answers_by_the_queue_of_errors() {
    let socket = open(Purpose::Udp, &ProbeOptions::default());
    assert_eq!(socket.kind(), SocketKind::Udp);
    let how = SendOptions {
        ttl: Some(9),
        traffic_class: Some(0x20),
    };
    // Nothing listens on the port of tcpmux here, least of all by UDP.
    let before = socket.send(b"probe", Some(to(1)), how).unwrap();
    let mut buffer = [0; 100];
    let received = next(&socket, &mut buffer).unwrap();
    let Queued::Error(error) = received.what else {
        panic!("{received:?}");
    };
    assert_eq!(error.origin, Origin::Icmp);
    assert_eq!((error.icmp_type, error.icmp_code), (3, 3));
    assert_eq!(error.offender, Some(to(0).ip()));
    assert_eq!(received.peer, Some(to(1)));
    assert_eq!(&buffer[..received.octets], b"probe");
    assert!(received.at.at >= before.at);
    // The next one is not refused because of it.
    socket.send(b"probe", Some(to(1)), how).unwrap();
}

#[test]
fn datagrams_come_with_what_the_kernel_knows() {
    let source = Some(to(0));
    let bound = ProbeOptions {
        source,
        ..ProbeOptions::default()
    };
    let listener = open(Purpose::Udp, &bound);
    let there = listener.local_address().unwrap().unwrap();
    let sender = open(
        Purpose::Udp,
        &ProbeOptions {
            ttl: Some(77),
            traffic_class: Some(0x48),
            path_mtu: Some(PathMtu::Do),
            interface: Some("lo".to_owned()),
            transmit_stamps: true,
            receive_buffer: Some(1 << 16),
            send_buffer: Some(1 << 16),
            ..bound
        },
    );
    let sent = sender
        .send(b"hello", Some(there), SendOptions::default())
        .unwrap();
    let mut buffer = [0; 3];
    let received = next(&listener, &mut buffer).unwrap();
    assert_eq!(received.what, Queued::Data);
    assert_eq!((received.octets, received.truncated), (3, true));
    assert_eq!(received.ttl, Some(77));
    assert_eq!(received.traffic_class, Some(0x48));
    assert_eq!(received.local, Some(to(0).ip()));
    assert_eq!(received.peer, sender.local_address().unwrap());
    // The kernel's stamp of the same moment may be some microseconds off.
    assert!(received.at.at + Duration::from_millis(1) > sent.at);
    let stamp = next(&sender, &mut buffer).unwrap();
    assert_eq!(stamp.what, Queued::Sent(0));
    assert!(stamp.at.by_kernel);
}

#[test]
fn what_finds_no_room_is_counted() {
    let bound = ProbeOptions {
        source: Some(to(0)),
        receive_buffer: Some(1 << 14),
        ..ProbeOptions::default()
    };
    let listener = open(Purpose::Udp, &bound);
    let there = listener.local_address().unwrap();
    let sender = open(Purpose::Udp, &ProbeOptions::default());
    assert_eq!(listener.drops(), Some(0));
    let all = 500;
    for _ in 0..all {
        sender
            .send(b"hello", there, SendOptions::default())
            .unwrap();
    }
    let mut read = 0;
    while listener.receive(&mut [0; 10]).unwrap().is_some() {
        read += 1;
    }
    assert!(read > 0 && read < all, "{read}");
    assert_eq!(listener.drops(), Some(all - read));
}

/// Linux before 6.9 counts the packet that fails, later ones do not.
#[test]
fn stamps_after_a_failed_send_are_of_their_packets() {
    let socket = open(
        Purpose::Udp,
        &ProbeOptions {
            path_mtu: Some(PathMtu::Do),
            transmit_stamps: true,
            ..ProbeOptions::default()
        },
    );
    let how = SendOptions::default();
    let listener = open(
        Purpose::Udp,
        &ProbeOptions {
            source: Some(to(0)),
            ..ProbeOptions::default()
        },
    );
    let there = listener.local_address().unwrap();
    let mut buffer = [0; 10];
    let long = vec![0; 65_508];
    for packet in 0..4 {
        let error = socket.send(&long, Some(to(1)), how).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        let sent = socket.send(b"hello", there, how).unwrap();
        let stamp = loop {
            let next = next(&socket, &mut buffer).unwrap();
            if let Queued::Sent(number) = next.what {
                assert_eq!(number, packet);
                break next.at;
            }
        };
        assert!(stamp.by_kernel && stamp.at >= sent.at);
    }
}

#[test]
fn interfaces_have_names() {
    assert_eq!(zone_name(1).as_deref(), Some("lo"));
    assert_eq!(zone_name(u32::MAX), None);
}

#[test]
fn an_address_of_zeroes_stands_for_another() {
    let socket = open(Purpose::Udp, &ProbeOptions::default());
    socket.connect(([0; 4], 1).into()).unwrap();
    assert_eq!(socket.peer_address().unwrap(), Some(to(1)));
}

#[test]
fn what_is_too_long_is_said_by_this_machine() {
    let socket = open(
        Purpose::Udp,
        &ProbeOptions {
            path_mtu: Some(PathMtu::Do),
            ..ProbeOptions::default()
        },
    );
    let long = vec![0; 65_507 + 1];
    let error = socket
        .send(&long, Some(to(1)), SendOptions::default())
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
}

#[test]
fn wrong_sources_and_interfaces_are_named() {
    let open = |options: &ProbeOptions| {
        ProbeSocket::open(Purpose::Udp, Family::V4, options)
            .unwrap_err()
            .to_string()
    };
    let text = open(&ProbeOptions {
        source: Some(([192, 0, 2, 1], 0).into()),
        ..ProbeOptions::default()
    });
    assert!(
        text.contains("192.0.2.1") && text.contains("ip address"),
        "{text}"
    );
    let text = open(&ProbeOptions {
        interface: Some("nosuch0".to_owned()),
        ..ProbeOptions::default()
    });
    assert!(text.starts_with("nosuch0: no such interface"), "{text}");
}

#[test]
fn where_packets_come_from_is_known() {
    let source = source_address([127, 0, 0, 5].into(), &ProbeOptions::default()).unwrap();
    assert_eq!(source, to(0).ip());
}

#[test]
fn nothing_to_read_is_none_and_waiting_ends() {
    let socket = open(Purpose::Udp, &ProbeOptions::default());
    let mut buffer = [0; 10];
    assert!(socket.receive(&mut buffer).unwrap().is_none());
    assert!(socket.receive_error(&mut buffer).unwrap().is_none());
    let before = Instant::now();
    let ready = wait(&[&socket], None, Duration::from_millis(20)).unwrap();
    assert!(!ready[0].is_any());
    assert!(before.elapsed() >= Duration::from_millis(20));
}

/// As root by a raw socket, as anybody by a datagram socket if the system
/// allows it; else the refusal has to say what to do.
#[test]
fn echo_is_answered_or_refused_in_words() {
    for purpose in [Purpose::Echo, Purpose::RawEcho] {
        for (family, here) in [
            (Family::V4, to(0)),
            (Family::V6, ([0, 0, 0, 0, 0, 0, 0, 1], 0).into()),
        ] {
            echo(purpose, family, here);
        }
    }
}

/// Others' replies are heard until it is told to refuse them.
#[test]
fn others_are_heard_until_they_are_refused() {
    for (family, here) in [
        (Family::V4, to(0)),
        (Family::V6, ([0, 0, 0, 0, 0, 0, 0, 1], 0).into()),
    ] {
        let options = ProbeOptions {
            hears_others: true,
            ..ProbeOptions::default()
        };
        let open = |purpose, options| ProbeSocket::open(purpose, family, options);
        let (Ok(socket), Ok(other)) = (
            open(Purpose::RawEcho, &options),
            open(Purpose::Icmp, &ProbeOptions::default()),
        ) else {
            continue; // no rights, or no IPv6: `echo_is_answered_or_refused_in_words`
        };
        let identifier = socket.identifier().unwrap();
        let foreign = request(family, identifier ^ 1, 1);
        let own = request(family, identifier, 2);
        let send = |octets: &[u8]| {
            let how = SendOptions::default();
            other.send(octets, Some(here), how).unwrap();
        };
        let heard = |sequence: u8| {
            let mut buffer = [0; 100];
            let received = next(&socket, &mut buffer).unwrap();
            assert_eq!(buffer[received.octets - 1], sequence, "{family:?}");
        };
        send(&foreign);
        heard(1);
        socket.refuse_others();
        send(&foreign);
        send(&own);
        heard(2);
    }
}

fn echo(purpose: Purpose, family: Family, here: SocketAddr) {
    let socket = match ProbeSocket::open(purpose, family, &ProbeOptions::default()) {
        Ok(socket) => socket,
        Err(OsError::ProbePermission { name, why, remedy }) => {
            assert!(name.starts_with("ICMP echo over IPv"), "{name}");
            assert!(why.contains("CAP_NET_RAW"), "{why}");
            assert!(remedy.contains("sudo setcap cap_net_raw+ep /"), "{remedy}");
            return;
        }
        // A machine without IPv6.
        Err(OsError::Io {
            advice: "use -4", ..
        }) if family == Family::V6 => return,
        Err(other) => panic!("{other}"),
    };
    assert!(!socket.why().is_empty());
    let identifier = socket.identifier().unwrap();
    let how = SendOptions {
        ttl: Some(9),
        traffic_class: None,
    };
    // Replies to others pass by.
    if let Ok(other) = ProbeSocket::open(Purpose::Icmp, family, &ProbeOptions::default()) {
        let foreign = request(family, identifier ^ 1, 1);
        other.send(&foreign, Some(here), how).unwrap();
    }
    let octets = request(family, identifier, 3);
    let before = socket.send(&octets, Some(here), how).unwrap();
    let mut buffer = [0; 100];
    let received = next(&socket, &mut buffer).unwrap();
    assert_eq!(received.what, Queued::Data);
    let header = if socket.kind().has_ip_header(family) {
        20
    } else {
        0
    };
    let reply = &buffer[header..received.octets];
    let kind = if family == Family::V4 { 0 } else { 129 };
    assert_eq!((reply[0], reply[7]), (kind, 3));
    assert_eq!(reply[4..6], identifier.to_be_bytes());
    assert_eq!(received.ttl, Some(64));
    assert_eq!(received.local, Some(here.ip()));
    assert!(received.at.at + Duration::from_millis(1) > before.at);
    assert!(socket.receive(&mut buffer).unwrap().is_none());
}
