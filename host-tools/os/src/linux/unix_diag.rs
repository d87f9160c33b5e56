//! Unix sockets by `NETLINK_SOCK_DIAG` (`linux/unix_diag.h`).
//!
//! Names are any octets: the crate netlink-packet-sock-diag takes text alone,
//! and would hide a socket from whom its owner does not want to see it.

use std::io;

use super::inet_diag::{SOCK_DIAG_BY_FAMILY, memory};
use super::netlink::{attributes, dump};
use crate::octets;
use crate::{End, SocketFile, SocketInfo, SocketKind, State, States};

// linux/unix_diag.h
const NAME: u16 = 0;
const FILE: u16 = 1;
const PEER: u16 = 2;
const WAITING: u16 = 3;
const QUEUES: u16 = 4;
const MEMORY: u16 = 5;
const SHUTDOWN: u16 = 6;
const UID: u16 = 7;
const SHOW: u32 = (1 << 7) - 1;
/// `struct unix_diag_msg`.
const HEADER: usize = 16;

/// Asks for unix sockets in any of these states.
pub(super) fn read(states: States, into: &mut Vec<SocketInfo>) -> io::Result<()> {
    let mut body = vec![u8::try_from(libc::AF_UNIX).map_err(io::Error::other)?];
    body.resize(4, 0);
    body.extend_from_slice(&states.mask().to_ne_bytes());
    body.extend_from_slice(&0_u32.to_ne_bytes());
    body.extend_from_slice(&SHOW.to_ne_bytes());
    body.resize(24, 0);
    let protocol = libc::NETLINK_SOCK_DIAG as isize;
    dump(protocol, SOCK_DIAG_BY_FAMILY, &body, |body| {
        into.extend(socket(body));
    })
}

/// Its kind by `SOCK_...`.
pub(super) fn kind(number: i32) -> Option<SocketKind> {
    Some(match number {
        libc::SOCK_STREAM => SocketKind::UnixStream,
        libc::SOCK_DGRAM => SocketKind::UnixDatagram,
        libc::SOCK_SEQPACKET => SocketKind::UnixSeqpacket,
        _ => return None,
    })
}

/// A socket as the kernel describes it; `None`: too short to be one.
pub(super) fn socket(body: &[u8]) -> Option<SocketInfo> {
    if i32::from(octets::u8(body, 0)?) != libc::AF_UNIX {
        return None;
    }
    let inode = octets::u32(body, 4)?;
    let cookie = [octets::u32(body, 8)?, octets::u32(body, 12)?];
    let mut name = None;
    let mut peer = 0;
    let mut found = SocketInfo {
        inode,
        cookie: Some(u64::from(cookie[1]) << 32 | u64::from(cookie[0])),
        ..SocketInfo::new(
            kind(octets::u8(body, 1)?.into())?,
            State::from_number(octets::u8(body, 2)?)?,
            End::Unix { name: None, inode },
            End::Unix {
                name: None,
                inode: 0,
            },
        )
    };
    for (kind, value) in attributes(body, HEADER) {
        match kind {
            NAME => name = path(value),
            FILE => found.file = file(value),
            WAITING => found.waiting = Some(words(value)),
            PEER => peer = octets::u32(value, 0).unwrap_or(0),
            QUEUES => {
                found.recv_queue = octets::u32(value, 0).unwrap_or(0);
                found.send_queue = octets::u32(value, 4).unwrap_or(0);
            }
            MEMORY => found.memory = memory(value),
            SHUTDOWN => found.shutdown = octets::u8(value, 0),
            UID => found.uid = octets::u32(value, 0),
            _ => {}
        }
    }
    found.local = End::Unix { name, inode };
    found.peer = End::Unix {
        name: None,
        inode: peer,
    };
    Some(found)
}

/// `struct unix_diag_vfs`; its device is a number of the kernel's own, other
/// than those of the C library.
fn file(value: &[u8]) -> Option<SocketFile> {
    let device = octets::u32(value, 4)?;
    Some(SocketFile {
        inode: octets::u32(value, 0)?,
        major: device >> 20,
        minor: device & 0xf_ffff,
    })
}

fn words(value: &[u8]) -> Vec<u32> {
    let words = 0..value.len() / 4;
    words.filter_map(|n| octets::u32(value, n * 4)).collect()
}

/// A path ends with its zero, if it has one; a name without a file begins with
/// one and may hold more.
fn path(value: &[u8]) -> Option<Vec<u8>> {
    let name = match value {
        [0, ..] => value,
        _ => value.split(|octet| *octet == 0).next()?,
    };
    (!name.is_empty()).then(|| name.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::netlink::tests::attribute;
    use super::*;

    fn message(kind: u8, state: u8) -> Vec<u8> {
        let mut body = vec![1, kind, state, 0];
        for word in [4711_u32, 0x11, 0x22] {
            body.extend_from_slice(&word.to_ne_bytes());
        }
        body
    }

    #[test]
    fn names_may_hold_any_octets() {
        for (value, want) in [
            (&b"/run/bus\0"[..], Some(&b"/run/bus"[..])),
            (b"/run/bus", Some(b"/run/bus")),
            (b"/tmp/\xff\xfe\0", Some(b"/tmp/\xff\xfe")),
            (b"\0a\0b", Some(b"\0a\0b")),
            (b"\0", Some(b"\0")),
            (b"", None),
        ] {
            let mut body = message(1, 10);
            body.extend(attribute(NAME, value));
            let End::Unix { name, inode } = socket(&body).unwrap().local else {
                panic!("a unix socket");
            };
            assert_eq!((name.as_deref(), inode), (want, 4711));
        }
    }

    #[test]
    fn a_socket_is_read() {
        let mut body = message(5, 1);
        body.extend(attribute(PEER, &4712_u32.to_ne_bytes()));
        let queues: Vec<u8> = [3_u32, 4].into_iter().flat_map(u32::to_ne_bytes).collect();
        body.extend(attribute(QUEUES, &queues));
        body.extend(attribute(UID, &1000_u32.to_ne_bytes()));
        let place: Vec<u8> = [9_u32, 254 << 20 | 3]
            .into_iter()
            .flat_map(u32::to_ne_bytes)
            .collect();
        body.extend(attribute(FILE, &place));
        body.extend(attribute(WAITING, &queues));
        let got = socket(&body).unwrap();
        assert_eq!(got.kind, SocketKind::UnixSeqpacket);
        assert_eq!((got.recv_queue, got.send_queue), (3, 4));
        assert_eq!((got.uid, got.waiting), (Some(1000), Some(vec![3, 4])));
        let file = SocketFile {
            inode: 9,
            major: 254,
            minor: 3,
        };
        assert_eq!(got.file, Some(file));
        let peer = End::Unix {
            name: None,
            inode: 4712,
        };
        assert_eq!(got.peer, peer);
        for length in 0..HEADER {
            assert_eq!(socket(&body[..length]), None);
        }
        assert_eq!(socket(&message(4, 1)), None);
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(rest in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut body = message(1, 1);
            body.extend(&rest);
            let _ = socket(&body);
            let _ = socket(&rest);
        }
    }
}
