//! Where each TCP connection's sequence numbers begin.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// Connections remembered; the one that came first is forgotten first.
const MAX_CONNECTIONS: usize = 65_536;

/// Both ends of a connection, the lower (port, address) first.
type Ends = [(u16, IpAddr); 2];

/// First sequence numbers of connections, so that later ones are shown
/// relative to them.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    known: HashMap<Ends, [u32; 2]>,
    order: VecDeque<Ends>,
}

/// From what the numbers of one segment are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Origin {
    /// Subtracted from the sequence number.
    pub(super) seq: u32,
    /// Subtracted from the acknowledgment number.
    pub(super) ack: u32,
    /// Subtracted from both ends of selective acknowledgments; not zero for
    /// the first segment seen either.
    pub(super) sack: u32,
}

impl Sequences {
    /// The origin for a segment from the first end to the second that carries
    /// `seq` and `ack`. The first segment seen of a connection, and one with
    /// SYN, is shown as it is, and starts the count.
    pub(super) fn origin(
        &mut self,
        [from, to]: [(u16, IpAddr); 2],
        syn: bool,
        seq: u32,
        ack: u32,
    ) -> Origin {
        // tcpdump's order, whose consequence can be seen: none for the
        // numbers themselves.
        let turned = from > to;
        let ends = if turned { [to, from] } else { [from, to] };
        let begins = if turned {
            [ack.wrapping_sub(1), seq]
        } else {
            [seq, ack.wrapping_sub(1)]
        };
        let oriented = |[lower, upper]: [u32; 2]| {
            if turned {
                [upper, lower]
            } else {
                [lower, upper]
            }
        };
        if let Some(known) = self.known.get_mut(&ends) {
            if syn {
                *known = begins;
            } else {
                let [seq, ack] = oriented(*known);
                return Origin {
                    seq,
                    ack,
                    sack: ack,
                };
            }
        } else {
            self.forget();
            self.known.insert(ends, begins);
            self.order.push_back(ends);
        }
        let [_, sack] = oriented(begins);
        Origin {
            sack,
            ..Origin::default()
        }
    }

    /// Connections that are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    fn forget(&mut self) {
        while self.known.len() >= MAX_CONNECTIONS {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.known.remove(&oldest);
        }
    }
}
