//! States, and sets of them.

/// State of a socket (`net/tcp_states.h`); those of other kinds than TCP are
/// told in the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // RFC 9293 section 3.3.2
pub enum State {
    Established = 1,
    SynSent = 2,
    SynReceived = 3,
    FinWait1 = 4,
    FinWait2 = 5,
    TimeWait = 6,
    /// Neither connected nor listening.
    Unconnected = 7,
    CloseWait = 8,
    LastAck = 9,
    Listen = 10,
    Closing = 11,
}

impl State {
    pub(super) const ALL: [(Self, &'static str, &'static str); 11] = [
        (Self::Established, "ESTAB", "established"),
        (Self::SynSent, "SYN-SENT", "syn-sent"),
        (Self::SynReceived, "SYN-RECV", "syn-recv"),
        (Self::FinWait1, "FIN-WAIT-1", "fin-wait-1"),
        (Self::FinWait2, "FIN-WAIT-2", "fin-wait-2"),
        (Self::TimeWait, "TIME-WAIT", "time-wait"),
        (Self::Unconnected, "UNCONN", "unconnected"),
        (Self::CloseWait, "CLOSE-WAIT", "close-wait"),
        (Self::LastAck, "LAST-ACK", "last-ack"),
        (Self::Listen, "LISTEN", "listening"),
        (Self::Closing, "CLOSING", "closing"),
    ];

    /// From the kernel's number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .map(|(state, ..)| state)
            .find(|state| *state as u8 == number)
    }

    fn names(self) -> (&'static str, &'static str) {
        Self::ALL
            .into_iter()
            .find(|(state, ..)| *state == self)
            .map_or(("?", "?"), |(_, short, long)| (short, long))
    }

    /// As `ss` shows it, `TIME-WAIT`.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// As filters call it, `time-wait`.
    pub fn word(self) -> &'static str {
        self.names().1
    }
}

/// A set of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct States(u32);

impl States {
    /// None.
    pub const NONE: Self = Self(0);
    /// All.
    pub const ALL: Self = Self(0xffe);
    /// `ss -l`: listening, and what has no connection at all.
    pub const LISTENING: Self = Self(1 << State::Listen as u32 | 1 << State::Unconnected as u32);
    /// What is shown where nobody asked for anything: connections, save for
    /// those that a peer only asked for, and those that are over.
    pub const CONNECTED: Self = Self(
        Self::ALL.0
            & !(Self::LISTENING.0 | 1 << State::TimeWait as u32 | 1 << State::SynReceived as u32),
    );

    /// One state.
    pub const fn of(state: State) -> Self {
        Self(1 << state as u32)
    }

    /// Of a word of filters: a state or one of ss's groups (`connected`,
    /// `synchronized`, `bucket`, `big`, `all`).
    pub fn named(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let quiet = Self::LISTENING;
        let bucket = Self::of(State::SynReceived).and(Self::of(State::TimeWait));
        Some(match word.as_str() {
            "all" => Self::ALL,
            "connected" => Self::ALL.without(quiet),
            "synchronized" => Self::ALL.without(quiet.and(Self::of(State::SynSent))),
            "bucket" => bucket,
            "big" => Self::ALL.without(bucket),
            "close" | "closed" => Self::of(State::Unconnected),
            "syn-rcv" => Self::of(State::SynReceived),
            "listen" => Self::of(State::Listen),
            _ => {
                let mut states = State::ALL.into_iter();
                Self::of(states.find(|(_, _, long)| *long == word)?.0)
            }
        })
    }

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it is one of them.
    pub const fn contains(self, state: State) -> bool {
        self.0 & (1 << state as u32) != 0
    }

    /// How many there are.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// True where there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kernel's mask.
    pub const fn mask(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_states_are_those_of_ss() {
        let has = |word: &str, state| States::named(word).unwrap().contains(state);
        assert!(has("connected", State::SynSent) && !has("connected", State::Listen));
        assert!(!has("synchronized", State::SynSent) && has("synchronized", State::TimeWait));
        assert!(has("bucket", State::TimeWait) && has("bucket", State::SynReceived));
        assert_eq!(States::named("bucket").unwrap().len(), 2);
        assert!(has("big", State::Listen) && !has("big", State::TimeWait));
        assert_eq!(States::named("ALL"), Some(States::ALL));
        assert_eq!(States::ALL.len(), 11);
        assert_eq!(States::named("no-such"), None);
        for (state, short, long) in State::ALL {
            assert_eq!(States::named(long), Some(States::of(state)));
            assert_eq!(State::from_number(state as u8), Some(state));
            assert_eq!((state.name(), state.word()), (short, long));
        }
        assert_eq!(State::from_number(0), None);
        assert_eq!(State::from_number(12), None);
    }
}
