//! What Wireshark is offered, and its options.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{anyhow, bail};
use magpie_capture::extcap::{Argument, Choice, Interface, Kind};
use magpie_sources::{DEFAULT_BAUD, Feed, Spec, emulated_boards, serial_ports};

use crate::cli::extcap::Extcap as Options;

/// An interface of ours, as Wireshark names it. [`FromStr`] and
/// [`fmt::Display`] are inverse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    /// A sensor on a serial port; without a name the port is an option.
    Serial(Option<String>),
    /// A board that QEMU plays; without a name the board is an option.
    Emulated(Option<String>),
    /// An interface of this machine.
    Local(String),
}

const SERIAL: &str = "magpie-serial";
const EMULATED: &str = "magpie-qemu";
const LOCAL: &str = "magpie-if";

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(None) => f.write_str(SERIAL),
            Self::Serial(Some(port)) => write!(f, "{SERIAL}-{port}"),
            Self::Emulated(None) => f.write_str(EMULATED),
            Self::Emulated(Some(board)) => write!(f, "{EMULATED}-{board}"),
            Self::Local(name) => write!(f, "{LOCAL}-{name}"),
        }
    }
}

impl FromStr for Which {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let of = |kind: &str| -> Option<Option<String>> {
            let rest = text.strip_prefix(kind)?;
            if rest.is_empty() {
                return Some(None);
            }
            let name = rest.strip_prefix('-').filter(|name| !name.is_empty())?;
            Some(Some(name.to_owned()))
        };
        if let Some(port) = of(SERIAL) {
            return Ok(Self::Serial(port));
        }
        if let Some(board) = of(EMULATED) {
            return Ok(Self::Emulated(board));
        }
        match of(LOCAL) {
            Some(Some(name)) => Ok(Self::Local(name)),
            _ => Err(anyhow!(
                "`{text}` is none of our interfaces; magpie extcap --extcap-interfaces lists them"
            )),
        }
    }
}

/// All that there are now.
pub(super) fn all() -> Vec<Interface> {
    let ports = serial_ports();
    let mut found: Vec<(Which, String)> = Vec::new();
    for port in &ports {
        let Some(name) = in_dev(&port.path) else {
            continue;
        };
        let product = port.product.as_deref().unwrap_or("serial port");
        let display = format!("Magpie sensor on {name} ({product})");
        found.push((Which::Serial(Some(name)), display));
    }
    found.push((
        Which::Serial(None),
        "Magpie sensor on a serial port".to_owned(),
    ));
    let boards = emulated_boards();
    for board in &boards {
        let name = short(board);
        let display = format!("Magpie sensor, emulated {name}");
        found.push((Which::Emulated(Some(name.to_owned())), display));
    }
    if !boards.is_empty() {
        found.push((
            Which::Emulated(None),
            "Magpie sensor, an emulated board".to_owned(),
        ));
    }
    for name in local() {
        let display = format!("Magpie on this machine's {name}");
        found.push((Which::Local(name), display));
    }
    let interface = |(which, display): (Which, String)| Interface {
        value: which.to_string(),
        display,
    };
    found.into_iter().map(interface).collect()
}

/// Interfaces of this machine that can be listened to; none where they cannot
/// be listed.
fn local() -> Vec<String> {
    let found = magpie_os::interfaces().unwrap_or_default().into_iter();
    found
        .filter(|interface| interface.is_up() && interface.cannot_be_captured().is_none())
        .map(|interface| interface.name)
        .collect()
}

/// `ttyACM0` of `/dev/ttyACM0`.
fn in_dev(path: &Path) -> Option<String> {
    let name = path.strip_prefix("/dev").ok()?.to_str()?;
    (!name.contains('/')).then(|| name.to_owned())
}

/// Boards are named without the `qemu-` of their images.
fn short(board: &str) -> &str {
    board.strip_prefix("qemu-").unwrap_or(board)
}

/// The options of an interface.
pub(super) fn arguments(which: &Which) -> Vec<Argument> {
    const SENSOR: &str = "Sensor";
    const CAPTURE: &str = "Capture";
    let mut all = Vec::new();
    match which {
        Which::Serial(port) => {
            if port.is_none() {
                // A list would leave out what is no USB device; those that are
                // have interfaces of their own.
                let tooltip = "Where the sensor is, such as /dev/ttyS0; or a unix socket";
                let first = serial_ports().into_iter().next();
                let first = first.and_then(|port| port.path.into_os_string().into_string().ok());
                all.push(Argument {
                    required: true,
                    default: first,
                    ..option("--port", "Serial port", tooltip, Kind::Text, SENSOR)
                });
            }
            let speed = Kind::Unsigned { max: 4_000_000 };
            let tooltip = "As the sensor has it; of no matter where the port is USB itself";
            all.push(Argument {
                default: Some(DEFAULT_BAUD.to_string()),
                ..option("--baud", "Speed (baud)", tooltip, speed, SENSOR)
            });
        }
        Which::Emulated(board) => {
            if board.is_none() {
                let tooltip = "Which board QEMU plays";
                all.push(option("--board", "Board", tooltip, boards(), SENSOR));
            }
            let file = "Capture file that arrives at the board's mirror port";
            let interface = "Interface of this machine whose frames arrive there";
            let pace = "At most so many; 0 is as fast as the board takes them";
            let feed = feeds();
            all.push(option("--feed", "Feed: file", file, Kind::File, SENSOR));
            all.push(Argument {
                reload: true,
                ..option(
                    "--feed-interface",
                    "Feed: interface",
                    interface,
                    feed,
                    SENSOR,
                )
            });
            let frames = Kind::Unsigned { max: 1_000_000 };
            all.push(Argument {
                default: Some("0".to_owned()),
                ..option("--pace", "Frames a second", pace, frames, SENSOR)
            });
        }
        Which::Local(_) => {}
    }
    let tooltip =
        "Only packets that it takes, beside those of the capture filter; runs on the sensor";
    all.push(option("--filter", "Filter", tooltip, Kind::Text, CAPTURE));
    let tooltip = "Octets kept of a packet; 0: all";
    let octets = Kind::Unsigned { max: 262_144 };
    all.push(Argument {
        default: Some("0".to_owned()),
        ..option("--snap-len", "Snap length", tooltip, octets, CAPTURE)
    });
    let tooltip = "Filters see VLAN tags where they are, as in tcpdump";
    all.push(option(
        "--no-vlan",
        "Literal frames",
        tooltip,
        Kind::Switch,
        CAPTURE,
    ));
    all
}

fn option(
    call: &'static str,
    display: &'static str,
    tooltip: &'static str,
    kind: Kind,
    group: &'static str,
) -> Argument {
    Argument {
        call,
        display,
        tooltip,
        kind,
        default: None,
        required: false,
        reload: false,
        group,
    }
}

fn choice(value: &str, display: &str, default: bool) -> Choice {
    Choice {
        value: value.to_owned(),
        display: display.to_owned(),
        default,
    }
}

fn boards() -> Kind {
    let found = emulated_boards();
    let choices = found.iter().enumerate();
    Kind::Selector(
        choices
            .map(|(n, board)| choice(short(board), short(board), n == 0))
            .collect(),
    )
}

fn feeds() -> Kind {
    let mut choices = vec![choice("", "none", true)];
    choices.extend(local().iter().map(|name| choice(name, name, false)));
    Kind::Selector(choices)
}

/// The source that is meant.
pub(super) fn source(which: &Which, options: &Options) -> anyhow::Result<Spec> {
    // An empty value is what a dialog gives for an empty field.
    let path = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Ok(match which {
        Which::Local(name) => format!("if:{name}").parse()?,
        Which::Serial(port) => Spec::Serial {
            path: match (port, path(&options.port)) {
                (Some(port), _) => Path::new("/dev").join(port),
                (None, Some(port)) => port,
                (None, None) => bail!("{which}: no serial port is named; choose one (--port)"),
            },
            baud: options.baud.filter(|baud| *baud > 0),
        },
        Which::Emulated(board) => {
            let Some(board) = board.clone().or_else(|| text(&options.board)) else {
                bail!("{which}: no board is named; choose one (--board)");
            };
            let feed = match (path(&options.feed), text(&options.feed_interface)) {
                (Some(_), Some(_)) => {
                    bail!("{which}: a file or an interface feeds a board, not both")
                }
                (Some(file), None) => Feed::File(file),
                (None, Some(name)) => Feed::Interface(name),
                (None, None) => Feed::Nothing,
            };
            Spec::Qemu {
                board,
                feed,
                pace: options.pace.filter(|pace| *pace > 0),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_went() {
        for text in [
            "magpie-serial",
            "magpie-serial-ttyACM0",
            "magpie-qemu",
            "magpie-qemu-mps2-an386",
            "magpie-if-eth0",
            "magpie-if-a-b.1",
        ] {
            let which: Which = text.parse().expect(text);
            assert_eq!(which.to_string(), text);
        }
        for wrong in ["", "eth0", "magpie-if", "magpie-serial-", "magpie-qemux"] {
            assert!(wrong.parse::<Which>().is_err(), "{wrong}");
        }
    }
}
