//! Capture files written so that they can always be read: every block whole,
//! nobody's file overwritten, a full disk no reason for a broken file.
//!
//! Order of use: [`Files::create`], [`Files::write`] for each packet (and
//! [`Files::rotate`] where [`Files::is_due`]), [`Files::flush`] from time to
//! time, [`Files::close`].
//!
//! Of the crates that write pcapng, `pcap-file` knows all of these blocks, but
//! gathers options in a `Vec` for each packet and writes field by field into a
//! stream, which leaves a cut block where a write fails; the reader here is
//! ours already, and the blocks it lacks are the other half of this one.

mod names;
mod output;
mod pcap;
mod pcapng;
mod rotate;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

pub use rotate::{Files, Rotation};

/// Octets of the longest packet that other programs read: libpcap's
/// `MAXIMUM_SNAPLEN`, tcpdump's where all of a packet is kept, Wireshark's.
pub const LONGEST: u32 = 262_144;

/// Form of a capture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileFormat {
    /// pcapng: nanoseconds, several interfaces, drops, comments, statistics.
    #[default]
    Pcapng,
    /// pcap with microseconds, for programs that read nothing else. Of drops,
    /// comments, interfaces and directions it holds nothing.
    Pcap,
    /// Likewise, with nanoseconds.
    PcapNanos,
}

/// What a pcapng file says of itself (section header).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The machine.
    pub hardware: Option<String>,
    /// Its operating system.
    pub os: Option<String>,
    /// The program that writes.
    pub application: Option<String>,
}

/// An interface of a pcapng file. All are Ethernet, and their times are in
/// nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InterfaceInfo {
    /// Its name: `eth0`, `serial:/dev/ttyACM0`.
    pub name: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// What chose its packets.
    pub filter: Option<String>,
    /// The hardware behind it: a sensor's board.
    pub hardware: Option<String>,
    /// Octets kept of a packet at most; 0 is all.
    pub snap_len: u32,
    /// Octets of FCS at the end of its packets, where it is known that there
    /// are some.
    pub fcs_octets: Option<u8>,
}

impl InterfaceInfo {
    /// Octets that a packet can have; `u32::MAX` where there is no limit.
    #[must_use]
    pub fn longest(&self) -> u32 {
        crate::reader::limit(self.snap_len)
    }
}

/// Of [`Packet::flags`]: it was received.
pub const INBOUND: u32 = 1;
/// Of [`Packet::flags`]: this machine sent it.
pub const OUTBOUND: u32 = 2;

/// A packet as it is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Which of the file's interfaces, from 0 on.
    pub interface: u32,
    /// When it was captured, in nanoseconds since 1970.
    pub at_ns: u64,
    /// Its octets on the wire.
    pub wire_len: u32,
    /// What was captured of it.
    pub octets: &'a [u8],
    /// Which way it went and more (`epb_flags`); 0: nothing is known.
    pub flags: u32,
    /// Packets of this interface that were lost between the one before it and
    /// this one; 0: none that is known.
    pub dropped: u64,
    /// What is to be said about it.
    pub comment: Option<&'a str>,
}

/// What is known of an interface at the end; what is not known is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// When capturing began, in nanoseconds since 1970.
    pub start_ns: Option<u64>,
    /// When it ended, or when this was known.
    pub end_ns: Option<u64>,
    /// Packets that passed the interface (`isb_ifrecv`).
    pub received: Option<u64>,
    /// Packets that the interface itself dropped (`isb_ifdrop`).
    pub interface_dropped: Option<u64>,
    /// Packets that the filter took (`isb_filteraccept`).
    pub accepted: Option<u64>,
    /// Packets that the system or the sensor dropped for want of room
    /// (`isb_osdrop`).
    pub system_dropped: Option<u64>,
    /// Packets that reached the file (`isb_usrdeliv`).
    pub delivered: Option<u64>,
}

/// Which file it is, whatever its names: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Of a file, by what the system says about it.
    #[must_use]
    pub fn of(about: &Metadata) -> Self {
        Self {
            device: about.dev(),
            inode: about.ino(),
        }
    }
}

/// Packets that were to be written and were not, of each interface.
pub type Unwritten = BTreeMap<u32, u64>;

/// Why a capture file cannot be written. Names it, the reason and what stands; as
/// the reason is among its words it has no source.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Somebody's file.
    #[error("{}: it exists, and is not overwritten without --force", file.display())]
    Exists {
        /// Which.
        file: PathBuf,
    },
    /// It is one of [`Rotation::inputs`].
    #[error("{}: it is read from, and would be empty; name another file", file.display())]
    Input {
        /// Which.
        file: PathBuf,
    },
    /// It cannot be made.
    #[error("{}: cannot be written: {reason}; name a file in a folder that you may write to", file.display())]
    Open {
        /// Which.
        file: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// It cannot be gone on with: a full disk, for one.
    #[error("{}: writing failed after {packets} packets: {reason}; {rest}", file.display())]
    Write {
        /// Which.
        file: PathBuf,
        /// How many packets are in it whole.
        packets: u64,
        /// How many of each interface were given, and are in no file.
        unwritten: Unwritten,
        /// What the system said.
        reason: io::Error,
        /// What stands, what to do.
        rest: &'static str,
    },
    /// Its name is no name.
    #[error("{}: {why}", file.display())]
    Name {
        /// As it was given.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl WriteError {
    /// Whether nobody reads any more, which need be no failure.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        let reason = match self {
            Self::Open { reason, .. } | Self::Write { reason, .. } => reason,
            Self::Exists { .. } | Self::Input { .. } | Self::Name { .. } => return false,
        };
        reason.kind() == io::ErrorKind::BrokenPipe
    }

    /// Packets that were given, and are in no file.
    #[must_use]
    pub fn unwritten(&self) -> Unwritten {
        match self {
            Self::Write { unwritten, .. } => unwritten.clone(),
            _ => Unwritten::new(),
        }
    }
}
