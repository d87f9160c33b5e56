//! pcap files.

use crate::input::Input;
use crate::reader::{Said, limit, without_fcs};
use crate::write::InterfaceInfo;
use crate::{Frame, MAX_CAPTURED, Notes, Reason, stamp};

const ETHERNET: u32 = 1;
const FILE_HEADER: usize = 24;

/// What the file header says.
#[derive(Debug, Clone)]
pub(crate) struct Pcap {
    big_endian: bool,
    nanoseconds: bool,
    /// Octets of a record header: 16, or 24 in the modified form.
    header: usize,
    /// Octets of FCS at the end of every frame.
    fcs: u32,
    interface: InterfaceInfo,
}

impl Pcap {
    pub(crate) fn open(magic: [u8; 4], input: &mut Input) -> Result<Self, Reason> {
        let (big_endian, nanoseconds, header) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, false, 16),
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, false, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, true, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, true, 16),
            // Alexey Kuznetsov's: interface, protocol and packet type follow.
            [0x34, 0xcd, 0xb2, 0xa1] => (false, false, 24),
            [0xa1, 0xb2, 0xcd, 0x34] => (true, false, 24),
            other => return Err(Reason::NotACapture(other)),
        };
        let mut pcap = Self {
            big_endian,
            nanoseconds,
            header,
            fcs: 0,
            interface: InterfaceInfo::default(),
        };
        if !input.need(FILE_HEADER).map_err(Reason::Io)? {
            return Err(Reason::ShortHeader);
        }
        let [_, version, _, _, snap_len, link] = pcap.words::<6>(input.seen());
        // Two 16-bit numbers, so their order in the word turns with the bytes'.
        let [a, b, c, d] = version.to_be_bytes();
        let (first, second) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let (major, minor) = if big_endian {
            (first, second)
        } else {
            (second, first)
        };
        if major != 2 {
            return Err(Reason::Version { major, minor });
        }
        // Upper half: bit 26 says that bits 28-31 hold the FCS's length in
        // units of 16 bits.
        if link & 0x0400_0000 != 0 {
            pcap.fcs = (link >> 28) * 2;
        }
        if link & 0xffff != ETHERNET {
            return Err(Reason::LinkType(link & 0xffff));
        }
        pcap.interface.snap_len = snap_len;
        pcap.interface.fcs_octets = u8::try_from(pcap.fcs).ok().filter(|octets| *octets > 0);
        input.take(FILE_HEADER);
        Ok(pcap)
    }

    /// The one interface that there is.
    pub(crate) fn interface(&self) -> &InterfaceInfo {
        &self.interface
    }

    /// The first words of a header that is there.
    #[inline]
    fn words<const N: usize>(&self, octets: &[u8]) -> [u32; N] {
        // An array from the start: a loop over what may be fewer is a call.
        let words = octets.as_chunks().0.first_chunk::<N>();
        let words = words.copied().unwrap_or([[0; 4]; N]);
        if self.big_endian {
            words.map(u32::from_be_bytes)
        } else {
            words.map(u32::from_le_bytes)
        }
    }

    #[inline]
    pub(crate) fn next_frame<'a>(
        &'a self,
        input: &'a mut Input,
        notes: &mut Notes,
        keeps_fcs: bool,
    ) -> Result<Option<Frame<'a>>, (u64, Reason)> {
        let offset = input.offset();
        let io = |e| (offset, Reason::Io(e));
        if !input.need(self.header).map_err(io)? {
            notes.cut_at = (!input.is_empty()).then_some(offset);
            return Ok(None);
        }
        let [seconds, fraction, captured, wire_len] = self.words::<4>(input.seen());
        let captured = captured as usize;
        if captured > MAX_CAPTURED {
            return Err((
                offset,
                Reason::Length {
                    what: "frame",
                    length: captured as u64,
                },
            ));
        }
        if !input.need(self.header + captured).map_err(io)? {
            notes.cut_at = Some(offset);
            return Ok(None);
        }
        let stamp = stamp::pcap(seconds, fraction, self.nanoseconds);
        let record = input.take(self.header + captured);
        let fcs = if keeps_fcs { 0 } else { self.fcs };
        let (data, wire_len) = without_fcs(&record[self.header..], wire_len, fcs);
        Ok(Some(Frame {
            at_us: stamp.us,
            nanos: stamp.nanos,
            wire_len,
            data,
            interface: 0,
            info: Some(&self.interface),
            longest: limit(self.interface.snap_len),
            said: Said::default(),
        }))
    }
}
