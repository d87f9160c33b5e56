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

/// The sockets of one protocol and family.
pub(super) fn read(
    kind: SocketKind,
    ipv6: bool,
    states: States,
    into: &mut Vec<SocketInfo>,
) -> io::Result<()> {
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
        Err(e) if ipv6 && e.kind() == io::ErrorKind::NotFound => return Ok(()),
        octets => octets?,
    };
    let parse = |line: &[u8]| match kind {
        SocketKind::Tcp | SocketKind::Udp | SocketKind::Raw => {
            inet(kind, std::str::from_utf8(line).ok()?)
        }
        _ => unix(line),
    };
    let lines = octets.split(|octet| *octet == b'\n').skip(1);
    into.extend(
        lines
            .filter_map(parse)
            .filter(|socket| states.contains(socket.state)),
    );
    Ok(())
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
