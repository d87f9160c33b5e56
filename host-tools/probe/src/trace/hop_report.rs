//! What is known of a hop that is asked again and again.

use std::net::IpAddr;

use super::{Answer, RoundTrips};

/// Routers that are kept of a hop.
const MAX_ROUTERS: usize = 32;
/// What the losses of a hop mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing that can be told.
    None,
    /// It never answers, and hops behind it do: it forwards, and is silent.
    Silent,
    /// It answers only some probes, and the end answers so many more that this
    /// is no chance (Fisher's exact test, 1 of 20): what is missing was
    /// forwarded. The router limits how often it answers.
    RateLimited,
}

/// What is known of one hop.
#[derive(Debug, Clone, PartialEq)]
pub struct HopReport {
    /// Its number.
    pub hop: u8,
    /// Probes that went out.
    pub sent: u64,
    /// Of these, may still be answered.
    pub waiting: u64,
    /// Were answered in time.
    pub answered: u64,
    /// Were not answered.
    pub lost: u64,
    /// Were answered after their time.
    pub late: u64,
    /// Were answered, as is known since, by a router that did not say so (it
    /// quotes too little): from before it was asked from a port of its own.
    pub unnamed: u64,
    /// Of the lost, may turn out to be unnamed.
    pub(super) nameless: u64,
    /// It answered from a port of its own.
    pub(super) is_named: bool,
    /// Answers beyond the first.
    pub duplicates: u64,
    /// Round trips of those in time and late.
    pub trips: RoundTrips,
    /// Who answered, and how often; the first one first.
    pub routers: Vec<(IpAddr, u64)>,
    /// The latest answer.
    pub last: Option<Answer>,
    /// True where the destination itself answered here.
    pub is_reached: bool,
    /// The destination answered here, and may be nearer: by the TTL of its
    /// answer it is at this hop, and no hop from there on says otherwise.
    pub nearer: Option<u8>,
    /// What its losses mean.
    pub verdict: Verdict,
}

impl HopReport {
    /// Nothing is known of it yet.
    pub fn new(hop: u8) -> Self {
        Self {
            hop,
            sent: 0,
            waiting: 0,
            answered: 0,
            lost: 0,
            late: 0,
            unnamed: 0,
            nameless: 0,
            is_named: false,
            duplicates: 0,
            trips: RoundTrips::default(),
            routers: Vec::new(),
            last: None,
            is_reached: false,
            nearer: None,
            verdict: Verdict::None,
        }
    }

    /// Probes of which it is known what became of them.
    pub fn settled(&self) -> u64 {
        self.answered + self.late + self.lost
    }

    /// An answer to a probe from a port of its own: those before it had their
    /// answers too.
    pub(super) fn named(&mut self) {
        self.is_named = true;
        let nameless = std::mem::take(&mut self.nameless).min(self.lost);
        self.lost -= nameless;
        self.unnamed += nameless;
    }

    pub(super) fn heard(&mut self, answer: &Answer) {
        self.trips.add(answer.rtt);
        self.is_reached |= answer.is_reached();
        let known = |(from, _): &&mut (IpAddr, u64)| *from == answer.from;
        if let Some((_, times)) = self.routers.iter_mut().find(known) {
            *times += 1;
        } else if self.routers.len() < MAX_ROUTERS {
            self.routers.push((answer.from, 1));
        }
        self.last = Some(answer.clone());
    }
}
