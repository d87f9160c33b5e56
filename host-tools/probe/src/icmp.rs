//! ICMP errors and their names.

use std::net::Ipv4Addr;

/// What an ICMP or `ICMPv6` error says (RFC 792, RFC 1122 3.2.2.1, RFC 1812
/// 5.2.7.1, RFC 4443).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IcmpError {
    /// True: `ICMPv6`.
    pub is_v6: bool,
    /// Type of the message.
    pub icmp_type: u8,
    /// Code of the message.
    pub icmp_code: u8,
    /// The MTU, pointer or gateway that goes with it; else 0.
    pub info: u32,
}

impl IcmpError {
    /// True where the packet was passed on all the same: redirect, source
    /// quench.
    pub fn is_advice(self) -> bool {
        !self.is_v6 && matches!(self.icmp_type, 4 | 5)
    }

    /// In the words of iputils' ping, which people and scripts know.
    pub fn text(self) -> String {
        if self.is_v6 {
            self.text_v6()
        } else {
            self.text_v4()
        }
    }

    fn text_v4(self) -> String {
        let code = self.icmp_code;
        let text = match (self.icmp_type, code) {
            (3, 0) => "Destination Net Unreachable",
            (3, 1) => "Destination Host Unreachable",
            (3, 2) => "Destination Protocol Unreachable",
            (3, 3) => "Destination Port Unreachable",
            (3, 4) => return format!("Frag needed and DF set (mtu = {})", self.info),
            (3, 5) => "Source Route Failed",
            (3, 6) => "Destination Net Unknown",
            (3, 7) => "Destination Host Unknown",
            (3, 8) => "Source Host Isolated",
            (3, 9) => "Destination Net Prohibited",
            (3, 10) => "Destination Host Prohibited",
            (3, 11) => "Destination Net Unreachable for Type of Service",
            (3, 12) => "Destination Host Unreachable for Type of Service",
            (3, 13) => "Packet filtered",
            (3, 14) => "Precedence Violation",
            (3, 15) => "Precedence Cutoff",
            (3, _) => return format!("Dest Unreachable, Bad Code: {code}"),
            (4, _) => "Source Quench",
            (5, _) => {
                let what = match code {
                    0 => "Network",
                    1 => "Host",
                    2 => "Type of Service and Network",
                    3 => "Type of Service and Host",
                    _ => return format!("Redirect, Bad Code: {code}"),
                };
                let gateway = Ipv4Addr::from(self.info);
                return format!("Redirect {what}(New nexthop: {gateway})");
            }
            (11, 0) => "Time to live exceeded",
            (11, 1) => "Frag reassembly time exceeded",
            (11, _) => return format!("Time exceeded, Bad Code: {code}"),
            (12, _) => return format!("Parameter problem: pointer = {}", self.info),
            (other, _) => return format!("Bad ICMP type: {other}"),
        };
        text.to_owned()
    }

    fn text_v6(self) -> String {
        let code = self.icmp_code;
        let text = match (self.icmp_type, code) {
            (1, 0) => "Destination unreachable: No route",
            (1, 1) => "Destination unreachable: Administratively prohibited",
            (1, 2) => "Destination unreachable: Beyond scope of source address",
            (1, 3) => "Destination unreachable: Address unreachable",
            (1, 4) => "Destination unreachable: Port unreachable",
            (1, 5) => "Destination unreachable: Source address failed ingress/egress policy",
            (1, 6) => "Destination unreachable: Reject route to destination",
            (1, _) => return format!("Destination unreachable: Unknown code {code}"),
            (2, _) => return format!("Packet too big: mtu={}", self.info),
            (3, 0) => "Time exceeded: Hop limit",
            (3, 1) => "Time exceeded: Defragmentation failure",
            (3, _) => return format!("Time exceeded: code {code}"),
            (4, 0) => "Parameter problem: Wrong header field",
            (4, 1) => "Parameter problem: Unknown header",
            (4, 2) => "Parameter problem: Unknown option",
            (4, _) => return format!("Parameter problem: code {code}"),
            (other, _) => return format!("unknown icmp type: {other}"),
        };
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_ping() {
        let text = |is_v6, icmp_type, icmp_code, info| {
            IcmpError {
                is_v6,
                icmp_type,
                icmp_code,
                info,
            }
            .text()
        };
        assert_eq!(text(false, 3, 1, 0), "Destination Host Unreachable");
        assert_eq!(
            text(false, 3, 4, 1400),
            "Frag needed and DF set (mtu = 1400)"
        );
        assert_eq!(text(false, 11, 0, 0), "Time to live exceeded");
        assert_eq!(
            text(false, 5, 1, 0x0a00_0001),
            "Redirect Host(New nexthop: 10.0.0.1)"
        );
        assert_eq!(text(true, 1, 0, 0), "Destination unreachable: No route");
        assert_eq!(text(true, 2, 0, 1280), "Packet too big: mtu=1280");
        assert_eq!(text(true, 3, 0, 0), "Time exceeded: Hop limit");
        // No pair is left without a word.
        for icmp_type in 0..=255 {
            for icmp_code in 0..=255 {
                assert!(!text(false, icmp_type, icmp_code, 0).is_empty());
                assert!(!text(true, icmp_type, icmp_code, 0).is_empty());
            }
        }
    }
}
