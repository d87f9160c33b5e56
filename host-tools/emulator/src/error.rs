//! What can go wrong, and what to do about it.

use std::path::PathBuf;

use crate::feeder::FeedError;

/// Why an emulated board cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// No board of this name.
    #[error("no emulated board is called '{name}'; there are: {known}")]
    UnknownBoard {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// No image was found.
    #[error("no image of board {board}: looked at {searched}; build it: cargo xtask build {board}")]
    NoImage {
        /// The board.
        board: String,
        /// Every path that was tried.
        searched: String,
    },
    /// The image is not one of ours.
    #[error("image {}: {reason}; build it anew: cargo xtask build", path.display())]
    BadImage {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The operating system gave no random octets.
    #[error("no random seed from the operating system: {reason}")]
    Seed {
        /// Why.
        reason: String,
    },
    /// QEMU is not installed.
    #[error(
        "{program} is not installed or not on PATH; on Debian and Ubuntu: apt install qemu-system-arm"
    )]
    NoQemu {
        /// The program that was sought.
        program: String,
    },
    /// QEMU could not be started.
    #[error("{program} did not start: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// QEMU is too old or too strange to name its version.
    #[error(
        "{program} --version said '{said}', which names no version; install qemu-system-arm 6.2 or newer"
    )]
    Version {
        /// The program.
        program: String,
        /// Its answer.
        said: String,
    },
    /// QEMU ended by itself.
    #[error("QEMU ({machine}) ended by itself, {status}; it said: {said}")]
    Died {
        /// The machine it played.
        machine: String,
        /// How it ended.
        status: String,
        /// The end of its error output.
        said: String,
    },
    /// QEMU runs, but did not open a socket in time.
    #[error("QEMU ({machine}) did not connect its {what} within {seconds} s; it said: {said}")]
    NoConnection {
        /// The machine.
        machine: String,
        /// Which socket.
        what: &'static str,
        /// How long we waited.
        seconds: u64,
        /// The end of its error output.
        said: String,
    },
    /// A socket to QEMU failed.
    #[error("QEMU's {what}: {source}")]
    Socket {
        /// Which socket.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// QEMU's control socket answered with an error or not at all.
    #[error("QEMU's control socket, command {command}: {reason}")]
    Control {
        /// The command.
        command: String,
        /// Why.
        reason: String,
    },
    /// Something that can be taken only once is gone.
    #[error("the {what} of this emulated board is already in use")]
    Taken {
        /// What.
        what: &'static str,
    },
    /// The feeder failed.
    #[error(transparent)]
    Feed(#[from] FeedError),
}
