//! ICMP extensions: RFC 4884's objects, and RFC 4950's MPLS labels in them.

use std::fmt::{self, Display, Formatter};

/// Objects that are kept of one message; more are left out.
pub const MAX_OBJECTS: usize = 16;
/// Labels that are kept of one object; more are left out.
pub const MAX_LABELS: usize = 16;

/// An entry of an MPLS label stack (RFC 3032).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// 20 bits.
    pub label: u32,
    /// Traffic class, 3 bits.
    pub traffic_class: u8,
    /// Bottom of the stack.
    pub bottom: bool,
    /// Time to live.
    pub ttl: u8,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// The label stack that the packet came with.
    Mpls(Vec<Label>),
    /// Anything else, as it came.
    Other {
        /// Class-Num.
        class: u8,
        /// C-Type.
        kind: u8,
        /// Its octets.
        octets: Vec<u8>,
    },
}

/// Why extensions cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtensionError {
    /// Shorter than its header, or an object's length goes beyond the end.
    Truncated,
    /// Not version 2.
    Version,
    /// The checksum is wrong.
    Checksum,
    /// An object's length is less than that of its header.
    Length,
}

/// Reads an extension structure; `octets` begin with its header and end with
/// the message. A checksum of 0 was not made (RFC 4884, section 7) and is
/// good enough where the message itself says that extensions begin here;
/// where that is only guessed (section 5.5), `is_guess` asks for one.
pub fn parse(octets: &[u8], is_guess: bool) -> Result<Vec<Object>, ExtensionError> {
    let [version, _, high, low, rest @ ..] = octets else {
        return Err(ExtensionError::Truncated);
    };
    if version >> 4 != 2 {
        return Err(ExtensionError::Version);
    }
    let unmade = (*high, *low) == (0, 0);
    if (unmade && is_guess) || (!unmade && pnet_packet::util::checksum(octets, usize::MAX) != 0) {
        return Err(ExtensionError::Checksum);
    }
    let mut rest = rest;
    let mut objects = Vec::new();
    while let [high, low, class, kind, ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length < 4 {
            return Err(ExtensionError::Length);
        }
        let body = rest.get(4..length).ok_or(ExtensionError::Truncated)?;
        if objects.len() < MAX_OBJECTS {
            objects.push(object(*class, *kind, body));
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    if rest.is_empty() {
        Ok(objects)
    } else {
        Err(ExtensionError::Truncated)
    }
}

fn object(class: u8, kind: u8, body: &[u8]) -> Object {
    if (class, kind) != (1, 1) || body.is_empty() || !body.len().is_multiple_of(4) {
        return Object::Other {
            class,
            kind,
            octets: body.to_vec(),
        };
    }
    let labels = body.chunks_exact(4).take(MAX_LABELS).filter_map(|entry| {
        let word = u32::from_be_bytes(entry.try_into().ok()?);
        let [_, _, middle, ttl] = word.to_be_bytes();
        Some(Label {
            label: word >> 12,
            traffic_class: middle >> 1 & 7,
            bottom: middle & 1 == 1,
            ttl,
        })
    });
    Object::Mpls(labels.collect())
}

/// As traceroute writes it: `MPLS:L=16,E=0,S=1,T=1`, entries of a stack parted
/// by `/`; other objects as class, type and hexadecimal octets.
impl Display for Object {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mpls(labels) => {
                for (at, label) in labels.iter().enumerate() {
                    let before = if at == 0 { "MPLS:" } else { "/" };
                    let Label {
                        label,
                        traffic_class,
                        bottom,
                        ttl,
                    } = label;
                    let bottom = u8::from(*bottom);
                    write!(
                        out,
                        "{before}L={label},E={traffic_class},S={bottom},T={ttl}"
                    )?;
                }
                Ok(())
            }
            Self::Other {
                class,
                kind,
                octets,
            } => {
                write!(out, "{class}/{kind}:")?;
                octets
                    .iter()
                    .try_for_each(|octet| write!(out, "{octet:02x}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An extension with its checksum made.
    fn structure(objects: &[u8]) -> Vec<u8> {
        let mut octets = [&[0x20, 0, 0, 0], objects].concat();
        let sum = pnet_packet::util::checksum(&octets, usize::MAX);
        octets[2..4].copy_from_slice(&sum.to_be_bytes());
        octets
    }

    #[test]
    fn a_label_stack_is_read() {
        // RFC 4950, section 3: label 16, then 24000 at the bottom.
        let octets = structure(&[0, 12, 1, 1, 0, 1, 0, 1, 0x05, 0xdc, 0x0b, 254]);
        let objects = parse(&octets, true).unwrap();
        let text: Vec<_> = objects.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["MPLS:L=16,E=0,S=0,T=1/L=24000,E=5,S=1,T=254"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = structure(&[0, 8, 1, 1, 0, 1, 1, 1]);
        let with = |at: usize, octet: u8| {
            let mut bad = good.clone();
            bad[at] = octet;
            bad
        };
        assert!(parse(&good, true).is_ok());
        assert_eq!(parse(&good[..3], false), Err(ExtensionError::Truncated));
        assert_eq!(parse(&with(0, 0x10), false), Err(ExtensionError::Version));
        assert_eq!(parse(&with(9, 9), false), Err(ExtensionError::Checksum));
        let unmade = [0x20, 0, 0, 0, 0, 8, 1, 1, 0, 1, 1, 1];
        assert!(parse(&unmade, false).is_ok());
        assert_eq!(parse(&unmade, true), Err(ExtensionError::Checksum));
        for (objects, error) in [
            (&[0, 3, 1, 1][..], ExtensionError::Length),
            (&[0, 0, 0, 0], ExtensionError::Length),
            (&[0, 9, 1, 1, 1, 2, 3, 4], ExtensionError::Truncated),
            (&[0, 4, 1, 1, 0], ExtensionError::Truncated),
        ] {
            assert_eq!(parse(&structure(objects), false), Err(error), "{objects:?}");
        }
    }

    #[test]
    fn what_we_do_not_know_is_shown_as_it_came() {
        let objects = parse(&structure(&[0, 8, 2, 3, 1, 2, 3, 0xab]), false).unwrap();
        assert_eq!(objects[0].to_string(), "2/3:010203ab");
        // Half a label is no label.
        let objects = parse(&structure(&[0, 6, 1, 1, 1, 2]), false).unwrap();
        assert_eq!(objects[0].to_string(), "1/1:0102");
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let many = structure(&[0, 4, 9, 9].repeat(200));
        assert_eq!(parse(&many, false).unwrap().len(), MAX_OBJECTS);
        let deep = structure(&[&[0, 204, 1, 1][..], &[0; 200]].concat());
        let Object::Mpls(labels) = &parse(&deep, false).unwrap()[0] else {
            panic!("no labels");
        };
        assert_eq!(labels.len(), MAX_LABELS);
    }
}
