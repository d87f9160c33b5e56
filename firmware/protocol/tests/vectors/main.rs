//! Known octets of every record and command: what is deployed must stay
//! readable, so a change of any line here is a new major version.
//!
//! The tables of records are in `sensor`, `traffic` and `filters`, that of the
//! commands in `commands`.
#![allow(clippy::too_many_lines)] // tables of data

mod batches;
mod commands;
mod filters;
mod numbers;
mod parts;
mod sensor;
mod sizes;
mod traffic;
mod versions;

use magpie_protocol::{Items, MAX_ITEM, Record, VlanStack, decode_record, encode_record_for};

use filters::filter_records;
use sensor::sensor_records;
use traffic::traffic_records;

/// The forms that every host reads; `compact.rs` has the newer one of flows.
const FIRST: u8 = 0;

fn stack(ids: &[u16]) -> VlanStack {
    let mut stack = VlanStack::NONE;
    assert!(ids.iter().all(|id| stack.push(*id)));
    stack
}

/// The records of all kinds, Hello first.
fn records() -> Vec<(&'static str, Record, &'static str)> {
    let mut all = sensor_records();
    all.extend(traffic_records());
    all.extend(filter_records());
    all
}

fn hex(octets: &[u8]) -> String {
    octets
        .iter()
        .fold(String::new(), |hex, octet| hex + &format!("{octet:02x}"))
}

fn one_item(octets: &[u8]) -> magpie_protocol::Item<'_> {
    let mut items = Items::new(octets);
    let item = items.next().unwrap().unwrap();
    assert!(items.next().is_none());
    item
}

#[test]
fn records_have_their_known_octets() {
    let mut out = [0; MAX_ITEM];
    for (name, record, known) in records() {
        let len = encode_record_for(FIRST, &record, &mut out).unwrap();
        assert_eq!(hex(&out[..len]), known, "{name}");
        assert_eq!(decode_record(one_item(&out[..len])), Ok(record), "{name}");
    }
}
