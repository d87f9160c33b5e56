//! Sockets as text of `/proc/net` (proc(5)), where the kernel has no other
//! account of them.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::unix_diag;
use crate::{End, SocketInfo, SocketKind, State, States, Timer};

/// Of this thread's network, which need not be that of the process.
const FOLDER: &str = "/proc/thread-self/net";
/// `__SO_ACCEPTCON`: it listens.
const ACCEPTS: u32 = 1 << 16;

/// A file of this thread's network. Names of unix sockets are any octets.
pub(super) fn text(name: &str) -> io::Result<Vec<u8>> {
    fs::read(Path::new(FOLDER).join(name))
}

/// The sockets of one protocol and family; how many lines could not be read.
pub(super) fn read(
    kind: SocketKind,
    ipv6: bool,
    states: States,
    into: &mut Vec<SocketInfo>,
) -> io::Result<usize> {
    let name = match (kind, ipv6) {
        (SocketKind::Tcp, false) => "tcp",
        (SocketKind::Tcp, true) => "tcp6",
        (SocketKind::Udp, false) => "udp",
        (SocketKind::Udp, true) => "udp6",
        (SocketKind::Raw, false) => "raw",
        (SocketKind::Raw, true) => "raw6",
        _ => "unix",
    };
    let octets = match text(name) {
        // A kernel without IPv6 has no such sockets.
        Err(e) if ipv6 && e.kind() == io::ErrorKind::NotFound => return Ok(0),
        octets => octets?,
    };
    Ok(table(kind, &octets, states, into))
}

/// Likewise, of a file's octets.
fn table(kind: SocketKind, octets: &[u8], states: States, into: &mut Vec<SocketInfo>) -> usize {
    let parse = |line: &[u8]| match kind {
        SocketKind::Tcp | SocketKind::Udp | SocketKind::Raw => {
            inet(kind, std::str::from_utf8(line).ok()?)
        }
        _ => unix(line),
    };
    let lines = octets.split(|octet| *octet == b'\n').skip(1);
    let mut unread = 0;
    for line in lines.filter(|line| !line.is_empty()) {
        match parse(line) {
            Some(socket) if states.contains(socket.state) => into.push(socket),
            Some(_) => {}
            None => unread += 1,
        }
    }
    unread
}

/// Unix sockets of this network, as the kernel counts them; `None`: it does not.
pub(super) fn unix_in_use() -> Option<usize> {
    let octets = text("protocols").ok()?;
    in_use(&String::from_utf8_lossy(&octets))
}

/// `protocol size sockets ...`; streams have a line of their own since Linux
/// 5.15.
fn in_use(protocols: &str) -> Option<usize> {
    let count = |line: &str| {
        let mut words = line.split_whitespace();
        words.next().filter(|name| name.starts_with("UNIX"))?;
        words.nth(1)?.parse::<usize>().ok()
    };
    let counts: Vec<usize> = protocols.lines().filter_map(count).collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid
/// timeout inode ref pointer ...`
pub(super) fn inet(kind: SocketKind, line: &str) -> Option<SocketInfo> {
    let mut words = line.split_whitespace().skip(1);
    let local = end(words.next()?)?;
    let peer = end(words.next()?)?;
    let state = State::from_number(u8::from_str_radix(words.next()?, 16).ok()?)?;
    let (send, receive) = words.next()?.split_once(':')?;
    let (timer, expires) = words.next()?.split_once(':')?;
    let retransmits = hex(words.next()?)?;
    let uid = words.next()?.parse().ok()?;
    let _timeout = words.next()?;
    let inode = words.next()?.parse().ok()?;
    // In hundredths of a second.
    let expires_ms = hex(expires)?.saturating_mul(10);
    let number = u8::try_from(hex(timer)?).ok()?;
    Some(SocketInfo {
        recv_queue: hex(receive)?,
        send_queue: hex(send)?,
        uid: Some(uid),
        inode,
        timer: (kind == SocketKind::Tcp && number != 0).then(|| Timer {
            number,
            expires_ms,
            retransmits: u8::try_from(retransmits).unwrap_or(u8::MAX),
        }),
        ..SocketInfo::new(kind, state, local, peer)
    })
}

/// `Num RefCount Protocol Flags Type St Inode Path`
pub(super) fn unix(line: &[u8]) -> Option<SocketInfo> {
    // Seven words, one space each, save for the inode, which is set to the
    // right; then a space and any octets.
    let mut rest = line;
    let mut word = || {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|octet| *octet == b' ');
        let (word, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        rest = after;
        std::str::from_utf8(word).ok()
    };
    let _pointer = word()?;
    let _references = word()?;
    let _protocol = word()?;
    let flags = hex(word()?)?;
    let kind = unix_diag::kind(i32::try_from(hex(word()?)?).ok()?)?;
    let state = hex(word()?)?;
    let inode = word()?.parse().ok()?;
    let name = rest.get(1..).filter(|name| !name.is_empty());
    // SS_UNCONNECTED, _CONNECTING, _CONNECTED, _DISCONNECTING
    let state = match state {
        _ if flags & ACCEPTS != 0 => State::Listen,
        1 => State::Unconnected,
        2 => State::SynSent,
        3 => State::Established,
        4 => State::Closing,
        _ => return None,
    };
    Some(SocketInfo {
        inode,
        ..SocketInfo::new(
            kind,
            state,
            End::Unix {
                // The kernel writes @ for each zero of a name without a file.
                name: name.map(|name| match name {
                    [b'@', ..] => name
                        .iter()
                        .map(|octet| if *octet == b'@' { 0 } else { *octet })
                        .collect(),
                    _ => name.to_vec(),
                }),
                inode,
            },
            End::Unix {
                name: None,
                inode: 0,
            },
        )
    })
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

fn end(text: &str) -> Option<End> {
    let (address, port) = text.split_once(':')?;
    Some(End::Inet {
        address: address_of_words(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
    })
}

/// An address as words of the machine's order, in hexadecimal.
pub(super) fn address_of_words(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(hex(text.get(at..at.checked_add(8)?)?)?.to_ne_bytes());
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (n, into) in octets.chunks_exact_mut(4).enumerate() {
                into.copy_from_slice(&word(n * 8)?);
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_proc_are_read() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000003:00000002 02:000004D2 00000001  1000        0 4242 1 00000000 100 0 0 10 0";
        let got = inet(SocketKind::Tcp, line).unwrap();
        let loopback = End::Inet {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 8080,
        };
        assert_eq!((got.local, got.state), (loopback, State::Listen));
        assert_eq!((got.recv_queue, got.send_queue), (2, 3));
        assert_eq!((got.uid, got.inode), (Some(1000), 4242));
        let timer = Timer {
            number: 2,
            expires_ms: 12_340,
            retransmits: 1,
        };
        assert_eq!(got.timer, Some(timer));
        assert_eq!(
            address_of_words("B80D0120000000000000000001000000"),
            Some("2001:db8::1".parse().unwrap())
        );
    }

    #[test]
    fn unix_names_are_read_whole() {
        let line = b"0000000000000000: 00000002 00000000 00010000 0001 01 17018 /tmp/a b\xff";
        let got = unix(line).unwrap();
        assert_eq!(got.state, State::Listen);
        let name = |end| match end {
            End::Unix { name, .. } => name,
            End::Inet { .. } => None,
        };
        assert_eq!(name(got.local).as_deref(), Some(&b"/tmp/a b\xff"[..]));
        let line = b"0000000000000000: 00000002 00000000 00000000 0002 01     5 @a@b";
        let got = unix(line).unwrap();
        assert_eq!(got.state, State::Unconnected);
        assert_eq!(name(got.local).as_deref(), Some(&b"\0a\0b"[..]));
        let line = b"0000000000000000: 00000003 00000000 00000000 0001 03 17019";
        let got = unix(line).unwrap();
        assert_eq!((got.state, name(got.local)), (State::Established, None));
    }

    /// Names may hold line breaks; what then looks like a line is none.
    #[test]
    fn lines_that_are_no_sockets_are_counted() {
        let text = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            000000003fe012a6: 00000002 00000000 00010000 0001 01 188133 /tmp/a\nb\n\
            0000000067330031: 00000002 00000000 00000000 0002 01 188129\n\
            0000000067330032: 00000002 00000000 00000000 0002 77 188130\n";
        let mut found = Vec::new();
        let unread = table(SocketKind::UnixStream, text, States::ALL, &mut found);
        assert_eq!((found.len(), unread), (2, 2));
        let text = b"  sl  local_address rem_address\n   0: 0100007F:1F90 nonsense\n";
        let unread = table(SocketKind::Tcp, text, States::ALL, &mut found);
        assert_eq!((found.len(), unread), (2, 1));
    }

    #[test]
    fn the_kernel_counts_unix_sockets() {
        let text = "protocol  size sockets  memory\nUNIX-STREAM 1152 6 -1\nUNIX 1152 2 -1\n\
                    UDP 1344 9 1\n";
        assert_eq!(in_use(text), Some(8));
        assert_eq!(in_use("protocol  size sockets\nUDP 1344 9 1\n"), None);
        assert!(unix_in_use().is_some());
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC*", octets in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = inet(SocketKind::Tcp, &line);
            let _ = unix(&octets);
            let _ = address_of_words(&line);
        }

        #[test]
        fn nor_one_that_is_nearly_right(
            at in any::<prop::sample::Index>(),
            with in "\\PC",
        ) {
            let line = "0: 0100007F:1F90 00000000:0000 0A 00000003:00000002 02:000004D2 00000001 1000 0 4242 1";
            let mut changed: Vec<char> = line.chars().collect();
            let at = at.index(changed.len());
            changed.splice(at..=at, with.chars());
            let _ = inet(SocketKind::Tcp, &changed.into_iter().collect::<String>());
        }
    }
}
