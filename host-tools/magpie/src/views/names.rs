//! Names of numbers, and how keys are written: as EXACT.md writes them.

use std::net::IpAddr;

use magpie_protocol::{
    AddressPair, ETHERTYPE_LLC, ETHERTYPE_NONE, EndReason, KEY_OTHER, LinkState, Malformed,
    NetState, TableId, TooBig, VlanStack,
};

/// IANA's keyword of an IP protocol, for those one meets.
pub fn protocol(number: u8) -> Option<&'static str> {
    Some(match number {
        0 => "hopopt",
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        6 => "tcp",
        17 => "udp",
        41 => "ipv6",
        43 => "ipv6-route",
        44 => "ipv6-frag",
        46 => "rsvp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmp6",
        59 => "no-next",
        60 => "ipv6-opts",
        88 => "eigrp",
        89 => "ospf",
        103 => "pim",
        112 => "vrrp",
        132 => "sctp",
        136 => "udplite",
        _ => return None,
    })
}

/// Name of a protocol, or its number.
pub fn protocol_or_number(number: u8) -> String {
    protocol(number).map_or_else(|| number.to_string(), str::to_owned)
}

/// Name of an ethertype, for those one meets.
pub fn ethertype(key: u64) -> Option<&'static str> {
    Some(match key {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x0842 => "Wake-on-LAN",
        0x86dd => "IPv6",
        0x8035 => "RARP",
        0x8808 => "pause",
        0x8809 => "LACP",
        0x8847 => "MPLS",
        0x8848 => "MPLS multicast",
        0x8863 => "PPPoE discovery",
        0x8864 => "PPPoE",
        0x888e => "802.1X",
        0x8892 => "PROFINET",
        0x88a8 => "802.1ad",
        0x88cc => "LLDP",
        0x88e5 => "MACsec",
        0x88f7 => "PTP",
        0x9000 => "loopback",
        _ => return None,
    })
}

/// Name of an ICMP message (version, type, code), for those one meets.
pub fn icmp(version: u64, kind: u64, code: u64) -> Option<&'static str> {
    Some(match (version, kind, code) {
        (4, 0, _) | (6, 129, _) => "echo-reply",
        (4, 8, _) | (6, 128, _) => "echo-request",
        (4, 3, 0) => "net-unreach",
        (4, 3, 1) | (6, 1, 3) => "host-unreach",
        (4, 3, 2) => "proto-unreach",
        (4, 3, 3) | (6, 1, 4) => "port-unreach",
        (4, 3, 4) => "frag-needed",
        (4, 3, 9..=10 | 13) | (6, 1, 1) => "prohibited",
        (4, 3, _) | (6, 1, _) => "unreach",
        (4, 5, _) | (6, 137, _) => "redirect",
        (4, 9, _) | (6, 134, _) => "router-advert",
        (4, 10, _) | (6, 133, _) => "router-solicit",
        (4, 11, 0) | (6, 3, 0) => "ttl",
        (4, 11, 1) | (6, 3, 1) => "reassembly",
        (4, 12, _) | (6, 4, _) => "param-problem",
        (6, 2, _) => "too-big",
        (6, 130, _) => "mld-query",
        (6, 131, _) => "mld-report",
        (6, 132, _) => "mld-done",
        (6, 135, _) => "neigh-solicit",
        (6, 136, _) => "neigh-advert",
        (6, 143, _) => "mld2-report",
        _ => return None,
    })
}

/// The router, who sent too much at once, and the MTU if it is said.
pub fn too_big(one: &TooBig) -> (IpAddr, IpAddr, Option<u32>) {
    let [router, host] = match one.addresses {
        AddressPair::V4 { a, b } => [IpAddr::from(a), IpAddr::from(b)],
        AddressPair::V6 { a, b } => [IpAddr::from(a), IpAddr::from(b)],
    };
    (router, host, (one.mtu > 0).then_some(one.mtu))
}

/// The same in words: `10.0.0.1 -> 10.0.10.77 mtu 1420`.
pub fn too_big_words(one: &TooBig) -> String {
    let (router, host, mtu) = too_big(one);
    let mtu = mtu.map_or("?".to_owned(), |mtu| mtu.to_string());
    format!("{router} -> {host} mtu {mtu}")
}

/// Whether the message of a counter line is of the kind of this one.
pub fn is_too_big(one: &TooBig, version: u64, kind: u64, code: u64) -> bool {
    match one.addresses {
        AddressPair::V4 { .. } => (version, kind, code) == (4, 3, 4),
        AddressPair::V6 { .. } => (version, kind) == (6, 2),
    }
}

/// How a flow's record ended, or `live`.
pub fn reason(reason: EndReason) -> String {
    match reason {
        EndReason::Live => "live".to_owned(),
        EndReason::Idle => "idle".to_owned(),
        EndReason::Active => "active".to_owned(),
        EndReason::End => "end".to_owned(),
        EndReason::Reuse => "reuse".to_owned(),
        EndReason::Evicted => "evicted".to_owned(),
        EndReason::Flush => "flush".to_owned(),
        EndReason::Split => "split".to_owned(),
        EndReason::Unknown(code) => format!("reason{code}"),
    }
}

/// A VLAN stack as `10.20`; `-` without tags.
pub fn vlan(stack: VlanStack) -> String {
    let ids: Vec<String> = stack.ids().map(|id| id.to_string()).collect();
    if ids.is_empty() {
        "-".to_owned()
    } else {
        ids.join(".")
    }
}

/// TCP flags as tcpdump's letters, in the order of the bits.
pub fn flags(bits: u8) -> String {
    "FSRPAUEC"
        .chars()
        .enumerate()
        .filter(|(bit, _)| bits >> bit & 1 == 1)
        .map(|(_, letter)| letter)
        .collect()
}

/// A speed as ports are sold: `10M`, `100M`, `1G`, `2.5G`.
fn speed(mbit: u32) -> String {
    match mbit {
        ..1_000 => format!("{mbit}M"),
        _ if mbit.is_multiple_of(1_000) => format!("{}G", mbit / 1_000),
        _ => format!("{:.1}G", f64::from(mbit) / 1e3),
    }
}

/// The cable at a port, short: `100M full`, `down`; `None` where the port cannot
/// tell.
pub fn link(link: LinkState) -> Option<String> {
    match link {
        LinkState::Unknown => None,
        LinkState::Down => Some("down".to_owned()),
        LinkState::Up { mbit, full_duplex } => {
            let duplex = if full_duplex { "full" } else { "half" };
            Some(match mbit {
                0 => format!("up {duplex}"),
                _ => format!("{} {duplex}", speed(mbit)),
            })
        }
    }
}

/// What a port is to its network, in a word or two.
pub fn net(net: NetState) -> String {
    match net {
        NetState::Silent => "silent".to_owned(),
        NetState::Asking => "asking".to_owned(),
        NetState::NoLease => "no lease".to_owned(),
        NetState::Up(_) => "speaks".to_owned(),
        NetState::Unknown(code) => format!("state{code}"),
    }
}

/// Name of a counter table.
pub fn table(table: TableId) -> &'static str {
    match table {
        TableId::Ethertype => "ethertype",
        TableId::IpProtocol => "ip_proto",
        TableId::Vlan => "vlan",
        TableId::Fragment => "fragments",
        TableId::Icmp => "icmp",
        TableId::ArpOperation => "arp_operation",
        TableId::ArpKind => "arp_kind",
        TableId::Malformed => "malformed",
        TableId::Unknown(_) => "unknown",
    }
}

/// Key of a table's line as text.
pub fn key(table: TableId, key: u64) -> String {
    if key == KEY_OTHER {
        return "other".to_owned();
    }
    let listed = |names: &[&str]| {
        usize::try_from(key)
            .ok()
            .and_then(|at| names.get(at))
            .map_or_else(|| format!("unknown{key}"), ToString::to_string)
    };
    match table {
        TableId::Ethertype => match key {
            ETHERTYPE_NONE => "none".to_owned(),
            ETHERTYPE_LLC => "llc".to_owned(),
            key => format!("0x{key:04x}"),
        },
        TableId::IpProtocol => format!("{}/{}", key >> 8, key & 0xff),
        TableId::Vlan => vlan(VlanStack::from_bits(key)),
        TableId::Fragment => listed(&["v4_first", "v4_later", "v6_first", "v6_later"]),
        TableId::Icmp => format!("{}/{}", key >> 8 & 0xff, key & 0xff),
        TableId::ArpOperation => format!("op{key}"),
        TableId::ArpKind => listed(&["gratuitous", "probe", "normal"]),
        TableId::Malformed => listed(&Malformed::ALL.map(Malformed::name)),
        TableId::Unknown(_) => key.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_short_words() {
        let up = |mbit, full_duplex| link(LinkState::Up { mbit, full_duplex });
        for (word, text) in [
            (up(10, false), "10M half"),
            (up(100, true), "100M full"),
            (up(1_000, true), "1G full"),
            (up(2_500, true), "2.5G full"),
            (up(0, true), "up full"),
            (link(LinkState::Down), "down"),
        ] {
            assert_eq!(word.as_deref(), Some(text));
        }
        assert_eq!(link(LinkState::Unknown), None);
        assert_eq!(net(NetState::Unknown(7)), "state7");
    }

    #[test]
    fn keys_are_written_as_the_truth_writes_them() {
        let mut stack = VlanStack::NONE;
        stack.push(10);
        stack.push(0);
        for (table, number, text) in [
            (TableId::Ethertype, 0x86dd, "0x86dd"),
            (TableId::Ethertype, 0x0600, "0x0600"),
            (TableId::Ethertype, ETHERTYPE_NONE, "none"),
            (TableId::Ethertype, ETHERTYPE_LLC, "llc"),
            (TableId::Ethertype, KEY_OTHER, "other"),
            (TableId::IpProtocol, 0x063a, "6/58"),
            (TableId::Vlan, stack.to_bits(), "10.0"),
            (TableId::Vlan, VlanStack::NONE.to_bits(), "-"),
            (TableId::Fragment, 3, "v6_later"),
            (TableId::Icmp, 0x0004_0304, "3/4"),
            (TableId::ArpOperation, 2, "op2"),
            (TableId::ArpKind, 1, "probe"),
            (TableId::Malformed, 21, "udp_len"),
            (TableId::Malformed, 99, "unknown99"),
        ] {
            assert_eq!(key(table, number), text);
        }
        assert_eq!(flags(0x12), "SA");
    }
}
