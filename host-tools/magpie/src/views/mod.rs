//! Views: what a picture looks like to a person or a program. Each is made
//! from the picture and what the feeder offered, and from nothing else; those
//! of this machine (`sockets`, `routes`, `interfaces`) from what `os` read.

pub mod capture;
pub mod csv;
pub mod exact;
pub mod interfaces;
pub mod json;
mod mirror;
pub mod names;
pub mod packet;
pub mod ping;
pub mod routes;
pub mod rows;
pub mod screen;
pub mod sockets;
pub mod table;
pub mod text;
pub mod trace;
mod unsent;

use std::cell::OnceCell;

use magpie_collector::{Books, Mirror, Offered, Picture};
use magpie_protocol::ClockKind;

/// One source as a view sees it.
#[derive(Debug)]
pub struct Seen<'a> {
    /// All that its records amount to.
    pub picture: &'a Picture,
    /// What was on the wire, where somebody outside counted.
    pub offered: Option<&'a Offered>,
    /// Host time, microseconds since 1970: for rates and ages.
    pub now_us: u64,
    /// Many ask, and every flow is looked at.
    mirror: OnceCell<Mirror>,
}

impl<'a> Seen<'a> {
    /// This picture, as of this time.
    pub fn new(picture: &'a Picture, offered: Option<&'a Offered>, now_us: u64) -> Self {
        Self {
            picture,
            offered,
            now_us,
            mirror: OnceCell::new(),
        }
    }

    /// The balance.
    pub fn books(&self) -> Books {
        self.picture.books_with(self.offered, self.mirror())
    }

    /// What the mirror port may hide.
    pub fn mirror(&self) -> &Mirror {
        self.mirror
            .get_or_init(|| Mirror::with(self.picture, self.offered))
    }

    /// How this sensor's times are shown.
    pub fn times(&self) -> Times {
        let kind = self.picture.hello().map(|hello| hello.clock);
        match (kind, self.picture.clock()) {
            (Some(ClockKind::Unix), _) => Times::Unix { offset_us: 0 },
            (_, Some(clock)) => Times::Unix {
                offset_us: clock.offset_us,
            },
            _ => Times::Boot,
        }
    }
}

/// What a shown time counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// 1970, after adding this to the sensor's time.
    Unix {
        /// Microseconds.
        offset_us: i64,
    },
    /// The sensor's boot: its clock has not been compared with any other.
    Boot,
}

impl Times {
    /// A sensor time as it is shown, in microseconds.
    pub fn show(self, sensor_us: u64) -> i64 {
        let offset = match self {
            Self::Unix { offset_us } => offset_us,
            Self::Boot => 0,
        };
        i64::try_from(sensor_us)
            .unwrap_or(i64::MAX)
            .saturating_add(offset)
    }

    /// `unix` or `boot`.
    pub fn base(self) -> &'static str {
        match self {
            Self::Unix { .. } => "unix",
            Self::Boot => "boot",
        }
    }
}

/// By what flows are ordered, greatest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sort {
    /// Frame octets of both directions.
    Octets,
    /// Packets of both directions.
    Packets,
    /// Octets a second, now.
    Rate,
    /// Time of the last frame.
    Last,
    /// Time from first to last frame.
    Duration,
    /// Round trip of the TCP handshake.
    Rtt,
    /// Segments that began below the highest sequence number.
    Back,
}

/// Which flows are shown, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Choice {
    /// At most so many; `None` is all.
    pub top: Option<usize>,
    /// `None` orders by key.
    pub sort: Option<Sort>,
}
