//! One JSON object a line, each with its `type`.

use std::io::{self, Write};

use super::rows::{self, Row};
use super::{Choice, Seen};

/// Writes one row as a line.
pub fn line(row: &Row, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, row)?;
    out.write_all(b"\n")
}

/// All that is known of a source. `flows` is false where its flows and echo
/// pairs were written as they ended.
pub fn write(
    seen: &Seen<'_>,
    choice: &Choice,
    flows: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    if let Some(row) = rows::sensor(seen) {
        line(&row, out)?;
    }
    if flows {
        for row in rows::flows(seen, choice) {
            line(&row, out)?;
        }
        for row in rows::echoes(seen) {
            line(&row, out)?;
        }
    }
    for row in rows::icmp(seen).into_iter().chain(rows::arp(seen)) {
        line(&row, out)?;
    }
    for table in rows::COUNT_TABLES {
        for row in rows::counts(seen, table) {
            line(&row, out)?;
        }
    }
    if let Some(port) = seen.picture.port() {
        line(&rows::port(seen, port), out)?;
    }
    if let Some(ledger) = seen.picture.ledger() {
        line(&rows::ledger(seen, &ledger), out)?;
    }
    for row in rows::unsent(seen) {
        line(&row, out)?;
    }
    for row in rows::gaps(seen) {
        line(&row, out)?;
    }
    line(&rows::link(seen), out)?;
    line(&rows::mirror(seen), out)?;
    if let Some(row) = rows::forgotten(seen) {
        line(&row, out)?;
    }
    line(&rows::books(seen), out)
}
