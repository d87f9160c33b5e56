//! Why a probe socket is what it is, and why there is none.

use std::fs;
use std::io;

use super::{probe_options as options, probe_sys};
use crate::OsError;
use crate::probe::{Family, Purpose};

const CAPABLE: &str = "raw, by CAP_NET_RAW";

/// Why a socket is what it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Why {
    Free,
    Group,
    Capable,
    /// In place of a datagram socket, which the sysctl denied or the kernel has
    /// not.
    Instead {
        is_denied: bool,
    },
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Free => write!(f, "needs no right"),
            Self::Group => write!(f, "net.ipv4.ping_group_range admits this group"),
            Self::Capable => write!(f, "{CAPABLE}"),
            Self::Instead { is_denied } => {
                write!(f, "{}; {CAPABLE}", PingGroups::read(*is_denied))
            }
        }
    }
}

/// What a socket is, for people.
pub(super) fn name(purpose: Purpose, family: Family) -> &'static str {
    match (purpose, family) {
        (Purpose::Echo | Purpose::RawEcho, Family::V4) => "ICMP echo over IPv4",
        (Purpose::Echo | Purpose::RawEcho, Family::V6) => "ICMP echo over IPv6",
        (Purpose::Icmp, Family::V4) => "raw ICMP over IPv4",
        (Purpose::Icmp, Family::V6) => "raw ICMP over IPv6",
        (Purpose::Udp, Family::V4) => "UDP over IPv4",
        (Purpose::Udp, Family::V6) => "UDP over IPv6",
        (Purpose::Tcp, Family::V4) => "raw TCP over IPv4",
        (Purpose::Tcp, Family::V6) => "raw TCP over IPv6",
    }
}

/// Why there is no datagram socket for ICMP echo.
#[derive(Debug)]
pub(super) enum PingGroups {
    /// The sysctl leaves this group out.
    LeaveOut { range: String, group: u32 },
    /// The kernel has none.
    Missing,
}

impl PingGroups {
    pub(super) fn read(is_denied: bool) -> Self {
        if !is_denied {
            return Self::Missing;
        }
        let range = fs::read_to_string("/proc/sys/net/ipv4/ping_group_range");
        Self::LeaveOut {
            range: range.map_or_else(
                |_| "unknown".to_owned(),
                |range| range.split_whitespace().collect::<Vec<_>>().join(" "),
            ),
            group: probe_sys::group(),
        }
    }
}

impl std::fmt::Display for PingGroups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LeaveOut { range, group } => write!(
                f,
                "net.ipv4.ping_group_range is \"{range}\", which leaves out group {group}"
            ),
            Self::Missing => write!(f, "this kernel has no datagram sockets for ICMP"),
        }
    }
}

/// Why there is no socket.
pub(super) fn refused(
    name: &'static str,
    reason: io::Error,
    groups: Option<&PingGroups>,
) -> OsError {
    match reason.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {}
        Some(libc::EAFNOSUPPORT) => return failed(name, "this machine has no IPv6", reason),
        _ => return failed(name, "no socket", reason),
    }
    let program = options::program();
    let capable = format!("give this program the right (sudo setcap cap_net_raw+ep {program})");
    let (why, remedy) = match groups {
        Some(groups @ PingGroups::LeaveOut { group, .. }) => (
            format!("{groups}, and this program has no CAP_NET_RAW"),
            format!(
                "admit the group (sudo sysctl -w net.ipv4.ping_group_range=\"{group} {group}\", or \
                 \"0 2147483647\" for everybody), or {capable}, or run it as root"
            ),
        ),
        Some(groups @ PingGroups::Missing) => (
            format!("{groups}, and this program has no CAP_NET_RAW"),
            format!("{capable}, or run it as root"),
        ),
        None => (
            "only who has CAP_NET_RAW may send and hear it".to_owned(),
            format!("{capable}, or run it as root"),
        ),
    };
    OsError::ProbePermission { name, why, remedy }
}

pub(super) fn failed(name: &'static str, what: &'static str, reason: io::Error) -> OsError {
    let advice = match reason.raw_os_error() {
        Some(libc::EAFNOSUPPORT) => "use -4",
        Some(libc::EMFILE | libc::ENFILE) => "raise `ulimit -n`, or name fewer hosts",
        _ => "see what this kernel has in /proc/net",
    };
    OsError::Io {
        thing: name.to_owned(),
        what,
        reason,
        advice,
    }
}
