//! Frames of every layer, made here.

fn eth(ethertype: u16, after: &[u8]) -> Vec<u8> {
    let addresses = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    [&addresses[..], &ethertype.to_be_bytes(), after].concat()
}

fn ip4(protocol: u8, flags_offset: u16, from: u8, to: u8, body: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + body.len()).expect("a seed is short");
    let mut header = [
        &[0x45, 0][..],
        &total.to_be_bytes(),
        &[0, 7],
        &flags_offset.to_be_bytes(),
        &[64, protocol, 0, 0, 192, 0, 2, from, 192, 0, 2, to],
    ]
    .concat();
    let sum: u32 = header
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded");
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&header, body].concat()
}

fn ip6(next: u8, payload: Option<u16>, body: &[u8]) -> Vec<u8> {
    let len = payload.unwrap_or(u16::try_from(body.len()).expect("a seed is short"));
    let address = |last| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    [
        &[0x60, 0, 0, 0][..],
        &len.to_be_bytes(),
        &[next, 64],
        &address(9),
        &address(1),
        body,
    ]
    .concat()
}

fn tcp(ports: [u16; 2], seq: u32, ack: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    [
        &ports[0].to_be_bytes()[..],
        &ports[1].to_be_bytes(),
        &seq.to_be_bytes(),
        &ack.to_be_bytes(),
        &[0x50, flags, 0xff, 0xff, 0, 0, 0, 0],
        data,
    ]
    .concat()
}

fn udp(data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + data.len()).expect("a seed is short");
    [&[0xc0, 2, 0, 53][..], &len.to_be_bytes(), &[0, 0], data].concat()
}

fn echo(kind: u8, sequence: u8) -> Vec<u8> {
    vec![kind, 0, 0, 0, 0x12, 0x34, 0, sequence]
}

/// A connection from SYN to FIN, both ways.
pub fn connection() -> Vec<Vec<u8>> {
    let (client, server) = ([50_001, 80], [80, 50_001]);
    let up = |seq, ack, flags, data: &[u8]| {
        eth(
            0x0800,
            &ip4(6, 0x4000, 9, 1, &tcp(client, seq, ack, flags, data)),
        )
    };
    let down = |seq, ack, flags, data: &[u8]| {
        eth(
            0x0800,
            &ip4(6, 0x4000, 1, 9, &tcp(server, seq, ack, flags, data)),
        )
    };
    vec![
        up(100, 0, 0x02, &[]),
        down(900, 101, 0x12, &[]),
        up(101, 901, 0x10, &[]),
        up(101, 901, 0x18, b"GET /"),
        down(901, 106, 0x18, b"200 OK"),
        down(907, 106, 0x11, &[]),
        up(106, 908, 0x11, &[]),
        down(908, 107, 0x10, &[]),
        up(107, 908, 0x04, &[]),
    ]
}

/// One of everything the dissector knows.
pub fn all() -> Vec<Vec<u8>> {
    let v4 = |protocol, body: &[u8]| ip4(protocol, 0, 9, 1, body);
    let datagram = v4(17, &udp(b"query"));
    let six = ip6(17, None, &udp(b"query"));
    let arp = [
        &[0, 1, 8, 0, 6, 4, 0, 1][..],
        &[2; 6],
        &[192, 0, 2, 9],
        &[0; 6],
        &[192, 0, 2, 1],
    ];
    let snap = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &datagram].concat();
    let labels = [0, 1, 0x40, 64, 0, 2, 0x41, 64];
    let extensions = [
        &[60, 1][..],
        &[0; 14],
        &[43, 0, 1, 4, 0, 0, 0, 0],
        &[17, 0, 0, 0, 0, 0, 0, 0],
    ];
    let jumbo = [&[17, 0, 0xc2, 4, 0, 0, 0, 21][..], &udp(b"query")].concat();
    let mut frames = vec![
        eth(0x0800, &datagram),
        eth(0x0800, &v4(1, &echo(8, 1))),
        eth(0x0800, &ip4(1, 0, 1, 9, &echo(0, 1))),
        eth(0x0800, &v4(132, &[0, 7, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0])),
        eth(0x0800, &ip4(17, 0x2000, 9, 1, &udp(b"first"))),
        eth(0x0800, &ip4(17, 0x0002, 9, 1, b"later")),
        eth(0x86dd, &six),
        eth(0x86dd, &ip6(58, None, &echo(128, 2))),
        eth(0x86dd, &ip6(58, None, &echo(129, 2))),
        eth(
            0x86dd,
            &ip6(
                0,
                None,
                &[&extensions.concat()[..], &udp(b"query")].concat(),
            ),
        ),
        eth(
            0x86dd,
            &ip6(
                44,
                None,
                &[&[17, 0, 0, 1, 0, 0, 0, 7][..], &udp(b"first")].concat(),
            ),
        ),
        eth(0x86dd, &ip6(44, None, &[17, 0, 0, 8, 0, 0, 0, 7, 1, 2, 3])),
        eth(0x86dd, &ip6(0, Some(0), &jumbo)),
        eth(0x0806, &arp.concat()),
        eth(0x8100, &[&[0, 10, 8, 0][..], &datagram].concat()),
        eth(
            0x88a8,
            &[&[0, 20, 0x81, 0, 0, 10, 0x86, 0xdd][..], &six].concat(),
        ),
        eth(u16::try_from(snap.len()).expect("a seed is short"), &snap),
        eth(
            0x8864,
            &[&[0x11, 0, 0, 1, 0, 35, 0, 0x21][..], &datagram].concat(),
        ),
        eth(0x8847, &[&labels[..], &six].concat()),
        eth(0x88cc, &[0; 46]),
        vec![0; 13],
    ];
    frames.extend(connection());
    frames
}
