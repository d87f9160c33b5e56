//! Who the records go to, and by which way.

use core::net::SocketAddrV4;

/// A host that said nothing for so long has left its place to others.
const SILENT_US: u64 = 10_000_000;
/// While it says nothing, it is greeted this often: it may have come late, or
/// does not know the sensor's address yet.
const GREET_US: u64 = 2_000_000;
/// Its longest silence. (It asks for the time every 10 s, and such a question may
/// be lost.)
const GONE_US: u64 = 25_000_000;
/// Finished records that it left unacknowledged for so long it does not get: the
/// link gives a host up after 4 s, and then drops records for want of room.
const UNANSWERED_US: u64 = 3_000_000;
/// A host on the serial line that said nothing for so long may have left: one
/// that gets no answer asks every 8 s.
const ON_LINE_US: u64 = 10_000_000;

/// The host at the other end.
pub(crate) struct Host {
    address: Option<SocketAddrV4>,
    /// It was set, not learnt: no other is heard.
    fixed: bool,
    heard_us: Option<u64>,
    greeted_us: Option<u64>,
    /// Records go by the serial line until it speaks.
    given_up: bool,
}

/// What is known of the two ends, besides the host itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// When a host was heard on the serial line.
    pub(crate) line_heard_us: Option<u64>,
    /// For how long finished records have waited to be acknowledged.
    pub(crate) unanswered_us: u64,
}

impl Host {
    pub(crate) fn new(set: Option<SocketAddrV4>) -> Self {
        Self {
            address: set,
            fixed: set.is_some(),
            heard_us: None,
            greeted_us: None,
            given_up: false,
        }
    }

    /// Whether records go to it rather than by the serial line: where there is
    /// one, unless it is silent while another one speaks on the line.
    pub(crate) fn gets_records(&mut self, now_us: u64, ends: Ends) -> bool {
        let since = |at: u64| now_us.saturating_sub(at);
        let silent_us = self.heard_us.map_or(u64::MAX, since);
        let is_gone = silent_us >= GONE_US
            || (silent_us >= UNANSWERED_US && ends.unanswered_us >= UNANSWERED_US);
        let is_on_line = ends.line_heard_us.is_some_and(|at| since(at) < ON_LINE_US);
        self.given_up |= is_gone && is_on_line;
        self.address.is_some() && !self.given_up
    }

    /// Records go by the serial line though there is a host.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Where records go.
    pub(crate) fn address(&self) -> Option<SocketAddrV4> {
        self.address
    }

    fn is_silent(&self, now_us: u64) -> bool {
        self.heard_us
            .is_none_or(|at| now_us.saturating_sub(at) >= SILENT_US)
    }

    /// Whether commands of this sender count.
    pub(crate) fn may_command(&self, from: SocketAddrV4, now_us: u64) -> bool {
        match self.address {
            None => true,
            Some(address) if address == from => true,
            Some(_) => !self.fixed && self.is_silent(now_us),
        }
    }

    /// Valid commands came from a sender who may.
    pub(crate) fn heard(&mut self, from: SocketAddrV4, now_us: u64) {
        self.address = Some(from);
        self.heard_us = Some(now_us);
        self.given_up = false;
    }

    /// Whether it is time for a word nobody asked for; true once each time.
    pub(crate) fn take_greeting(&mut self, now_us: u64) -> bool {
        let due = self.address.is_some()
            && (self.given_up || self.is_silent(now_us))
            && self
                .greeted_us
                .is_none_or(|at| now_us.saturating_sub(at) >= GREET_US);
        if due {
            self.greeted_us = Some(now_us);
        }
        due
    }

    /// When [`Self::take_greeting`] may next be true.
    pub(crate) fn poll_at(&self) -> Option<u64> {
        self.address?;
        let again = self.greeted_us.map_or(0, |at| at.saturating_add(GREET_US));
        let silent = self.heard_us.map_or(0, |at| at.saturating_add(SILENT_US));
        Some(if self.given_up {
            again
        } else {
            again.max(silent)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new([10, 0, 0, 1].into(), port)
    }

    #[test]
    fn the_first_is_learnt_and_another_only_after_its_silence() {
        let mut host = Host::new(None);
        assert_eq!((host.address(), host.poll_at()), (None, None));
        assert!(!host.take_greeting(0), "nobody to greet");
        assert!(host.may_command(at(1), 5));
        host.heard(at(1), 5);
        assert_eq!(host.address(), Some(at(1)));
        assert!(!host.may_command(at(2), 5 + SILENT_US - 1));
        assert!(host.may_command(at(1), 5 + SILENT_US - 1));
        assert!(host.may_command(at(2), 5 + SILENT_US));
        host.heard(at(2), 5 + SILENT_US);
        assert_eq!(host.address(), Some(at(2)));
    }

    #[test]
    fn a_host_that_was_set_stays() {
        let mut host = Host::new(Some(at(7)));
        assert_eq!(host.address(), Some(at(7)));
        assert!(!host.may_command(at(8), u64::MAX));
        assert!(host.may_command(at(7), 0));
        host.heard(at(7), 0);
        assert!(!host.may_command(at(8), u64::MAX));
    }

    /// What becomes of a host that was heard at 100 s, by how long it has been
    /// silent, how long records have waited, and when the line was heard.
    #[test]
    fn it_is_given_up_when_it_is_silent_and_the_line_is_not() {
        const S: u64 = 1_000_000;
        let line = |at_s: u64| Some(at_s * S);
        for (now_s, unanswered_s, line_heard_us, given_up) in [
            // It leaves records where they are; then it did so for too long.
            (102, 2, line(101), false),
            (103, 3, line(101), true),
            // It spoke a moment ago: its acknowledgement may be lost.
            (102, 3, line(101), false),
            // Nobody is on the line, or not any more.
            (103, 3, None, false),
            (200, 90, None, false),
            (103, 3, line(93), false),
            (103, 3, line(94), true),
            // Nothing waits: it asks for the time now and then.
            (124, 0, line(123), false),
            (125, 0, line(123), true),
        ] {
            let mut host = Host::new(None);
            host.heard(at(1), 100 * S);
            let ends = Ends {
                line_heard_us,
                unanswered_us: unanswered_s * S,
            };
            let case = (now_s, unanswered_s, line_heard_us);
            assert_eq!(host.gets_records(now_s * S, ends), !given_up, "{case:?}");
            assert_eq!(host.is_given_up(), given_up, "{case:?}");
            // Until it speaks, whatever the line does.
            let quiet = Ends {
                line_heard_us: None,
                unanswered_us: 0,
            };
            assert_eq!(host.gets_records(now_s * S, quiet), !given_up, "{case:?}");
            host.heard(at(1), now_s * S);
            assert!(host.gets_records(now_s * S, ends), "{case:?}");
        }
    }

    #[test]
    fn a_host_never_heard_waits_behind_one_on_the_line() {
        let ends = |line_heard_us| Ends {
            line_heard_us,
            unanswered_us: 0,
        };
        let mut nobody = Host::new(None);
        assert!(!nobody.gets_records(5, ends(None)));
        let mut host = Host::new(Some(at(7)));
        assert!(host.gets_records(5, ends(None)));
        assert!(!host.gets_records(6, ends(Some(6))));
        // Given up, it is greeted all the same, and soon.
        assert!(host.take_greeting(6));
        assert_eq!(host.poll_at(), Some(6 + GREET_US));
        assert!(host.take_greeting(6 + GREET_US));
        host.heard(at(7), 7_000_000);
        assert!(host.gets_records(7_000_001, ends(Some(7_000_000))));
    }

    #[test]
    fn it_is_greeted_until_it_speaks_and_when_it_fell_silent() {
        let mut host = Host::new(Some(at(7)));
        assert_eq!(host.poll_at(), Some(0));
        assert!(host.take_greeting(100));
        assert!(!host.take_greeting(100));
        assert_eq!(host.poll_at(), Some(100 + GREET_US));
        assert!(!host.take_greeting(99 + GREET_US));
        assert!(host.take_greeting(100 + GREET_US));
        host.heard(at(7), 3_000_000);
        let silent = 3_000_000 + SILENT_US;
        assert_eq!(host.poll_at(), Some(silent));
        assert!(!host.take_greeting(silent - 1));
        assert!(host.take_greeting(silent));
    }
}
