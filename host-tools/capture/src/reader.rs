//! What kind of file it is, and the frames in it.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use crate::input::Input;
use crate::pcap::Pcap;
use crate::pcapng::Pcapng;
use crate::write::InterfaceInfo;
use crate::{CaptureError, Notes, Reason};

/// Longest frame or header believed, in octets; a longer one is damage.
pub const MAX_CAPTURED: usize = 0x0100_0000;

/// One frame of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When it was captured, in microseconds since 1970 (rounded down).
    pub at_us: u64,
    /// Nanoseconds beyond [`Self::at_us`], 0 to 999.
    pub nanos: u16,
    /// Its octets on the wire, without the FCS where the file says it is there.
    pub wire_len: u32,
    /// What was captured of it, without the FCS likewise.
    pub data: &'a [u8],
    /// Which interface captured it, from 0 on, over all sections.
    pub interface: u32,
    /// What the file says of that interface.
    pub info: Option<&'a InterfaceInfo>,
    /// Octets that a packet of any interface can have, as the file has told of
    /// them so far; `u32::MAX` where one has no limit.
    pub longest: u32,
    /// What the file says of it beside that.
    pub said: Said<'a>,
}

/// What a pcapng file may say of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said<'a> {
    /// Its flags (`epb_flags`), 0 where there are none; without the length of
    /// an FCS that was dropped.
    pub flags: u32,
    /// Packets of the interface lost since the one before (`epb_dropcount`).
    pub dropped: u64,
    /// The first comment.
    pub comment: Option<&'a str>,
}

impl Frame<'_> {
    /// When it was captured, in nanoseconds since 1970.
    pub fn at_ns(&self) -> u128 {
        u128::from(self.at_us) * 1_000 + u128::from(self.nanos)
    }
}

/// Octets that a packet can have where this is declared.
pub(crate) fn limit(snap_len: u32) -> u32 {
    match snap_len {
        0 => u32::MAX,
        octets => octets,
    }
}

/// Drops the FCS of `octets` from a frame of which some may have been captured.
#[inline]
pub(crate) fn without_fcs(data: &[u8], wire_len: u32, octets: u32) -> (&[u8], u32) {
    if octets == 0 {
        return (data, wire_len);
    }
    let kept = wire_len.saturating_sub(octets);
    (data.get(..kept as usize).unwrap_or(data), kept)
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// Reads a capture frame by frame: pcap (micro- and nanoseconds, both byte
/// orders, the modified form with longer record headers) and pcapng (sections,
/// interfaces, resolutions), packed by gzip or not.
///
/// Memory is bounded by the longest record that is really there. A file that
/// still grows, such as a pipe, may answer `WouldBlock`: [`Self::next_frame`]
/// hands that on ([`Reason::is_not_yet`]) and goes on when asked again.
pub struct Reader {
    file: String,
    input: Input,
    format: Format,
    notes: Notes,
    /// Nothing more is read once the end or an error was met.
    done: bool,
    /// Frames are given with their FCS.
    keeps_fcs: bool,
}

impl Reader {
    /// Reads the file header. `file` names it in messages.
    pub fn new(
        file: impl Into<String>,
        mut from: impl Read + Send + 'static,
    ) -> Result<Self, CaptureError> {
        let file = file.into();
        let fail = |file: &str, offset, reason| CaptureError {
            file: file.to_owned(),
            offset,
            reason,
        };
        let first = first_octets(&mut from).map_err(|e| fail(&file, 0, Reason::Io(e)))?;
        let packed = first.starts_with(&[0x1f, 0x8b]);
        let whole = Cursor::new(first).chain(from);
        let mut input = Input::new(if packed {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(
                64 * 1024,
                whole,
            )))
        } else {
            Box::new(whole)
        });
        let format = match open(&mut input) {
            Ok(format) => format,
            Err(reason) => return Err(fail(&file, input.offset(), reason)),
        };
        input.patient = false;
        Ok(Self {
            file,
            input,
            format,
            notes: Notes::default(),
            done: false,
            keeps_fcs: false,
        })
    }

    /// From now on frames keep the FCS that the file says they have, for a copy
    /// of the file: [`InterfaceInfo::fcs_octets`] tells how long it is.
    pub fn keep_fcs(&mut self) {
        self.keeps_fcs = true;
    }

    /// The one interface of a pcap file; those of a pcapng file are known once
    /// a frame of theirs is given.
    pub fn interface(&self) -> Option<&InterfaceInfo> {
        match &self.format {
            Format::Pcap(pcap) => Some(pcap.interface()),
            Format::Pcapng(_) => None,
        }
    }

    /// The next frame; `None` at the end (then see [`Self::notes`]). After an
    /// error, too, nothing more comes, but for [`Reason::is_not_yet`].
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        if self.done {
            return Ok(None);
        }
        let next = match &mut self.format {
            Format::Pcap(pcap) => pcap.next_frame(&mut self.input, &mut self.notes, self.keeps_fcs),
            Format::Pcapng(pcapng) => {
                pcapng.next_frame(&mut self.input, &mut self.notes, self.keeps_fcs)
            }
        };
        match next {
            Ok(Some(frame)) => Ok(Some(frame)),
            Ok(None) => {
                self.done = true;
                Ok(None)
            }
            Err((offset, reason)) => {
                self.done = !reason.is_not_yet();
                Err(CaptureError {
                    file: self.file.clone(),
                    offset,
                    reason,
                })
            }
        }
    }

    /// What was odd so far; complete at the end.
    pub fn notes(&self) -> Notes {
        self.notes
    }

    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.input.memory()
    }

    /// The file, as the caller named it.
    pub fn file(&self) -> &str {
        &self.file
    }
}

/// The first four octets, or fewer where the file has no more.
fn first_octets(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut first, mut there) = (vec![0; 4], 0);
    while there < first.len() {
        match from.read(&mut first[there..]) {
            Ok(0) => break,
            Ok(n) => there += n,
            Err(e) if waits(&e) => {}
            Err(e) => return Err(e),
        }
    }
    first.truncate(there);
    Ok(first)
}

fn waits(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}

fn open(input: &mut Input) -> Result<Format, Reason> {
    if !input.need(4).map_err(Reason::Io)? {
        return Err(if input.is_empty() {
            Reason::Empty
        } else {
            Reason::ShortHeader
        });
    }
    let Some(magic) = input.seen().first_chunk::<4>().copied() else {
        return Err(Reason::ShortHeader);
    };
    if magic == crate::pcapng::SECTION {
        return Pcapng::open(input).map(Format::Pcapng);
    }
    Pcap::open(magic, input).map(Format::Pcap)
}
