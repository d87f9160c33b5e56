//! Options of probe sockets: ip(7), ipv6(7), socket(7).

use std::io;
use std::net::SocketAddr;

use libc::c_int;
use socket2::Socket;

use super::{probe_sys, sys};
use crate::OsError;
use crate::probe::{Family, PathMtu, ProbeOptions, SocketKind};

// linux/in.h and linux/in6.h, of Linux 5.9.
const IP_RECVERR_RFC4884: c_int = 26;
const IPV6_RECVERR_RFC4884: c_int = 31;

/// Has everything told that comes beside packets and errors, as far as it is
/// wanted.
pub(super) fn report(
    socket: &Socket,
    family: Family,
    kind: SocketKind,
    asked: &ProbeOptions,
) -> io::Result<()> {
    let all = !asked.terse;
    let has_header = kind.has_ip_header(family);
    let options = all || (!asked.ip_options.is_empty() && !has_header);
    let ttl = all || !has_header;
    let wanted: &[(bool, c_int, c_int)] = match family {
        Family::V4 => &[
            (true, libc::IPPROTO_IP, libc::IP_RECVERR),
            (ttl, libc::IPPROTO_IP, libc::IP_RECVTTL),
            (all, libc::IPPROTO_IP, libc::IP_RECVTOS),
            (all, libc::IPPROTO_IP, libc::IP_PKTINFO),
            (options, libc::IPPROTO_IP, libc::IP_RECVOPTS),
        ],
        Family::V6 => &[
            (true, libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
            (ttl, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT),
            (all, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS),
            (all, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        ],
    };
    let extensions = match family {
        Family::V4 => (libc::IPPROTO_IP, IP_RECVERR_RFC4884),
        Family::V6 => (libc::IPPROTO_IPV6, IPV6_RECVERR_RFC4884),
    };
    for (_, level, name) in wanted.iter().filter(|(is_wanted, ..)| *is_wanted) {
        sys::set_option(socket, *level, *name, &1)?;
    }
    // Without it there are no extensions, and nothing else is missing.
    let (level, name) = extensions;
    let _ = sys::set_option(socket, level, name, &1);
    // Without stamps the clock after a wake-up has to do.
    let _ = if asked.transmit_stamps {
        number_from_zero(socket)
    } else {
        // Costs less.
        sys::set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1)
    };
    Ok(())
}

/// Has packets stamped both ways, and those that are sent numbered from 0 on.
pub(super) fn number_from_zero(socket: &Socket) -> io::Result<()> {
    let stamps = libc::SOF_TIMESTAMPING_SOFTWARE
        | libc::SOF_TIMESTAMPING_RX_SOFTWARE
        | libc::SOF_TIMESTAMPING_TX_SOFTWARE
        | libc::SOF_TIMESTAMPING_OPT_TSONLY;
    // Only who turns numbers on begins at 0.
    for flags in [stamps, stamps | libc::SOF_TIMESTAMPING_OPT_ID] {
        let flags = c_int::try_from(flags).map_err(io::Error::other)?;
        sys::set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &flags)?;
    }
    Ok(())
}

/// Sets what was asked for.
pub(super) fn apply(
    socket: &Socket,
    family: Family,
    asked: &ProbeOptions,
    name: &'static str,
) -> Result<(), OsError> {
    if let Some(interface) = &asked.interface {
        socket
            .bind_device(Some(interface.as_bytes()))
            .map_err(|reason| no_interface(interface, reason))?;
    }
    let set = |what: &'static str, advice: &'static str, level, option, value: c_int| {
        sys::set_option(socket, level, option, &value).map_err(|reason| OsError::Io {
            thing: name.to_owned(),
            what,
            reason,
            advice,
        })
    };
    let ip = |what, v4, v6, value| {
        let (level, option) = match family {
            Family::V4 => (libc::IPPROTO_IP, v4),
            Family::V6 => (libc::IPPROTO_IPV6, v6),
        };
        set(what, "choose another", level, option, value)
    };
    if let Some(ttl) = asked.ttl {
        let what = "this TTL cannot be set";
        ip(what, libc::IP_TTL, libc::IPV6_UNICAST_HOPS, ttl.into())?;
        ip(
            what,
            libc::IP_MULTICAST_TTL,
            libc::IPV6_MULTICAST_HOPS,
            ttl.into(),
        )?;
    }
    if let Some(class) = asked.traffic_class {
        let what = "this TOS or traffic class cannot be set";
        ip(what, libc::IP_TOS, libc::IPV6_TCLASS, class.into())?;
    }
    if let Some(path_mtu) = asked.path_mtu {
        let value = match path_mtu {
            PathMtu::Dont => libc::IP_PMTUDISC_DONT,
            PathMtu::Want => libc::IP_PMTUDISC_WANT,
            PathMtu::Do => libc::IP_PMTUDISC_DO,
            PathMtu::Probe => libc::IP_PMTUDISC_PROBE,
        };
        let what = "path MTU discovery cannot be set";
        ip(what, libc::IP_MTU_DISCOVER, libc::IPV6_MTU_DISCOVER, value)?;
    }
    if asked.no_loop {
        let what = "multicast cannot be kept from this machine";
        ip(what, libc::IP_MULTICAST_LOOP, libc::IPV6_MULTICAST_LOOP, 0)?;
    }
    if !asked.ip_options.is_empty() {
        let octets = &asked.ip_options;
        probe_sys::set_octets(socket, libc::IPPROTO_IP, libc::IP_OPTIONS, octets).map_err(
            |reason| OsError::Io {
                thing: name.to_owned(),
                what: "these IP options cannot be set",
                reason,
                advice: "IPv4 has them, IPv6 does not",
            },
        )?;
    }
    let socket_level = [
        (asked.broadcast, libc::SO_BROADCAST),
        (asked.dont_route, libc::SO_DONTROUTE),
    ];
    for (wanted, option) in socket_level {
        if wanted {
            let what = "the kernel lacks an option of sockets";
            set(what, "leave it out", libc::SOL_SOCKET, option, 1)?;
        }
    }
    let buffers = [
        (
            asked.receive_buffer,
            libc::SO_RCVBUF,
            Some(libc::SO_RCVBUFFORCE),
        ),
        (asked.send_buffer, libc::SO_SNDBUF, None),
    ];
    for (octets, option, beyond_limits) in buffers {
        let Some(octets) = octets else { continue };
        let octets = c_int::try_from(octets).unwrap_or(c_int::MAX);
        // That is for who has CAP_NET_ADMIN.
        if let Some(option) = beyond_limits
            && sys::set_option(socket, libc::SOL_SOCKET, option, &octets).is_ok()
        {
            continue;
        }
        let what = "no memory for its buffer";
        set(what, "ask for less", libc::SOL_SOCKET, option, octets)?;
    }
    if let Some(mark) = asked.mark {
        socket
            .set_mark(mark)
            .map_err(|reason| no_mark(name, reason))?;
    }
    Ok(())
}

// linux/icmp.h, linux/icmpv6.h
const ICMP_FILTER: c_int = 1;
const ICMPV6_FILTER: c_int = 1;

// linux/filter.h
/// X = length of the IPv4 header at k.
const X_HEADER: u16 = 0xb1;
const OCTET: u16 = 0x30;
const HALF: u16 = 0x28;
const HALF_AT_X: u16 = 0x48;
const OCTET_AT_X: u16 = 0x50;
const IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Types of ICMP.
const REPLY: u32 = 0;
const REDIRECT: u32 = 5;

/// Echo replies come through, and redirects. Other errors have a queue of their
/// own, in which the kernel puts no redirects of a raw socket. Other messages,
/// among them our own requests over loopback, are not even copied for us.
pub(super) fn only_echo_replies(socket: &Socket, family: Family) -> io::Result<()> {
    // Each bit that is set is a type that is refused.
    match family {
        Family::V4 => {
            let refused = !(1 << REPLY | 1 << REDIRECT);
            sys::set_option(socket, libc::SOL_RAW, ICMP_FILTER, &refused)
        }
        Family::V6 => {
            let mut refused = [0xff; 32];
            // 129 is bit 1 of the fifth word.
            let reply = (!(1_u32 << 1)).to_ne_bytes();
            for (to, from) in refused.iter_mut().skip(16).zip(reply) {
                *to = from;
            }
            probe_sys::set_octets(socket, libc::SOL_ICMPV6, ICMPV6_FILTER, &refused)
        }
    }
}

/// Of those, only what has this identifier: replies, and redirects of such
/// requests (whose IPv4 header has no options).
pub(super) fn only_identifier(socket: &Socket, family: Family, identifier: u16) -> io::Result<()> {
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let keep = step(RETURN, 0, 0, u32::MAX);
    let drop = step(RETURN, 0, 0, 0);
    match family {
        // Begins with the IPv4 header, nearly always one without options: then
        // its octets are at a place that is known, which costs less.
        Family::V4 => sys::filter(
            socket,
            &mut [
                step(OCTET, 0, 0, 0),
                step(IF_EQUAL, 0, 6, 0x45),
                step(OCTET, 0, 0, 20),
                step(IF_EQUAL, 2, 0, REDIRECT),
                step(HALF, 0, 0, 24),
                step(IF_EQUAL, 9, 10, identifier.into()),
                step(HALF, 0, 0, 52),
                step(IF_EQUAL, 7, 8, identifier.into()),
                step(X_HEADER, 0, 0, 0),
                step(OCTET_AT_X, 0, 0, 0),
                step(IF_EQUAL, 2, 0, REDIRECT),
                step(HALF_AT_X, 0, 0, 4),
                step(IF_EQUAL, 2, 3, identifier.into()),
                step(HALF_AT_X, 0, 0, 32),
                step(IF_EQUAL, 0, 1, identifier.into()),
                keep,
                drop,
            ],
        ),
        // Begins with the `ICMPv6` header.
        Family::V6 => sys::filter(
            socket,
            &mut [
                step(HALF, 0, 0, 4),
                step(IF_EQUAL, 0, 1, identifier.into()),
                keep,
                drop,
            ],
        ),
    }
}

/// This program, as a command takes it.
pub(super) fn program() -> String {
    std::env::current_exe().map_or_else(
        |_| "magpie".to_owned(),
        |program| program.display().to_string(),
    )
}

fn no_interface(interface: &str, reason: io::Error) -> OsError {
    let advice = match reason.raw_os_error() {
        Some(libc::ENODEV) => {
            return OsError::NoInterface {
                interface: interface.to_owned(),
            };
        }
        Some(libc::EPERM) => "only root may choose it on this kernel; name a source address",
        _ => "see `ip link`",
    };
    OsError::Io {
        thing: interface.to_owned(),
        what: "nothing can be sent by it",
        reason,
        advice,
    }
}

/// Why it cannot be sent from there.
pub(super) fn no_source(source: SocketAddr, reason: io::Error) -> OsError {
    let (thing, what, advice) = match reason.raw_os_error() {
        Some(libc::EADDRNOTAVAIL) => (
            source.ip().to_string(),
            "nothing can be sent from it",
            "it is no address of this machine; `ip address` lists them",
        ),
        Some(libc::EADDRINUSE) => (
            source.port().to_string(),
            "this identifier or port is taken",
            "choose another, or leave it to the system",
        ),
        _ => (
            source.to_string(),
            "nothing can be sent from it",
            "see `ip address`",
        ),
    };
    OsError::Io {
        thing,
        what,
        reason,
        advice,
    }
}

fn no_mark(name: &'static str, reason: io::Error) -> OsError {
    if reason.raw_os_error() == Some(libc::EPERM) {
        return OsError::ProbePermission {
            name,
            why: "only who has CAP_NET_ADMIN may mark packets (CAP_NET_RAW does since Linux 5.17)"
                .to_owned(),
            remedy: format!(
                "give this program the right (sudo setcap cap_net_raw,cap_net_admin+ep {}), or run \
                 it as root",
                program()
            ),
        };
    }
    OsError::Io {
        thing: name.to_owned(),
        what: "packets cannot be marked",
        reason,
        advice: "leave the mark out",
    }
}
