//! The contract between a sensor and its host: what is counted, under which
//! key, and how it is written down.
//!
//! This crate holds types and their encoding only. It never counts, sends or
//! reads a clock. Order of use: a sensor fills a [`Record`] and calls
//! [`encode_record_for`]; the link carries the bytes; the host calls
//! [`decode_record`] (of packets, [`decode_packet_part`]) on what [`Items`] finds
//! in a batch. [`Command`]s travel
//! the other way in the same form.
//!
//! # Form of an item
//!
//! | octets | field | meaning |
//! |---|---|---|
//! | 1 | type | [`RecordType`] or [`CommandType`] |
//! | 1-2 | length | of the body, LEB128, at most [`MAX_BODY`] |
//! | length | body | postcard (varint integers, fields in order) |
//!
//! Fleets of mixed versions live together by three rules: an unknown type is
//! skipped and counted; octets behind the last known field are ignored, so a
//! newer minor version may append fields to the end of a body; another major
//! version is refused by name. Enumerations that may grow are carried as
//! plain numbers.
//!
//! # Form of a body
//!
//! Field after field as each type's table lists them, in postcard's encoding
//! (of the compact flow in one made by hand, out of the same numbers):
//!
//! | written | as |
//! |---|---|
//! | varint | LEB128, lowest 7 bits first, minimal or not; `u16`, `u32`, `u64` |
//! | zigzag | a signed number n as varint of 2n, or -2n - 1 where it is negative |
//! | octet | `u8` as it is; a truth value is 0 or 1 |
//! | option | 0, or 1 and the value |
//! | text | varint of its octets, UTF-8 |
//! | list | varint of its entries, the entries |
//! | tag | varint: which of several forms follows |
//!
//! Structures inside others are written in place, without a length: only the
//! end of a body can grow.
//!
//! A sensor writes for its host: the header of each batch of commands has the
//! host's minor version, and until one came, the sensor takes it for the
//! oldest. A new type is for those only who say that they read it. (What a
//! host has not acknowledged when an older one takes its place has been
//! written already: the older host shows it among the records of unknown
//! types.)
//!
//! Units: times are microseconds of the sensor's clock (`_us`), sizes are
//! octets. Which clock that is, [`Hello::clock`] says.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

mod command;
mod compact;
mod counts;
mod echo;
mod filter;
mod flow;
mod hello;
mod item;
mod key;
mod ledger;
mod octets;
mod packet;
mod port;
mod source;
mod too_big;
mod unsent;

pub use command::{Command, CommandReply, CommandType, Configuration, Outcome, TimeReply};
pub use counts::{
    CountEntry, Counts, ETHERTYPE_LLC, ETHERTYPE_NONE, KEY_OTHER, Malformed, TableId,
};
pub use echo::{EchoKey, EchoRecord, EchoSample};
pub use filter::{
    BpfInstruction, FilterAction, FilterReason, FilterReply, FilterState, FilterStatus,
    Instructions,
};
pub use flow::{Direction, EndReason, FlowRecord, Handshake, TcpFacts};
pub use hello::{BootReason, BootReport, Capacities, ClockKind, FilterRoom, Hello};
pub use item::{
    DecodeError, EncodeError, Item, Items, Record, RecordType, decode_command, decode_flow_key,
    decode_record, encode_command, encode_record, encode_record_for,
};
pub use key::{AddressPair, FlowKey, Side, VlanStack};
pub use ledger::{Census, Doubles, Known, Ledger, Losses, Sum, Tally, UplinkCounts};
pub use packet::{PacketHead, PacketPart, PartPlace, decode_packet_part, encode_packet_part};
pub use port::{LinkState, NetState, Port};
pub use source::{Emitted, RecordSource, Want};
pub use too_big::TooBig;
pub use unsent::{Address, FlowSum, Unsent, UnsentKey, UnsentLine};

/// Major version: a peer with another one is refused by name.
pub const VERSION_MAJOR: u8 = 1;
/// Minor version: a newer one only appends fields and types.
///
/// | minor | brought |
/// |---|---|
/// | 1 | [`Hello::boot`] |
/// | 2 | [`Ledger::doubles`], [`Configuration::dedup_us`], [`Capacities::doubles`] |
/// | 3 | [`RecordType::CompactFlow`], [`Unsent`], [`Record::Port`] and [`TooBig`], for hosts that say they speak it; [`BootReport::watchdogs`] |
/// | 4 | filters: [`Command::LoadFilter`], [`Command::StartFilter`], [`Command::StopFilter`], [`Outcome::Refused`]; [`Record::FilterReply`], [`Record::FilterStatus`] and [`PacketPart`], for hosts that say they speak it; [`Ledger::filtered`], [`Capacities::filters`], [`Port::refused`] |
pub const VERSION_MINOR: u8 = 4;

/// Largest body of one item, in octets.
pub const MAX_BODY: usize = 600;
/// Largest encoded item (type, length, body), in octets.
pub const MAX_ITEM: usize = MAX_BODY + 3;
