//! Which packets are chosen.

use magpie_filter::{Packet, Program};

/// A filter's program, or all packets.
#[derive(Clone, Copy)]
pub(super) struct Chooser<'a> {
    pub(super) program: Option<Program<'a>>,
    /// It sees tags.
    pub(super) literal: bool,
}

impl Chooser<'_> {
    /// Whether it takes a packet.
    #[inline]
    pub(super) fn takes(&self, octets: &[u8], wire_len: u32) -> bool {
        let Some(program) = &self.program else {
            return true;
        };
        let packet = if self.literal {
            Packet::literal(octets, wire_len)
        } else {
            Packet::untagged(octets, wire_len)
        };
        program.run(&packet) != 0
    }
}
