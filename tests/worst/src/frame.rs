//! Frames as a search changes them: field by field, and made octets of at the
//! end, lengths and checksums right unless they are meant to be wrong.

/// Longest frame of the question, without FCS.
pub(crate) const LONGEST: usize = 1514;
/// The address that the sensor speaks under.
pub(crate) const OWN: [u8; 6] = [2, 0, 0, 0, 0, 9];

pub(crate) const TPIDS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// What an IPv6 extension header can be.
pub(crate) const EXTENSIONS: [u8; 4] = [0, 43, 44, 60];

/// One frame.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// From us, to us, or neither.
    pub(crate) own: Own,
    pub(crate) tags: Vec<(u16, u16)>,
    pub(crate) snap: bool,
    pub(crate) shim: Shim,
    pub(crate) net: Net,
    pub(crate) body: Body,
    /// Octets missing at the end.
    pub(crate) cut: usize,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Own {
    Neither,
    From,
    To,
}

/// Between link and network.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shim {
    None,
    Pppoe,
    /// So many labels.
    Mpls(usize),
}

#[derive(Debug, Clone)]
pub(crate) enum Net {
    Ip4(Ip4),
    Ip6(Ip6),
    Arp {
        operation: u16,
        sender: u8,
        target: u8,
    },
    Other(u16),
}

/// How a length field lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Length {
    Right,
    Zero,
    /// More than the frame has.
    Beyond,
}

#[derive(Debug, Clone)]
pub(crate) struct Ip4 {
    pub(crate) ends: [u8; 2],
    /// 32-bit words of options.
    pub(crate) options: u8,
    /// Flags and offset.
    pub(crate) fragment: u16,
    pub(crate) length: Length,
    pub(crate) good_checksum: bool,
    pub(crate) id: u16,
}

#[derive(Debug, Clone)]
pub(crate) struct Ip6 {
    pub(crate) ends: [u8; 2],
    pub(crate) length: Length,
    /// Of a hop-by-hop header, kind and length; none: there is no such header.
    pub(crate) options: Vec<(u8, u8)>,
    /// A jumbo option behind them.
    pub(crate) jumbo: bool,
    /// Next ones: type, length beyond eight octets, fragment offset and M.
    pub(crate) headers: Vec<(u8, u8, u16)>,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Tcp {
        ports: [u8; 2],
        flags: u8,
        sequence: u32,
        acknowledgement: u32,
        payload: usize,
        good_offset: bool,
    },
    Udp {
        ports: [u8; 2],
        good_length: bool,
    },
    Sctp {
        ports: [u8; 2],
    },
    Icmp {
        kind: u8,
        code: u8,
        id: u8,
        sequence: u8,
    },
    /// Of another protocol.
    Raw(u8, usize),
}

impl Spec {
    /// The frame, without FCS.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut frame = match self.own {
            Own::Neither => [[2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]],
            Own::From => [[2, 0, 0, 0, 0, 2], OWN],
            Own::To => [OWN, [2, 0, 0, 0, 0, 1]],
        }
        .concat();
        for (tpid, id) in &self.tags {
            frame.extend(tpid.to_be_bytes());
            frame.extend(id.to_be_bytes());
        }
        let packet = self.packet();
        let (network, ppp) = match &self.net {
            Net::Ip4(_) => (0x0800_u16, 0x0021_u16),
            Net::Ip6(_) => (0x86dd, 0x0057),
            Net::Arp { .. } => (0x0806, 0x0021),
            Net::Other(ethertype) => (*ethertype, 0xc021),
        };
        let ethertype = match self.shim {
            Shim::None => network,
            Shim::Pppoe => 0x8864,
            Shim::Mpls(_) => 0x8847,
        };
        if self.snap {
            frame.extend([0, 0, 0xaa, 0xaa, 3, 0, 0, 0]);
        }
        frame.extend(ethertype.to_be_bytes());
        match self.shim {
            Shim::None => {}
            Shim::Pppoe => {
                frame.extend([0x11, 0, 0, 1, 0, 0]);
                frame.extend(ppp.to_be_bytes());
            }
            Shim::Mpls(labels) => {
                for label in 1..=labels {
                    frame.extend([0, 1, u8::from(label == labels), 64]);
                }
            }
        }
        frame.extend(packet);
        frame.truncate(LONGEST);
        frame.truncate(frame.len().saturating_sub(self.cut).max(1));
        frame
    }

    fn packet(&self) -> Vec<u8> {
        let (protocol, body) = self.body.octets(matches!(self.net, Net::Ip6(_)));
        match &self.net {
            Net::Ip4(ip) => ip.octets(protocol, &body),
            Net::Ip6(ip) => ip.octets(protocol, &body),
            Net::Arp {
                operation,
                sender,
                target,
            } => {
                let mut arp = vec![0, 1, 8, 0, 6, 4];
                arp.extend(operation.to_be_bytes());
                for end in [sender, target] {
                    arp.extend([2, 0, 0, 0, 0, *end, 10, 0, 0, *end]);
                }
                arp
            }
            Net::Other(_) => body,
        }
    }
}

/// A length field's value where `right` would be.
fn length(length: Length, right: usize) -> u16 {
    match length {
        Length::Right => u16::try_from(right).unwrap_or(u16::MAX),
        Length::Zero => 0,
        Length::Beyond => u16::MAX,
    }
}

impl Ip4 {
    fn octets(&self, protocol: u8, body: &[u8]) -> Vec<u8> {
        let options = usize::from(self.options.min(10)) * 4;
        let mut packet = vec![0x45 + self.options.min(10), 0];
        packet.extend(length(self.length, 20 + options + body.len()).to_be_bytes());
        packet.extend(self.id.to_be_bytes());
        packet.extend(self.fragment.to_be_bytes());
        packet.extend([64, protocol, 0, 0]);
        for end in self.ends {
            packet.extend([10, 0, 0, end]);
        }
        packet.resize(20 + options, 1);
        if self.good_checksum {
            let (words, _) = packet.as_chunks::<2>();
            let sum: u32 = words
                .iter()
                .map(|w| u32::from(u16::from_be_bytes(*w)))
                .sum();
            let sum = (sum & 0xffff) + (sum >> 16);
            let [_, _, high, low] = (!((sum & 0xffff) + (sum >> 16))).to_be_bytes();
            packet[10..12].copy_from_slice(&[high, low]);
        }
        [&packet, body].concat()
    }
}

impl Ip6 {
    fn octets(&self, protocol: u8, body: &[u8]) -> Vec<u8> {
        let mut headers = Vec::new();
        // What each header says of the next.
        let mut types: Vec<u8> = self.headers.iter().map(|(kind, ..)| *kind).collect();
        types.push(protocol);
        let hop_by_hop = !self.options.is_empty() || self.jumbo;
        if hop_by_hop {
            let mut options: Vec<u8> = Vec::new();
            for (kind, len) in &self.options {
                options.push(*kind);
                if *kind != 0 {
                    options.push(*len);
                    options.resize(options.len() + usize::from(*len), 0xc2);
                }
            }
            let at = options.len() + 2;
            if self.jumbo {
                options.extend([0xc2, 4, 0, 0, 0, 0]);
            }
            let octets = (options.len() + 2).next_multiple_of(8).min(2048);
            headers.extend([types[0], u8::try_from(octets / 8 - 1).unwrap_or(u8::MAX)]);
            headers.extend(options);
            headers.resize(octets, 0);
            if self.jumbo && at + 6 <= octets {
                let rest: usize = self.rest() + body.len();
                let all = u32::try_from(octets + rest).unwrap_or(u32::MAX);
                headers[at + 2..at + 6].copy_from_slice(&all.to_be_bytes());
            }
        }
        for ((kind, more, fragment), next) in self.headers.iter().zip(&types[1..]) {
            if *kind == 44 {
                headers.extend([*next, *more]);
                headers.extend(fragment.to_be_bytes());
                headers.extend([0; 4]);
            } else {
                headers.extend([*next, *more]);
                headers.resize(headers.len() + 6 + usize::from(*more) * 8, 1);
            }
        }
        let mut packet = vec![0x60, 0, 0, 0];
        let field = if self.jumbo {
            0
        } else {
            length(self.length, headers.len() + body.len())
        };
        packet.extend(field.to_be_bytes());
        packet.extend([if hop_by_hop { 0 } else { types[0] }, 64]);
        for end in self.ends {
            packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, end]);
        }
        [&packet, &headers, body].concat()
    }

    /// Octets of the headers behind the hop-by-hop one.
    fn rest(&self) -> usize {
        let octets =
            |(kind, more, _): &(u8, u8, u16)| 8 + usize::from(*more) * usize::from(*kind != 44) * 8;
        self.headers.iter().map(octets).sum()
    }
}

impl Body {
    /// The protocol and its octets.
    fn octets(&self, v6: bool) -> (u8, Vec<u8>) {
        let both = |ports: [u8; 2]| [0x9c, ports[0], 0x9c, ports[1]];
        match *self {
            Self::Tcp {
                ports,
                flags,
                sequence,
                acknowledgement,
                payload,
                good_offset,
            } => {
                let mut body = both(ports).to_vec();
                body.extend(sequence.to_be_bytes());
                body.extend(acknowledgement.to_be_bytes());
                body.extend([
                    if good_offset { 0x50 } else { 0x40 },
                    flags,
                    1,
                    0,
                    0,
                    0,
                    0,
                    0,
                ]);
                body.resize(20 + payload, 0);
                (6, body)
            }
            Self::Udp { ports, good_length } => {
                let mut body = both(ports).to_vec();
                body.extend([0, if good_length { 8 } else { 7 }, 0, 0]);
                (17, body)
            }
            Self::Sctp { ports } => {
                let mut body = both(ports).to_vec();
                body.resize(12, 0);
                (132, body)
            }
            Self::Icmp {
                kind,
                code,
                id,
                sequence,
            } => (
                if v6 { 58 } else { 1 },
                vec![kind, code, 0, 0, 0, id, 0, sequence],
            ),
            Self::Raw(protocol, octets) => (protocol, vec![0x45; octets]),
        }
    }
}
