//! pcapng files.

mod said;

use crate::input::Input;
use crate::reader::{limit, without_fcs};
use crate::stamp::{Resolution, Stamp};
use crate::write::InterfaceInfo;
use crate::{Frame, MAX_CAPTURED, Notes, Reason};

use said::texts;

/// Type of a section header, alike in both byte orders.
pub(crate) const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

const ETHERNET: u16 = 1;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const PACKET: u32 = 6;

/// Type and length before the body, the length again behind it.
const HEAD: usize = 8;
const AROUND: usize = 12;
/// Longest interface block or packet block's options believed.
const MAX_OPTIONS: usize = 0x1_0000;
/// Most interfaces of a section.
const MAX_INTERFACES: usize = 0x1_0000;
/// The bits of a packet's flags that tell the length of its FCS.
const FCS_FLAGS: u32 = 0x1e0;

#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: u16,
    snap_len: u32,
    resolution: Resolution,
    /// Octets of FCS, unless a packet says otherwise.
    fcs: u32,
}

/// What the current section has said.
#[derive(Debug)]
pub(crate) struct Pcapng {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// What is said of the interfaces of all sections, and which is the first
    /// of this one.
    described: Vec<InterfaceInfo>,
    first: usize,
    /// Octets that a packet can have, by all interfaces of all sections.
    longest: u32,
    /// Octets of texts in `described`.
    texts: usize,
    /// Link type of an interface that is not Ethernet, for a file that turns
    /// out to have no frame at all.
    foreign: Option<u16>,
    frames: bool,
    /// Of which block (its first octet) how much is still to be passed over.
    skipping: Option<(u64, u64)>,
}

/// Where in a packet block's body the frame is, and what is said about it.
struct Packet {
    captured: usize,
    wire_len: u32,
    /// Where the data starts in the body.
    data_at: usize,
    interface: Interface,
    /// Its number in the section.
    number: usize,
    /// What the old form says was lost before it.
    dropped: u64,
    stamp: Stamp,
    has_options: bool,
}

impl Pcapng {
    pub(crate) fn open(input: &mut Input) -> Result<Self, Reason> {
        let mut pcapng = Self {
            big_endian: false,
            interfaces: Vec::new(),
            described: Vec::new(),
            first: 0,
            longest: 0,
            texts: 0,
            foreign: None,
            frames: false,
            skipping: None,
        };
        let whole = pcapng.section(input)? && pcapng.pass_over(input).map_err(Reason::Io)?;
        whole.then_some(pcapng).ok_or(Reason::ShortHeader)
    }

    /// Passes over what is to be skipped; false where the file ends within.
    fn pass_over(&mut self, input: &mut Input) -> std::io::Result<bool> {
        if let Some((_, left)) = &mut self.skipping {
            if !input.skip(left)? {
                return Ok(false);
            }
            self.skipping = None;
        }
        Ok(true)
    }

    fn half(&self, octets: &[u8], at: usize) -> Option<u16> {
        let octets = *octets.get(at..)?.first_chunk()?;
        Some(if self.big_endian {
            u16::from_be_bytes(octets)
        } else {
            u16::from_le_bytes(octets)
        })
    }

    #[inline]
    fn word(&self, octets: &[u8], at: usize) -> Option<u32> {
        let octets = *octets.get(at..)?.first_chunk()?;
        Some(if self.big_endian {
            u32::from_be_bytes(octets)
        } else {
            u32::from_le_bytes(octets)
        })
    }

    /// Reads a section header, which sets the byte order, and leaves it to be
    /// passed over; false where it is cut.
    fn section(&mut self, input: &mut Input) -> Result<bool, Reason> {
        if !input.need(16).map_err(Reason::Io)? {
            return Ok(false);
        }
        self.big_endian = match input.seen().get(8..12) {
            Some([0x4d, 0x3c, 0x2b, 0x1a]) => false,
            Some([0x1a, 0x2b, 0x3c, 0x4d]) => true,
            _ => return Err(Reason::ByteOrder),
        };
        let seen = input.seen();
        let length = self.word(seen, 4).unwrap_or(0);
        let major = self.half(seen, 12).unwrap_or(0);
        let minor = self.half(seen, 14).unwrap_or(0);
        if major != 1 {
            return Err(Reason::Version { major, minor });
        }
        if length < 28 {
            return Err(Reason::Length {
                what: "section header",
                length: length.into(),
            });
        }
        self.interfaces.clear();
        self.first = self.described.len();
        self.skipping = Some((input.offset(), length.into()));
        Ok(true)
    }

    #[inline]
    pub(crate) fn next_frame<'a>(
        &'a mut self,
        input: &'a mut Input,
        notes: &mut Notes,
        keeps_fcs: bool,
    ) -> Result<Option<Frame<'a>>, (u64, Reason)> {
        loop {
            if let Some((offset, _)) = self.skipping
                && !self.pass_over(input).map_err(|e| (offset, Reason::Io(e)))?
            {
                notes.cut_at = Some(offset);
                return self.end(offset);
            }
            let offset = input.offset();
            let io = |e| (offset, Reason::Io(e));
            if !input.need(AROUND).map_err(io)? {
                notes.cut_at = (!input.is_empty()).then_some(offset);
                return self.end(offset);
            }
            if input.seen().starts_with(&SECTION) {
                if self.section(input).map_err(|reason| (offset, reason))? {
                    continue;
                }
                notes.cut_at = Some(offset);
                return self.end(offset);
            }
            let kind = self.word(input.seen(), 0).unwrap_or(0);
            let length = self.word(input.seen(), 4).unwrap_or(0) as usize;
            if length < AROUND {
                return Err((
                    offset,
                    Reason::Length {
                        what: "block",
                        length: length as u64,
                    },
                ));
            }
            if !matches!(kind, INTERFACE | OLD_PACKET | SIMPLE_PACKET | PACKET) {
                self.skipping = Some((offset, length as u64));
                continue;
            }
            if length > MAX_CAPTURED + MAX_OPTIONS {
                return Err((
                    offset,
                    Reason::Length {
                        what: "block",
                        length: length as u64,
                    },
                ));
            }
            if !input.need(length).map_err(io)? {
                notes.cut_at = Some(offset);
                return self.end(offset);
            }
            if kind == INTERFACE {
                let body = &input.seen()[HEAD..length - 4];
                self.add_interface(body, length)
                    .map_err(|reason| (offset, reason))?;
                input.take(length);
                continue;
            }
            let Some(packet) = self.packet(kind, &input.seen()[HEAD..length - 4]) else {
                notes.skipped += 1;
                input.take(length);
                continue;
            };
            if packet.interface.link_type != ETHERNET {
                return Err((offset, Reason::LinkType(packet.interface.link_type.into())));
            }
            if packet.stamp.clamped {
                notes.clamped += 1;
            }
            self.frames = true;
            let body = &input.take(length)[HEAD..length - 4];
            return Ok(Some(self.frame(&packet, body, keeps_fcs)));
        }
    }

    /// The frame in a packet's body.
    #[inline]
    fn frame<'a>(&'a self, packet: &Packet, body: &'a [u8], keeps_fcs: bool) -> Frame<'a> {
        let mut said = self.said(packet, body);
        let mut fcs = 0;
        if !keeps_fcs {
            fcs = match said.flags & FCS_FLAGS {
                0 => packet.interface.fcs,
                flags => flags >> 5,
            };
            said.flags &= !FCS_FLAGS;
        }
        let data = &body[packet.data_at..packet.data_at + packet.captured];
        let (data, wire_len) = without_fcs(data, packet.wire_len, fcs);
        let Stamp { us, nanos, .. } = packet.stamp;
        let interface = self.first.saturating_add(packet.number);
        Frame {
            at_us: us,
            nanos,
            wire_len,
            data,
            interface: u32::try_from(interface).unwrap_or(u32::MAX),
            info: self.described.get(interface),
            longest: self.longest,
            said,
        }
    }

    /// Takes an interface block of so many octets.
    fn add_interface(&mut self, body: &[u8], length: usize) -> Result<(), Reason> {
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(Reason::Interfaces(MAX_INTERFACES));
        }
        let Some(interface) = self.interface(body) else {
            return Err(Reason::Length {
                what: "interface block",
                length: length as u64,
            });
        };
        if interface.link_type != ETHERNET {
            self.foreign = Some(interface.link_type);
        }
        if self.described.len() < MAX_INTERFACES {
            let info = self.describe(body, &interface);
            self.texts += texts(&info);
            self.described.push(info);
        }
        self.longest = self.longest.max(limit(interface.snap_len));
        self.interfaces.push(interface);
        Ok(())
    }

    /// The end of the file. One that holds no frame but an interface of
    /// another link type was not meant for us.
    fn end<'a>(&self, offset: u64) -> Result<Option<Frame<'a>>, (u64, Reason)> {
        match self.foreign {
            Some(link_type) if !self.frames => Err((offset, Reason::LinkType(link_type.into()))),
            _ => Ok(None),
        }
    }

    /// Options from `at` on, until they end or stop making sense.
    fn options<'a>(
        &self,
        body: &'a [u8],
        mut at: usize,
    ) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let big_endian = self.big_endian;
        std::iter::from_fn(move || {
            let head = *body.get(at..)?.first_chunk::<4>()?;
            let [a, b, c, d] = head;
            let (code, length) = if big_endian {
                (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
            } else {
                (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
            };
            if code == 0 {
                return None;
            }
            let length = usize::from(length);
            let value = body.get(at + 4..at + 4 + length)?;
            at += 4 + length.next_multiple_of(4);
            Some((code, value))
        })
    }

    fn interface(&self, body: &[u8]) -> Option<Interface> {
        let mut interface = Interface {
            link_type: self.half(body, 0)?,
            snap_len: self.word(body, 4)?,
            resolution: Resolution::MICROSECONDS,
            fcs: 0,
        };
        for (code, value) in self.options(body, 8) {
            match (code, value) {
                // if_tsresol
                (9, [code, ..]) => interface.resolution.set_resolution(*code),
                // if_fcslen: bits by the text of the format, octets by its
                // example and by what programs write. No FCS has 4 bits and
                // none has 32 octets.
                (13, [length, ..]) => {
                    let bits = *length >= 8 && length.is_multiple_of(8);
                    interface.fcs = u32::from(if bits { *length / 8 } else { *length });
                }
                // if_tsoffset
                (14, value) => {
                    if let Ok(octets) = <[u8; 8]>::try_from(value) {
                        interface.resolution.set_offset(if self.big_endian {
                            i64::from_be_bytes(octets)
                        } else {
                            i64::from_le_bytes(octets)
                        });
                    }
                }
                _ => {}
            }
        }
        Some(interface)
    }

    #[inline]
    fn packet(&self, kind: u32, body: &[u8]) -> Option<Packet> {
        if kind == SIMPLE_PACKET {
            return self.simple_packet(body);
        }
        let head = body.first_chunk::<20>()?;
        // The old form has a count of drops in the upper half.
        let (number, dropped) = if kind == PACKET {
            (self.word(head, 0)? as usize, 0)
        } else {
            // All ones: not known.
            let dropped = self.half(head, 2).filter(|count| *count != u16::MAX);
            (
                usize::from(self.half(head, 0)?),
                dropped.unwrap_or(0).into(),
            )
        };
        let interface = *self.interfaces.get(number)?;
        let ticks = u64::from(self.word(head, 4)?) << 32 | u64::from(self.word(head, 8)?);
        let claimed = self.word(head, 12)? as usize;
        let captured = claimed.min(body.len() - head.len());
        Some(Packet {
            captured,
            wire_len: self.word(head, 16)?,
            data_at: head.len(),
            interface,
            number,
            dropped,
            stamp: interface.resolution.stamp(ticks),
            has_options: captured == claimed,
        })
    }

    /// A simple packet has no time stamp, and its length is that on the wire.
    fn simple_packet(&self, body: &[u8]) -> Option<Packet> {
        let wire_len = self.word(body, 0)?;
        let interface = *self.interfaces.first()?;
        let snapped = if interface.snap_len == 0 {
            wire_len
        } else {
            wire_len.min(interface.snap_len)
        };
        Some(Packet {
            captured: (snapped as usize).min(body.len() - 4),
            wire_len,
            data_at: 4,
            interface,
            number: 0,
            dropped: 0,
            stamp: Stamp {
                us: 0,
                nanos: 0,
                clamped: false,
            },
            has_options: false,
        })
    }
}
