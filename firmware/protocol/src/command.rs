//! What the host may ask. Every command is idempotent.

use serde::{Deserialize, Serialize};

use crate::{FilterAction, Instructions};

/// Type number of a command; 128 and more, apart from records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CommandType {
    /// [`Command::Hello`]
    Hello = 128,
    /// [`Command::Ack`]
    Ack = 129,
    /// [`Command::Flush`]
    Flush = 130,
    /// [`Command::TimeSync`]
    TimeSync = 131,
    /// [`Command::Configure`]
    Configure = 132,
    /// [`Command::LoadFilter`], since 1.4
    LoadFilter = 133,
    /// [`Command::StartFilter`], since 1.4
    StartFilter = 134,
    /// [`Command::StopFilter`], since 1.4
    StopFilter = 135,
}

/// Settings that last until the next boot; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Configuration {
    /// A flow ends after so long without a frame; 0 = never.
    pub idle_us: Option<u64>,
    /// A flow's record is exported at this age; 0 = never.
    pub active_us: Option<u64>,
    /// A closed connection leaves after so long; 0 = never.
    pub end_us: Option<u64>,
    /// Live updates of a changed entry at most this often; 0 = none.
    pub live_us: Option<u64>,
    /// Doubles of frames within this window are counted apart; 0 = not looked
    /// for. A sensor without room for it answers [`Outcome::Unsupported`], and
    /// leaves all as it was.
    // Behind the rest by hand (item.rs): a host of 1.1 ends before it.
    #[serde(skip)]
    pub dedup_us: Option<u32>,
}

/// A request of the host. Numbers are its own choice, and another host's may be
/// the same: an answer goes by the way of its command, or not at all.
///
/// | command | fields |
/// |---|---|
/// | Hello | major, minor: octet each |
/// | Ack | boot id, next: varint each |
/// | Flush | id: varint |
/// | `TimeSync` | id, host time: varint each |
/// | Configure | id: varint; idle, active, end, live: option of a varint each; dedup (since 1.2; a body may end before it): likewise |
/// | `LoadFilter` | id: varint; slot: octet; of, at: varint each; instructions: list, at most 16, of code (2 octets, little endian), jt, jf (octet each), k (4 octets, little endian) |
/// | `StartFilter` | id: varint; slot, literal: octet each; action as in [`crate::FilterStatus`]; of, check sum: varint each |
/// | `StopFilter` | id: varint; slot, discard: octet each |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Says which version the host speaks; answered by the sensor's Hello.
    Hello {
        /// The host's major version.
        major: u8,
        /// The host's minor version.
        minor: u8,
    },
    /// Finished records before `next` have arrived.
    Ack {
        /// Boot whose records are meant; another one is ignored.
        boot_id: u32,
        /// Sequence number of the next finished record expected.
        next: u64,
    },
    /// Export everything, then the ledger with this number.
    Flush {
        /// Number, not 0; a repeated number is answered once.
        id: u32,
    },
    /// Asks for the sensor's time; answered by a [`TimeReply`].
    TimeSync {
        /// Number that comes back.
        id: u32,
        /// The host's time, comes back unread.
        host_us: u64,
    },
    /// Changes settings; answered by a [`CommandReply`].
    Configure {
        /// Number that comes back.
        id: u32,
        /// The settings.
        set: Configuration,
    },
    /// Puts instructions of a program into a slot whose filter does not run,
    /// one command after the other. Answered by a [`crate::FilterReply`], like
    /// all commands about filters; a number that comes again is answered again,
    /// and nothing else is done.
    LoadFilter {
        /// Number, not 0, that comes back.
        id: u32,
        /// Which slot, from 0.
        slot: u8,
        /// Instructions of the whole program.
        of: u16,
        /// Which of them is the first here; 0 begins another program.
        at: u16,
        /// They.
        instructions: Instructions,
    },
    /// Verifies the program in a slot and lets it look at every frame from now on.
    /// Behind the answer come its status and the ledger: what is counted from
    /// there on was shown to it. The same number again prolongs its run on a board
    /// ([`crate::FilterStatus::LIFE_S`]); with `of` 0 it can begin none.
    StartFilter {
        /// Number, not 0, that comes back, and tells this run from others.
        id: u32,
        /// Which slot.
        slot: u8,
        /// Frames are looked at as they are; else without their VLAN tags.
        literal: bool,
        /// What is done with those selected.
        action: FilterAction,
        /// Instructions of the program.
        of: u16,
        /// Their CRC-32/ISO-HDLC, in the form of the command that brought them.
        check: u32,
    },
    /// Stops a slot's filter. Packets that wait are still sent.
    StopFilter {
        /// Number, not 0, that comes back.
        id: u32,
        /// Which slot.
        slot: u8,
        /// Packets that wait are not sent, and count as dropped.
        discard: bool,
    },
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum Outcome {
    /// Done.
    Done,
    /// This sensor cannot do it.
    Unsupported,
    /// A value is out of range.
    BadValue,
    /// The host speaks another major version.
    BadVersion,
    /// It could be done, and is not for who asks in this way, or now.
    Refused,
    /// An outcome of a newer version.
    Unknown(u8),
}

impl From<u8> for Outcome {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::Unsupported,
            2 => Self::BadValue,
            3 => Self::BadVersion,
            4 => Self::Refused,
            other => Self::Unknown(other),
        }
    }
}

impl From<Outcome> for u8 {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => 0,
            Outcome::Unsupported => 1,
            Outcome::BadValue => 2,
            Outcome::BadVersion => 3,
            Outcome::Refused => 4,
            Outcome::Unknown(code) => code,
        }
    }
}

/// Answer to a command that has no record of its own: id as varint, command
/// and outcome as an octet each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandReply {
    /// Number of the command.
    pub id: u32,
    /// Its type ([`CommandType`] as a number).
    pub command: u8,
    /// How it ended.
    pub outcome: Outcome,
}

/// Answer to [`Command::TimeSync`]: four varints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeReply {
    /// Number of the request.
    pub id: u32,
    /// The host's time out of the request.
    pub host_us: u64,
    /// Sensor time when the request was handled.
    pub received_us: u64,
    /// Sensor time when this answer was written.
    pub sent_us: u64,
}
