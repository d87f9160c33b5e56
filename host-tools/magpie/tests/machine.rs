//! What is told of this machine (sockets, routes, interfaces), of hand-made
//! ones: held against files, as `views` does.

use std::collections::HashMap;
use std::time::Duration;

use magpie::views::{interfaces, json, routes, sockets};
use magpie_os::{
    CongestionInfo, End, Holder, Holders, Interface, InterfaceAddress, InterfaceCounters, Memory,
    Offload, Route, Services, SocketFile, SocketInfo, SocketKind, SocketSummary, State, TcpInfo,
    Timer,
};

mod blessed;

use blessed::golden;

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

fn inet(address: &str, port: u16) -> End {
    End::Inet {
        address: address.parse().unwrap(),
        port,
    }
}

fn unix(name: Option<&[u8]>, inode: u32) -> End {
    End::Unix {
        name: name.map(<[u8]>::to_vec),
        inode,
    }
}

fn socket(kind: SocketKind, state: State, local: End, peer: End) -> SocketInfo {
    SocketInfo::new(kind, state, local, peer)
}

/// A connection in trouble, with everything a kernel tells.
fn connection() -> SocketInfo {
    let mut octets: Vec<u8> = (0..=239).map(|n| n % 7).collect();
    octets[5] = 0b0111; // time stamps, SACK, window scale
    octets[6] = 0x7a;
    for (at, value) in [
        (8, 204_000_u32),
        (16, 1_448),
        (24, 3),
        (36, 1),
        (68, 11_249),
        (72, 1_337),
        (76, 7),
        (80, 10),
        (88, 3),
        (100, 12),
        (148, 9_001),
    ] {
        octets[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }
    octets[104..112].copy_from_slice(&1_234_567_u64.to_ne_bytes());
    octets[112..120].copy_from_slice(&u64::MAX.to_ne_bytes());
    SocketInfo {
        send_queue: 4_344,
        uid: Some(1_000),
        inode: 4_242,
        cookie: Some(0x1a2b),
        mark: Some(0x10),
        shutdown: Some(2),
        timer: Some(Timer {
            number: 1,
            expires_ms: 1_240,
            retransmits: 2,
        }),
        memory: Some(Memory {
            receive_buffer_octets: 131_072,
            send_buffer_octets: 87_040,
            write_queue_octets: 6_656,
            backlog_octets: Some(0),
            drops: Some(3),
            ..Memory::default()
        }),
        congestion: Some("bbr".into()),
        congestion_info: Some(CongestionInfo::Bbr {
            bandwidth_octets_per_s: 1_250_000,
            min_rtt_us: 9_001,
            pacing_gain_256ths: 739,
            cwnd_gain_256ths: 512,
        }),
        tcp: Some(TcpInfo::from_octets(&octets)),
        ..socket(
            SocketKind::Tcp,
            State::Established,
            inet("10.0.10.23", 51_544),
            inet("192.0.2.80", 443),
        )
    }
}

fn all() -> Vec<SocketInfo> {
    let listening = SocketInfo {
        recv_queue: 1,
        send_queue: 128,
        inode: 77,
        uid: Some(0),
        v6_only: Some(false),
        ..socket(
            SocketKind::Tcp,
            State::Listen,
            inet("::", 22),
            inet("::", 0),
        )
    };
    let own = SocketInfo {
        v6_only: Some(true),
        interface_index: 3,
        interface: Some("eth0".into()),
        ..socket(
            SocketKind::Tcp,
            State::Listen,
            inet("::", 443),
            inet("::", 0),
        )
    };
    let bound = SocketInfo {
        interface_index: 9,
        inode: 99,
        ..socket(
            SocketKind::Udp,
            State::Unconnected,
            inet("fe80::1", 53),
            inet("::", 0),
        )
    };
    let raw = |port| {
        let end = inet("0.0.0.0", port);
        socket(SocketKind::Raw, State::Unconnected, end, inet("0.0.0.0", 0))
    };
    let file = SocketInfo {
        waiting: Some(vec![5, 6]),
        shutdown: Some(0),
        file: Some(SocketFile {
            inode: 1_234,
            major: 254,
            minor: 1,
        }),
        // An escape sequence, and what is no text.
        ..socket(
            SocketKind::UnixStream,
            State::Listen,
            unix(Some(b"/run/\x1b[2J\xff"), 78),
            unix(None, 0),
        )
    };
    let nameless = socket(
        SocketKind::UnixDatagram,
        State::Unconnected,
        unix(Some(b"\0magpie\0x"), 79),
        unix(Some(b"/run/bus"), 80),
    );
    vec![
        file,
        nameless,
        raw(1),
        raw(89),
        bound,
        own,
        listening,
        connection(),
    ]
}

fn holders() -> Holders {
    let holder = |name: &str, pid, fd| Holder {
        name: name.into(),
        pid,
        fd,
    };
    let by_inode = HashMap::from([
        (77, vec![holder("sshd", 1, 3), holder("x\",pid=0", 2, 4)]),
        (4_242, vec![holder("curl", 4_711, 5)]),
    ]);
    Holders {
        by_inode,
        hidden: 0,
        are_unlisted: false,
    }
}

fn services() -> Services {
    Services::from_texts(
        "ssh 22/tcp\ndomain 53/udp\nhttps 443/tcp\n",
        "icmp 1 ICMP\n",
        "32768 60999",
    )
}

const PLAIN: sockets::Shape = sockets::Shape {
    kind: true,
    state: true,
    heading: true,
    numeric: false,
    processes: false,
    extended: false,
    memory: false,
    timers: false,
    info: false,
};

#[test]
fn sockets_for_people() {
    let everything = sockets::Shape {
        processes: true,
        extended: true,
        memory: true,
        timers: true,
        info: true,
        ..PLAIN
    };
    let numeric = sockets::Shape {
        kind: false,
        state: false,
        heading: false,
        numeric: true,
        ..PLAIN
    };
    let got = text(|out| {
        for shape in [PLAIN, everything, numeric] {
            sockets::write(&all(), &holders(), &services(), &shape, out).unwrap();
        }
        let summary = SocketSummary {
            sockets: 17,
            tcp_established: 2,
            tcp_allocated: 5,
            tcp_orphaned: 1,
            tcp_time_wait: 2,
            tcp4: 3,
            tcp6: 2,
            udp4: 4,
            ..SocketSummary::default()
        };
        sockets::write_summary(&summary, out).unwrap();
    });
    golden("sockets.txt", &got);
}

#[test]
fn sockets_for_programs() {
    let holders = holders();
    let got = text(|out| {
        for socket in all() {
            json::line(&sockets::row(&socket, Some(&holders)), out).unwrap();
        }
        let row = sockets::row(&connection(), None);
        assert!(row["processes"].is_null(), "nobody asked");
        json::line(&sockets::summary_row(&SocketSummary::default()), out).unwrap();
    });
    golden("sockets.json", &got);
}

#[test]
fn the_routing_table() {
    let four = Route {
        destination: [0, 0, 0, 0].into(),
        prefix: 0,
        gateway: [192, 0, 2, 1].into(),
        flags: 3,
        metric: 100,
        references: 0,
        uses: 0,
        mss: 1_400,
        window: 0,
        irtt_ms: 0,
        interface: "eth0".into(),
    };
    let refused = Route {
        destination: [10, 66, 0, 0].into(),
        prefix: 16,
        gateway: [0, 0, 0, 0].into(),
        flags: 0x201,
        mss: 0,
        interface: "*".into(),
        ..four.clone()
    };
    let six = Route {
        destination: "2001:db8::".parse().unwrap(),
        prefix: 32,
        gateway: "fe80::1".parse().unwrap(),
        flags: 0x4_0003,
        metric: 1_024,
        references: 2,
        mss: 0,
        ..four.clone()
    };
    let none = Route {
        destination: "::".parse().unwrap(),
        prefix: 0,
        gateway: "::".parse().unwrap(),
        flags: 0x20_0200,
        metric: u32::MAX,
        interface: "lo".into(),
        ..six.clone()
    };
    let (four, six) = ([four, refused], [six, none]);
    let got = text(|out| {
        routes::write(&four, false, true, out).unwrap();
        routes::write(&six, true, true, out).unwrap();
        for route in four.iter().chain(&six) {
            json::line(&routes::row(route), out).unwrap();
        }
    });
    golden("routes.txt", &got);
}

#[test]
fn interfaces_for_people_and_programs() {
    let lo = Interface {
        index: 1,
        name: "lo".into(),
        hardware: 772,
        flags: 0x1_0049,
        state: "unknown",
        mtu: 65_536,
        address: vec![0; 6],
        addresses: vec![InterfaceAddress {
            address: [127, 0, 0, 1].into(),
            prefix: 8,
            peer: None,
        }],
        controller: None,
        kind: None,
        mbit: None,
        full_duplex: None,
        counters: InterfaceCounters::default(),
        offloads: Vec::new(),
    };
    let eth = Interface {
        index: 2,
        name: "eth0".into(),
        hardware: 1,
        flags: 0x1_1043,
        state: "up",
        mtu: 1_500,
        address: vec![2, 0, 0, 0, 0, 0x1a],
        controller: Some("br0".into()),
        kind: Some("veth".into()),
        mbit: Some(2_500),
        full_duplex: Some(true),
        counters: InterfaceCounters {
            rx_packets: 1_500,
            rx_octets: 1_250_000,
            rx_dropped: 7,
            rx_missed_errors: 7,
            ..InterfaceCounters::default()
        },
        offloads: vec![Offload::Gro, Offload::Tso],
        ..lo.clone()
    };
    let tunnel = Interface {
        index: 3,
        name: "tun0".into(),
        hardware: 65_534,
        flags: 0x1091,
        addresses: vec![InterfaceAddress {
            address: [10, 0, 0, 1].into(),
            prefix: 32,
            peer: Some([10, 0, 0, 2].into()),
        }],
        mbit: Some(10),
        full_duplex: Some(false),
        ..lo.clone()
    };
    let before = InterfaceCounters {
        rx_packets: 500,
        ..InterfaceCounters::default()
    };
    let seen: Vec<interfaces::Seen<'_>> = [&lo, &eth, &tunnel]
        .into_iter()
        .map(|interface| interfaces::Seen {
            interface,
            before: (interface.index == 2).then_some((Duration::from_secs(2), &before)),
        })
        .collect();
    let got = text(|out| {
        interfaces::write(&seen, out).unwrap();
        interfaces::write_list(&seen, out).unwrap();
    });
    golden("interfaces.txt", &got);
    let got = text(|out| {
        for seen in &seen {
            json::line(&interfaces::row(seen), out).unwrap();
        }
    });
    golden("interfaces.json", &got);
}

#[test]
fn every_field_is_documented() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let readme = read("README.md");
    let documented = |name: &str| {
        // These are listed by a pattern.
        let errors = name.ends_with("_errors") && readme.contains("rx_..._errors, tx_..._errors");
        let mut words = readme.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        errors || words.any(|word| word == name)
    };
    let mut fields = 0;
    for file in ["sockets.json", "interfaces.json", "routes.txt"] {
        let text = read(&format!("tests/golden/{file}"));
        for line in text.lines().filter(|line| line.starts_with('{')) {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let row = row.as_object().unwrap();
            let inner = row.values().filter_map(serde_json::Value::as_object);
            for name in row.keys().chain(inner.flat_map(serde_json::Map::keys)) {
                assert!(documented(name), "{name} of {file}");
                fields += 1;
            }
        }
    }
    assert!(fields > 300, "{fields}");
}
