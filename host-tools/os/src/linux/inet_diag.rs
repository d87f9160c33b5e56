//! TCP, UDP and raw sockets by `NETLINK_SOCK_DIAG` (`linux/inet_diag.h`).
//!
//! The messages are taken apart here: the crate netlink-packet-sock-diag
//! leaves out how long a socket stays in TIME-WAIT and how often a keep-alive
//! was sent, and refuses a whole socket for one attribute that is shorter than
//! on new kernels.

use std::io;

use super::netlink::{attributes, dump};
use crate::octets;
use crate::{
    CongestionInfo, End, Memory, SocketInfo, SocketKind, SocketQuery, State, TcpInfo, Timer,
};

// linux/sock_diag.h, linux/inet_diag.h
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
const INFO: u16 = 2;
const VEGAS_INFO: u16 = 3;
const CONGESTION: u16 = 4;
const SK_MEMORY: u16 = 7;
const SHUTDOWN: u16 = 8;
const DCTCP_INFO: u16 = 9;
const V6_ONLY: u16 = 11;
const MARK: u16 = 15;
const BBR_INFO: u16 = 16;
/// `struct inet_diag_msg`.
const HEADER: usize = 72;

/// Asks for the sockets of one protocol and family.
pub(super) fn read(
    kind: SocketKind,
    ipv6: bool,
    query: &SocketQuery,
    into: &mut Vec<SocketInfo>,
) -> io::Result<()> {
    let body = request(kind, ipv6, query)?;
    let protocol = libc::NETLINK_SOCK_DIAG as isize;
    dump(protocol, SOCK_DIAG_BY_FAMILY, &body, |body| {
        let socket = socket(kind, body);
        into.extend(socket.filter(|socket| query.states.contains(socket.state)));
    })
}

/// `struct inet_diag_req_v2`.
fn request(kind: SocketKind, ipv6: bool, query: &SocketQuery) -> io::Result<Vec<u8>> {
    let protocol = match kind {
        SocketKind::Tcp => libc::IPPROTO_TCP,
        SocketKind::Udp => libc::IPPROTO_UDP,
        _ => libc::IPPROTO_RAW,
    };
    let family = if ipv6 { libc::AF_INET6 } else { libc::AF_INET };
    let mut extensions = 0_u8;
    if query.memory {
        extensions |= 1 << (SK_MEMORY - 1);
    }
    if query.tcp_info && kind == SocketKind::Tcp {
        // VEGAS_INFO stands for what any congestion control tells of itself.
        extensions |= 1 << (INFO - 1) | 1 << (CONGESTION - 1) | 1 << (VEGAS_INFO - 1);
    }
    let octet = |number| u8::try_from(number).map_err(io::Error::other);
    let mut body = vec![octet(family)?, octet(protocol)?, extensions, 0];
    body.extend_from_slice(&query.states.mask().to_ne_bytes());
    // Of any address, port and interface.
    body.resize(56, 0);
    Ok(body)
}

/// A socket as the kernel describes it; `None`: too short to be one.
pub(super) fn socket(kind: SocketKind, body: &[u8]) -> Option<SocketInfo> {
    let ipv6 = match i32::from(octets::u8(body, 0)?) {
        libc::AF_INET => false,
        libc::AF_INET6 => true,
        _ => return None,
    };
    let end = |address: usize, port: usize| {
        Some(End::Inet {
            address: octets::address(body.get(address..)?, ipv6)?,
            port: octets::be16(body, port)?,
        })
    };
    let timer = Timer {
        number: octets::u8(body, 2)?,
        retransmits: octets::u8(body, 3)?,
        expires_ms: octets::u32(body, 52)?,
    };
    let cookie = [octets::u32(body, 44)?, octets::u32(body, 48)?];
    let mut found = SocketInfo {
        recv_queue: octets::u32(body, 56)?,
        send_queue: octets::u32(body, 60)?,
        interface_index: octets::u32(body, 40)?,
        uid: Some(octets::u32(body, 64)?),
        inode: octets::u32(body, 68)?,
        cookie: Some(u64::from(cookie[1]) << 32 | u64::from(cookie[0])),
        timer: (timer.number != 0).then_some(timer),
        ..SocketInfo::new(
            kind,
            State::from_number(octets::u8(body, 1)?)?,
            end(8, 4)?,
            end(24, 6)?,
        )
    };
    for (kind, value) in attributes(body, HEADER) {
        match kind {
            INFO if found.kind == SocketKind::Tcp => {
                found.tcp = Some(TcpInfo::from_octets(value));
            }
            CONGESTION => found.congestion = text(value),
            BBR_INFO => found.congestion_info = bbr(value),
            DCTCP_INFO => found.congestion_info = dctcp(value),
            SK_MEMORY => found.memory = memory(value),
            SHUTDOWN => found.shutdown = octets::u8(value, 0),
            V6_ONLY if ipv6 => found.v6_only = octets::u8(value, 0).map(|only| only != 0),
            MARK => found.mark = octets::u32(value, 0),
            _ => {}
        }
    }
    Some(found)
}

/// `SK_MEMINFO_...`; the last two came with later kernels.
pub(super) fn memory(value: &[u8]) -> Option<Memory> {
    let word = |n: usize| octets::u32(value, n * 4);
    Some(Memory {
        receive_octets: word(0)?,
        receive_buffer_octets: word(1)?,
        transmit_octets: word(2)?,
        send_buffer_octets: word(3)?,
        forward_octets: word(4)?,
        write_queue_octets: word(5)?,
        option_octets: word(6)?,
        backlog_octets: word(7),
        drops: word(8),
    })
}

/// `struct tcp_bbr_info`
fn bbr(value: &[u8]) -> Option<CongestionInfo> {
    let word = |n: usize| octets::u32(value, n * 4);
    Some(CongestionInfo::Bbr {
        bandwidth_octets_per_s: u64::from(word(1)?) << 32 | u64::from(word(0)?),
        min_rtt_us: word(2)?,
        pacing_gain_256ths: word(3)?,
        cwnd_gain_256ths: word(4)?,
    })
}

/// `struct tcp_dctcp_info`
fn dctcp(value: &[u8]) -> Option<CongestionInfo> {
    Some(CongestionInfo::Dctcp {
        enabled: octets::u16(value, 0)? != 0,
        ce_state: octets::u16(value, 2)?,
        alpha: octets::u32(value, 4)?,
        acked_ecn_octets: octets::u32(value, 8)?,
        acked_octets: octets::u32(value, 12)?,
    })
}

/// Up to the zero at its end.
fn text(value: &[u8]) -> Option<String> {
    let end = value.iter().position(|octet| *octet == 0);
    let value = value.get(..end.unwrap_or(value.len()))?;
    (!value.is_empty()).then(|| String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
#[path = "inet_diag_tests.rs"]
mod tests;
