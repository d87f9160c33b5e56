//! What changed, for those who follow along.

use magpie_protocol::{EchoRecord, FlowRecord, Hello, Ledger, Port};

use crate::Clock;

/// One change of the picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The sensor said who it is.
    Sensor(Box<Hello>),
    /// Another boot than before: the sensor was restarted.
    Reboot {
        /// The new boot.
        boot_id: u32,
        /// How many boots were seen by now.
        boots: u64,
    },
    /// A flow's record ended.
    Flow(Box<FlowRecord>),
    /// An echo pair's record ended.
    Echo(Box<EchoRecord>),
    /// A ledger came.
    Ledger(Box<Ledger>),
    /// The link, or the address, of the sensor's port is another one.
    Port(Port),
    /// Records did not arrive.
    Gap {
        /// In which boot.
        boot_id: u32,
        /// True for finished records, which were dropped or have gone to
        /// another host; lost live ones
        /// are made up for by later ones.
        is_final: bool,
        /// How many.
        records: u64,
    },
    /// Sensor time was compared with the host's.
    Clock(Clock),
}
