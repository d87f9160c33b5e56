//! What an interface is, on every system.

use std::net::IpAddr;

use crate::Offload;

/// An interface of this network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's number.
    pub index: u32,
    /// Its name; any octets but `/` and spaces, shown as text.
    pub name: String,
    /// `ARPHRD_...` of `linux/if_arp.h`.
    pub hardware: u16,
    /// `IFF_...` of `linux/if.h`.
    pub flags: u32,
    /// RFC 2863 (`IF_OPER_...`): `up`, `down`, `dormant`, ...
    pub state: &'static str,
    /// Longest payload, in octets.
    pub mtu: u32,
    /// Its hardware address; empty where it has none.
    pub address: Vec<u8>,
    /// Its IP addresses.
    pub addresses: Vec<InterfaceAddress>,
    /// The bridge or bond it is part of.
    pub controller: Option<String>,
    /// `veth`, `bridge`, `vlan`; what made it, where it is no hardware.
    pub kind: Option<String>,
    /// Speed of its link in Mbit/s, where its driver tells one.
    pub mbit: Option<u32>,
    /// Likewise, whether both sides may send at once.
    pub full_duplex: Option<bool>,
    /// What it counted since it was made.
    pub counters: InterfaceCounters,
    /// What merges frames.
    pub offloads: Vec<Offload>,
}

impl Interface {
    const NAMES: [(u32, &'static str); 19] = [
        (0x1, "UP"),
        (0x2, "BROADCAST"),
        (0x4, "DEBUG"),
        (0x8, "LOOPBACK"),
        (0x10, "POINTOPOINT"),
        (0x20, "NOTRAILERS"),
        (0x40, "RUNNING"),
        (0x80, "NOARP"),
        (0x100, "PROMISC"),
        (0x200, "ALLMULTI"),
        (0x400, "MASTER"),
        (0x800, "SLAVE"),
        (0x1000, "MULTICAST"),
        (0x2000, "PORTSEL"),
        (0x4000, "AUTOMEDIA"),
        (0x8000, "DYNAMIC"),
        (0x1_0000, "LOWER_UP"),
        (0x2_0000, "DORMANT"),
        (0x4_0000, "ECHO"),
    ];

    /// Its flags by name, as `ip` calls them.
    pub fn flag_names(&self) -> impl Iterator<Item = &'static str> {
        let flags = self.flags;
        let set = move |(bit, name): (u32, _)| (flags & bit != 0).then_some(name);
        Self::NAMES.into_iter().filter_map(set)
    }

    /// Switched on, which is not to say that there is a link.
    pub fn is_up(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Its frames pass this host alone.
    pub fn is_loopback(&self) -> bool {
        self.flags & 8 != 0
    }

    /// Why [`crate::Capture::open`] refuses it, whoever asks; `None`: it does not.
    pub fn cannot_be_captured(&self) -> Option<String> {
        const ETHERNET: u16 = 1;
        const LOOPBACK: u16 = 772;
        (!matches!(self.hardware, ETHERNET | LOOPBACK))
            .then(|| format!("not Ethernet (hardware type {})", self.hardware))
    }
}

/// An IP address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// Of this host.
    pub address: IpAddr,
    /// Length of its network.
    pub prefix: u8,
    /// The other end, where there is one.
    pub peer: Option<IpAddr>,
}

/// `struct rtnl_link_stats64` of `linux/if_link.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // named as there, octets for bytes
pub struct InterfaceCounters {
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_octets: u64,
    pub tx_octets: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    pub multicast: u64,
    pub collisions: u64,
    pub rx_length_errors: u64,
    pub rx_over_errors: u64,
    pub rx_crc_errors: u64,
    pub rx_frame_errors: u64,
    pub rx_fifo_errors: u64,
    pub rx_missed_errors: u64,
    pub tx_aborted_errors: u64,
    pub tx_carrier_errors: u64,
    pub tx_fifo_errors: u64,
}

impl InterfaceCounters {
    /// Every counter with its name, in the kernel's order.
    pub fn fields(&self) -> [(&'static str, u64); 19] {
        [
            ("rx_packets", self.rx_packets),
            ("tx_packets", self.tx_packets),
            ("rx_octets", self.rx_octets),
            ("tx_octets", self.tx_octets),
            ("rx_errors", self.rx_errors),
            ("tx_errors", self.tx_errors),
            ("rx_dropped", self.rx_dropped),
            ("tx_dropped", self.tx_dropped),
            ("multicast", self.multicast),
            ("collisions", self.collisions),
            ("rx_length_errors", self.rx_length_errors),
            ("rx_over_errors", self.rx_over_errors),
            ("rx_crc_errors", self.rx_crc_errors),
            ("rx_frame_errors", self.rx_frame_errors),
            ("rx_fifo_errors", self.rx_fifo_errors),
            ("rx_missed_errors", self.rx_missed_errors),
            ("tx_aborted_errors", self.tx_aborted_errors),
            ("tx_carrier_errors", self.tx_carrier_errors),
            ("tx_fifo_errors", self.tx_fifo_errors),
        ]
    }
}
