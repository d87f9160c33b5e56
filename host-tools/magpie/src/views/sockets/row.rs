//! Sockets as rows: everything that is known of them.

use magpie_os::{CongestionInfo, End, Holders, Memory, SocketInfo, SocketSummary, TcpInfo, Timer};
use serde_json::{Map, Value, json};

use super::unix_name;
use crate::views::rows::Row;
use crate::views::text::plain;

/// A socket; who has it open where that was asked.
pub fn row(socket: &SocketInfo, holders: Option<&Holders>) -> Row {
    let mut row = Row::new();
    let mut put = |name: &str, value: Value| row.insert(name.to_owned(), value);
    put("type", "socket".into());
    put("netid", socket.kind.name().into());
    let version = match &socket.local {
        End::Unix { .. } => None,
        End::Inet { address, .. } => Some(if address.is_ipv6() { 6 } else { 4 }),
    };
    put("ip_version", version.into());
    put("state", socket.state.word().into());
    put("recv_q", socket.recv_queue.into());
    put("send_q", socket.send_queue.into());
    for (name, end) in [("local", &socket.local), ("peer", &socket.peer)] {
        let (address, port) = match end {
            End::Inet { address, port } => (Some(address.to_string()), Some(*port)),
            End::Unix { name, .. } => (name.as_deref().map(unix_name), None),
        };
        put(name, address.into());
        put(
            &format!("{name}_port"),
            port.filter(|port| *port != 0).into(),
        );
    }
    let nameless = match &socket.local {
        End::Unix { name, .. } => name.as_ref().map(|name| name.first() == Some(&0)),
        End::Inet { .. } => None,
    };
    put("abstract", nameless.into());
    let peer_inode = match &socket.peer {
        End::Unix { inode, .. } => Some(*inode).filter(|inode| *inode != 0),
        End::Inet { .. } => None,
    };
    put("peer_inode", peer_inode.into());
    put("waiting_inodes", socket.waiting.clone().into());
    put("file_inode", socket.file.map(|file| file.inode).into());
    let device = socket.file.map(|f| format!("{}:{}", f.major, f.minor));
    put("file_device", device.into());
    put("interface", socket.interface.as_deref().map(plain).into());
    put("uid", socket.uid.into());
    let inode = Some(socket.inode).filter(|inode| *inode != 0);
    put("inode", inode.into());
    put("cookie", socket.cookie.into());
    put("mark", socket.mark.into());
    put("v6_only", socket.v6_only.into());
    put("shut_receive", socket.shutdown.map(|b| b & 1 != 0).into());
    put("shut_send", socket.shutdown.map(|b| b & 2 != 0).into());
    put("timer", socket.timer.map(Timer::name).into());
    put("timer_ms", socket.timer.map(|t| t.expires_ms).into());
    put(
        "timer_retransmits",
        socket.timer.map(|t| t.retransmits).into(),
    );
    put("processes", processes(socket, holders));
    put("memory", socket.memory.as_ref().map_or(Value::Null, memory));
    put("congestion", socket.congestion.as_deref().map(plain).into());
    let told = socket.congestion_info.map(congestion);
    put("congestion_info", told.unwrap_or_default());
    put("tcp", socket.tcp.as_ref().map_or(Value::Null, tcp));
    row
}

/// `null` where nobody asked, or nobody that may be seen has it.
fn processes(socket: &SocketInfo, holders: Option<&Holders>) -> Value {
    let found = holders.and_then(|holders| holders.by_inode.get(&socket.inode));
    found.map_or(Value::Null, |found| {
        let found = found
            .iter()
            .map(|holder| json!({"name": plain(&holder.name), "pid": holder.pid, "fd": holder.fd}));
        found.collect()
    })
}

fn memory(memory: &Memory) -> Value {
    json!({
        "receive_octets": memory.receive_octets,
        "receive_buffer_octets": memory.receive_buffer_octets,
        "transmit_octets": memory.transmit_octets,
        "send_buffer_octets": memory.send_buffer_octets,
        "forward_octets": memory.forward_octets,
        "write_queue_octets": memory.write_queue_octets,
        "option_octets": memory.option_octets,
        "backlog_octets": memory.backlog_octets,
        "drops": memory.drops,
    })
}

fn congestion(told: CongestionInfo) -> Value {
    match told {
        CongestionInfo::Bbr {
            bandwidth_octets_per_s,
            min_rtt_us,
            pacing_gain_256ths,
            cwnd_gain_256ths,
        } => json!({
            "bandwidth_octets_per_s": bandwidth_octets_per_s,
            "min_rtt_us": min_rtt_us,
            "pacing_gain_256ths": pacing_gain_256ths,
            "cwnd_gain_256ths": cwnd_gain_256ths,
        }),
        CongestionInfo::Dctcp {
            enabled,
            ce_state,
            alpha,
            acked_ecn_octets,
            acked_octets,
        } => json!({
            "enabled": enabled,
            "ce_state": ce_state,
            "alpha": alpha,
            "acked_ecn_octets": acked_ecn_octets,
            "acked_octets": acked_octets,
        }),
    }
}

fn tcp(info: &TcpInfo) -> Value {
    let fields = info
        .fields()
        // The scales are told by themselves, and so is the limit.
        .filter(|(name, _)| !matches!(*name, "window_scales" | "limits"))
        .map(|(name, value)| {
            let value = value.filter(|value| !is_unlimited(name, *value));
            (name.to_owned(), value.into())
        });
    let mut fields: Map<String, Value> = fields.collect();
    let scales = info.scales();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("send_window_scale", scales.map(|(ours, _)| ours).into());
    put("receive_window_scale", scales.map(|(_, its)| its).into());
    put("application_limited", info.is_application_limited().into());
    fields.into()
}

/// Whether the kernel says by this value that there is none.
fn is_unlimited(name: &str, value: u64) -> bool {
    match name {
        "pacing_octets_per_s" | "max_pacing_octets_per_s" => value == u64::MAX,
        "min_rtt_us" => value == u64::from(u32::MAX),
        // TCP_INFINITE_SSTHRESH
        "ssthresh_segments" => value == 0x7fff_ffff,
        _ => false,
    }
}

/// How many there are.
pub fn summary_row(summary: &SocketSummary) -> Row {
    let s = summary;
    let mut row = Row::new();
    row.insert("type".into(), "socket_summary".into());
    for (name, value) in [
        ("sockets", s.sockets),
        ("tcp_established", s.tcp_established),
        ("tcp_closed", s.tcp_closed()),
        ("tcp_orphaned", s.tcp_orphaned),
        ("tcp_time_wait", s.tcp_time_wait),
        ("tcp4", s.tcp4),
        ("tcp6", s.tcp6),
        ("udp4", s.udp4),
        ("udp6", s.udp6),
        ("raw4", s.raw4),
        ("raw6", s.raw6),
        ("frag4", s.frag4),
        ("frag6", s.frag6),
    ] {
        row.insert(name.into(), value.into());
    }
    row
}
