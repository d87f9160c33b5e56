//! Above IP: TCP, ports, ICMP.

use super::{ADDRESSES4, ADDRESSES6, ip};
use crate::dissect::tests::frames::*;
use crate::dissect::{Echo, Icmp, Network, Tcp, Transport, dissect};

#[test]
fn tcp_segments() {
    let expected = |payload| {
        Transport::Tcp(Tcp {
            flags: 0x91,
            sequence: 0x0102_0304,
            acknowledgement: 0x0506_0708,
            payload,
        })
    };
    let segment = tcp(6, 0x91, &[0; 14]);
    let packet = Ip4::new(6, &segment);
    assert_eq!(ip(&packet.frame()).transport, expected(Some(10)));
    assert_eq!(ip(&frame6(6, &segment)).transport, expected(Some(10)));
    let Network::Ip(cut) = dissect(&packet.frame()[..54], 68).network else {
        panic!()
    };
    assert_eq!(
        cut.transport,
        expected(Some(10)),
        "the payload is the wire's"
    );
    let first = Ip4 {
        flags_offset: 0x2000,
        ..packet.clone()
    };
    assert_eq!(ip(&first.frame()).transport, expected(None));
    // The reserved bits beside the offset are not flags.
    let mut reserved = segment.clone();
    reserved[12] |= 0x0f;
    assert_eq!(ip(&frame6(6, &reserved)).transport, expected(Some(10)));
    for (len, ports) in [(3, (0, 0)), (4, (0xc001, 443)), (19, (0xc001, 443))] {
        let short = ip(&Ip4::new(6, &segment[..len]).frame());
        assert_eq!((short.source_port, short.destination_port), ports);
        assert_eq!(short.transport, Transport::Other);
    }
}

#[test]
fn ports() {
    let body = [0x12, 0x34, 0x56, 0x78, 0, 12, 0, 0, 0, 0, 0, 0];
    for protocol in 0..=255_u8 {
        let four = ip(&Ip4::new(protocol, &body).frame());
        let expected = if matches!(protocol, 6 | 17 | 132) {
            (0x1234, 0x5678)
        } else {
            (0, 0)
        };
        assert_eq!(
            (four.source_port, four.destination_port),
            expected,
            "protocol {protocol}"
        );
        assert_eq!((four.protocol, four.addresses), (protocol, ADDRESSES4));
        if !matches!(protocol, 0 | 43 | 44 | 60) {
            let six = ip(&frame6(protocol, &body));
            assert_eq!(
                (six.source_port, six.destination_port),
                expected,
                "protocol {protocol}"
            );
            assert_eq!((six.protocol, six.addresses), (protocol, ADDRESSES6));
        }
    }
}

#[test]
fn what_was_too_big_says_what_fits() {
    let table = [
        (4, 3, 4, Some(0x5678)), // the upper half is unused
        (4, 3, 3, None),
        (4, 2, 0, None),
        (6, 2, 0, Some(0x1234_5678)),
        (6, 2, 7, Some(0x1234_5678)), // the code is to be ignored
        (6, 3, 4, None),
    ];
    for (version, kind, code, mtu) in table {
        for octets in 2..=8 {
            let message = &icmp(kind, code)[..octets];
            let frame = if version == 4 {
                Ip4::new(1, message).frame()
            } else {
                frame6(58, message)
            };
            let expected = Transport::Icmp(Icmp {
                kind,
                code,
                echo: None,
                mtu: mtu.filter(|_| octets == 8),
            });
            assert_eq!(ip(&frame).transport, expected, "{version} {kind}/{code}");
        }
    }
}

#[test]
fn icmp_messages() {
    let seen = |request| {
        Some(Echo {
            request,
            id: 0x1234,
            sequence: 0x5678,
        })
    };
    let table = [
        (4, 8, seen(true)),
        (4, 0, seen(false)),
        (4, 128, None),
        (4, 3, None),
        (6, 128, seen(true)),
        (6, 129, seen(false)),
        (6, 8, None),
        (6, 0, None),
    ];
    for (version, kind, echo) in table {
        let message = icmp(kind, 1);
        let frame = if version == 4 {
            Ip4::new(1, &message).frame()
        } else {
            frame6(58, &message)
        };
        let expected = Transport::Icmp(Icmp {
            kind,
            code: 1,
            echo,
            mtu: None,
        });
        assert_eq!(
            ip(&frame).transport,
            expected,
            "version {version}, type {kind}"
        );
    }
    // Type and code with less than the header; not of the other version.
    let short = Transport::Icmp(Icmp {
        kind: 8,
        code: 3,
        echo: None,
        mtu: None,
    });
    assert_eq!(ip(&Ip4::new(1, &[8, 3]).frame()).transport, short);
    assert_eq!(
        ip(&Ip4::new(58, &icmp(128, 0)).frame()).transport,
        Transport::Other
    );
    assert_eq!(ip(&frame6(1, &icmp(8, 0))).transport, Transport::Other);
    let first = Ip4 {
        flags_offset: 0x2000,
        ..Ip4::new(1, &icmp(8, 0))
    };
    assert!(matches!(ip(&first.frame()).transport, Transport::Icmp(_)));
}
