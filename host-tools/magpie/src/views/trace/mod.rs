//! What a trace looks like: traceroute's lines, mtr's table, a graph of ways,
//! and JSON.

pub mod graph;
pub mod json;
pub mod live;
pub mod text;

use std::net::IpAddr;
use std::time::Duration;

/// What is known of an address beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: Option<String>,
    /// The AS that it belongs to; the outer `None`: nobody asked.
    pub asn: Option<Option<u32>>,
}

impl Label {
    /// As traceroute writes an address: `name (address)` or, where numbers are
    /// wanted, the address alone; and the AS.
    pub fn text(&self, address: IpAddr, numeric: bool) -> String {
        let text = match &self.name {
            _ if numeric => address.to_string(),
            Some(name) => format!("{name} ({address})"),
            None => format!("{address} ({address})"),
        };
        match self.asn {
            None => text,
            Some(None) => format!("{text} [*]"),
            Some(Some(asn)) => format!("{text} [AS{asn}]"),
        }
    }
}

/// Looks up what is known of an address.
pub type Labels<'a> = dyn Fn(IpAddr) -> Label + 'a;

/// Whole microseconds.
fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Milliseconds with three digits after the point, as traceroute has them.
fn ms(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}
