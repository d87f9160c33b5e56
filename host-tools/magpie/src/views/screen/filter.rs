//! Which flows and echo pairs the user wants to see.

use std::fmt::Write as _;

use magpie_collector::addresses;
use magpie_protocol::{AddressPair, EchoKey, FlowKey, VlanStack};

use crate::views::{names, table};

/// Words that must all be found in a flow's line: in its addresses, ports,
/// protocol or VLANs. Each is a substring of one of them, in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    words: Vec<String>,
}

impl Filter {
    pub(super) fn new(text: &str) -> Self {
        let words = text.split_whitespace().map(str::to_lowercase);
        Self {
            words: words.collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn passes(&self, fields: &str) -> bool {
        self.words.iter().all(|word| fields.contains(word.as_str()))
    }

    pub(super) fn passes_flow(&self, key: &FlowKey) -> bool {
        if self.is_empty() {
            return true;
        }
        let (a, b) = addresses(&key.addresses);
        let mut fields = begin(key.vlan, &names::protocol_or_number(key.protocol));
        fields.push_str(&table::end_point(a, key.a_port));
        fields.push('\n');
        fields.push_str(&table::end_point(b, key.b_port));
        self.passes(&fields)
    }

    pub(super) fn passes_echo(&self, key: &EchoKey) -> bool {
        if self.is_empty() {
            return true;
        }
        let (requester, target) = addresses(&key.addresses);
        let protocol = match key.addresses {
            AddressPair::V4 { .. } => 1,
            AddressPair::V6 { .. } => 58,
        };
        let mut fields = begin(key.vlan, &names::protocol_or_number(protocol));
        // Writing to a String cannot fail.
        let _ = write!(fields, "{requester}\n{target}");
        self.passes(&fields)
    }
}

/// The fields so far, a line each: no word spans two of them.
fn begin(vlan: VlanStack, protocol: &str) -> String {
    let mut fields = String::with_capacity(128);
    let _ = write!(fields, "{}\n{protocol}\n", names::vlan(vlan));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_must_be_found() {
        let mut vlan = VlanStack::NONE;
        vlan.push(100);
        vlan.push(30);
        let key = FlowKey {
            vlan,
            protocol: 6,
            addresses: AddressPair::V6 {
                a: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd],
                b: [0xfe; 16],
            },
            a_port: 443,
            b_port: 51_544,
        };
        for (text, passes) in [
            ("", true),
            ("   ", true),
            ("tcp", true),
            ("TCP ABCD", true),
            ("udp", false),
            ("100.30", true),
            ("]:443", true),
            (":443 :51544", true),
            (":443 :80", false),
            ("2001:db8::", true),
            ("tcp[2001", false),
            ("fefe:fefe", true),
            ("\n", true),
        ] {
            assert_eq!(Filter::new(text).passes_flow(&key), passes, "{text:?}");
        }
        let ping = EchoKey {
            vlan,
            addresses: AddressPair::V4 {
                a: [10, 0, 10, 2],
                b: [1, 1, 1, 1],
            },
            id: 7,
        };
        for (text, passes) in [("icmp", true), ("1.1.1.1 10.0.10", true), ("8.8", false)] {
            assert_eq!(Filter::new(text).passes_echo(&ping), passes, "{text:?}");
        }
    }
}
