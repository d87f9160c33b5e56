//! Type, length, body: writing and reading items.

use crate::octets::Writer;
use crate::{
    Command, CommandReply, CommandType, Configuration, Counts, EchoRecord, EchoSample, FilterReply,
    FilterStatus, FlowKey, FlowRecord, Hello, Ledger, MAX_BODY, Port, Side, TimeReply, TooBig,
    Unsent, VERSION_MINOR, compact, flow,
};

/// Type number of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordType {
    /// [`Record::Hello`]
    Hello = 1,
    /// [`Record::Ledger`]
    Ledger = 2,
    /// [`Record::Flow`], as every version reads it
    Flow = 3,
    /// [`Record::Echo`]
    Echo = 4,
    /// [`Record::EchoSample`]
    EchoSample = 5,
    /// [`Record::Counts`]
    Counts = 6,
    /// [`Record::TimeReply`]
    TimeReply = 7,
    /// [`Record::CommandReply`]
    CommandReply = 8,
    /// [`Record::Flow`], since 1.3
    CompactFlow = 9,
    /// [`Record::Unsent`], since 1.3
    Unsent = 11,
    /// [`Record::Port`], since 1.3
    Port = 12,
    /// [`Record::TooBig`], since 1.3
    TooBig = 13,
    /// [`Record::FilterReply`], since 1.4
    FilterReply = 14,
    /// [`Record::FilterStatus`], since 1.4
    FilterStatus = 15,
    /// [`crate::PacketPart`], since 1.4; no [`Record`]
    PacketPart = 16,
}

/// Hosts from this minor version on read [`RecordType::CompactFlow`].
const COMPACT_SINCE: u8 = 3;

/// Anything a sensor says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // lives on the stack for one call only; there is no heap to box on
pub enum Record {
    /// Who the sensor is.
    Hello(Hello),
    /// Where every frame went.
    Ledger(Ledger),
    /// A flow, live or finished.
    Flow(FlowRecord),
    /// An echo pair, live or finished.
    Echo(EchoRecord),
    /// One round trip.
    EchoSample(EchoSample),
    /// Lines of a counter table.
    Counts(Counts),
    /// Answer to a time request.
    TimeReply(TimeReply),
    /// Answer to another command.
    CommandReply(CommandReply),
    /// Lines of the table of flows whose records were not kept.
    Unsent(Unsent),
    /// What port and processor are at (since 1.3).
    Port(Port),
    /// The latest message that a packet was too big (since 1.3).
    TooBig(TooBig),
    /// Answer to a command about filters (since 1.4).
    FilterReply(FilterReply),
    /// What a filter did (since 1.4).
    FilterStatus(FilterStatus),
}

/// Why an item could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// The buffer is too small.
    NoRoom,
    /// The body would exceed [`MAX_BODY`].
    TooLong,
}

/// Why an item could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The octets end within the item.
    Truncated,
    /// The length exceeds [`MAX_BODY`] or is not minimal LEB128.
    BadLength,
    /// A type this version does not know; the item was skipped.
    UnknownType(u8),
    /// The body is not of its type.
    BadBody(u8),
}

pub(crate) fn put_item(
    kind: u8,
    out: &mut [u8],
    write: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<usize, EncodeError> {
    // The body is written where it would stand behind a length of one octet,
    // and moved where that does not suffice.
    let (head, rest) = out.split_at_mut_checked(2).ok_or(EncodeError::NoRoom)?;
    let len = write(rest)?;
    if len > MAX_BODY {
        return Err(EncodeError::TooLong);
    }
    let [kind_at, length_at] = head else {
        return Err(EncodeError::NoRoom);
    };
    *kind_at = kind;
    let bits = u16::try_from(len).map_err(|_| EncodeError::TooLong)?;
    let [upper, lower] = (bits << 1).to_be_bytes();
    *length_at = lower >> 1;
    if upper == 0 {
        return Ok(len.saturating_add(2));
    }
    *length_at |= 0x80;
    let end = len.saturating_add(3);
    let mut carried = upper;
    for octet in out.get_mut(2..end).ok_or(EncodeError::NoRoom)? {
        carried = core::mem::replace(octet, carried);
    }
    Ok(end)
}

fn body(value: &impl serde::Serialize, out: &mut [u8]) -> Result<usize, EncodeError> {
    postcard::to_slice(value, out)
        .map(|written| written.len())
        .map_err(|_| EncodeError::NoRoom)
}

fn compact_body(flow: &FlowRecord, out: &mut [u8]) -> Result<usize, EncodeError> {
    let room = out.len();
    let mut out = Writer::new(out);
    compact::write(flow, &mut out)?;
    Ok(room.saturating_sub(out.room()))
}

/// Writes one record as an item, as this version does; returns its octets.
pub fn encode_record(record: &Record, out: &mut [u8]) -> Result<usize, EncodeError> {
    encode_record_for(VERSION_MINOR, record, out)
}

/// Writes one record as an item that a host of this minor version reads;
/// returns its octets.
pub fn encode_record_for(
    host_minor: u8,
    record: &Record,
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    match record {
        // What a minor version brought is always written, even where it says
        // nothing: the next version's fields can only stand behind it.
        Record::Hello(r) => put_item(RecordType::Hello as u8, out, |b| {
            let c = &r.capacities;
            body(&(r, &r.boot, c.doubles, r.boot.watchdogs, c.filters), b)
        }),
        Record::Ledger(r) => put_item(RecordType::Ledger as u8, out, |b| {
            body(&(r, &r.doubles, r.filtered), b)
        }),
        Record::Flow(r) if host_minor >= COMPACT_SINCE && compact::can_say(r) => {
            put_item(RecordType::CompactFlow as u8, out, |b| compact_body(r, b))
        }
        Record::Flow(r) => put_item(RecordType::Flow as u8, out, |b| body(r, b)),
        Record::Echo(r) => put_item(RecordType::Echo as u8, out, |b| body(r, b)),
        Record::EchoSample(r) => put_item(RecordType::EchoSample as u8, out, |b| body(r, b)),
        Record::Counts(r) => put_item(RecordType::Counts as u8, out, |b| body(r, b)),
        Record::TimeReply(r) => put_item(RecordType::TimeReply as u8, out, |b| body(r, b)),
        Record::CommandReply(r) => put_item(RecordType::CommandReply as u8, out, |b| body(r, b)),
        Record::Port(r) => put_item(RecordType::Port as u8, out, |b| body(&(r, r.refused), b)),
        Record::TooBig(r) => put_item(RecordType::TooBig as u8, out, |b| body(r, b)),
        Record::Unsent(r) => put_item(RecordType::Unsent as u8, out, |b| body(r, b)),
        Record::FilterReply(r) => put_item(RecordType::FilterReply as u8, out, |b| body(r, b)),
        Record::FilterStatus(r) => put_item(RecordType::FilterStatus as u8, out, |b| body(r, b)),
    }
}

/// Writes one command as an item; returns its octets.
pub fn encode_command(command: &Command, out: &mut [u8]) -> Result<usize, EncodeError> {
    match command {
        Command::Hello { major, minor } => {
            put_item(CommandType::Hello as u8, out, |b| body(&(major, minor), b))
        }
        Command::Ack { boot_id, next } => {
            put_item(CommandType::Ack as u8, out, |b| body(&(boot_id, next), b))
        }
        Command::Flush { id } => put_item(CommandType::Flush as u8, out, |b| body(id, b)),
        Command::TimeSync { id, host_us } => put_item(CommandType::TimeSync as u8, out, |b| {
            body(&(id, host_us), b)
        }),
        Command::Configure { id, set } => put_item(CommandType::Configure as u8, out, |b| {
            body(&(id, set, set.dedup_us), b)
        }),
        Command::LoadFilter {
            id,
            slot,
            of,
            at,
            instructions,
        } => put_item(CommandType::LoadFilter as u8, out, |b| {
            body(&(id, slot, of, at, instructions), b)
        }),
        Command::StartFilter {
            id,
            slot,
            literal,
            action,
            of,
            check,
        } => put_item(CommandType::StartFilter as u8, out, |b| {
            body(&(id, slot, literal, action, of, check), b)
        }),
        Command::StopFilter { id, slot, discard } => {
            put_item(CommandType::StopFilter as u8, out, |b| {
                body(&(id, slot, discard), b)
            })
        }
    }
}

/// One item as it stands in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// Type number.
    pub kind: u8,
    /// Body, not decoded.
    pub body: &'a [u8],
}

/// The items of a batch, in order. Ends after the first error: behind a bad
/// length nothing can be trusted.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// Items in these octets.
    pub fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    fn take(&mut self) -> Result<Item<'a>, DecodeError> {
        let (kind, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        let (low, rest) = rest.split_first().ok_or(DecodeError::Truncated)?;
        let (len, rest) = if *low < 0x80 {
            (usize::from(*low), rest)
        } else {
            let (high, rest) = rest.split_first().ok_or(DecodeError::Truncated)?;
            if *high == 0 || *high >= 0x80 {
                return Err(DecodeError::BadLength);
            }
            (usize::from(low & 0x7f) | (usize::from(*high) << 7), rest)
        };
        if len > MAX_BODY {
            return Err(DecodeError::BadLength);
        }
        let (body, rest) = rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(Item { kind: *kind, body })
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = self.take();
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }
}

fn read<'a, T: serde::Deserialize<'a>>(item: Item<'a>) -> Result<T, DecodeError> {
    // Octets behind the known fields belong to a newer minor version.
    postcard::take_from_bytes(item.body)
        .map(|(value, _newer)| value)
        .map_err(|_| DecodeError::BadBody(item.kind))
}

/// Reads a value and what newer versions put behind it: that may be missing,
/// but not be damaged.
fn read_and<'a, T, N>(item: Item<'a>) -> Result<(T, N), DecodeError>
where
    T: serde::Deserialize<'a>,
    N: serde::Deserialize<'a> + Default,
{
    let bad = |_| DecodeError::BadBody(item.kind);
    let (value, newer) = postcard::take_from_bytes(item.body).map_err(bad)?;
    let newer = if newer.is_empty() {
        N::default()
    } else {
        postcard::take_from_bytes(newer).map_err(bad)?.0
    };
    Ok((value, newer))
}

/// A Hello goes on in 1.1, in 1.2, in 1.3 and in 1.4.
fn read_hello(item: Item<'_>) -> Result<Hello, DecodeError> {
    let bad = |_| DecodeError::BadBody(item.kind);
    let (mut hello, newer): (Hello, _) = postcard::take_from_bytes(item.body).map_err(bad)?;
    if newer.is_empty() {
        return Ok(hello);
    }
    let since_1_2;
    (hello.boot, since_1_2) = postcard::take_from_bytes(newer).map_err(bad)?;
    if since_1_2.is_empty() {
        return Ok(hello);
    }
    let since_1_3;
    (hello.capacities.doubles, since_1_3) = postcard::take_from_bytes(since_1_2).map_err(bad)?;
    if since_1_3.is_empty() {
        return Ok(hello);
    }
    let since_1_4;
    (hello.boot.watchdogs, since_1_4) = postcard::take_from_bytes(since_1_3).map_err(bad)?;
    if !since_1_4.is_empty() {
        (hello.capacities.filters, _) = postcard::take_from_bytes(since_1_4).map_err(bad)?;
    }
    Ok(hello)
}

/// A ledger goes on in 1.2 and in 1.4.
fn read_ledger(item: Item<'_>) -> Result<Ledger, DecodeError> {
    let bad = |_| DecodeError::BadBody(item.kind);
    let (mut ledger, since_1_2): (Ledger, _) = postcard::take_from_bytes(item.body).map_err(bad)?;
    if since_1_2.is_empty() {
        return Ok(ledger);
    }
    let since_1_4;
    (ledger.doubles, since_1_4) = postcard::take_from_bytes(since_1_2).map_err(bad)?;
    if !since_1_4.is_empty() {
        (ledger.filtered, _) = postcard::take_from_bytes(since_1_4).map_err(bad)?;
    }
    Ok(ledger)
}

fn read_port(item: Item<'_>) -> Result<Port, DecodeError> {
    read_and(item).map(|(port, refused)| Port { refused, ..port })
}

/// Reads a record out of an item.
pub fn decode_record(item: Item<'_>) -> Result<Record, DecodeError> {
    match item.kind {
        k if k == RecordType::Hello as u8 => read_hello(item).map(Record::Hello),
        k if k == RecordType::Ledger as u8 => read_ledger(item).map(Record::Ledger),
        k if k == RecordType::Flow as u8 => read(item).map(Record::Flow),
        k if k == RecordType::CompactFlow as u8 => compact::read(item.body)
            .map(Record::Flow)
            .ok_or(DecodeError::BadBody(item.kind)),
        k if k == RecordType::Echo as u8 => read(item).map(Record::Echo),
        k if k == RecordType::EchoSample as u8 => read(item).map(Record::EchoSample),
        k if k == RecordType::Counts as u8 => read(item).map(Record::Counts),
        k if k == RecordType::TimeReply as u8 => read(item).map(Record::TimeReply),
        k if k == RecordType::CommandReply as u8 => read(item).map(Record::CommandReply),
        k if k == RecordType::Port as u8 => read_port(item).map(Record::Port),
        k if k == RecordType::TooBig as u8 => read(item).map(Record::TooBig),
        k if k == RecordType::Unsent as u8 => read(item).map(Record::Unsent),
        k if k == RecordType::FilterReply as u8 => read(item).map(Record::FilterReply),
        k if k == RecordType::FilterStatus as u8 => read(item).map(Record::FilterStatus),
        // [`crate::PacketPart`] among them: it borrows its octets.
        other => Err(DecodeError::UnknownType(other)),
    }
}

/// Reads out of an item which flow its record is of, and who began it; `None`
/// where it is no flow's. Nothing else of the record is read.
pub fn decode_flow_key(item: Item<'_>) -> Option<(FlowKey, Side)> {
    match item.kind {
        k if k == RecordType::Flow as u8 => flow::read_key(item.body),
        k if k == RecordType::CompactFlow as u8 => compact::read_flow_key(item.body),
        _ => None,
    }
}

/// Reads a command out of an item.
pub fn decode_command(item: Item<'_>) -> Result<Command, DecodeError> {
    match item.kind {
        k if k == CommandType::Hello as u8 => {
            read(item).map(|(major, minor)| Command::Hello { major, minor })
        }
        k if k == CommandType::Ack as u8 => {
            read(item).map(|(boot_id, next)| Command::Ack { boot_id, next })
        }
        k if k == CommandType::Flush as u8 => read(item).map(|id| Command::Flush { id }),
        k if k == CommandType::TimeSync as u8 => {
            read(item).map(|(id, host_us)| Command::TimeSync { id, host_us })
        }
        k if k == CommandType::Configure as u8 => {
            read_and(item).map(|((id, set), dedup_us): ((u32, Configuration), _)| {
                let set = Configuration { dedup_us, ..set };
                Command::Configure { id, set }
            })
        }
        k if k == CommandType::LoadFilter as u8 => {
            read(item).map(|(id, slot, of, at, instructions)| Command::LoadFilter {
                id,
                slot,
                of,
                at,
                instructions,
            })
        }
        k if k == CommandType::StartFilter as u8 => read(item).map(
            |(id, slot, literal, action, of, check)| Command::StartFilter {
                id,
                slot,
                literal,
                action,
                of,
                check,
            },
        ),
        k if k == CommandType::StopFilter as u8 => {
            read(item).map(|(id, slot, discard)| Command::StopFilter { id, slot, discard })
        }
        other => Err(DecodeError::UnknownType(other)),
    }
}
