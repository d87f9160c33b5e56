//! Blocks of the ring as the kernel fills them (`linux/if_packet.h`,
//! `TPACKET_V3`), and VLAN tags put back. Octets only: no kernel is needed.

use std::mem::{offset_of, size_of};
use std::ops::Range;

use libc::{sockaddr_ll, tpacket_hdr_variant1, tpacket3_hdr};

/// Octets of a VLAN tag: what must be free before each frame.
pub(super) const TAG: usize = 4;
/// A tag follows the two addresses.
const ADDRESSES: usize = 12;
/// What the outer tag has where the kernel does not say (before Linux 3.14).
const TPID_8021Q: u16 = 0x8100;
/// The address follows the header (`TPACKET_ALIGN`).
const ADDRESS_AT: usize = size_of::<tpacket3_hdr>().next_multiple_of(16);

// Of a block's header: libc has its parts, but not its offsets.
const PACKETS_AT: usize = 12;
const FIRST_AT: usize = 16;
/// Where a block's header says whose it is.
pub(super) const STATUS_AT: usize = 8;

/// Frames of a block: how many, and where the first one's header is.
pub(super) fn frames(block: &[u8]) -> Option<(u32, usize)> {
    let first = word(block, FIRST_AT)?;
    Some((word(block, PACKETS_AT)?, usize::try_from(first).ok()?))
}

/// A frame in a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at_ns: u64,
    pub(super) wire_len: u32,
    /// Where its octets are in the block, its tag in place.
    pub(super) octets: Range<usize>,
    pub(super) outgoing: bool,
    /// Where the next one's header is.
    pub(super) next: usize,
}

/// The frame whose header is at `at`, with its tag put back. `None`: this is
/// no header.
pub(super) fn entry(block: &mut [u8], at: usize) -> Option<Entry> {
    let field = |offset: usize| word(block, at.checked_add(offset)?);
    let half = |offset: usize| half(block, at.checked_add(offset)?);
    let at_ns = u64::from(field(offset_of!(tpacket3_hdr, tp_sec))?)
        .checked_mul(1_000_000_000)?
        .checked_add(u64::from(field(offset_of!(tpacket3_hdr, tp_nsec))?))?;
    let start = at.checked_add(usize::from(half(offset_of!(tpacket3_hdr, tp_mac))?))?;
    let captured = usize::try_from(field(offset_of!(tpacket3_hdr, tp_snaplen))?).ok()?;
    let wire_len = field(offset_of!(tpacket3_hdr, tp_len))?;
    let next = field(offset_of!(tpacket3_hdr, tp_next_offset))?;
    let status = field(offset_of!(tpacket3_hdr, tp_status))?;
    let variant = offset_of!(tpacket3_hdr, hv1);
    let tci = field(variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tci))?;
    let tpid = half(variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tpid))?;
    let kind = at.checked_add(ADDRESS_AT + offset_of!(sockaddr_ll, sll_pkttype))?;
    let outgoing = *block.get(kind)? == libc::PACKET_OUTGOING;
    let mut entry = Entry {
        at_ns,
        wire_len,
        octets: start..start.checked_add(captured)?,
        outgoing,
        next: at.checked_add(usize::try_from(next).ok()?)?,
    };
    block.get(entry.octets.clone())?;
    if status & libc::TP_STATUS_VLAN_VALID != 0 {
        let tpid = if status & libc::TP_STATUS_VLAN_TPID_VALID == 0 {
            TPID_8021Q
        } else {
            tpid
        };
        // The tag control information has 16 bits; the field is wider.
        let tci = u16::try_from(tci & 0xffff).ok()?;
        restore_tag(block, &mut entry, tpid, tci)?;
    }
    Some(entry)
}

/// Moves the addresses into the free octets before the frame and writes the
/// tag behind them.
fn restore_tag(block: &mut [u8], entry: &mut Entry, tpid: u16, tci: u16) -> Option<()> {
    let Range { start, end } = entry.octets;
    if end.checked_sub(start)? < ADDRESSES {
        return Some(()); // cut before any tag
    }
    let new = start.checked_sub(TAG)?;
    block.copy_within(start..start.checked_add(ADDRESSES)?, new);
    let tag = new.checked_add(ADDRESSES)?;
    let into = block.get_mut(tag..tag.checked_add(TAG)?)?;
    let (first, second) = into.split_at_mut(TAG / 2);
    first.copy_from_slice(&tpid.to_be_bytes());
    second.copy_from_slice(&tci.to_be_bytes());
    entry.octets = new..end;
    entry.wire_len = entry.wire_len.saturating_add(4);
    Some(())
}

fn word(block: &[u8], at: usize) -> Option<u32> {
    let octets = block.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(octets.try_into().ok()?))
}

fn half(block: &[u8], at: usize) -> Option<u16> {
    let octets = block.get(at..at.checked_add(2)?)?;
    Some(u16::from_ne_bytes(octets.try_into().ok()?))
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
