//! One file after the other, by size and by time.

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::output::{May, Output};
use super::{About, FileFormat, FileId, InterfaceInfo, Packet, Statistics, WriteError};
use super::{names, pcap, pcapng};

/// Which files are written, with tcpdump's meanings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// `-w`: the file; `-` is stdout.
    pub path: PathBuf,
    /// In which form.
    pub format: FileFormat,
    /// `-C`: a new file once this one has more octets of packets, and as many
    /// as of its header.
    pub octets: Option<u64>,
    /// `-G`: a new file after so long, by the times of the packets; the name
    /// is a pattern of strftime(3).
    pub every: Option<Duration>,
    /// `-W`: with `-C` alone, so many files, then the first again; with `-G`
    /// alone, the end after so many; with both it gives the numbers their width.
    pub files: Option<NonZeroU32>,
    /// Others' files are overwritten.
    pub force: bool,
    /// Files that are read meanwhile, which are not overwritten in any case.
    pub inputs: Vec<FileId>,
}

impl Rotation {
    /// One file.
    pub fn none(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: FileFormat::default(),
            octets: None,
            every: None,
            files: None,
            force: false,
            inputs: Vec::new(),
        }
    }

    /// Whether names can be made of it, with any time.
    pub fn check_name(&self) -> Result<(), WriteError> {
        name(self, 0, 0).map(drop)
    }
}

/// The capture file that is written, or one after the other.
#[derive(Debug)]
pub struct Files {
    rotation: Rotation,
    about: About,
    interfaces: Vec<InterfaceInfo>,
    output: Output,
    /// Octets of the current file that stand in the next one again: what it
    /// says of itself and of interfaces.
    header: u64,
    /// When the current stretch of `-G` began.
    began_ns: u64,
    /// Stretches of `-G` that are over.
    stretches: u32,
    /// Files of this stretch before the current one.
    number: u64,
    /// Ours, so they may be written again.
    ours: BTreeMap<PathBuf, FileId>,
    made: u64,
}

/// Paths that are remembered as ours: a ring has less.
const MAX_OURS: usize = 0x1_0000;

impl Files {
    /// Makes the (first) file; `at_ns` is now, or when the first packet was
    /// captured.
    pub fn create(
        rotation: Rotation,
        about: About,
        interfaces: Vec<InterfaceInfo>,
        at_ns: u64,
    ) -> Result<Self, WriteError> {
        let mut ours = BTreeMap::new();
        let path = name(&rotation, at_ns, 0)?;
        let output = open(&rotation, &path, &mut ours)?;
        Self::on(output, rotation, about, interfaces, ours, at_ns)
    }

    /// Writes a pcapng file into a pipe, which is named so in messages.
    pub fn pipe(
        pipe: File,
        name: impl Into<PathBuf>,
        about: About,
        interfaces: Vec<InterfaceInfo>,
    ) -> Result<Self, WriteError> {
        let rotation = Rotation::none(name);
        let output = Output::pipe(&rotation.path, pipe);
        Self::on(output, rotation, about, interfaces, BTreeMap::new(), 0)
    }

    fn on(
        output: Output,
        rotation: Rotation,
        about: About,
        interfaces: Vec<InterfaceInfo>,
        ours: BTreeMap<PathBuf, FileId>,
        at_ns: u64,
    ) -> Result<Self, WriteError> {
        let mut files = Self {
            rotation,
            about,
            interfaces,
            output,
            header: 0,
            began_ns: at_ns,
            stretches: 0,
            number: 0,
            ours,
            made: 1,
        };
        files.begin()?;
        Ok(files)
    }

    /// Writes what comes before the packets, through to the system.
    fn begin(&mut self) -> Result<(), WriteError> {
        let Self {
            output,
            about,
            interfaces,
            ..
        } = self;
        match self.rotation.format {
            FileFormat::Pcapng => {
                output.block(None, |out| pcapng::section(out, about))?;
                for info in interfaces.iter() {
                    output.block(None, |out| pcapng::interface(out, info))?;
                }
            }
            FileFormat::Pcap => output.block(None, |out| pcap::header(out, false, interfaces))?,
            FileFormat::PcapNanos => {
                output.block(None, |out| pcap::header(out, true, interfaces))?;
            }
        }
        self.header = output.octets();
        output.flush()
    }

    /// Another interface, from now on and in all files that follow; its number.
    pub fn add_interface(&mut self, info: InterfaceInfo) -> Result<u32, WriteError> {
        if self.rotation.format == FileFormat::Pcapng {
            let before = self.output.octets();
            self.output
                .block(None, |out| pcapng::interface(out, &info))?;
            self.header += self.output.octets().saturating_sub(before);
        }
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        self.interfaces.push(info);
        Ok(number)
    }

    /// Whether a packet of this time belongs into another file.
    pub fn is_due(&self, at_ns: u64) -> bool {
        self.is_time(at_ns) || self.is_full()
    }

    fn is_time(&self, at_ns: u64) -> bool {
        self.rotation.every.is_some_and(|every| {
            u128::from(at_ns.saturating_sub(self.began_ns)) >= every.as_nanos()
        })
    }

    /// Whether its packets are enough. They are at least as much as the header,
    /// else a file read with very many interfaces would fill the disk.
    fn is_full(&self) -> bool {
        let most = self.rotation.octets;
        most.is_some_and(|most| {
            self.output.octets().saturating_sub(self.header) > most.max(self.header)
        })
    }

    /// Closes the file and begins the next one, whose first packet has this
    /// time; false where no more are wanted. `known` is of each interface.
    pub fn rotate(&mut self, at_ns: u64, known: &[Statistics]) -> Result<bool, WriteError> {
        let is_time = self.is_time(at_ns);
        let limit = self.rotation.files.map(NonZeroU32::get);
        if is_time {
            self.stretches = self.stretches.saturating_add(1);
            if self.rotation.octets.is_none() && limit.is_some_and(|n| self.stretches >= n) {
                return Ok(false);
            }
            self.number = 0;
            self.began_ns = at_ns;
        } else {
            self.number = self.number.saturating_add(1);
            if let (Some(limit), None) = (limit, self.rotation.every)
                && self.number >= limit.into()
            {
                self.number = 0;
            }
        }
        let stretch = self.began_ns;
        let next = name(&self.rotation, stretch, self.number)?;
        let is_ring = limit.is_some() && self.rotation.every.is_none();
        if next == self.output.path() && !is_ring && !self.rotation.force {
            // A pattern that names two times alike: nothing is lost.
            return Ok(true);
        }
        self.finish(known)?;
        self.output = open(&self.rotation, &next, &mut self.ours)?;
        self.made = self.made.saturating_add(1);
        self.begin()?;
        Ok(true)
    }

    /// Appends a packet.
    pub fn write(&mut self, packet: &Packet<'_>) -> Result<(), WriteError> {
        let of = Some(packet.interface);
        match self.rotation.format {
            FileFormat::Pcapng => self.output.block(of, |out| pcapng::packet(out, packet)),
            FileFormat::Pcap => self
                .output
                .block(of, |out| pcap::packet(out, false, packet)),
            FileFormat::PcapNanos => self.output.block(of, |out| pcap::packet(out, true, packet)),
        }
    }

    /// Hands what was written to the system.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.output.flush()
    }

    /// Ends the file with what is known of each interface.
    pub fn close(mut self, known: &[Statistics]) -> Result<(), WriteError> {
        self.finish(known)
    }

    fn finish(&mut self, known: &[Statistics]) -> Result<(), WriteError> {
        if self.rotation.format == FileFormat::Pcapng {
            for (interface, known) in (0..).zip(known) {
                self.output
                    .block(None, |out| pcapng::statistics(out, interface, known))?;
            }
        }
        self.output.flush()
    }

    /// The file that is written now.
    pub fn path(&self) -> &Path {
        self.output.path()
    }

    /// How many files were made.
    pub fn made(&self) -> u64 {
        self.made
    }
}

fn name(rotation: &Rotation, stretch_ns: u64, number: u64) -> Result<PathBuf, WriteError> {
    if rotation.path == Path::new("-") {
        return Ok(rotation.path.clone());
    }
    let path = match rotation.every {
        Some(_) => names::timed(&rotation.path, stretch_ns)?,
        None => rotation.path.clone(),
    };
    Ok(match rotation.octets {
        Some(_) => names::numbered(&path, number, rotation.files.map(NonZeroU32::get)),
        None => path,
    })
}

fn open(
    rotation: &Rotation,
    path: &Path,
    ours: &mut BTreeMap<PathBuf, FileId>,
) -> Result<Output, WriteError> {
    let is_ring = rotation.files.is_some() && rotation.every.is_none();
    let may = match ours.get(path) {
        _ if rotation.force => May::Overwrite,
        Some(id) if is_ring => May::Again(*id),
        _ => May::Create,
    };
    let output = Output::open(path, may, &rotation.inputs)?;
    if is_ring
        && ours.len() < MAX_OURS
        && let Some(id) = output.id()
    {
        ours.insert(path.to_owned(), id);
    }
    Ok(output)
}
