//! One table as comma-separated values (RFC 4180), with a header line.

use std::io::{self, Write};

use magpie_protocol::TableId;
use serde_json::Value;

use super::rows::{self, Row};
use super::{Choice, Seen};

/// What `--table` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Table {
    /// Flows.
    Flow,
    /// Echo pairs.
    Echo,
    /// ICMP messages.
    Icmp,
    /// ARP operations and kinds.
    Arp,
    /// Frames by type after the last tag.
    Ethertype,
    /// Frames by IP version and protocol.
    IpProto,
    /// Frames by VLAN stack.
    Vlan,
    /// Fragments.
    Fragments,
    /// Malformed classes.
    Malformed,
    /// The ledger.
    Ledger,
    /// Flows whose records the sensor could not keep, by responder.
    Unsent,
    /// Mirror health.
    Mirror,
    /// Who the sensors are.
    Sensor,
    /// What their ports and processors are at.
    Port,
    /// The books.
    Books,
}

impl Table {
    /// Its rows of one source.
    fn rows(self, seen: &Seen<'_>, choice: &Choice) -> Vec<Row> {
        match self {
            Self::Flow => rows::flows(seen, choice).collect(),
            Self::Echo => rows::echoes(seen),
            Self::Icmp => rows::icmp(seen),
            Self::Arp => rows::arp(seen),
            Self::Ethertype => rows::counts(seen, TableId::Ethertype),
            Self::IpProto => rows::counts(seen, TableId::IpProtocol),
            Self::Vlan => rows::counts(seen, TableId::Vlan),
            Self::Fragments => rows::counts(seen, TableId::Fragment),
            Self::Malformed => rows::counts(seen, TableId::Malformed),
            Self::Ledger => {
                let ledger = seen.picture.ledger();
                ledger.iter().map(|of| rows::ledger(seen, of)).collect()
            }
            Self::Unsent => rows::unsent(seen),
            Self::Mirror => vec![rows::mirror(seen)],
            Self::Sensor => rows::sensor(seen).into_iter().collect(),
            Self::Port => {
                let port = seen.picture.port();
                port.iter().map(|of| rows::port(seen, of)).collect()
            }
            Self::Books => vec![rows::books(seen)],
        }
    }
}

/// A value as a field: lists joined by dots, absent ones empty.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(field).collect();
            items.join(".")
        }
        other => other.to_string(),
    }
}

/// Writes one record; an error of the output keeps its kind.
fn put<T: AsRef<[u8]>>(
    writer: &mut csv::Writer<impl Write>,
    fields: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    writer
        .write_record(fields)
        .map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("{other:?}")),
        })
}

fn record<'r>(row: &'r Row, names: &'r [String]) -> impl Iterator<Item = String> + 'r {
    let value = |name: &String| row.get(name).map(field).unwrap_or_default();
    names.iter().map(value)
}

/// Writes one table of all sources, the header once.
pub fn write(
    sources: &[Seen<'_>],
    table: Table,
    choice: &Choice,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    if table == Table::Flow {
        // All flows have the same fields, and there may be millions.
        let mut names = Vec::new();
        for row in sources.iter().flat_map(|seen| rows::flows(seen, choice)) {
            if names.is_empty() {
                names = row.keys().cloned().collect();
                put(&mut writer, &names)?;
            }
            put(&mut writer, record(&row, &names))?;
        }
        return writer.flush();
    }
    // Others differ in a few (reasons of losses): the header has every name
    // once, in order of appearance.
    let rows: Vec<Row> = sources
        .iter()
        .flat_map(|seen| table.rows(seen, choice))
        .collect();
    let mut names: Vec<String> = Vec::new();
    for name in rows.iter().flat_map(Row::keys) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if !names.is_empty() {
        put(&mut writer, &names)?;
    }
    for row in &rows {
        put(&mut writer, record(row, &names))?;
    }
    writer.flush()
}
