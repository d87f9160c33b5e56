//! What passed over the cable beside the mirrored wire, and what a board that
//! counted so many frames must have counted.

use magpie_collector::Offered;

use super::board::PORT;
use super::own::{self, Said};

/// Frames and their octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Frames {
    /// How many.
    pub frames: u64,
    /// Their octets, without FCS.
    pub octets: u64,
}

impl Frames {
    /// One more.
    pub fn add(&mut self, frame: &[u8]) {
        self.frames += 1;
        self.octets += frame.len() as u64;
    }
}

/// What was on the cable during one boot of the board.
#[derive(Debug, Clone, Copy, Default)]
struct Boot {
    mirrored: Frames,
    /// Frames of [`Passed::own`] before it.
    own_before: usize,
}

/// What passed over the cable, for afterwards.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Frames to the board that are no part of the capture, in their order.
    pub own: Vec<Vec<u8>>,
    /// Of these, so many before the flush was asked for.
    pub own_at_flush: Option<usize>,
    /// What the board sent.
    pub said: Vec<Vec<u8>>,
    /// Leases given.
    pub leases: u32,
    boots: Vec<Boot>,
}

impl Default for Passed {
    fn default() -> Self {
        Self {
            own: Vec::new(),
            own_at_flush: None,
            said: Vec::new(),
            leases: 0,
            boots: vec![Boot::default()],
        }
    }
}

impl Passed {
    /// A frame of the mirrored wire.
    pub(super) fn mirror(&mut self, frame: &[u8]) {
        let boot = self.boots.last_mut().expect("never empty");
        boot.mirrored.add(frame);
    }

    /// The board is reset.
    pub(super) fn reboot(&mut self) {
        self.boots.push(Boot {
            mirrored: Frames::default(),
            own_before: self.own.len(),
        });
    }

    /// The frames of host and board that a ledger with so many frames counts
    /// beside the mirrored ones: those on the cable up to then, in their order.
    pub fn counted(&self, counted: u64) -> &[Vec<u8>] {
        let before = self.own_at_flush.expect("a flush");
        let own = self.counted_in(0, counted);
        assert!(
            own.len() >= before,
            "{} frames counted beside the capture, {before} before the flush",
            own.len(),
        );
        own
    }

    /// The same of one boot of several.
    fn counted_in(&self, boot: usize, counted: u64) -> &[Vec<u8>] {
        let (mirrored, all) = (self.boots[boot].mirrored, self.own_of(boot));
        let own = counted
            .checked_sub(mirrored.frames)
            .and_then(|own| usize::try_from(own).ok())
            .filter(|own| *own <= all.len());
        let own = own.unwrap_or_else(|| {
            let (mirrored, sent) = (mirrored.frames, all.len());
            panic!("boot {boot}: {counted} counted, of {mirrored} mirrored and {sent} own")
        });
        &all[..own]
    }

    /// What was on the wire up to the last ledgers of all boots, which have
    /// counted so many frames: all that was mirrored, and what host and board
    /// had said by then. `None`, for a boot that had no last word: all that was
    /// sent to it.
    pub fn offered(&self, counted: &[Option<u64>]) -> Offered {
        assert_eq!(counted.len(), self.boots.len(), "a ledger of each boot");
        let mut offered = Offered::default();
        for (n, (boot, counted)) in self.boots.iter().zip(counted).enumerate() {
            let own = match counted {
                Some(counted) => self.counted_in(n, *counted),
                None => self.own_of(n),
            };
            let octets: usize = own.iter().map(Vec::len).sum();
            offered.frames += boot.mirrored.frames + own.len() as u64;
            offered.octets += boot.mirrored.octets + octets as u64;
        }
        offered
    }

    fn own_of(&self, boot: usize) -> &[Vec<u8>] {
        let end = self.boots.get(boot + 1).map(|next| next.own_before);
        &self.own[self.boots[boot].own_before..end.unwrap_or(self.own.len())]
    }

    /// The kinds of what the board sent.
    pub fn kinds(&self) -> Vec<Said> {
        let all = self.said.iter().map(|frame| own::said(frame, PORT));
        let mut kinds: Vec<Said> = all.map(|kind| kind.expect("checked as it came")).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}
