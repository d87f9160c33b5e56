//! Where packets come from: files and interfaces of this machine.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use magpie_capture::Reader;
use magpie_capture::write::{FileId, INBOUND, InterfaceInfo, OUTBOUND};
use magpie_os::{Capture, Card, Stats};
use magpie_sources::{Feed, Pipe, SourceError, Spec, Tap};

use crate::cli::capture::Direction;
use crate::output::say;
use crate::views::capture::Counted;

/// A packet as its source gives it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    /// Which of the source's interfaces.
    pub(super) interface: u32,
    /// Nanoseconds since 1970.
    pub(super) at_ns: u64,
    pub(super) wire_len: u32,
    pub(super) octets: &'a [u8],
    /// `epb_flags`.
    pub(super) flags: u32,
    /// Lost on this interface since the one before.
    pub(super) dropped: u64,
    pub(super) comment: Option<&'a str>,
    /// What is known of the interface.
    pub(super) info: Option<&'a InterfaceInfo>,
    /// Octets that a packet of the source can have, as far as it knows by now.
    pub(super) longest: u32,
    /// Whether the filter is still to be asked.
    pub(super) choice: Choice,
}

/// See [`Packet::choice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// It is.
    Asked,
    /// The source has asked it.
    Taken,
    /// It goes the way that is not wanted, so is filtered out.
    Refused,
}

/// How it stands with a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// There is more already.
    More,
    /// Nothing came.
    Quiet,
    /// Nothing will come any more.
    Ended,
}

/// What is done with a packet; false: no more are wanted.
pub(super) type Take<'t> = dyn FnMut(&Packet<'_>) -> bool + 't;

/// Books that a source keeps itself.
#[derive(Debug)]
pub(super) struct SourceBooks {
    /// To be read.
    pub(super) line: String,
    /// Their sums disagree.
    pub(super) is_open: bool,
}

/// A source of packets.
pub(super) trait PacketSource {
    /// As the user named it.
    fn name(&self) -> &str;

    /// Hands over packets that are there, a bounded number of them; where there
    /// are none it may wait, at most so long. After an error it can be asked
    /// on, and then comes to its end.
    fn packets(&mut self, wait: Duration, take: &mut Take<'_>) -> Result<State, SourceError>;

    /// The interface that is known from the start, if one is.
    fn interface(&self) -> Option<&InterfaceInfo>;

    /// Nothing more is wanted: what waits is still given.
    fn end(&mut self);

    /// Nothing more is waited for.
    fn end_now(&mut self) {}

    /// What was counted outside this program.
    fn counted(&self) -> Counted;

    /// Whether time passes while nothing comes.
    fn is_live(&self) -> bool;

    /// Whether packets have the times at which they come here.
    fn is_now(&self) -> bool {
        false
    }

    /// Books of its own: those of a sensor, over all that it saw.
    fn books(&self) -> Option<SourceBooks> {
        None
    }
}

/// Packets given at a time.
const BATCH: usize = 256;

/// A capture file.
pub(super) struct CaptureFile {
    name: String,
    reader: Reader,
    ended: bool,
    /// Packets longer than the snap length that the file declares.
    cut: u64,
}

impl CaptureFile {
    /// `keeps_fcs`: packets are given with the FCS that the file declares.
    pub(super) fn open(path: &Path, keeps_fcs: bool) -> anyhow::Result<Self> {
        let name = if path == Path::new("-") {
            "stdin".to_owned()
        } else {
            path.display().to_string()
        };
        let mut reader = if path == Path::new("-") {
            Reader::new(&name, Pipe::new(std::io::stdin()))?
        } else {
            let file = File::open(path).with_context(|| name.clone())?;
            let about = file.metadata().with_context(|| name.clone())?;
            if about.is_file() {
                Reader::new(&name, file)?
            } else {
                Reader::new(&name, Pipe::new(file))?
            }
        };
        if keeps_fcs {
            reader.keep_fcs();
        }
        Ok(Self {
            name,
            reader,
            ended: false,
            cut: 0,
        })
    }
}

impl PacketSource for CaptureFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn packets(&mut self, _: Duration, take: &mut Take<'_>) -> Result<State, SourceError> {
        for _ in 0..BATCH {
            if self.ended {
                return Ok(State::Ended);
            }
            match self.reader.next_frame() {
                Ok(Some(frame)) => {
                    // As libpcap does, which reads no file with longer ones.
                    let octets = within(frame.data, frame.info);
                    self.cut += u64::from(octets.len() < frame.data.len());
                    let packet = Packet {
                        interface: frame.interface,
                        at_ns: u64::try_from(frame.at_ns()).unwrap_or(u64::MAX),
                        wire_len: frame.wire_len,
                        octets,
                        flags: frame.said.flags,
                        dropped: frame.said.dropped,
                        comment: frame.said.comment,
                        info: frame.info,
                        longest: frame.longest,
                        choice: Choice::Asked,
                    };
                    if !take(&packet) {
                        self.ended = true;
                    }
                }
                Ok(None) => {
                    self.ended = true;
                    for sentence in self.reader.notes().sentences(&self.name) {
                        say(&sentence);
                    }
                    if self.cut > 0 {
                        say(&format!(
                            "{}: {} packets were longer than the file says they can be, and were \
                             cut",
                            self.name, self.cut
                        ));
                    }
                }
                Err(error) if error.reason.is_not_yet() => return Ok(State::Quiet),
                Err(error) => {
                    self.ended = true;
                    return Err(error.into());
                }
            }
        }
        Ok(State::More)
    }

    fn interface(&self) -> Option<&InterfaceInfo> {
        self.reader.interface()
    }

    fn end(&mut self) {
        self.ended = true;
    }

    fn counted(&self) -> Counted {
        Counted::default()
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// Octets within the snap length of their interface.
fn within<'a>(octets: &'a [u8], info: Option<&InterfaceInfo>) -> &'a [u8] {
    let most = info.map_or(0, |info| info.snap_len);
    match usize::try_from(most) {
        // None, or more than libpcap believes.
        Ok(0) | Err(_) => octets,
        Ok(most) if most > 0x7fff_ffff => octets,
        Ok(most) => octets.get(..most).unwrap_or(octets),
    }
}

/// An interface of this machine.
pub(super) struct Listener {
    name: String,
    info: InterfaceInfo,
    tap: Tap,
    direction: Direction,
    /// Drops of the kernel that a packet has told already.
    told: u64,
    ending: bool,
    ended: bool,
}

impl Listener {
    /// Of an interface that is listened to; `info` is for the file.
    pub(super) fn new(
        name: String,
        capture: Capture,
        info: InterfaceInfo,
        direction: Direction,
    ) -> Self {
        Self {
            info,
            tap: Tap::new(&name, capture),
            name,
            direction,
            told: 0,
            ending: false,
            ended: false,
        }
    }

    fn warn(&mut self) {
        for warning in self.tap.warnings() {
            say(&warning);
        }
    }
}

impl PacketSource for Listener {
    fn name(&self) -> &str {
        &self.name
    }

    fn packets(&mut self, wait: Duration, take: &mut Take<'_>) -> Result<State, SourceError> {
        if self.ended {
            return Ok(State::Ended);
        }
        self.tap.ask_if_due();
        let drops = self.tap.counted().stats.dropped;
        for taken in 0..BATCH {
            let Some(frame) = self.tap.next_frame() else {
                if taken > 0 {
                    return Ok(State::More);
                }
                self.ended = !self.tap.rest(wait);
                self.warn();
                if let Some(failure) = self.tap.failure() {
                    // What it saw before stands, and what waits is still given.
                    self.ending = true;
                    return Err(failure);
                }
                return Ok(if self.ended {
                    State::Ended
                } else {
                    State::Quiet
                });
            };
            let packet = Packet {
                interface: 0,
                at_ns: frame.at_ns,
                wire_len: frame.wire_len,
                octets: frame.data,
                flags: if frame.outgoing { OUTBOUND } else { INBOUND },
                dropped: drops.saturating_sub(self.told),
                comment: None,
                info: Some(&self.info),
                longest: u32::MAX,
                choice: match self.direction {
                    Direction::In if frame.outgoing => Choice::Refused,
                    Direction::Out if !frame.outgoing => Choice::Refused,
                    _ => Choice::Asked,
                },
            };
            self.told = drops;
            if !take(&packet) {
                return Ok(State::More);
            }
        }
        Ok(State::More)
    }

    fn interface(&self) -> Option<&InterfaceInfo> {
        Some(&self.info)
    }

    fn end(&mut self) {
        if !self.ending {
            self.ending = true;
            self.tap.end();
        }
    }

    fn counted(&self) -> Counted {
        let counted = self.tap.counted();
        let Stats {
            packets, dropped, ..
        } = counted.stats;
        let (card, unknown) = match counted.card {
            Card::Drops(drops) => (Some(drops.sum()), None),
            Card::None => (None, None),
            Card::Unknown => (None, Some("card unknown")),
        };
        Counted {
            received: Some(packets),
            kernel: Some(dropped),
            card,
            unknown,
            ..Counted::default()
        }
    }

    fn is_live(&self) -> bool {
        true
    }

    fn is_now(&self) -> bool {
        true
    }
}

/// Files that the sources read, those that feed an emulated board among them.
pub(super) fn inputs(specs: &[Spec]) -> Vec<FileId> {
    let id = |spec: &Spec| {
        let path = match spec {
            Spec::File(path) if path == Path::new("-") => Path::new("/dev/stdin"),
            Spec::File(path)
            | Spec::Qemu {
                feed: Feed::File(path),
                ..
            } => path,
            _ => return None,
        };
        let about = fs::metadata(path).ok()?;
        about.is_file().then(|| FileId::of(&about))
    };
    specs.iter().filter_map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_feeds_a_board_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "").unwrap();
        let id = FileId::of(&fs::metadata(&path).unwrap());
        for text in ["file:", "qemu:mps2-an386,feed="] {
            let spec: Spec = format!("{text}{}", path.display()).parse().unwrap();
            assert_eq!(inputs(&[spec]), [id], "{text}");
        }
        assert!(inputs(&[Spec::File("/dev/null".into())]).is_empty());
    }
}
