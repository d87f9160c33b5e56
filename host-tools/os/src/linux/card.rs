//! What the network card says it dropped.

use std::fs;
use std::path::{Path, PathBuf};

use libc::c_int;

use crate::{Card, CardDrops};

/// Where this interface's files are, if this process sees the right ones:
/// `/sys` may be that of another network namespace.
fn folder(interface: &str, index: c_int) -> Option<PathBuf> {
    let folder = Path::new("/sys/class/net").join(interface);
    let there: c_int = number(&folder.join("ifindex"))?;
    (there == index).then_some(folder)
}

fn number<T: std::str::FromStr>(path: &Path) -> Option<T> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The card's counters since it was made.
pub(super) fn read(interface: &str, index: c_int) -> Card {
    folder(interface, index).map_or(Card::Unknown, |folder| of(&folder))
}

fn of(folder: &Path) -> Card {
    // Interfaces without a device have no wire.
    if !folder.join("device").exists() {
        return Card::None;
    }
    let counter = |name: &str| number(&folder.join("statistics").join(name));
    let drops = || {
        Some(CardDrops {
            crc: counter("rx_crc_errors")?,
            length: counter("rx_length_errors")?,
            fifo: counter("rx_fifo_errors")?,
            missed: counter("rx_missed_errors")?,
        })
    };
    drops().map_or(Card::Unknown, Card::Drops)
}

/// Speed of its link in Mbit/s, and whether it is full duplex; `None` where
/// there is no link or nobody tells.
pub(super) fn speed(interface: &str, index: c_int) -> (Option<u32>, Option<bool>) {
    folder(interface, index).map_or((None, None), |folder| speed_of(&folder))
}

fn speed_of(folder: &Path) -> (Option<u32>, Option<bool>) {
    // -1 is the driver's way to say that it does not know.
    let mbit = number(&folder.join("speed")).filter(|mbit| *mbit != u32::MAX);
    let duplex = fs::read_to_string(folder.join("duplex")).unwrap_or_default();
    let full = match duplex.trim() {
        "full" => Some(true),
        "half" => Some(false),
        _ => None,
    };
    (mbit, full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_where_there_is_a_card() {
        let sys = std::env::temp_dir().join(format!("magpie-card-{}", std::process::id()));
        let statistics = sys.join("statistics");
        fs::create_dir_all(&statistics).unwrap();
        assert_eq!(of(&sys), Card::None);
        fs::create_dir_all(sys.join("device")).unwrap();
        assert_eq!(of(&sys), Card::Unknown);
        for (name, value) in [
            ("rx_crc_errors", "1\n"),
            ("rx_length_errors", "2\n"),
            ("rx_fifo_errors", "3\n"),
            ("rx_missed_errors", "18446744073709551615\n"),
        ] {
            fs::write(statistics.join(name), value).unwrap();
        }
        let all = CardDrops {
            crc: 1,
            length: 2,
            fifo: 3,
            missed: u64::MAX,
        };
        assert_eq!(of(&sys), Card::Drops(all));
        let before = CardDrops {
            missed: u64::MAX - 4,
            ..all
        };
        let since = CardDrops {
            missed: 4,
            ..CardDrops::default()
        };
        assert_eq!(all.since(&before), since);
        // A driver that was loaded anew starts at 0.
        assert_eq!(before.since(&all), CardDrops::default());
        fs::remove_dir_all(&sys).unwrap();
    }

    #[test]
    fn speed_is_read_where_there_is_a_link() {
        let sys = std::env::temp_dir().join(format!("magpie-speed-{}", std::process::id()));
        fs::create_dir_all(&sys).unwrap();
        assert_eq!(speed_of(&sys), (None, None));
        for (speed, duplex, want) in [
            ("1000\n", "full\n", (Some(1000), Some(true))),
            ("10\n", "half\n", (Some(10), Some(false))),
            ("-1\n", "unknown\n", (None, None)),
            ("4294967295\n", "", (None, None)),
        ] {
            fs::write(sys.join("speed"), speed).unwrap();
            fs::write(sys.join("duplex"), duplex).unwrap();
            assert_eq!(speed_of(&sys), want);
        }
        fs::remove_dir_all(&sys).unwrap();
    }

    #[test]
    fn another_namespace_is_noticed() {
        assert_eq!(read("lo", -7), Card::Unknown);
        assert_eq!(read("no such interface", 1), Card::Unknown);
        assert_eq!(speed("lo", -7), (None, None));
    }
}
