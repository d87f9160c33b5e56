//! A file that grows by whole blocks.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{FileId, Unwritten, WriteError};

/// Written at once, when nobody asks earlier.
const CHUNK: usize = 64 * 1024;

const STANDS: &str =
    "the file was cut after the last whole packet and can be read; free some room and start again";
const MAY_BE_CUT: &str = "what was written before stands, but its last packet may be cut";

/// Where octets go.
#[derive(Debug)]
enum Target {
    /// A file of ours, which can be cut.
    Regular(File),
    /// A pipe or a device.
    Other(File),
    Stdout(io::Stdout),
    /// For tests: fails as a full disk does.
    #[cfg(test)]
    Test(super::tests::Disk),
}

impl Target {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Regular(file) | Self::Other(file) => file.write(octets),
            Self::Stdout(stdout) => stdout.write(octets),
            #[cfg(test)]
            Self::Test(disk) => disk.write(octets),
        }
    }

    /// Cuts it after so many octets; false where it cannot be.
    fn cut(&mut self, octets: u64) -> bool {
        match self {
            Self::Regular(file) => file.set_len(octets).is_ok(),
            Self::Other(_) | Self::Stdout(_) => false,
            #[cfg(test)]
            Self::Test(disk) => disk.cut(octets),
        }
    }
}

/// Which files may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// One that is not there.
    Create,
    /// Anybody's.
    Overwrite,
    /// This one, which was made here, or one that is not there.
    Again(FileId),
}

/// A file that holds whole blocks whatever happens to it: those that are
/// complete are written in one go, and where that fails it is cut after the
/// last one that went in whole.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    target: Target,
    /// Complete blocks that wait.
    pending: Vec<u8>,
    /// Where they end in `pending`, and of which interface it is a packet that
    /// ends, if it is one.
    ends: Vec<(usize, Option<u32>)>,
    /// Octets of whole blocks written.
    written: u64,
    /// Packets written.
    packets: u64,
    failed: bool,
}

impl Output {
    fn new(path: &Path, target: Target) -> Self {
        Self {
            path: path.to_owned(),
            target,
            pending: Vec::with_capacity(CHUNK * 2),
            ends: Vec::new(),
            written: 0,
            packets: 0,
            failed: false,
        }
    }

    /// Makes a file, or writes one again that `may` be. Pipes and devices
    /// exist always; `-` is stdout.
    pub(super) fn open(path: &Path, may: May, inputs: &[FileId]) -> Result<Self, WriteError> {
        if path == Path::new("-") {
            return Ok(Self::new(Path::new("stdout"), Target::Stdout(io::stdout())));
        }
        let wrong = |reason: io::Error| match reason.kind() {
            io::ErrorKind::AlreadyExists => WriteError::Exists {
                file: path.to_owned(),
            },
            _ => WriteError::Open {
                file: path.to_owned(),
                reason,
            },
        };
        let is_input = |about: &Metadata| inputs.contains(&FileId::of(about));
        if path.metadata().is_ok_and(|about| is_input(&about)) {
            return Err(WriteError::Input {
                file: path.to_owned(),
            });
        }
        if let May::Again(ours) = may {
            let file = again(path, ours).map_err(wrong)?;
            return Ok(Self::new(path, Target::Regular(file)));
        }
        if let Some(special) = special(path).map_err(wrong)? {
            return Ok(Self::new(path, Target::Other(special)));
        }
        let mut options = OpenOptions::new();
        options.write(true);
        if may == May::Overwrite {
            options.create(true).truncate(false);
        } else {
            // Neither what a link points to nor what came between is ours.
            options.create_new(true);
        }
        let file = options.open(path).map_err(wrong)?;
        let about = file.metadata().map_err(wrong)?;
        // Only the file that is open is sure to be the one that is emptied.
        if is_input(&about) {
            return Err(WriteError::Input {
                file: path.to_owned(),
            });
        }
        file.set_len(0).map_err(wrong)?;
        Ok(Self::new(path, Target::Regular(file)))
    }

    /// Which file it is, if it is one.
    pub(super) fn id(&self) -> Option<FileId> {
        match &self.target {
            Target::Regular(file) => file.metadata().ok().map(|about| FileId::of(&about)),
            _ => None,
        }
    }

    /// Onto a pipe that is open.
    pub(super) fn pipe(name: &Path, pipe: File) -> Self {
        Self::new(name, Target::Other(pipe))
    }

    #[cfg(test)]
    pub(super) fn onto(disk: super::tests::Disk) -> Self {
        Self::new(Path::new("disk"), Target::Test(disk))
    }

    /// Which file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Octets so far, those that wait among them.
    pub(super) fn octets(&self) -> u64 {
        self.written.saturating_add(self.pending.len() as u64)
    }

    /// Appends one block: what `encode` appends to what it is given. `packet_of`
    /// is the interface whose packet it is.
    pub(super) fn block(
        &mut self,
        packet_of: Option<u32>,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), WriteError> {
        encode(&mut self.pending);
        self.ends.push((self.pending.len(), packet_of));
        if self.pending.len() >= CHUNK {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands everything to the system.
    pub(super) fn flush(&mut self) -> Result<(), WriteError> {
        if self.failed {
            let unwritten = self.book(0);
            return Err(self.error(io::Error::other("it failed before"), MAY_BE_CUT, unwritten));
        }
        let mut done = 0;
        while let Some(rest) = self.pending.get(done..).filter(|rest| !rest.is_empty()) {
            match self.target.write(rest) {
                Ok(0) => return Err(self.fail(done, io::ErrorKind::WriteZero.into())),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.fail(done, e)),
            }
        }
        if let Target::Stdout(stdout) = &mut self.target
            && let Err(e) = stdout.flush()
        {
            return Err(self.fail(0, e));
        }
        self.book(done);
        Ok(())
    }

    /// The blocks within the first `octets` are written; the packets behind.
    fn book(&mut self, octets: usize) -> Unwritten {
        let mut last = 0;
        let mut unwritten = Unwritten::new();
        for (end, packet_of) in self.ends.drain(..) {
            if end <= octets {
                last = end;
                self.packets += u64::from(packet_of.is_some());
            } else if let Some(interface) = packet_of {
                *unwritten.entry(interface).or_default() += 1;
            }
        }
        self.written = self.written.saturating_add(last as u64);
        self.pending.clear();
        unwritten
    }

    /// Nothing more goes in after `done` octets of what waited.
    fn fail(&mut self, done: usize, reason: io::Error) -> WriteError {
        self.failed = true;
        let unwritten = self.book(done);
        let whole = self.target.cut(self.written);
        self.error(reason, if whole { STANDS } else { MAY_BE_CUT }, unwritten)
    }

    fn error(&self, reason: io::Error, rest: &'static str, unwritten: Unwritten) -> WriteError {
        WriteError::Write {
            file: self.path.clone(),
            packets: self.packets,
            unwritten,
            reason,
            rest,
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.failed {
            // Whoever wants to know whether this went well has flushed.
            let _ = self.flush();
        }
    }
}

/// Empties the file of ours that has this name, or makes it. What somebody has
/// put in its place meanwhile, a link or a file, is not ours.
fn again(path: &Path, ours: FileId) -> io::Result<File> {
    let other = || io::Error::from(io::ErrorKind::AlreadyExists);
    match path.symlink_metadata() {
        // Before it is opened: a pipe would be waited for.
        Ok(about) if FileId::of(&about) != ours => return Err(other()),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return OpenOptions::new().write(true).create_new(true).open(path);
        }
        Err(e) => return Err(e),
    }
    let file = OpenOptions::new().write(true).open(path)?;
    if FileId::of(&file.metadata()?) != ours {
        return Err(other());
    }
    file.set_len(0)?;
    Ok(file)
}

/// Opens what is there and no file: a pipe or a device.
fn special(path: &Path) -> io::Result<Option<File>> {
    match path.metadata() {
        Ok(about) if !about.is_file() && !about.is_dir() => {
            let file = OpenOptions::new().write(true).open(path)?;
            // It may have become a file meanwhile, and then it is somebody's.
            Ok((!file.metadata()?.is_file()).then_some(file))
        }
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
