//! What an answer says: RFC 792, 1122, 1812 and 4443 in traceroute's letters.

use std::fmt::{self, Display, Formatter};

/// What kind of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A router took the probe from the network as its time was over.
    TimeExceeded,
    /// The destination itself answered.
    Reached(Reach),
    /// The probe cannot get there, or not on from here.
    Unreachable(Cause),
}

impl Kind {
    /// True where nothing behind this hop will answer.
    pub fn is_final(self) -> bool {
        self != Self::TimeExceeded
    }

    /// A word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::TimeExceeded => "time-exceeded",
            Self::Reached(Reach::PortUnreachable) => "port-unreachable",
            Self::Reached(Reach::EchoReply) => "echo-reply",
            Self::Reached(Reach::Open) => "syn-ack",
            Self::Reached(Reach::Closed) => "rst",
            Self::Reached(Reach::Datagram) => "datagram",
            Self::Unreachable(cause) => cause.name(),
        }
    }
}

/// By what the destination answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nobody listens at that port.
    PortUnreachable,
    /// Echo reply.
    EchoReply,
    /// SYN and ACK.
    Open,
    /// RST.
    Closed,
    /// Whoever listens at that port sent the probe back.
    Datagram,
}

/// Why a probe cannot get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `!N`: no route.
    Network,
    /// `!H`: the last router does not find the host.
    Host,
    /// `!P`: not this protocol.
    Protocol,
    /// No letter: not this port, said by somebody on the way.
    Port,
    /// `!F-MTU`: it would have to be fragmented and may not.
    TooBig {
        /// What the next link carries; 0: the router does not say (RFC 792).
        mtu: u32,
    },
    /// `!S`: the source route failed.
    SourceRoute,
    /// `!X`: prohibited.
    Prohibited,
    /// `!V`: the host does not allow this precedence.
    PrecedenceViolation,
    /// `!C`: precedence below what the network asks for.
    PrecedenceCutoff,
    /// `!<code>`: another code of destination unreachable.
    Code(u8),
    /// `!<type-code>`: another type.
    Other {
        /// ICMP type.
        icmp_type: u8,
        /// ICMP code.
        code: u8,
    },
}

impl Cause {
    /// A word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "net-unreachable",
            Self::Host => "host-unreachable",
            Self::Protocol => "protocol-unreachable",
            Self::Port => "port-unreachable",
            Self::TooBig { .. } => "too-big",
            Self::SourceRoute => "source-route-failed",
            Self::Prohibited => "prohibited",
            Self::PrecedenceViolation => "precedence-violation",
            Self::PrecedenceCutoff => "precedence-cutoff",
            Self::Code(_) => "unreachable",
            Self::Other { .. } => "other",
        }
    }
}

impl Display for Cause {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network => out.write_str("!N"),
            Self::Host => out.write_str("!H"),
            Self::Protocol => out.write_str("!P"),
            Self::Port => Ok(()),
            Self::TooBig { mtu } => write!(out, "!F-{mtu}"),
            Self::SourceRoute => out.write_str("!S"),
            Self::Prohibited => out.write_str("!X"),
            Self::PrecedenceViolation => out.write_str("!V"),
            Self::PrecedenceCutoff => out.write_str("!C"),
            Self::Code(code) => write!(out, "!<{code}>"),
            Self::Other { icmp_type, code } => write!(out, "!<{icmp_type}-{code}>"),
        }
    }
}

/// What an ICMP error says; `None`: it is none that ends a probe's way (an
/// echo reply, a redirect, a source quench).
pub(super) fn v4(icmp_type: u8, code: u8, mtu: u32, from_destination: bool) -> Option<Kind> {
    let cause = match (icmp_type, code) {
        (11, 0) => return Some(Kind::TimeExceeded),
        (3, 3) if from_destination => return Some(Kind::Reached(Reach::PortUnreachable)),
        (3, 0 | 6 | 8 | 11) => Cause::Network,
        (3, 1 | 7 | 12) => Cause::Host,
        (3, 2) => Cause::Protocol,
        (3, 3) => Cause::Port,
        (3, 4) => Cause::TooBig { mtu },
        (3, 5) => Cause::SourceRoute,
        (3, 9 | 10 | 13) => Cause::Prohibited,
        (3, 14) => Cause::PrecedenceViolation,
        (3, 15) => Cause::PrecedenceCutoff,
        (3, code) => Cause::Code(code),
        (11 | 12, code) => Cause::Other { icmp_type, code },
        _ => return None,
    };
    Some(Kind::Unreachable(cause))
}

/// The same for IPv6.
pub(super) fn v6(icmp_type: u8, code: u8, mtu: u32, from_destination: bool) -> Option<Kind> {
    let cause = match (icmp_type, code) {
        (3, 0) => return Some(Kind::TimeExceeded),
        (1, 4) if from_destination => return Some(Kind::Reached(Reach::PortUnreachable)),
        (1, 0) => Cause::Network,
        (1, 1) => Cause::Prohibited,
        (1, 2 | 3) => Cause::Host,
        (1, 4) => Cause::Port,
        (1, code) => Cause::Code(code),
        (2, _) => Cause::TooBig { mtu },
        (4, 1) => Cause::Protocol,
        // Below 128 all are errors (RFC 4443, section 2.1).
        (3..128, code) => Cause::Other { icmp_type, code },
        _ => return None,
    };
    Some(Kind::Unreachable(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: Option<Kind>) -> String {
        match kind {
            Some(Kind::Unreachable(cause)) => cause.to_string(),
            Some(kind) => kind.name().to_owned(),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn every_code_has_its_letter() {
        let letters: Vec<_> = (0..=16)
            .map(|code| text(v4(3, code, 1_400, true)))
            .collect();
        assert_eq!(
            letters.join(" "),
            "!N !H !P port-unreachable !F-1400 !S !N !H !N !X !X !N !H !X !V !C !<16>"
        );
        let letters: Vec<_> = (0..=6).map(|code| text(v6(1, code, 0, true))).collect();
        assert_eq!(letters.join(" "), "!N !X !H !H port-unreachable !<5> !<6>");
        for (kind, wanted) in [
            (v4(3, 3, 0, false), ""),
            (v6(1, 4, 0, false), ""),
            (v4(11, 0, 0, false), "time-exceeded"),
            (v4(11, 1, 0, false), "!<11-1>"),
            (v4(12, 2, 0, false), "!<12-2>"),
            (v6(3, 0, 0, false), "time-exceeded"),
            (v6(3, 1, 0, false), "!<3-1>"),
            (v6(2, 0, 1_280, false), "!F-1280"),
            (v6(4, 1, 0, false), "!P"),
            (v6(4, 0, 0, false), "!<4-0>"),
            (v4(0, 0, 0, true), "none"),
            (v4(5, 0, 0, true), "none"),
            (v6(129, 0, 0, true), "none"),
            (v6(0, 0, 0, true), "none"),
        ] {
            assert_eq!(text(kind), wanted);
        }
    }
}
