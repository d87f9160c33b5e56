//! TCP, UDP, SCTP, ICMP.

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::{
    Icmpv4Slice, Icmpv4Type, Icmpv6Slice, Icmpv6Type, IgmpSlice, TcpSlice, UdpSlice,
    err::tcp::HeaderSliceError,
};
use magpie_sensor::dissect::{Echo, Fragment, Icmp, Ip, Tcp, Transport};

use super::{Second, Why, padded};

impl Second {
    /// `body`: what was captured; `octets`: what the wire had.
    pub(super) fn transport(&mut self, ip: &mut Ip, body: &[u8], octets: u32) {
        if ip.fragment == Fragment::Later {
            return;
        }
        if ip.fragment == Fragment::First {
            self.because(Why::FirstFragment);
        }
        match (ip.protocol, ip.addresses.version()) {
            (6, _) => self.tcp(ip, body, octets),
            (17, _) => match UdpSlice::from_slice_lax(body) {
                Ok(udp) => {
                    (ip.source_port, ip.destination_port) =
                        (udp.source_port(), udp.destination_port());
                }
                Err(_) => self.short(ip, body),
            },
            (132, _) => {
                self.because(Why::Sctp);
                ports(ip, body);
            }
            (1, 4) => self.icmp4(ip, body),
            (58, 6) => self.icmp6(ip, body),
            (1, 6) | (58, 4) => self.because(Why::IcmpOfOtherVersion),
            (2, _) if IgmpSlice::from_slice(body).is_err() => self.because(Why::Igmp),
            _ => {}
        }
    }

    fn short(&mut self, ip: &mut Ip, body: &[u8]) {
        self.because(Why::TransportShort);
        ports(ip, body);
    }

    fn tcp(&mut self, ip: &mut Ip, body: &[u8], octets: u32) {
        let options;
        let tcp = match TcpSlice::from_slice(body) {
            Ok(tcp) => tcp,
            Err(HeaderSliceError::Len(error))
                if body.len() >= 20 && error.required_len <= octets as usize =>
            {
                self.because(Why::CutTcpOptions);
                options = padded(body, error.required_len);
                TcpSlice::from_slice(&options).expect("a whole header")
            }
            Err(_) if body.len() >= 20 => {
                self.because(Why::TcpOffset);
                return ports(ip, body);
            }
            Err(_) => return self.short(ip, body),
        };
        (ip.source_port, ip.destination_port) = (tcp.source_port(), tcp.destination_port());
        let bits = [
            tcp.fin(),
            tcp.syn(),
            tcp.rst(),
            tcp.psh(),
            tcp.ack(),
            tcp.urg(),
            tcp.ece(),
            tcp.cwr(),
        ];
        let flags = bits
            .iter()
            .rev()
            .fold(0, |all, bit| all << 1 | u8::from(*bit));
        let header_octets = u32::try_from(tcp.header_len()).expect("at most 60");
        let payload = octets - header_octets;
        if body.len() == octets as usize {
            assert_eq!(tcp.payload().len(), payload as usize);
        }
        ip.transport = Transport::Tcp(Tcp {
            flags,
            sequence: tcp.sequence_number(),
            acknowledgement: tcp.acknowledgment_number(),
            payload: (ip.fragment == Fragment::Whole).then_some(payload),
        });
    }

    fn icmp4(&mut self, ip: &mut Ip, body: &[u8]) {
        let Ok(icmp) = Icmpv4Slice::from_slice(body) else {
            if body.len() < 8 {
                return self.icmp_short(ip, body);
            }
            self.because(Why::TimestampLength);
            return message(ip, body[0], body[1], None, None);
        };
        let echo = match icmp.icmp_type() {
            Icmpv4Type::EchoRequest(echo) => Some((true, echo.id, echo.seq)),
            Icmpv4Type::EchoReply(echo) => Some((false, echo.id, echo.seq)),
            _ => self.with_code(icmp.type_u8(), [8, 0], icmp.bytes5to8()),
        };
        let mtu = match icmp.icmp_type() {
            Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded {
                next_hop_mtu,
            }) => Some(u32::from(next_hop_mtu)),
            _ => None,
        };
        message(ip, icmp.type_u8(), icmp.code_u8(), echo, mtu);
    }

    fn icmp6(&mut self, ip: &mut Ip, body: &[u8]) {
        let Ok(icmp) = Icmpv6Slice::from_slice(body) else {
            return self.icmp_short(ip, body);
        };
        let echo = match icmp.icmp_type() {
            Icmpv6Type::EchoRequest(echo) => Some((true, echo.id, echo.seq)),
            Icmpv6Type::EchoReply(echo) => Some((false, echo.id, echo.seq)),
            _ => self.with_code(icmp.type_u8(), [128, 129], icmp.bytes5to8()),
        };
        let mtu = match icmp.icmp_type() {
            Icmpv6Type::PacketTooBig { mtu } => Some(mtu),
            // RFC 4443 section 3.2: the receiver ignores the code.
            Icmpv6Type::Unknown {
                type_u8: 2,
                bytes5to8,
                ..
            } => Some(u32::from_be_bytes(bytes5to8)),
            _ => None,
        };
        message(ip, icmp.type_u8(), icmp.code_u8(), echo, mtu);
    }

    fn with_code(
        &mut self,
        kind: u8,
        [request, reply]: [u8; 2],
        [i0, i1, s0, s1]: [u8; 4],
    ) -> Option<(bool, u16, u16)> {
        if kind != request && kind != reply {
            return None;
        }
        self.because(Why::EchoWithCode);
        let (id, sequence) = (u16::from_be_bytes([i0, i1]), u16::from_be_bytes([s0, s1]));
        Some((kind == request, id, sequence))
    }

    fn icmp_short(&mut self, ip: &mut Ip, body: &[u8]) {
        self.because(Why::TransportShort);
        if let [kind, code, ..] = *body {
            message(ip, kind, code, None, None);
        }
    }
}

/// The two ports that three protocols begin with.
fn ports(ip: &mut Ip, body: &[u8]) {
    if let [s0, s1, d0, d1, ..] = *body {
        ip.source_port = u16::from_be_bytes([s0, s1]);
        ip.destination_port = u16::from_be_bytes([d0, d1]);
    }
}

fn message(ip: &mut Ip, kind: u8, code: u8, echo: Option<(bool, u16, u16)>, mtu: Option<u32>) {
    ip.transport = Transport::Icmp(Icmp {
        kind,
        code,
        echo: echo.map(|(request, id, sequence)| Echo {
            request,
            id,
            sequence,
        }),
        mtu,
    });
}
