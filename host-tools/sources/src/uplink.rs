//! By which way records come.

use std::net::SocketAddr;
use std::path::Path;

/// A serial line carries ten bits for eight: a start and a stop bit.
const BITS_AN_OCTET: u32 = 10;

/// The way of the records from a sensor to this program, as far as this end
/// of it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uplink {
    /// The core runs in this process: there is no line between.
    InProcess,
    /// Records were kept earlier, and are read out of a file.
    Recording,
    /// A serial line, or what stands for one.
    Serial {
        /// Octets read off it, framing and damage among them.
        octets: u64,
        /// Octets a second that it carries at most; `None` where its speed is
        /// not known.
        room: Option<u32>,
    },
    /// The serial line of an emulated board, which has no speed.
    Emulated {
        /// Octets read off it.
        octets: u64,
    },
    /// Datagrams.
    Udp {
        /// Octets within those of the sensor that is followed.
        octets: u64,
        /// Where that sends from, once it was heard.
        from: Option<SocketAddr>,
    },
}

impl Uplink {
    /// One word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InProcess => "in-process",
            Self::Recording => "recording",
            Self::Serial { .. } => "serial",
            Self::Emulated { .. } => "qemu",
            Self::Udp { .. } => "udp",
        }
    }

    /// Octets that came by it; `None` where nothing had to travel.
    pub fn octets(&self) -> Option<u64> {
        match *self {
            Self::InProcess | Self::Recording => None,
            Self::Serial { octets, .. } | Self::Emulated { octets } | Self::Udp { octets, .. } => {
                Some(octets)
            }
        }
    }

    /// Octets a second that it carries at most, where that is known.
    pub fn room(&self) -> Option<u32> {
        match *self {
            Self::Serial { room, .. } => room,
            _ => None,
        }
    }
}

/// What a tty carries in a second. A device that only stands for a serial line
/// (USB's CDC-ACM, `ttyACM`) may have one of any speed behind it or none at
/// all, so there the speed counts only if the user named it.
pub(crate) fn room_of_tty(path: &Path, named: Option<u32>, baud: u32) -> Option<u32> {
    let file = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = file.file_name().and_then(|name| name.to_str());
    let is_acm = name.is_some_and(|name| name.starts_with("ttyACM"));
    (named.is_some() || !is_acm).then_some(baud / BITS_AN_OCTET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_known_where_it_means_something() {
        for (path, named, room) in [
            ("/dev/ttyS99", None, Some(11_520)),
            ("/dev/ttyUSB99", Some(921_600), Some(92_160)),
            ("/dev/ttyACM99", Some(921_600), Some(92_160)),
            ("/dev/ttyACM99", None, None),
        ] {
            let baud = named.unwrap_or(115_200);
            assert_eq!(room_of_tty(Path::new(path), named, baud), room, "{path}");
        }
    }
}
