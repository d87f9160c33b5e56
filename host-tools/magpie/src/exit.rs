//! What the program ends with.

use std::process::ExitCode;

/// Exit codes, as `--help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Success,
    /// `ping`, `traceroute`: a host did not answer, or not often enough.
    Unanswered,
    /// The command line, a file or a source cannot be used.
    Usage,
    /// `--format exact`, and something had to be forgotten.
    NotExact,
    /// The books are open: frames are unaccounted for.
    Open,
}

impl Exit {
    /// The code.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Unanswered => 1,
            Self::Usage => 2,
            Self::NotExact => 3,
            Self::Open => 4,
        }
    }

    /// Of two endings the graver one: open books, then failures, then what
    /// is not exact, then what was not answered.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let gravity = |exit: Self| match exit {
            Self::Success => 0,
            Self::Unanswered => 1,
            Self::NotExact => 2,
            Self::Usage => 3,
            Self::Open => 4,
        };
        if gravity(other) > gravity(self) {
            other
        } else {
            self
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
