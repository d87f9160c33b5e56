//! Filters on the sensor: asking for them, and what they select.

use std::fmt;

use magpie_protocol::{
    BpfInstruction, FilterAction, FilterReason, FilterState, FilterStatus, Outcome, Sum,
};

mod account;
mod parts;
mod talk;

pub use account::FilterAccount;
pub(crate) use talk::Filters;

/// A filter that the sensor is asked to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRequest {
    /// In which of the sensor's slots, from 0. What runs there is stopped, and
    /// its packets are given up.
    pub slot: u8,
    /// The program.
    pub program: Vec<BpfInstruction>,
    /// Frames are looked at as they are; else without their VLAN tags.
    pub literal: bool,
    /// What is done with the frames it selects.
    pub action: FilterAction,
    /// Asked again of another boot, which knows nothing of it, and of a sensor that
    /// stopped it because it heard nobody ask for it.
    pub again: bool,
}

/// When a packet came, in this host's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallTime {
    /// Microseconds since 1970; of one run of a filter, none is earlier than
    /// that of the packet before, unless the sensor's clock itself steps back.
    pub at_us: i128,
    /// So far it may be wrong; 0 where the frames' own time stamps are the
    /// sensor's clock.
    pub bound_us: u64,
}

/// A packet that a filter selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterPacket {
    /// Which filter's slot.
    pub slot: u8,
    /// The how-manieth that the sensor kept in this run, from 0.
    pub number: u64,
    /// When it came, in sensor time.
    pub at_us: u64,
    /// When it came; `None` while the sensor's clock was not measured.
    pub wall: Option<WallTime>,
    /// Octets on the wire, without FCS.
    pub wire_len: u32,
    /// Those that were kept.
    pub octets: Vec<u8>,
    /// Frames that the filter selected since the packet before and that the
    /// sensor had no room for, and their octets on the wire.
    pub dropped_before: Sum,
    /// Packets since the one before that were lost on the link.
    pub lost_before: u64,
}

/// Why a filter does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterRefusal {
    /// The sensor said so.
    Answered {
        /// How.
        outcome: Outcome,
        /// Why.
        reason: FilterReason,
        /// Which instruction is meant, where one is.
        instruction: Option<u16>,
    },
    /// It speaks an older protocol, and cannot even answer.
    TooOld {
        /// Its minor version.
        minor: u8,
    },
}

impl fmt::Display for FilterRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooOld { minor } => write!(
                f,
                "its firmware speaks protocol 1.{minor}, which has no filters (1.{} has): flash \
                 the firmware of this program's release",
                FilterStatus::SINCE
            ),
            Self::Answered {
                outcome,
                reason: FilterReason::None,
                ..
            } => write!(f, "{outcome:?}"),
            Self::Answered {
                reason,
                instruction: Some(at),
                ..
            } => write!(f, "instruction {at} of the program: {reason}"),
            Self::Answered { reason, .. } => reason.fmt(f),
        }
    }
}

/// What became of a filter, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterEvent {
    /// It runs.
    Started {
        /// In this slot.
        slot: u8,
        /// The number of its run.
        run: u32,
    },
    /// It does not, and is not asked for any more.
    Refused {
        /// In this slot.
        slot: u8,
        /// Why.
        why: FilterRefusal,
    },
    /// It selected a packet.
    Packet(FilterPacket),
    /// The sensor said what it did.
    Status(FilterAccount),
    /// It has stopped, and nothing more will come.
    Ended(FilterAccount),
    /// The sensor was restarted and forgot it, with the packets that it held; or
    /// heard nobody ask for it, and stopped it.
    Forgotten {
        /// As far as it was told; all of it where it was stopped
        /// ([`FilterAccount::is_over`]).
        account: FilterAccount,
        /// It is asked for again.
        again: bool,
    },
}

/// Whether a state is one that a filter has after its run.
fn has_stopped(state: FilterState) -> bool {
    !matches!(state, FilterState::Free | FilterState::Running)
}
