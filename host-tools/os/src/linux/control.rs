//! Control messages (cmsg(3)): what the kernel tells beside a packet, and what
//! it is told. Octets only: no kernel is needed.

use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use libc::c_int;

use crate::probe::{Extension, Family, IpOptions, Origin, ProbeError, Queued, SendOptions};

/// A header is a length (`size_t`, whatever a C library calls it), a level and
/// a type.
const LENGTH: usize = size_of::<usize>();
const HEADER: usize = LENGTH + 2 * size_of::<c_int>();
const _: () = assert!(HEADER == size_of::<libc::cmsghdr>());

// linux/errqueue.h
const ORIGIN_LOCAL: u8 = 1;
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;
const ORIGIN_TIMESTAMPING: u8 = 4;
const RFC4884_INVALID: u8 = 1;
/// `struct sock_extended_err`; the offender's address follows.
const EXTENDED_ERROR: usize = 16;

/// What control messages said. An absent one leaves its default.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// By the wall clock, since 1970.
    pub(super) stamp: Option<Duration>,
    pub(super) ttl: Option<u8>,
    pub(super) traffic_class: Option<u8>,
    pub(super) local: Option<IpAddr>,
    pub(super) interface: Option<u32>,
    pub(super) ip_options: IpOptions,
    pub(super) queued: Option<Queued>,
}

/// Reads control messages, as far as they are whole.
pub(super) fn read(mut octets: &[u8]) -> Told {
    let mut told = Told::default();
    while let Some((level, name, data, rest)) = next(octets) {
        octets = rest;
        let _ = take(&mut told, level, name, data);
    }
    told
}

fn next(octets: &[u8]) -> Option<(c_int, c_int, &[u8], &[u8])> {
    let (header, _) = octets.split_at_checked(HEADER)?;
    let (length, names) = header.split_at_checked(LENGTH)?;
    let length = usize::from_ne_bytes(length.try_into().ok()?);
    let data = octets.get(HEADER..length)?;
    // The next one is aligned; after the last the end may be missing.
    let rest = length.checked_next_multiple_of(LENGTH)?;
    let rest = octets.get(rest..).unwrap_or_default();
    Some((number(names, 0)?, number(names, 4)?, data, rest))
}

fn take(told: &mut Told, level: c_int, name: c_int, data: &[u8]) -> Option<()> {
    match (level, name) {
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING | libc::SCM_TIMESTAMPNS) => {
            told.stamp = stamp(data);
        }
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
            told.ttl = Some(u8::try_from(number(data, 0)?).ok()?);
        }
        (libc::IPPROTO_IP, libc::IP_TOS) => told.traffic_class = data.first().copied(),
        (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
            told.traffic_class = Some(u8::try_from(number(data, 0)?).ok()?);
        }
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            // struct in_pktinfo: index, the route's source, the header's destination.
            told.interface = u32::try_from(number(data, 0)?).ok();
            told.local = Some(v4(data, 8)?.into());
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            told.local = Some(v6(data, 0)?.into());
            told.interface = u32::try_from(number(data, 16)?).ok();
        }
        (libc::IPPROTO_IP, libc::IP_RECVOPTS) => told.ip_options = IpOptions::new(data),
        (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
            told.queued = error(data);
        }
        _ => {}
    }
    Some(())
}

/// When the kernel had it: a time, or the first of three. (The other two are
/// of network cards.)
fn stamp(data: &[u8]) -> Option<Duration> {
    // Seconds and nanoseconds have 4 octets each, or 8.
    let (seconds, nanoseconds) = if matches!(data.len(), 8 | 24) {
        (
            u64::try_from(number(data, 0)?).ok()?,
            u32::try_from(number(data, 4)?).ok()?,
        )
    } else {
        (
            u64::try_from(long(data, 0)?).ok()?,
            u32::try_from(long(data, 8)?).ok()?,
        )
    };
    let known = seconds != 0 || nanoseconds != 0;
    let whole = nanoseconds < 1_000_000_000;
    (known && whole).then(|| Duration::new(seconds, nanoseconds))
}

fn error(data: &[u8]) -> Option<Queued> {
    let (error, offender) = data.split_at_checked(EXTENDED_ERROR)?;
    let origin = match *error.get(4)? {
        ORIGIN_LOCAL => Origin::Local,
        ORIGIN_ICMP => Origin::Icmp,
        ORIGIN_ICMP6 => Origin::Icmp6,
        // ee_data: the number of the packet. ee_info 0: it was sent.
        ORIGIN_TIMESTAMPING if unsigned(error, 8)? == 0 => {
            return Some(Queued::Sent(unsigned(error, 12)?));
        }
        _ => return None,
    };
    let at = u16::from_ne_bytes(error.get(12..14)?.try_into().ok()?);
    let extension = (origin != Origin::Local && at != 0).then_some(Extension {
        at: at.into(),
        is_invalid: *error.get(14)? & RFC4884_INVALID != 0,
    });
    Some(Queued::Error(ProbeError {
        origin,
        errno: number(error, 0)?,
        icmp_type: *error.get(5)?,
        icmp_code: *error.get(6)?,
        info: unsigned(error, 8)?,
        offender: address(offender),
        extension,
    }))
}

/// A `sockaddr_in` or `sockaddr_in6`.
fn address(data: &[u8]) -> Option<IpAddr> {
    let family = u16::from_ne_bytes(data.get(..2)?.try_into().ok()?);
    match c_int::from(family) {
        libc::AF_INET => Some(v4(data, 4)?.into()),
        libc::AF_INET6 => Some(v6(data, 8)?.into()),
        _ => None,
    }
}

fn array<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn number(data: &[u8], at: usize) -> Option<c_int> {
    array(data, at).map(c_int::from_ne_bytes)
}

fn unsigned(data: &[u8], at: usize) -> Option<u32> {
    array(data, at).map(u32::from_ne_bytes)
}

fn long(data: &[u8], at: usize) -> Option<i64> {
    array(data, at).map(i64::from_ne_bytes)
}

fn v4(data: &[u8], at: usize) -> Option<Ipv4Addr> {
    array::<4>(data, at).map(Ipv4Addr::from)
}

fn v6(data: &[u8], at: usize) -> Option<Ipv6Addr> {
    array::<16>(data, at).map(Ipv6Addr::from)
}

/// The control messages of a packet to be sent.
pub(super) fn write(family: Family, how: SendOptions) -> Vec<u8> {
    let mut octets = Vec::new();
    let (level, ttl, class) = match family {
        Family::V4 => (libc::IPPROTO_IP, libc::IP_TTL, libc::IP_TOS),
        Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, libc::IPV6_TCLASS),
    };
    for (name, value) in [(ttl, how.ttl), (class, how.traffic_class)] {
        if let Some(value) = value {
            add(&mut octets, level, name, c_int::from(value));
        }
    }
    octets
}

fn add(octets: &mut Vec<u8>, level: c_int, name: c_int, value: c_int) {
    octets.extend_from_slice(&(HEADER + size_of::<c_int>()).to_ne_bytes());
    octets.extend_from_slice(&level.to_ne_bytes());
    octets.extend_from_slice(&name.to_ne_bytes());
    octets.extend_from_slice(&value.to_ne_bytes());
    octets.resize(octets.len().next_multiple_of(LENGTH), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: c_int, name: c_int, data: &[u8]) -> Vec<u8> {
        let mut octets = (HEADER + data.len()).to_ne_bytes().to_vec();
        octets.extend_from_slice(&level.to_ne_bytes());
        octets.extend_from_slice(&name.to_ne_bytes());
        octets.extend_from_slice(data);
        octets.resize(octets.len().next_multiple_of(LENGTH), 0);
        octets
    }

    fn extended(origin: u8, info: u32, data: [u8; 4], offender: &[u8]) -> Vec<u8> {
        let mut octets = 113_u32.to_ne_bytes().to_vec();
        octets.extend_from_slice(&[origin, 3, 1, 0]);
        octets.extend_from_slice(&info.to_ne_bytes());
        octets.extend_from_slice(&data);
        octets.extend_from_slice(offender);
        octets
    }

    fn router() -> Vec<u8> {
        let family = u16::try_from(libc::AF_INET).unwrap();
        let mut octets = family.to_ne_bytes().to_vec();
        octets.extend_from_slice(&[0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        octets
    }

    #[test]
    fn all_that_is_told_is_read() {
        let mut times = 7_i64.to_ne_bytes().to_vec();
        times.extend_from_slice(&9_i64.to_ne_bytes());
        times.resize(48, 0);
        let mut octets = message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, &times);
        octets.extend(message(
            libc::IPPROTO_IP,
            libc::IP_TTL,
            &61_i32.to_ne_bytes(),
        ));
        octets.extend(message(libc::IPPROTO_IP, libc::IP_TOS, &[0x20]));
        let mut to = 3_i32.to_ne_bytes().to_vec();
        to.extend_from_slice(&[1, 1, 1, 1, 10, 0, 0, 2]);
        octets.extend(message(libc::IPPROTO_IP, libc::IP_PKTINFO, &to));
        let (at, flags) = (96_u16.to_ne_bytes(), 0);
        octets.extend(message(
            libc::IPPROTO_IP,
            libc::IP_RECVERR,
            &extended(ORIGIN_ICMP, 1400, [at[0], at[1], flags, 0], &router()),
        ));
        let told = read(&octets);
        assert_eq!(told.stamp, Some(Duration::new(7, 9)));
        assert_eq!((told.ttl, told.traffic_class), (Some(61), Some(0x20)));
        assert_eq!(told.local, Some(IpAddr::from([10, 0, 0, 2])));
        assert_eq!(told.interface, Some(3));
        let error = ProbeError {
            origin: Origin::Icmp,
            errno: 113,
            icmp_type: 3,
            icmp_code: 1,
            info: 1400,
            offender: Some(IpAddr::from([10, 0, 0, 1])),
            extension: Some(Extension {
                at: 96,
                is_invalid: false,
            }),
        };
        assert_eq!(told.queued, Some(Queued::Error(error)));
    }

    #[test]
    fn a_transmit_stamp_has_a_number() {
        let data = extended(ORIGIN_TIMESTAMPING, 0, 77_u32.to_ne_bytes(), &[]);
        let octets = message(libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &data);
        assert_eq!(read(&octets).queued, Some(Queued::Sent(77)));
    }

    #[test]
    fn what_is_cut_says_nothing() {
        let mut whole = message(libc::IPPROTO_IP, libc::IP_TTL, &64_i32.to_ne_bytes());
        whole.extend(message(
            libc::IPPROTO_IP,
            libc::IP_RECVERR,
            &extended(ORIGIN_ICMP, 0, [0; 4], &router()),
        ));
        let all = read(&whole);
        assert!(all.ttl.is_some() && all.queued.is_some());
        for len in 0..whole.len() {
            let told = read(&whole[..len]);
            assert!(told.queued.is_none() || told.queued == all.queued);
        }
        // A length that lies.
        for length in [0, 1, HEADER - 1, usize::MAX] {
            let mut octets = whole.clone();
            octets[..LENGTH].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(read(&octets), Told::default());
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let how = SendOptions {
            ttl: Some(3),
            traffic_class: Some(0xb8),
        };
        let told = read(&write(Family::V6, how));
        assert_eq!((told.ttl, told.traffic_class), (how.ttl, how.traffic_class));
        assert!(write(Family::V4, SendOptions::default()).is_empty());
    }
}
