//! What an interface is.

use std::io;
use std::path::PathBuf;

use libc::c_int;
use socket2::{Domain, Socket, Type};

use super::sys;
use crate::{Offload, OsError};

/// Ethernet header and two tags.
const HEADERS: u32 = 14 + 8;
// linux/ethtool.h
const QUESTIONS: [(Offload, u32, u32); 4] = [
    (Offload::Gro, 0x2b, 1),
    // ETHTOOL_GFLAGS, ETH_FLAG_LRO
    (Offload::Lro, 0x25, 1 << 15),
    (Offload::Tso, 0x1e, 1),
    (Offload::Gso, 0x23, 1),
];

/// An Ethernet interface with a packet socket for it that is not bound yet.
pub(super) struct Opened {
    pub(super) socket: Socket,
    pub(super) index: c_int,
    pub(super) is_loopback: bool,
    /// Longest frame it can carry, without FCS.
    pub(super) longest: u32,
}

/// Opens a packet socket that hears nothing before it is bound.
pub(super) fn open(interface: &str) -> Result<Opened, OsError> {
    // Known before it is asked for: whoever has no right learns that first.
    let index = sys::index(interface);
    let socket = Socket::new(Domain::PACKET, Type::RAW, None)
        .map_err(|reason| failed(interface, "no packet socket", reason))?;
    let index = index.map_err(|reason| match reason.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO) => OsError::NoInterface {
            interface: interface.to_owned(),
        },
        _ => failed(interface, "not found", reason),
    })?;
    let asked = |reason| failed(interface, "the driver does not answer", reason);
    let kind = sys::hardware(&socket, interface).map_err(asked)?;
    if !matches!(kind, libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK) {
        return Err(OsError::NotEthernet {
            interface: interface.to_owned(),
            kind,
        });
    }
    let mtu = sys::mtu(&socket, interface).map_err(asked)?;
    Ok(Opened {
        socket,
        index,
        is_loopback: kind == libc::ARPHRD_LOOPBACK,
        longest: mtu.saturating_add(HEADERS),
    })
}

/// What merges frames, as far as the driver says.
pub(super) fn offloads(socket: &Socket, interface: &str) -> Vec<Offload> {
    QUESTIONS
        .into_iter()
        // A driver that does not know the question does not have it.
        .filter(|(_, question, bit)| {
            sys::ethtool(socket, interface, *question).is_ok_and(|answer| answer & bit != 0)
        })
        .map(|(offload, ..)| offload)
        .collect()
}

pub(super) fn is_up(socket: &Socket, interface: &str) -> bool {
    sys::flags(socket, interface).is_ok_and(|flags| flags & libc::IFF_UP != 0)
}

/// The error with what to do about it.
pub(super) fn failed(interface: &str, what: &'static str, reason: io::Error) -> OsError {
    if reason.kind() == io::ErrorKind::PermissionDenied {
        return OsError::Permission {
            interface: interface.to_owned(),
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("magpie")),
        };
    }
    let advice = match reason.raw_os_error() {
        Some(libc::ENOMEM) => "free some memory",
        Some(libc::EAFNOSUPPORT) => "this kernel has no packet sockets (CONFIG_PACKET)",
        _ => "see `ip -details link show` for its state",
    };
    OsError::Io {
        thing: interface.to_owned(),
        what,
        reason,
        advice,
    }
}
