//! How a user names a source.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Longest name of a network interface on Linux, in octets.
const MAX_INTERFACE: usize = 15;

/// What feeds the mirror port of an emulated board.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Feed {
    /// Nothing: the board sits on a silent wire.
    Nothing,
    /// A capture file.
    File(PathBuf),
    /// What an interface of this machine sees.
    Interface(String),
}

/// A source as the user names it; [`FromStr`] and [`fmt::Display`] are inverse.
///
/// | text | is |
/// |---|---|
/// | `if:eth0` | an interface of this machine |
/// | `file:PATH` | a capture or a record file; `-` is stdin |
/// | `serial:PATH[@BAUD]` | a tty or a unix socket |
/// | `udp://ADDR:PORT` | the local address to listen on |
/// | `qemu:BOARD[,feed=FILE\|,if=IFACE][,pace=N]` | an emulated board |
/// | anything else | a file if it exists or contains `/`, else an interface |
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Spec {
    /// An interface of this machine.
    Interface(String),
    /// A capture or record file; the path `-` is stdin.
    File(PathBuf),
    /// A serial line: a tty or a unix socket.
    Serial {
        /// The device or socket.
        path: PathBuf,
        /// Speed; `None` leaves the default of 115,200 baud.
        baud: Option<u32>,
    },
    /// Sensors that send datagrams to this local address.
    Udp(SocketAddr),
    /// A board that QEMU emulates.
    Qemu {
        /// Name of the board, with or without the `qemu-` of its folder.
        board: String,
        /// What arrives at its mirror port.
        feed: Feed,
        /// Frames a second offered at most; `None` is as fast as it takes them.
        pace: Option<u32>,
    },
}

/// Why a text names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("source `{text}`: {reason}; {advice}")]
pub struct SpecError {
    text: String,
    reason: String,
    advice: &'static str,
}

const KINDS: &str = "write file:PATH, serial:PATH[@BAUD], qemu:BOARD[,feed=FILE|,if=NAME], if:NAME or udp://ADDR:PORT";

fn is_interface(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_INTERFACE
        && !matches!(name, "." | "..")
        && !name
            .chars()
            .any(|c| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let bad = |reason: &str, advice| {
            Err(SpecError {
                text: text.to_owned(),
                reason: reason.to_owned(),
                advice,
            })
        };
        if let Some(address) = text.strip_prefix("udp://") {
            return match address.parse() {
                Ok(address) => Ok(Self::Udp(address)),
                Err(_) => bad(
                    "no address and port to listen on",
                    "write udp://0.0.0.0:4739 or udp://[::]:4739",
                ),
            };
        }
        match text.split_once(':') {
            Some(("if", name)) if is_interface(name) => Ok(Self::Interface(name.to_owned())),
            Some(("if", _)) => bad("no name of an interface", "`ip link` lists them"),
            Some(("file", "")) => bad("no path", "write file:PATH, or file:- for stdin"),
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("serial", line)) => match serial(line) {
                Ok(spec) => Ok(spec),
                Err(reason) => bad(
                    reason,
                    "write serial:/dev/ttyACM0 or serial:/dev/ttyUSB0@115200",
                ),
            },
            Some(("qemu", board)) => match qemu(board) {
                Ok(spec) => Ok(spec),
                Err(reason) => bad(
                    &reason,
                    "write qemu:BOARD, then ,feed=FILE or ,if=NAME, and ,pace=FRAMES_A_SECOND",
                ),
            },
            // A file may be called anything, so bare names come last.
            _ if text.is_empty() => bad("nothing is named", KINDS),
            _ if text == "-" || text.contains('/') || Path::new(text).exists() => {
                Ok(Self::File(text.into()))
            }
            _ if is_interface(text) => Ok(Self::Interface(text.to_owned())),
            Some(_) => bad("no such file, and no kind of source that is known", KINDS),
            None => bad("no such file, and no name of an interface", KINDS),
        }
    }
}

fn serial(line: &str) -> Result<Spec, &'static str> {
    let (path, baud) = match line.rsplit_once('@') {
        Some((path, digits))
            if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            let baud = digits.parse().ok().filter(|baud| *baud > 0);
            (path, Some(baud.ok_or("the speed is out of range")?))
        }
        _ => (line, None),
    };
    if path.is_empty() {
        return Err("no path");
    }
    Ok(Spec::Serial {
        path: path.into(),
        baud,
    })
}

fn qemu(text: &str) -> Result<Spec, String> {
    let mut parts = text.split(',');
    let board = parts.next().unwrap_or_default();
    if board.is_empty()
        || !board
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Err("no name of a board".to_owned());
    }
    let (mut feed, mut pace) = (Feed::Nothing, None);
    for part in parts {
        match part.split_once('=') {
            Some(("feed" | "if", _)) if feed != Feed::Nothing => {
                return Err("more than one feed".to_owned());
            }
            Some(("feed", path)) if !path.is_empty() => feed = Feed::File(path.into()),
            Some(("if", name)) if is_interface(name) => feed = Feed::Interface(name.to_owned()),
            Some(("pace", number)) => match number.parse() {
                Ok(n) if n > 0 && pace.is_none() => pace = Some(n),
                _ => return Err(format!("`{part}` is no number of frames a second")),
            },
            // A comma within the file's name.
            _ => match &mut feed {
                Feed::File(path) if pace.is_none() => {
                    path.as_mut_os_string().push(format!(",{part}"));
                }
                _ => return Err(format!("`{part}` is no option of a board")),
            },
        }
    }
    Ok(Spec::Qemu {
        board: board.to_owned(),
        feed,
        pace,
    })
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => write!(f, "if:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Serial { path, baud: None } => write!(f, "serial:{}", path.display()),
            Self::Serial {
                path,
                baud: Some(baud),
            } => {
                write!(f, "serial:{}@{baud}", path.display())
            }
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Qemu { board, feed, pace } => {
                write!(f, "qemu:{board}")?;
                match feed {
                    Feed::Nothing => {}
                    Feed::File(path) => write!(f, ",feed={}", path.display())?,
                    Feed::Interface(name) => write!(f, ",if={name}")?,
                }
                pace.map_or(Ok(()), |pace| write!(f, ",pace={pace}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_what_they_name() {
        let board = |feed, pace| Spec::Qemu {
            board: "mps2-an386".into(),
            feed,
            pace,
        };
        let cases = [
            ("if:eth0", Spec::Interface("eth0".into())),
            ("wlp3s0", Spec::Interface("wlp3s0".into())),
            ("file:-", Spec::File("-".into())),
            ("-", Spec::File("-".into())),
            ("file:no such", Spec::File("no such".into())),
            ("./no/such", Spec::File("./no/such".into())),
            ("Cargo.toml", Spec::File("Cargo.toml".into())),
            (
                "serial:/dev/ttyACM0",
                Spec::Serial {
                    path: "/dev/ttyACM0".into(),
                    baud: None,
                },
            ),
            (
                "serial:/t@9600",
                Spec::Serial {
                    path: "/t".into(),
                    baud: Some(9600),
                },
            ),
            (
                "serial:/a@b",
                Spec::Serial {
                    path: "/a@b".into(),
                    baud: None,
                },
            ),
            (
                "udp://127.0.0.1:4739",
                Spec::Udp("127.0.0.1:4739".parse().unwrap()),
            ),
            ("udp://[::1]:9", Spec::Udp("[::1]:9".parse().unwrap())),
            ("qemu:mps2-an386", board(Feed::Nothing, None)),
            (
                "qemu:mps2-an386,feed=a,b.pcap",
                board(Feed::File("a,b.pcap".into()), None),
            ),
            (
                "qemu:mps2-an386,feed=x=1.pcap,pace=7",
                board(Feed::File("x=1.pcap".into()), Some(7)),
            ),
            (
                "qemu:mps2-an386,if=tap1",
                board(Feed::Interface("tap1".into()), None),
            ),
        ];
        for (text, spec) in cases {
            assert_eq!(text.parse(), Ok(spec.clone()), "{text}");
            assert_eq!(spec.to_string().parse(), Ok(spec), "{text} again");
        }
    }

    #[test]
    fn texts_that_name_nothing_say_why() {
        let cases = [
            ("", "nothing is named"),
            ("if:", "no name of an interface"),
            ("if:a/b", "no name of an interface"),
            ("file:", "no path"),
            ("serial:@9", "no path"),
            ("serial:/t@0", "out of range"),
            ("serial:/t@99999999999", "out of range"),
            ("udp://localhost", "no address and port"),
            ("qemu:", "no name of a board"),
            ("qemu:b,feed=a,if=b", "more than one feed"),
            ("qemu:b,pace=0", "no number of frames"),
            ("qemu:b,speed=3", "no option"),
            ("tcp:host", "no kind of source"),
            (
                "a-name-far-too-long-for-an-interface",
                "no name of an interface",
            ),
        ];
        for (text, reason) in cases {
            let error = text.parse::<Spec>().expect_err(text).to_string();
            assert!(
                error.contains(reason) && error.contains(text),
                "{text}: {error}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_alike_twice(text in "(if:|file:|serial:|udp://|qemu:)?[ -~]{0,40}") {
            if let Ok(spec) = text.parse::<Spec>() {
                proptest::prop_assert_eq!(spec.to_string().parse(), Ok(spec));
            }
        }
    }
}
