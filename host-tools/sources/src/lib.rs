//! Where records come from: capture files and interfaces (with the sensor core
//! in this process), files of kept records, serial lines, datagrams, emulated
//! boards.
//!
//! This crate never counts and never draws conclusions: it moves batches.
//! Order of use: parse each [`Spec`], open them ([`open_all`]), hand the
//! [`Source`]s with a picture each to [`drive`], which runs a collector's
//! session over every one; at the end draw up the books with what the
//! [`Report`] says was offered. A [`SensorCapture`] asks one for packets instead.
#![forbid(unsafe_code)]

mod board_feed;
mod drive;
mod feed;
mod found;
mod framed;
mod in_process;
mod interface;
mod live_feed;
#[cfg(all(test, target_os = "linux"))]
mod netns;
mod open;
mod pipe;
mod qemu;
mod record_file;
mod sensor_capture;
mod sensor_core;
mod serial;
mod source;
mod spec;
mod tap;
mod udp;
mod uplink;
mod waiting;

pub use drive::{
    DriveOptions, FlushOutcome, Lane, Notice, Phase, Report, Shown, Status, Stop, drive,
};
pub use feed::Repeat;
pub use found::{SerialPort, emulated_boards, serial_ports};
pub use in_process::InProcess;
pub use interface::Interface;
pub use magpie_collector::{Offered, Refusal};
pub use magpie_emulator::{BoardClock, Pace};
pub use open::{OpenOptions, open_all, open_file, open_stream};
pub use pipe::Pipe;
pub use qemu::{QemuBoard, QemuControl, QemuOptions};
pub use record_file::{RecordFile, RecordWriter};
pub use sensor_capture::{CaptureTurn, SensorCapture};
pub use sensor_core::SensorOptions;
pub use serial::{DEFAULT_BAUD, SerialLine};
pub use source::{Incoming, Source, SourceError};
pub use spec::{Feed, Spec, SpecError};
pub use tap::{Counted, Tap};
pub use udp::{DatagramCounts, Datagrams};
pub use uplink::Uplink;

#[cfg(test)]
mod tests;
