//! Who the records go to.

use core::net::SocketAddrV4;

/// A host that said nothing for so long has left its place to others.
const SILENT_US: u64 = 10_000_000;
/// While it says nothing, it is greeted this often: it may have come late, or
/// does not know the sensor's address yet.
const GREET_US: u64 = 2_000_000;

/// The host at the other end.
pub(crate) struct Host {
    address: Option<SocketAddrV4>,
    /// It was set, not learnt: no other is heard.
    fixed: bool,
    heard_us: Option<u64>,
    greeted_us: Option<u64>,
}

impl Host {
    pub(crate) fn new(set: Option<SocketAddrV4>) -> Self {
        Self {
            address: set,
            fixed: set.is_some(),
            heard_us: None,
            greeted_us: None,
        }
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
    }

    /// Whether it is time for a Hello nobody asked for; true once each time.
    pub(crate) fn take_greeting(&mut self, now_us: u64) -> bool {
        let due = self.address.is_some()
            && self.is_silent(now_us)
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
        Some(again.max(silent))
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
