//! Questions to the kernel that it answers by a list (netlink(7)).

use std::io;
use std::time::Duration;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer};
use netlink_packet_core::{NLMSG_ALIGNTO, NlasIterator};
use netlink_sys::{Socket, SocketAddr};
use socket2::SockRef;

use crate::octets;

// linux/netlink.h
const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;
/// More than the kernel puts into one answer (32 KiB).
const ROOM: usize = 128 * 1024;
/// The kernel answers at once, or never will.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a list is begun anew since it changed under way.
const ATTEMPTS: u32 = 4;
const SEQUENCE: u32 = 1;

/// Asks, and hands over the body of each message of the answer.
pub(super) fn dump(
    protocol: isize,
    question: u16,
    body: &[u8],
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    SockRef::from(&socket).set_read_timeout(Some(PATIENCE))?;
    socket.send_to(&request(question, body)?, &SocketAddr::new(0, 0), 0)?;
    let mut buffer = Vec::with_capacity(ROOM);
    let mut interrupted = false;
    loop {
        buffer.clear();
        let (octets, from) = match socket.recv_from(&mut buffer, libc::MSG_TRUNC) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            answer => answer?,
        };
        // Other programs may write to this socket, too.
        if from.port_number() != 0 {
            continue;
        }
        if octets > buffer.len() {
            return Err(io::Error::other("an answer longer than any should be"));
        }
        match messages(&buffer, &mut take)? {
            Answer::More { changed } => interrupted |= changed,
            Answer::End { changed } if interrupted || changed => {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Answer::End { .. } => return Ok(()),
        }
    }
}

/// Likewise, as a list; asked again while the list changes under way.
pub(super) fn list<T>(
    protocol: isize,
    question: u16,
    body: &[u8],
    read: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<Vec<T>> {
    for _ in 0..ATTEMPTS {
        let mut found = Vec::new();
        match dump(protocol, question, body, |body| found.extend(read(body))) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return done.map(|()| found),
        }
    }
    Err(io::Error::other("it changes faster than it can be read"))
}

fn request(question: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let header = 16;
    let length = u32::try_from(header + body.len()).map_err(io::Error::other)?;
    let mut octets = Vec::new();
    octets.extend_from_slice(&length.to_ne_bytes());
    octets.extend_from_slice(&question.to_ne_bytes());
    octets.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    octets.extend_from_slice(&SEQUENCE.to_ne_bytes());
    octets.extend_from_slice(&0_u32.to_ne_bytes());
    octets.extend_from_slice(body);
    Ok(octets)
}

/// What the messages of a datagram came to. `changed`: the list changed while
/// it was written, and may have gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    More { changed: bool },
    End { changed: bool },
}

/// Reads the messages of one datagram.
pub(super) fn messages(mut octets: &[u8], take: &mut impl FnMut(&[u8])) -> io::Result<Answer> {
    let mut changed = false;
    while !octets.is_empty() {
        let message = NetlinkBuffer::new_checked(octets)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
        let whole = usize::try_from(message.length()).map_err(io::Error::other)?;
        let body = octets.get(16..whole).unwrap_or_default();
        if message.sequence_number() == SEQUENCE {
            changed |= message.flags() & NLM_F_DUMP_INTR != 0;
            match message.message_type() {
                NOOP => {}
                OVERRUN => return Err(io::Error::other("the kernel lost part of its answer")),
                // Both may carry an error, as a negative number. That of an
                // answer to a question that is no list is 0.
                kind @ (ERROR | DONE) => {
                    let code = octets::u32(body, 0).map_or(0, u32::cast_signed);
                    if code < 0 {
                        return Err(io::Error::from_raw_os_error(code.saturating_neg()));
                    }
                    if kind == DONE {
                        return Ok(Answer::End { changed });
                    }
                }
                _ => take(body),
            }
        }
        let next = whole.next_multiple_of(usize::from(NLMSG_ALIGNTO));
        octets = octets.get(next..).unwrap_or_default();
    }
    Ok(Answer::More { changed })
}

/// Attributes behind a header of so many octets, up to the first that is none.
pub(super) fn attributes(body: &[u8], header: usize) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(body.get(header..).unwrap_or_default())
        .map_while(Result::ok)
        .filter_map(|attribute| {
            let (kind, end) = (attribute.kind(), usize::from(attribute.length()));
            Some((kind, attribute.into_inner().get(4..end)?))
        })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message as the kernel writes it.
    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut octets = request(kind, body).unwrap();
        octets[6..8].copy_from_slice(&flags.to_ne_bytes());
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }

    /// An attribute as the kernel writes it.
    pub(in super::super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut octets = Vec::new();
        let length = u16::try_from(value.len() + 4).unwrap();
        octets.extend_from_slice(&length.to_ne_bytes());
        octets.extend_from_slice(&kind.to_ne_bytes());
        octets.extend_from_slice(value);
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }

    fn read(octets: &[u8]) -> (io::Result<Answer>, Vec<Vec<u8>>) {
        let mut bodies = Vec::new();
        let answer = messages(octets, &mut |body: &[u8]| bodies.push(body.to_vec()));
        (answer, bodies)
    }

    #[test]
    fn a_list_ends_with_done() {
        let mut octets = message(20, 2, b"first");
        octets.extend(message(20, 2, b"second"));
        let (answer, bodies) = read(&octets);
        assert_eq!(answer.unwrap(), Answer::More { changed: false });
        assert_eq!(bodies, [b"first".to_vec(), b"second".to_vec()]);
        octets.extend(message(DONE, 2, &[0; 4]));
        octets.extend(message(20, 2, b"nobody asked"));
        let (answer, bodies) = read(&octets);
        assert_eq!(answer.unwrap(), Answer::End { changed: false });
        assert_eq!(bodies.len(), 2);
    }

    #[test]
    fn errors_are_told() {
        let code = (-libc::ENOENT).to_ne_bytes();
        for kind in [ERROR, DONE] {
            let (answer, _) = read(&message(kind, 0, &code));
            assert_eq!(answer.unwrap_err().raw_os_error(), Some(libc::ENOENT));
        }
        let changed = message(20, NLM_F_DUMP_INTR, b"");
        assert_eq!(read(&changed).0.unwrap(), Answer::More { changed: true });
        assert!(read(&message(OVERRUN, 0, b"")).0.is_err());
        let mut cut = message(20, 0, b"twelve octet");
        cut.pop();
        let (answer, bodies) = read(&cut);
        assert!(answer.is_err() && bodies.is_empty());
    }

    #[test]
    fn answers_to_others_are_not_ours() {
        let mut other = message(20, 0, b"body");
        other[8] = 9;
        let (answer, bodies) = read(&other);
        assert_eq!(answer.unwrap(), Answer::More { changed: false });
        assert!(bodies.is_empty());
    }

    #[test]
    fn attributes_end_where_one_is_broken() {
        let mut octets = attribute(1, b"one");
        octets.extend(attribute(0x8002, b"nested"));
        octets.extend([200, 0, 3, 0, 1]);
        let all: Vec<_> = attributes(&octets, 0).collect();
        assert_eq!(all, [(1, &b"one"[..]), (2, &b"nested"[..])]);
        assert_eq!(attributes(&octets, 1_000).count(), 0);
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&octets);
            let _ = attributes(&octets, 3).count();
        }

        #[test]
        fn nor_ones_that_are_nearly_right(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..4),
            at in any::<prop::sample::Index>(),
            with in any::<u8>(),
        ) {
            let mut octets: Vec<u8> =
                bodies.iter().flat_map(|body| message(20, 2, body)).collect();
            if !octets.is_empty() {
                let at = at.index(octets.len());
                octets[at] = with;
            }
            let (_, got) = read(&octets);
            prop_assert!(got.len() <= octets.len() / 16);
        }
    }
}
