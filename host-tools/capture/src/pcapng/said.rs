//! What a file says for people: of interfaces and of packets.

use super::{Interface, Packet, Pcapng};
use crate::reader::Said;
use crate::write::InterfaceInfo;

/// Most octets of interfaces' texts that are kept, of all sections.
const MAX_TEXTS: usize = 0x10_0000;

impl Pcapng {
    /// What the options of a packet say.
    #[inline]
    pub(super) fn said<'a>(&self, packet: &Packet, body: &'a [u8]) -> Said<'a> {
        let options = packet.data_at + packet.captured.next_multiple_of(4);
        if !packet.has_options || options >= body.len() {
            return Said {
                dropped: packet.dropped,
                ..Said::default()
            };
        }
        self.options_said(packet, body, options)
    }

    #[cold]
    fn options_said<'a>(&self, packet: &Packet, body: &'a [u8], options: usize) -> Said<'a> {
        let mut said = Said {
            dropped: packet.dropped,
            ..Said::default()
        };
        for (code, value) in self.options(body, options) {
            match code {
                1 if said.comment.is_none() => said.comment = str::from_utf8(value).ok(),
                2 if value.len() == 4 => said.flags = self.word(value, 0).unwrap_or(0),
                4 if value.len() == 8 => said.dropped = self.long(value),
                _ => {}
            }
        }
        said
    }

    fn long(&self, octets: &[u8]) -> u64 {
        let octets = octets.first_chunk().copied().unwrap_or_default();
        if self.big_endian {
            u64::from_be_bytes(octets)
        } else {
            u64::from_le_bytes(octets)
        }
    }

    /// What an interface block says for people.
    pub(super) fn describe(&self, body: &[u8], interface: &Interface) -> InterfaceInfo {
        let mut info = InterfaceInfo {
            snap_len: interface.snap_len,
            fcs_octets: u8::try_from(interface.fcs)
                .ok()
                .filter(|octets| *octets > 0),
            ..InterfaceInfo::default()
        };
        let text = |value: &[u8]| str::from_utf8(value).ok().map(str::to_owned);
        for (code, value) in self.options(body, 8) {
            match (code, value) {
                (2, value) => info.name = text(value),
                (3, value) => info.description = text(value),
                (11, [0, expression @ ..]) => info.filter = text(expression),
                (15, value) => info.hardware = text(value),
                _ => {}
            }
        }
        if self.texts.saturating_add(texts(&info)) > MAX_TEXTS {
            (info.name, info.description) = (None, None);
            (info.filter, info.hardware) = (None, None);
        }
        info
    }
}

/// Octets of its texts.
pub(super) fn texts(info: &InterfaceInfo) -> usize {
    let texts = [&info.name, &info.description, &info.filter, &info.hardware];
    texts.into_iter().flatten().map(String::len).sum()
}
