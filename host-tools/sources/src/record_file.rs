//! Files of records as they were received (`--record FILE`).
//!
//! Numbers are little endian. The file begins with [`MAGIC`] and one octet of
//! version (1); entries follow.
//!
//! | octets | field | meaning |
//! |---|---|---|
//! | 1 | kind | 1 batch, 2 feed done, 3 reconnected, 4 offered |
//! | 4 | length | of the body |
//! | 8 | time | when it was received, host microseconds since 1970 |
//! | length | body | 1: the batch without framing; 4: [`Offered`] (postcard) |
//! | 4 | CRC-32 | of all of the entry before it |
//!
//! An entry of an unknown kind is skipped. A file that ends within an entry
//! is read up to there, with a warning: whoever wrote it was interrupted.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Incoming, Offered, Source, SourceError, Uplink};

/// First octets of such a file; the version follows.
pub(crate) const MAGIC: [u8; 15] = *b"magpie records\n";
const VERSION: u8 = 1;
const HEAD: usize = 13;
/// Longest body believed.
const MAX_LENGTH: u32 = 1 << 16;

const BATCH: u8 = 1;
const FEED_DONE: u8 = 2;
const RECONNECTED: u8 = 3;
const OFFERED: u8 = 4;

/// Keeps what a source gives.
pub struct RecordWriter {
    path: PathBuf,
    to: BufWriter<File>,
}

impl RecordWriter {
    /// Makes the file, in the place of one that is there.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, SourceError> {
        let path = path.into();
        let file = File::create(&path).map_err(|e| refused(&path, e))?;
        let mut writer = Self {
            to: BufWriter::new(file),
            path,
        };
        writer.put(&[&MAGIC, &[VERSION]])?;
        Ok(writer)
    }

    fn put(&mut self, parts: &[&[u8]]) -> Result<(), SourceError> {
        for part in parts {
            self.to
                .write_all(part)
                .map_err(|e| refused(&self.path, e))?;
        }
        Ok(())
    }

    fn entry(&mut self, kind: u8, at_us: u64, body: &[u8]) -> Result<(), SourceError> {
        let length = u32::try_from(body.len())
            .ok()
            .filter(|length| *length <= MAX_LENGTH);
        let Some(length) = length else {
            let error = io::Error::other(format!("an entry of {} octets", body.len()));
            return Err(refused(&self.path, error));
        };
        let (length, at_us) = (length.to_le_bytes(), at_us.to_le_bytes());
        let parts: [&[u8]; 4] = [&[kind], &length, &at_us, body];
        let mut crc = crc32fast::Hasher::new();
        for part in parts {
            crc.update(part);
        }
        self.put(&parts)?;
        self.put(&[&crc.finalize().to_le_bytes()])
    }

    /// Keeps what was received at this time (host microseconds since 1970).
    pub fn keep(&mut self, at_us: u64, incoming: &Incoming) -> Result<(), SourceError> {
        match incoming {
            Incoming::Batch(batch) => self.entry(BATCH, at_us, batch),
            Incoming::FeedDone => self.entry(FEED_DONE, at_us, &[]),
            Incoming::Reconnected => self.entry(RECONNECTED, at_us, &[]),
            Incoming::Idle | Incoming::Ended => Ok(()),
        }
    }

    /// Keeps what was offered, at the end, so that the books close alike when
    /// the file is read again; then sees to it that all is in the file.
    pub fn finish(mut self, at_us: u64, offered: Option<&Offered>) -> Result<(), SourceError> {
        if let Some(offered) = offered {
            let body = postcard::to_stdvec(offered)
                .map_err(|e| refused(&self.path, io::Error::other(e)))?;
            self.entry(OFFERED, at_us, &body)?;
        }
        self.to.flush().map_err(|e| refused(&self.path, e))
    }
}

fn refused(path: &Path, reason: io::Error) -> SourceError {
    SourceError::io(
        format!("record file {}", path.display()),
        reason,
        "choose a file that can be written, on a disk with room",
    )
}

/// What was recorded, given again in the same order.
pub struct RecordFile {
    name: String,
    file: String,
    from: BufReader<Box<dyn Read + Send>>,
    offset: u64,
    received_at: Option<u64>,
    offered: Option<Offered>,
    warnings: Vec<String>,
    failure: Option<SourceError>,
    ended: bool,
}

/// Why an entry cannot be read.
enum Stop {
    /// The end, between two entries.
    End,
    /// The end, within one.
    Cut,
    Damaged(String),
    Io(io::Error),
}

impl RecordFile {
    /// Reads the file's header. `name` is the source's, `file` how messages
    /// call the file.
    pub fn new(
        name: impl Into<String>,
        file: &str,
        from: impl Read + Send + 'static,
    ) -> Result<Self, SourceError> {
        let from: Box<dyn Read + Send> = Box::new(from);
        let mut source = Self {
            name: name.into(),
            file: file.to_owned(),
            from: BufReader::new(from),
            offset: 0,
            received_at: None,
            offered: None,
            warnings: Vec::new(),
            failure: None,
            ended: false,
        };
        let mut head = [0; MAGIC.len() + 1];
        let failed = |reason: String| {
            SourceError::failed(file, reason, "give a file that `magpie ... --record` wrote")
        };
        match source.from.read_exact(&mut head) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(failed("cut within the header of a record file".to_owned()));
            }
            Err(e) => return Err(SourceError::io(file, e, "check that it may be read")),
        }
        source.offset = head.len() as u64;
        match head.split_last() {
            Some((&VERSION, magic)) if *magic == MAGIC => Ok(source),
            Some((version, magic)) if *magic == MAGIC => Err(failed(format!(
                "version {version} of the record file's format is not known"
            ))),
            _ => Err(failed("no record file".to_owned())),
        }
    }

    /// Fills `buffer`; how many octets there were.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        let mut there = 0;
        while there < buffer.len() {
            match self.from.read(&mut buffer[there..]) {
                Ok(0) => break,
                Ok(n) => there += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Stop::Io(e)),
            }
        }
        Ok(there)
    }

    /// Kind, time and body of the next entry.
    fn entry(&mut self) -> Result<(u8, u64, Vec<u8>), Stop> {
        let mut head = [0; HEAD];
        match self.fill(&mut head)? {
            0 => return Err(Stop::End),
            HEAD => {}
            _ => return Err(Stop::Cut),
        }
        let [kind, a, b, c, d, at_us @ ..] = head;
        let length = u32::from_le_bytes([a, b, c, d]);
        if length > MAX_LENGTH {
            return Err(Stop::Damaged(format!("an entry of {length} octets")));
        }
        let mut body = vec![0; length as usize];
        let mut sum = [0; 4];
        if self.fill(&mut body)? < body.len() || self.fill(&mut sum)? < sum.len() {
            return Err(Stop::Cut);
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&head);
        crc.update(&body);
        if crc.finalize().to_le_bytes() != sum {
            return Err(Stop::Damaged(
                "the checksum of an entry is wrong".to_owned(),
            ));
        }
        self.offset += (HEAD + body.len() + sum.len()) as u64;
        Ok((kind, u64::from_le_bytes(at_us), body))
    }

    fn end(&mut self, stop: Stop) {
        self.ended = true;
        let (file, offset) = (&self.file, self.offset);
        match stop {
            Stop::End => {}
            Stop::Cut => self.warnings.push(format!(
                "{file}: truncated: the last entry (at octet {offset}) is cut and was left out"
            )),
            Stop::Damaged(reason) => {
                self.failure = Some(SourceError::failed(
                    file,
                    format!("damaged: {reason} (at octet {offset})"),
                    "what was read up to there stands; fetch the file anew for the rest",
                ));
            }
            Stop::Io(reason) => {
                let thing = format!("{file} (at octet {offset})");
                self.failure = Some(SourceError::io(thing, reason, "check the disk"));
            }
        }
    }
}

impl Source for RecordFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn receive(&mut self, _: Duration) -> Result<Incoming, SourceError> {
        while !self.ended {
            match self.entry() {
                Ok((kind, at_us, body)) => {
                    self.received_at = Some(at_us);
                    match kind {
                        BATCH => return Ok(Incoming::Batch(body)),
                        FEED_DONE => return Ok(Incoming::FeedDone),
                        RECONNECTED => return Ok(Incoming::Reconnected),
                        OFFERED => match postcard::from_bytes(&body) {
                            Ok(offered) => self.offered = Some(offered),
                            Err(e) => self.end(Stop::Damaged(format!("what was offered: {e}"))),
                        },
                        _ => {}
                    }
                }
                Err(stop) => self.end(stop),
            }
        }
        Ok(Incoming::Ended)
    }

    fn send(&mut self, _: &[u8]) -> Result<(), SourceError> {
        Ok(())
    }

    fn uplink(&self) -> Option<Uplink> {
        Some(Uplink::Recording)
    }

    fn offered(&self) -> Option<Offered> {
        self.offered.clone()
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn answers(&self) -> bool {
        false
    }

    fn received_at(&self) -> Option<u64> {
        self.received_at
    }

    fn failure(&mut self) -> Option<SourceError> {
        self.failure.take()
    }
}
