//! Filters on the sensor: programs of classic BPF, each in a slot and bound to
//! what is done with the frames that it selects.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Sum;

/// One instruction of classic BPF, with the fields of libpcap's `struct
/// bpf_insn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BpfInstruction {
    /// Operation code.
    pub code: u16,
    /// Of a conditional jump: instructions skipped where it holds.
    pub jt: u8,
    /// Of a conditional jump: instructions skipped where it does not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

impl BpfInstruction {
    /// Octets of one instruction.
    pub const OCTETS: usize = 8;

    /// In the order of the fields, as `BPF_JUMP` has them.
    pub const fn new(code: u16, jt: u8, jf: u8, k: u32) -> Self {
        Self { code, jt, jf, k }
    }

    /// As it stands in a [`crate::Command::LoadFilter`], and as
    /// [`crate::Command::StartFilter`]'s check sum has it: code, jt, jf, k, little
    /// endian.
    pub fn to_octets(self) -> [u8; Self::OCTETS] {
        let [c0, c1] = self.code.to_le_bytes();
        let [k0, k1, k2, k3] = self.k.to_le_bytes();
        [c0, c1, self.jt, self.jf, k0, k1, k2, k3]
    }

    /// Inverse of [`Self::to_octets`].
    pub fn from_octets([c0, c1, jt, jf, k0, k1, k2, k3]: [u8; Self::OCTETS]) -> Self {
        Self {
            code: u16::from_le_bytes([c0, c1]),
            jt,
            jf,
            k: u32::from_le_bytes([k0, k1, k2, k3]),
        }
    }
}

/// Some instructions of a program, as many as one command carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Instructions {
    all: [BpfInstruction; Instructions::MAX],
    len: u8,
}

impl Instructions {
    /// Most instructions of one command.
    pub const MAX: usize = 16;

    /// The first of these, as many as there is room for; the rest.
    pub fn take(from: &[BpfInstruction]) -> (Self, &[BpfInstruction]) {
        let mut all = [BpfInstruction::default(); Self::MAX];
        let (taken, rest) = from.split_at_checked(Self::MAX).unwrap_or((from, &[]));
        let mut len = 0_u8;
        for (place, instruction) in all.iter_mut().zip(taken) {
            *place = *instruction;
            len = len.saturating_add(1);
        }
        (Self { all, len }, rest)
    }

    /// The instructions, in order.
    pub fn as_slice(&self) -> &[BpfInstruction] {
        self.all.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl core::fmt::Debug for Instructions {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

type Octets = heapless::Vec<[u8; BpfInstruction::OCTETS], { Instructions::MAX }>;

impl Serialize for Instructions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut octets = Octets::new();
        for instruction in self.as_slice() {
            let _ = octets.push(instruction.to_octets());
        }
        octets.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Instructions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let octets = Octets::deserialize(deserializer)?;
        let mut read = Self::take(&[]).0;
        for (place, octets) in read.all.iter_mut().zip(octets) {
            *place = BpfInstruction::from_octets(octets);
            read.len = read.len.saturating_add(1);
        }
        Ok(read)
    }
}

/// What is done with the frames that a filter selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "RawAction", into = "RawAction")]
pub enum FilterAction {
    /// They are counted.
    #[default]
    Count,
    /// They are counted and sent to the host, as [`crate::PacketPart`]s.
    Capture {
        /// Octets of each that are kept at most; 0: all.
        snap_len: u32,
        /// The filter stops after so many packets were kept; 0: never.
        max_packets: u64,
        /// It stops before more than so many octets were kept; 0: never.
        max_octets: u64,
        /// Where frames can be made to wait, they do while there is no room for
        /// another packet: then none is dropped. (A capture file that is fed can
        /// wait, a network cannot.)
        wait: bool,
    },
    /// They are counted, and only they reach the tables: the frames that no
    /// filter of this kind selects are [`crate::Ledger::filtered`].
    Only,
    /// An action of a newer version.
    Unknown(u8),
}

/// Action, snap length, packets, octets, wait: all are always written.
#[derive(Serialize, Deserialize)]
struct RawAction(u8, u32, u64, u64, bool);

impl From<RawAction> for FilterAction {
    fn from(RawAction(code, snap_len, max_packets, max_octets, wait): RawAction) -> Self {
        match code {
            0 => Self::Count,
            1 => Self::Capture {
                snap_len,
                max_packets,
                max_octets,
                wait,
            },
            2 => Self::Only,
            other => Self::Unknown(other),
        }
    }
}

impl From<FilterAction> for RawAction {
    fn from(action: FilterAction) -> Self {
        match action {
            FilterAction::Count => Self(0, 0, 0, 0, false),
            FilterAction::Capture {
                snap_len,
                max_packets,
                max_octets,
                wait,
            } => Self(1, snap_len, max_packets, max_octets, wait),
            FilterAction::Only => Self(2, 0, 0, 0, false),
            FilterAction::Unknown(code) => Self(code, 0, 0, 0, false),
        }
    }
}

/// Why a command about filters was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum FilterReason {
    /// It was.
    #[default]
    None,
    /// The sensor has no slot of this number: its memory has no room for so many
    /// filters, or for any.
    NoSlot,
    /// It has no memory to keep packets in.
    NoRing,
    /// Packets are left out of its image (build option `no-payload`).
    NoPayload,
    /// Whoever asks by this way may be anybody: by UDP, commands about filters
    /// are refused.
    NotAuthenticated,
    /// The slot's filter runs: it is to be stopped first.
    Running,
    /// Packets of the slot's filter before wait to be sent: they are to be waited
    /// for, or given up.
    Draining,
    /// Instructions before this one, or of the program, have not come.
    Incomplete,
    /// The program that came is another one than was sent.
    CheckSum,
    /// An action of a newer version.
    UnknownAction,
    /// The program has no instruction.
    Empty,
    /// The program has more instructions than a slot.
    TooMany,
    /// Its operation code is unknown.
    UnknownCode,
    /// It jumps back.
    JumpBackward,
    /// It jumps out of the program.
    JumpOutside,
    /// The program does not end in a return.
    NoReturn,
    /// It names a word that scratch memory does not have.
    NoSuchWord,
    /// It reads a word of scratch memory that may not have been written.
    WordNotWritten,
    /// It divides by the constant 0.
    DivisionByZero,
    /// A reason of a newer version.
    Unknown(u8),
}

/// In the order of their numbers, from 0.
const REASONS: [FilterReason; 19] = [
    FilterReason::None,
    FilterReason::NoSlot,
    FilterReason::NoRing,
    FilterReason::NoPayload,
    FilterReason::NotAuthenticated,
    FilterReason::Running,
    FilterReason::Draining,
    FilterReason::Incomplete,
    FilterReason::CheckSum,
    FilterReason::UnknownAction,
    FilterReason::Empty,
    FilterReason::TooMany,
    FilterReason::UnknownCode,
    FilterReason::JumpBackward,
    FilterReason::JumpOutside,
    FilterReason::NoReturn,
    FilterReason::NoSuchWord,
    FilterReason::WordNotWritten,
    FilterReason::DivisionByZero,
];

impl From<u8> for FilterReason {
    fn from(code: u8) -> Self {
        let known = REASONS.get(usize::from(code)).copied();
        known.unwrap_or(Self::Unknown(code))
    }
}

impl From<FilterReason> for u8 {
    fn from(reason: FilterReason) -> Self {
        if let FilterReason::Unknown(code) = reason {
            return code;
        }
        let known = (0..).zip(REASONS).find(|(_, known)| *known == reason);
        known.map_or(0, |(code, _)| code)
    }
}

impl FilterReason {
    /// Whether it is said of one instruction: [`FilterReply::instruction`].
    pub fn is_of_instruction(self) -> bool {
        matches!(
            self,
            Self::TooMany
                | Self::UnknownCode
                | Self::JumpBackward
                | Self::JumpOutside
                | Self::NoReturn
                | Self::NoSuchWord
                | Self::WordNotWritten
                | Self::DivisionByZero
        )
    }
}

impl core::fmt::Display for FilterReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::None => "nothing is wrong",
            Self::NoSlot => "the sensor has no memory for this filter",
            Self::NoRing => "the sensor has no memory to keep packets in",
            Self::NoPayload => "the sensor's firmware was built without packets (no-payload)",
            Self::NotAuthenticated => {
                "the sensor takes no commands about filters by UDP, where anybody may ask"
            }
            Self::Running => "the filter of this slot runs",
            Self::Draining => "packets of this slot's filter before wait to be sent",
            Self::Incomplete => "instructions are missing",
            Self::CheckSum => "the program that came is not the one that was sent",
            Self::UnknownAction => "the sensor does not know this action",
            Self::Empty => "the program has no instruction",
            Self::TooMany => "the program has too many instructions",
            Self::UnknownCode => "unknown operation code",
            Self::JumpBackward => "it jumps back",
            Self::JumpOutside => "it jumps out of the program",
            Self::NoReturn => "the program does not end in a return",
            Self::NoSuchWord => "there is no such word of scratch memory",
            Self::WordNotWritten => "it reads scratch memory that may not have been written",
            Self::DivisionByZero => "it divides by zero",
            Self::Unknown(code) => return write!(f, "reason {code}"),
        })
    }
}

/// Answer to a command about filters; live, to hosts from [`FilterReply::SINCE`]
/// on.
///
/// | field | encoding |
/// |---|---|
/// | id | varint |
/// | command, slot, outcome, reason | octet each |
/// | instruction | varint |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterReply {
    /// Number of the command.
    pub id: u32,
    /// Its type ([`crate::CommandType`] as a number).
    pub command: u8,
    /// Which slot it was about.
    pub slot: u8,
    /// How it ended.
    pub outcome: crate::Outcome,
    /// Why it ended so.
    pub reason: FilterReason,
    /// Which instruction of the program is meant, the first is 0; 0 where none
    /// is ([`FilterReason::is_of_instruction`]).
    pub instruction: u16,
}

impl FilterReply {
    /// Minor version from which hosts read it.
    pub const SINCE: u8 = 4;
}

/// What a slot is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum FilterState {
    /// Nothing ever ran in it.
    #[default]
    Free,
    /// Its filter looks at every frame.
    Running,
    /// It was asked to stop.
    Stopped,
    /// As many packets were kept as were asked for.
    PacketLimit,
    /// So were octets.
    OctetLimit,
    /// Its host did not ask for it again within [`FilterStatus::LIFE_S`] seconds.
    Unheard,
    /// A state of a newer version.
    Unknown(u8),
}

impl From<u8> for FilterState {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Free,
            1 => Self::Running,
            2 => Self::Stopped,
            3 => Self::PacketLimit,
            4 => Self::OctetLimit,
            5 => Self::Unheard,
            other => Self::Unknown(other),
        }
    }
}

impl From<FilterState> for u8 {
    fn from(state: FilterState) -> Self {
        match state {
            FilterState::Free => 0,
            FilterState::Running => 1,
            FilterState::Stopped => 2,
            FilterState::PacketLimit => 3,
            FilterState::OctetLimit => 4,
            FilterState::Unheard => 5,
            FilterState::Unknown(code) => code,
        }
    }
}

/// What a slot's filter did since it was started; live, when it starts and
/// stops, when its last packet has left, and with every ledger, to hosts from
/// [`FilterStatus::SINCE`] on.
///
/// `matched = kept + dropped` for one that captures, in frames and in octets on
/// the wire; `forwarded` of `kept` have been given to the link, in order, so
/// what the host has not by then is lost on the link.
///
/// | field | encoding |
/// |---|---|
/// | slot | octet |
/// | run | varint |
/// | `at_us` | varint |
/// | state | octet (0 = free, 1 = running, 2 = stopped, 3 = packet limit, 4 = octet limit, 5 = unheard) |
/// | action | octet (0 = count, 1 = capture, 2 = only); snap length, packets, octets: varint each; wait: octet; 0 but for a capture |
/// | matched, kept, dropped, forwarded | 2 varints each: frames, octets |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct FilterStatus {
    /// Which slot.
    pub slot: u8,
    /// The id of the command that started it: tells one run from another.
    pub run: u32,
    /// Sensor time of this record.
    pub at_us: u64,
    /// Whether it runs, or why not.
    pub state: FilterState,
    /// What it does.
    pub action: FilterAction,
    /// Frames that it selected.
    pub matched: Sum,
    /// Of these, put into the memory for packets.
    pub kept: Sum,
    /// Of these, not, for want of room.
    pub dropped: Sum,
    /// Of those kept, given to the link.
    pub forwarded: Sum,
}

impl FilterStatus {
    /// Minor version from which hosts read it.
    pub const SINCE: u8 = 4;

    /// So many seconds a board's filter runs without being asked for again: that of
    /// a host which is gone must neither choose what the tables see for ever, nor
    /// pick packets for nobody. A host asks every 8.
    pub const LIFE_S: u8 = 30;

    /// Nothing of this run is still to come.
    pub fn is_over(&self) -> bool {
        !matches!(self.state, FilterState::Free | FilterState::Running)
            && self.forwarded.frames == self.kept.frames
    }
}
