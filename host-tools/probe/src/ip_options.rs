//! IPv4 options that ping asks for: record route and time stamps (RFC 791 3.1).

use std::net::Ipv4Addr;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
/// Octets that a header has for options.
const ROOM: usize = 40;
/// So many addresses fit into a record route.
const ROUTE: usize = 9;
/// So many addresses with stamps fit.
const STAMPS: usize = 4;

/// What time stamps are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stamps {
    /// Stamps alone.
    Only,
    /// Each with the address of who stamped.
    WithAddress,
    /// By these hosts alone, up to four.
    By(Vec<Ipv4Addr>),
}

/// An option that asks every router for its address.
pub fn record_route() -> Vec<u8> {
    // Aligned by an octet before it; the first address is to go at octet 4.
    let mut octets = vec![NO_OPERATION, RECORD_ROUTE, 3 + 4 * 9, 4];
    octets.resize(1 + 3 + 4 * ROUTE, 0);
    octets
}

/// An option that asks routers for the time.
pub fn timestamps(stamps: &Stamps) -> Vec<u8> {
    let (flag, length) = match stamps {
        Stamps::Only => (0, 40),
        Stamps::WithAddress => (1, 36),
        Stamps::By(hosts) => (
            3,
            u8::try_from(4 + 8 * hosts.len().min(STAMPS)).unwrap_or(36),
        ),
    };
    let mut octets = vec![TIMESTAMP, length, 5, flag];
    if let Stamps::By(hosts) = stamps {
        for host in hosts.iter().take(STAMPS) {
            octets.extend_from_slice(&host.octets());
            octets.extend_from_slice(&[0; 4]);
        }
    }
    octets.resize(usize::from(length), 0);
    octets
}

/// A stamp of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouterStamp {
    /// Who stamped, where that was asked for.
    pub by: Option<Ipv4Addr>,
    /// Milliseconds since midnight UT, as it says.
    pub milliseconds: u32,
    /// False: some other time of its own (the highest bit is set).
    pub is_standard: bool,
}

/// An option that a reply came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IpOption {
    /// Record route: the addresses that were written so far.
    Route(Vec<Ipv4Addr>),
    /// Time stamps.
    Stamps {
        /// Those that were written so far.
        stamps: Vec<RouterStamp>,
        /// So many hosts more found no room.
        overflow: u8,
    },
}

/// Reads options as far as they are whole; others than these two are skipped.
pub fn read(octets: &[u8]) -> Vec<IpOption> {
    let mut found = Vec::new();
    let mut rest = octets.get(..ROOM.min(octets.len())).unwrap_or_default();
    while let Some((&kind, tail)) = rest.split_first() {
        match kind {
            END => break,
            NO_OPERATION => {
                rest = tail;
                continue;
            }
            _ => {}
        }
        let length = tail.first().map_or(0, |length| usize::from(*length));
        // A length of less than 2 would never end.
        let Some((option, behind)) = (length >= 2)
            .then(|| rest.split_at_checked(length))
            .flatten()
        else {
            break;
        };
        rest = behind;
        match kind {
            RECORD_ROUTE => found.extend(route(option)),
            TIMESTAMP => found.extend(stamps(option)),
            _ => {}
        }
    }
    found
}

/// The octets of an option behind its header and before its pointer, which
/// counts from 1.
fn written(option: &[u8], header: usize) -> Option<&[u8]> {
    let pointer = usize::from(*option.get(2)?);
    let end = pointer.checked_sub(1)?.min(option.len());
    option.get(header..end)
}

fn route(option: &[u8]) -> Option<IpOption> {
    let addresses = written(option, 3)?.chunks_exact(4).filter_map(address);
    Some(IpOption::Route(addresses.collect()))
}

fn stamps(option: &[u8]) -> Option<IpOption> {
    let flags = *option.get(3)?;
    let with_address = flags & 0x0f != 0;
    let words: Vec<&[u8]> = written(option, 4)?.chunks_exact(4).collect();
    let stamp = |by: Option<Ipv4Addr>, word: &[u8]| {
        let word = u32::from_be_bytes(word.try_into().ok()?);
        Some(RouterStamp {
            by,
            milliseconds: word & !(1 << 31),
            is_standard: word >> 31 == 0,
        })
    };
    let stamps = if with_address {
        words
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [by, word] => stamp(address(by), word),
                _ => None,
            })
            .collect()
    } else {
        words
            .iter()
            .filter_map(|word| stamp(None, word))
            .collect::<Vec<_>>()
    };
    Some(IpOption::Stamps {
        stamps,
        overflow: flags >> 4,
    })
}

fn address(octets: &[u8]) -> Option<Ipv4Addr> {
    Some(<[u8; 4]>::try_from(octets).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_asked_fits_a_header() {
        let hosts = vec![Ipv4Addr::LOCALHOST; 7];
        for octets in [
            record_route(),
            timestamps(&Stamps::Only),
            timestamps(&Stamps::WithAddress),
            timestamps(&Stamps::By(hosts)),
        ] {
            assert!(octets.len() <= ROOM && octets.len().is_multiple_of(4));
        }
    }

    #[test]
    fn a_route_is_read_up_to_its_pointer() {
        let mut octets = record_route();
        assert_eq!(read(&octets), [IpOption::Route(Vec::new())]);
        octets[3] = 12;
        octets[4..12].copy_from_slice(&[10, 0, 0, 1, 10, 0, 1, 1]);
        let route = [[10, 0, 0, 1], [10, 0, 1, 1]].map(Ipv4Addr::from);
        assert_eq!(read(&octets), [IpOption::Route(route.to_vec())]);
    }

    #[test]
    fn stamps_are_read_with_and_without_addresses() {
        let mut octets = timestamps(&Stamps::WithAddress);
        octets[2] = 13;
        octets[3] |= 0x20;
        octets[4..12].copy_from_slice(&[10, 0, 0, 1, 0x80, 0, 0, 7]);
        let stamp = RouterStamp {
            by: Some([10, 0, 0, 1].into()),
            milliseconds: 7,
            is_standard: false,
        };
        assert_eq!(
            read(&octets),
            [IpOption::Stamps {
                stamps: vec![stamp],
                overflow: 2
            }]
        );
        let mut octets = timestamps(&Stamps::Only);
        octets[2] = 9;
        octets[4..8].copy_from_slice(&1_000_u32.to_be_bytes());
        let stamp = RouterStamp {
            by: None,
            milliseconds: 1_000,
            is_standard: true,
        };
        assert_eq!(
            read(&octets),
            [IpOption::Stamps {
                stamps: vec![stamp],
                overflow: 0
            }]
        );
    }

    proptest! {
        #[test]
        fn any_octets_end(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            for option in read(&octets) {
                match option {
                    IpOption::Route(addresses) => prop_assert!(addresses.len() <= ROUTE),
                    IpOption::Stamps { stamps, .. } => prop_assert!(stamps.len() <= 9),
                }
            }
        }
    }
}
