//! tcpdump's names of IP protocols, IANA's keywords as they were, and of those
//! to whom MAC addresses were given out, as far as it knows them.

/// Name of an IP protocol.
pub(super) fn protocol(number: u8) -> Option<&'static str> {
    let at = usize::from(number);
    let name = PROTOCOLS.get(at).copied().or(match number {
        253 => Some("exptest-253"),
        254 => Some("exptest-254"),
        255 => Some("reserved"),
        _ => None,
    });
    name.filter(|name| !name.is_empty())
}

/// From 0 on; empty where there is none.
#[rustfmt::skip]
const PROTOCOLS: [&str; 143] = [
    "hopopt", "icmp", "igmp", "ggp", "ipencap", "st", "tcp", "cbt", "egp", "igp", "bbn-rcc-mon",
    "nvp-ii", "pup", "argus", "emcon", "xnet", "chaos", "udp", "mux", "dcn-meas", "hmp", "prm",
    "xns-idp", "trunk-1", "trunk-2", "leaf-1", "leaf-2", "rdp", "irtp", "iso-tp4", "netblt",
    "mfe-nsp", "merit-inp", "dccp", "3pc", "idpr", "xtp", "ddp", "idpr-cmtp", "tp++", "il",
    "ipv6", "sdrp", "ipv6-route", "ipv6-frag", "idrp", "rsvp", "gre", "dsr", "bna", "esp", "ah",
    "i-nlsp", "swipe", "narp", "mobile", "tlsp", "skip", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts",
    "", "cftp", "", "sat-expak", "kryptolan", "rvd", "ippc", "", "sat-mon", "visa", "ipcv",
    "cpnx", "rspf", "wsn", "pvp", "br-sat-mon", "sun-nd", "wb-mon", "wb-expak", "iso-ip", "vmtp",
    "secure-vmtp", "vines", "ttp", "nsfnet-igp", "dgp", "tcf", "eigrp", "ospf", "sprite-rpc",
    "larp", "mtp", "ax.25", "ipip", "micp", "scc-sp", "etherip", "encap", "", "gmtp", "ifmp",
    "pnni", "pim", "aris", "scps", "qnx", "a/n", "ipcomp", "snp", "compaq-peer", "ipx-in-ip",
    "vrrp", "pgm", "", "l2tp", "ddx", "iatp", "stp", "srp", "uti", "smp", "sm", "ptp", "isis",
    "fire", "crtp", "crudp", "sscopmce", "iplt", "sps", "pipe", "sctp", "fc", "rsvp-e2e-ignore",
    "mobility-header", "udplite", "mpls-in-ip", "manet", "hip", "shim6", "wesp", "rohc",
];

/// Whose addresses begin with these three octets.
pub(super) fn organization([a, b, c]: [u8; 3]) -> Option<&'static str> {
    Some(match u32::from_be_bytes([0, a, b, c]) {
        0x00_0000 => "Ethernet",
        0x00_000c => "Cisco",
        0x00_005e => "IANA",
        0x00_0081 => "Nortel Networks SONMP",
        0x00_00f8 => "Cisco bridged",
        0x00_049f => "Freescale",
        0x00_04ea => "HP-Labs",
        0x00_1018 => "Broadcom",
        0x00_120f => "IEEE 802.3 Private",
        0x00_12bb => "ANSI/TIA",
        0x00_15ad => "Netronome",
        0x00_1b21 => "DCBX",
        0x00_2320 => "Nicira Networks",
        0x00_2481 => "HP",
        0x00_80c2 => "Ethernet bridged",
        0x00_9069 => "Juniper",
        0x00_a03e => "ATM Forum",
        0x00_e004 => "PMC-Sierra",
        0x00_e02f => "DOCSIS Spanning Tree",
        0x08_0007 => "Appletalk",
        0x08_0009 => "Hewlett-Packard",
        0x5c_16c7 => "Big Switch Networks",
        0x74_8771 => "Infoblox Inc",
        0xa4_2305 => "Open Networking Lab",
        0xb0_d2f5 => "Vello Systems",
        0xd0_f0db => "Ericsson",
        _ => return None,
    })
}
