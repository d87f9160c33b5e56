//! An interface that is listened to, until the user or the interface ends it.

use std::time::{Duration, Instant};

use magpie_os::{Capture, Card, Frame, Offload, Stats, Wake};
use magpie_protocol::{Known, Losses};

use crate::SourceError;

/// The kernel is asked for its counters this often.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// A frame that the kernel counted is waited for so long at the end.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the end of the ring's last block is waited for at a time.
const LAST_BLOCK: Duration = Duration::from_millis(5);

/// What the kernel and the network card's driver counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// By the kernel.
    pub stats: Stats,
    /// By the card.
    pub card: Card,
}

impl Counted {
    /// Nothing yet.
    pub(crate) const NOTHING: Self = Self {
        stats: Stats {
            packets: 0,
            dropped: 0,
            read: 0,
            outgoing: 0,
            merged: 0,
        },
        card: Card::Unknown,
    };

    /// Frames that the card dropped, as far as its driver says.
    pub fn card_drops(&self) -> u64 {
        match self.card {
            Card::Drops(drops) => drops.sum(),
            Card::None | Card::Unknown => 0,
        }
    }

    /// Frames on the wire.
    pub fn wire(&self) -> u64 {
        self.stats.packets.saturating_add(self.card_drops())
    }

    /// What is known to be lost before the core. A driver need not count all.
    pub(crate) fn losses(&self) -> Losses {
        let ring = Known::Exact(self.stats.dropped);
        match self.card {
            Card::Unknown => Losses {
                ring,
                ..Losses::default()
            },
            Card::None => {
                let none = Known::Exact(0);
                Losses {
                    fcs: none,
                    oversize: none,
                    mac_fifo: none,
                    no_descriptor: none,
                    ring,
                }
            }
            Card::Drops(drops) => Losses {
                fcs: Known::AtLeast(drops.crc),
                oversize: Known::AtLeast(drops.length),
                mac_fifo: Known::AtLeast(drops.fifo),
                no_descriptor: Known::AtLeast(drops.missed),
                ring,
            },
        }
    }
}

/// A capture with its counters, its end and what there is to say about it.
///
/// Order of use: [`Self::next_frame`] until there is none, then [`Self::rest`].
pub struct Tap {
    name: String,
    capture: Capture,
    counted: Counted,
    ask_at: Instant,
    /// Nothing more comes; what waits is read until then at the latest.
    ending: Option<Instant>,
    merged_told: bool,
    warnings: Vec<String>,
    failure: Option<SourceError>,
}

impl Tap {
    /// Listens by this capture; `name` is the source's.
    pub fn new(name: &str, capture: Capture) -> Self {
        Self {
            warnings: offload_warning(name, &capture).into_iter().collect(),
            name: name.to_owned(),
            capture,
            counted: Counted::NOTHING,
            ask_at: Instant::now(),
            ending: None,
            merged_told: false,
            failure: None,
        }
    }

    /// The next frame that waits.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let frame = self.capture.next_frame()?;
        if let Some(deadline) = &mut self.ending {
            *deadline = Instant::now() + PATIENCE;
        }
        Some(frame)
    }

    /// What was counted when the kernel was last asked.
    pub fn counted(&self) -> Counted {
        self.counted
    }

    /// Asks the kernel what it saw and dropped, if it is time to; whether it
    /// was.
    pub fn ask_if_due(&mut self) -> bool {
        let due = Instant::now() >= self.ask_at;
        if due {
            self.ask();
        }
        due
    }

    fn ask(&mut self) {
        self.ask_at = Instant::now() + ASK_EVERY;
        match self.capture.stats() {
            Ok(stats) => self.counted.stats = stats,
            Err(error) => self.fail(error.into()),
        }
        self.counted.card = self.capture.card();
        if self.counted.stats.merged > 0 && !self.merged_told {
            self.merged_told = true;
            self.warnings
                .push(merged_warning(&self.name, &self.capture));
        }
    }

    /// Stops listening; what waits can still be read.
    pub fn end(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Instant::now() + PATIENCE);
            if let Err(error) = self.capture.stop() {
                self.failure.get_or_insert(error.into());
            }
        }
    }

    fn fail(&mut self, error: SourceError) {
        self.failure.get_or_insert(error);
        self.end();
    }

    /// No frame waits: a pause, at most so long. False: none will come any
    /// more, and the counts are final.
    pub fn rest(&mut self, timeout: Duration) -> bool {
        if let Some(deadline) = self.ending {
            self.ask();
            if self.counted.stats.waiting() == 0 || Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(LAST_BLOCK.min(timeout));
            return true;
        }
        match self.capture.wait(timeout) {
            Ok(Wake::Frames | Wake::Quiet) => {}
            Ok(Wake::Down) => self.warnings.push(format!(
                "{}: the interface is down; waiting for it to come up (sudo ip link set {} up)",
                self.name,
                self.capture.interface()
            )),
            Ok(Wake::Up) => self.warnings.push(format!("{}: up again", self.name)),
            Ok(Wake::Gone) => self.fail(SourceError::failed(
                self.name.clone(),
                format!(
                    "the interface {} is gone: deleted, unplugged, or moved to another namespace",
                    self.capture.interface()
                ),
                "what it saw before stands; start again when it is back",
            )),
            Err(error) => self.fail(error.into()),
        }
        true
    }

    /// What the user should read.
    pub fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Why it ended before the user ended it.
    pub fn failure(&mut self) -> Option<SourceError> {
        self.failure.take()
    }
}

fn switch_off(interface: &str, offloads: &[Offload]) -> String {
    let words: Vec<_> = offloads
        .iter()
        .map(|offload| format!("{} off", offload.name()))
        .collect();
    format!("sudo ethtool -K {interface} {}", words.join(" "))
}

/// What will merge received frames.
fn offload_warning(name: &str, capture: &Capture) -> Option<String> {
    let mut merging = capture.offloads();
    merging.retain(|offload| offload.receives());
    let names: Vec<_> = merging.iter().map(|offload| offload.name()).collect();
    (!merging.is_empty()).then(|| {
        format!(
            "{name}: {} is on, so segments of a connection may be merged before they are counted: \
             fewer and longer packets than on the wire; switch it off: {}",
            names.join(", "),
            switch_off(capture.interface(), &merging)
        )
    })
}

/// Frames were merged.
fn merged_warning(name: &str, capture: &Capture) -> String {
    let on = capture.offloads();
    let how = if on.is_empty() {
        "at the interface's other end".to_owned()
    } else {
        let line = switch_off(capture.interface(), &on);
        format!("{line}, and at its other end")
    };
    format!(
        "{name}: frames longer than the interface can carry: segments were merged before they were \
         counted, so there are fewer and longer packets than on the wire; switch that off: {how}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use magpie_os::CardDrops;

    #[test]
    fn drops_of_the_card_are_on_the_wire_and_lost() {
        let stats = Stats {
            packets: 100,
            dropped: 7,
            ..Stats::default()
        };
        let of = |card| Counted { stats, card };
        let drops = of(Card::Drops(CardDrops {
            crc: 1,
            length: 2,
            fifo: 3,
            missed: 4,
        }));
        assert_eq!(drops.wire(), 110);
        let lost = drops.losses();
        assert_eq!(lost.ring, Known::Exact(7));
        assert_eq!(
            [lost.fcs, lost.oversize, lost.mac_fifo, lost.no_descriptor].map(Known::value),
            [1, 2, 3, 4]
        );
        let unknown = of(Card::Unknown);
        assert_eq!(unknown.wire(), 100);
        assert_eq!(unknown.losses().fcs, Known::Unknown);
        assert_eq!(of(Card::None).losses().fcs, Known::Exact(0));
    }
}
