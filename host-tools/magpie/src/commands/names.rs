//! Names of addresses, by the system's resolver.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use crate::views::text::plain;

/// A name that takes longer to find is left out, until it is known.
const PATIENCE: Duration = Duration::from_secs(3);
/// Questions to the system's resolver at once.
const AT_ONCE: usize = 32;

/// A name that is looked for.
#[derive(Debug)]
enum Name {
    Asked(Instant),
    Known(Option<String>),
}

/// Names by the system's resolver, looked for in threads of their own: an
/// answer may take as long as it likes without harming a round trip.
#[derive(Debug)]
pub(crate) struct Names {
    known: HashMap<IpAddr, Name>,
    waiting: Vec<IpAddr>,
    under_way: usize,
    told: Receiver<(IpAddr, Option<String>)>,
    tell: Sender<(IpAddr, Option<String>)>,
    wanted: bool,
}

impl Names {
    /// Nothing is looked for where numbers are wanted.
    pub(crate) fn new(wanted: bool) -> Self {
        let (tell, told) = mpsc::channel();
        Self {
            known: HashMap::new(),
            waiting: Vec::new(),
            under_way: 0,
            told,
            tell,
            wanted,
        }
    }

    /// Begins to look for the name of an address.
    pub(crate) fn look_for(&mut self, address: IpAddr) {
        if self.wanted && !self.known.contains_key(&address) {
            self.known.insert(address, Name::Asked(Instant::now()));
            self.waiting.push(address);
        }
        self.turn();
    }

    fn take(&mut self, (address, name): (IpAddr, Option<String>)) {
        self.under_way = self.under_way.saturating_sub(1);
        self.known.insert(address, Name::Known(name));
    }

    /// Takes what was found, and asks for more.
    fn turn(&mut self) {
        while let Ok(told) = self.told.try_recv() {
            self.take(told);
        }
        while self.under_way < AT_ONCE {
            let Some(address) = self.waiting.pop() else {
                return;
            };
            self.under_way += 1;
            let tell = self.tell.clone();
            std::thread::spawn(move || {
                let name = dns_lookup::lookup_addr(&address)
                    .ok()
                    .map(|name| plain(&name))
                    .filter(|name| !name.is_empty() && *name != address.to_string());
                // Nobody waits any more: no harm.
                let _ = tell.send((address, name));
            });
        }
    }

    /// True where it is known what the name is, or that none is to be had.
    pub(crate) fn is_settled(&mut self, address: IpAddr) -> bool {
        self.turn();
        match self.known.get(&address) {
            Some(Name::Asked(since)) => since.elapsed() >= PATIENCE,
            Some(Name::Known(_)) | None => true,
        }
    }

    /// The name, where there is one; waited for so long, the first time that it
    /// is asked for.
    pub(crate) fn wait_for(&mut self, address: IpAddr, most: Duration) -> Option<&str> {
        let is_new = !self.known.contains_key(&address);
        self.look_for(address);
        let until = Instant::now() + most;
        while is_new && matches!(self.known.get(&address), Some(Name::Asked(_))) {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(told) = self.told.recv_timeout(left) else {
                break;
            };
            self.take(told);
        }
        self.of(address)
    }

    /// The name, where there is one.
    pub(crate) fn of(&self, address: IpAddr) -> Option<&str> {
        match self.known.get(&address) {
            Some(Name::Known(name)) => name.as_deref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ask_nobody() {
        let mut names = Names::new(false);
        let here = "127.0.0.1".parse().unwrap();
        names.look_for(here);
        assert!(names.is_settled(here));
        assert_eq!(names.of(here), None);
    }

    #[test]
    fn an_address_may_have_no_name() {
        let mut names = Names::new(true);
        let nobody = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..2 {
            assert_eq!(names.wait_for(nobody, Duration::from_secs(1)), None);
        }
    }
}
