//! What the kernel says of sockets, routes and interfaces, and what a user
//! says of which are wanted: any octets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie_os::{Filter, Names, Services, SocketKind};

magpie_fuzz::seeds!(seeds());

/// One of each decoder's, after its number.
fn seeds() -> Vec<Vec<u8>> {
    let message = |kind: u16, body: &[u8]| {
        let mut octets = Vec::new();
        let length = u32::try_from(16 + body.len()).expect("a short body");
        octets.extend_from_slice(&length.to_ne_bytes());
        octets.extend_from_slice(&kind.to_ne_bytes());
        octets.extend_from_slice(&2_u16.to_ne_bytes());
        octets.extend_from_slice(&1_u32.to_ne_bytes());
        octets.extend_from_slice(&[0; 4]);
        octets.extend_from_slice(body);
        octets
    };
    // A TCP socket with memory, what TCP knows, and its congestion control.
    let mut inet = vec![2, 1, 2, 0];
    inet.resize(72, 1);
    for (kind, length) in [(7_u16, 40_u16), (2, 244), (4, 12), (16, 24), (8, 8)] {
        inet.extend_from_slice(&length.to_ne_bytes());
        inet.extend_from_slice(&kind.to_ne_bytes());
        inet.resize(inet.len() + usize::from(length - 4), b'a');
    }
    let mut unix = vec![1, 1, 10, 0];
    unix.resize(16, 1);
    unix.extend_from_slice(&[12, 0, 0, 0, 0, b'n', b'a', b'm', b'e', 0, 0xff, 1]);
    let mut link = vec![0; 16];
    link.extend_from_slice(&[
        8, 0, 3, 0, b'l', b'o', 0, 0, 12, 0, 18, 0, 8, 0, 1, 0, b'v', 0, 0, 0,
    ]);
    let texts: [&[u8]; 5] = [
        b"0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4242 1",
        b"0000000000000000: 00000002 00000000 00010000 0001 01 17018 /tmp/a",
        b"eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t1400\t7\t8",
        b"state established ( dport = :https or sport >= 22 ) and not dst [2001:db8::]/32:1",
        b"src unix:/run/*a? fwmark 0x1/0xff dev != eth0 autobound",
    ];
    let mut seeds: Vec<Vec<u8>> = texts.iter().map(|text| [&[4], *text].concat()).collect();
    for (which, body) in [(1, inet), (2, unix), (3, link)] {
        seeds.push([&[which], body.as_slice()].concat());
        let both = [message(20, &body), message(3, &[0; 4])].concat();
        seeds.push([&[which * 5], both.as_slice()].concat());
    }
    seeds
}

fuzz_target!(|input: &[u8]| {
    let Some((which, octets)) = input.split_first() else {
        return;
    };
    magpie_os::decode(*which, octets);
    let text = String::from_utf8_lossy(octets).into_owned();
    let services = Services::from_texts(&text, &text, &text);
    let names = Names {
        services: &services,
        kinds: &SocketKind::ALL,
        resolve: &|_| Vec::new(),
    };
    if let Err(error) = Filter::parse(&[text], &names) {
        assert!(error.at <= error.text.chars().count());
    }
});
