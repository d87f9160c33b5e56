//! Packets that a filter selected, on their way to the host.

use core::num::NonZeroU32;

use crate::octets::{Reader, Writer};
use crate::{DecodeError, EncodeError, Item, RecordType, Sum, item};

/// What is known of a packet as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketHead {
    /// When it came, in sensor time.
    pub at_us: u64,
    /// Octets on the wire, without FCS.
    pub wire_len: u32,
    /// Octets that were kept: those of all its parts.
    pub captured_len: u32,
    /// What this filter selected before it, in this run, and did not keep for
    /// want of room: frames, and their octets on the wire.
    pub dropped: Sum,
}

/// Where the octets of a part stand in their packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartPlace {
    /// At its beginning.
    First(PacketHead),
    /// Behind so many others.
    Later(NonZeroU32),
}

/// One part of a packet that a filter selected, without its octets. A packet
/// goes out in parts, one after the other and in order, in the live stream: they
/// are sent once, and a packet of which one is missing is lost on the link.
/// To hosts from [`PacketPart::SINCE`] on, and only when neither finished nor
/// other live records wait.
///
/// It is no [`crate::Record`], which owns what it says: see
/// [`decode_packet_part`].
///
/// | field | encoding |
/// |---|---|
/// | slot | octet |
/// | run, number | varint each |
/// | place | varint: octets of the packet before these; behind a 0 `at_us`, `wire_len`, `captured_len`, and of dropped frames and octets: varint each |
/// | octets | varint of how many, and they |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketPart {
    /// Which filter.
    pub slot: u8,
    /// In which run of it ([`crate::FilterStatus::run`]).
    pub run: u32,
    /// The how-manieth packet that it kept, from 0: a number that is missing is
    /// a packet that is lost on the link.
    pub number: u64,
    /// Where in the packet.
    pub place: PartPlace,
}

impl PacketPart {
    /// Minor version from which hosts read it.
    pub const SINCE: u8 = 4;
    /// Most octets of the body of a part that has no octets of its packet: slot;
    /// run; number, time; place, lengths; dropped; and how many there are.
    pub const MAX_HEAD: usize = 1 + 5 + 2 * 10 + 3 * 5 + 2 * 10 + 2;

    /// Octets of the body of this part before its octets of the packet, of which
    /// it may have as many as a body takes.
    pub fn head_len(&self) -> usize {
        let all = match self.place {
            PartPlace::First(PacketHead {
                at_us,
                wire_len,
                captured_len,
                dropped: Sum { frames, octets },
            }) => [
                0,
                at_us,
                u64::from(wire_len),
                u64::from(captured_len),
                frames,
                octets,
            ]
            .map(varint_len),
            PartPlace::Later(offset) => [varint_len(u64::from(offset.get())), 0, 0, 0, 0, 0],
        };
        let [run, number] = [u64::from(self.run), self.number].map(varint_len);
        let known = all.into_iter().fold(3_usize, usize::saturating_add);
        known.saturating_add(run).saturating_add(number)
    }
}

/// Octets of a number as varint.
fn varint_len(number: u64) -> usize {
    let bits = u64::BITS.saturating_sub(number.leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}

/// Writes a part and the octets of it, in two pieces, as an item; returns its
/// octets.
pub fn encode_packet_part(
    part: &PacketPart,
    octets: [&[u8]; 2],
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    item::put_item(RecordType::PacketPart as u8, out, |body| {
        let room = body.len();
        let mut out = Writer::new(body);
        out.put([part.slot])?;
        out.varint(u64::from(part.run))?;
        out.varint(part.number)?;
        match part.place {
            PartPlace::First(head) => {
                out.varint(0)?;
                out.varint(head.at_us)?;
                out.varint(u64::from(head.wire_len))?;
                out.varint(u64::from(head.captured_len))?;
                out.varint(head.dropped.frames)?;
                out.varint(head.dropped.octets)?;
            }
            PartPlace::Later(offset) => out.varint(u64::from(offset.get()))?,
        }
        let [first, second] = octets;
        out.varint((first.len() as u64).saturating_add(second.len() as u64))?;
        out.octets(first)?;
        out.octets(second)?;
        Ok(room.saturating_sub(out.room()))
    })
}

/// Reads a part of a packet, and its octets, out of an item;
/// [`DecodeError::UnknownType`] where it is none.
pub fn decode_packet_part(item: Item<'_>) -> Result<(PacketPart, &[u8]), DecodeError> {
    if item.kind != RecordType::PacketPart as u8 {
        return Err(DecodeError::UnknownType(item.kind));
    }
    read(item.body).ok_or(DecodeError::BadBody(item.kind))
}

fn read(body: &[u8]) -> Option<(PacketPart, &[u8])> {
    let mut body = Reader::new(body);
    let short = |number: u64| u32::try_from(number).ok();
    let slot = body.octet()?;
    let run = short(body.varint()?)?;
    let number = body.varint()?;
    let place = match NonZeroU32::new(short(body.varint()?)?) {
        Some(offset) => PartPlace::Later(offset),
        None => PartPlace::First(PacketHead {
            at_us: body.varint()?,
            wire_len: short(body.varint()?)?,
            captured_len: short(body.varint()?)?,
            dropped: Sum {
                frames: body.varint()?,
                octets: body.varint()?,
            },
        }),
    };
    let len = usize::try_from(body.varint()?).ok()?;
    let part = PacketPart {
        slot,
        run,
        number,
        place,
    };
    Some((part, body.octets(len)?))
}
