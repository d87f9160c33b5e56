//! What is fed to an emulated board, and what the books must know of it.

use std::sync::{Arc, Mutex, PoisonError};

use magpie_emulator::{Emulator, EmulatorError, FeedOptions, Feeder, Refusal};

use crate::feed::{CaptureFeed, Outcome};
use crate::live_feed::{LiveControl, LiveFeed};
use crate::{Offered, SourceError};

/// Why frames of an interface did not reach the feed.
const KERNEL: &str = "kernel";
const CARD: &str = "card";

/// Frames for a board.
pub(crate) enum Frames {
    /// Of a capture.
    File(CaptureFeed),
    /// Of an interface.
    Live(LiveFeed),
}

/// A feed that runs.
pub(crate) struct BoardFeed {
    pub(crate) feeder: Feeder,
    origin: Origin,
}

enum Origin {
    File(Arc<Mutex<Outcome>>),
    Live(Arc<LiveControl>),
}

impl BoardFeed {
    pub(crate) fn start(
        frames: Frames,
        emulator: &mut Emulator,
        options: FeedOptions,
    ) -> Result<Self, EmulatorError> {
        Ok(match frames {
            Frames::File(frames) => Self {
                origin: Origin::File(frames.outcome()),
                feeder: emulator.feed(frames, options)?,
            },
            Frames::Live(frames) => Self {
                origin: Origin::Live(frames.control()),
                feeder: emulator.feed_live(frames, options)?,
            },
        })
    }

    /// What is fed can wait.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.origin, Origin::File(_))
    }

    /// Offers nothing more; what an interface has seen already is still fed.
    pub(crate) fn end(&self) {
        match &self.origin {
            Origin::File(_) => self.feeder.finish(),
            Origin::Live(live) => live.end(),
        }
    }

    /// See [`crate::Source::offered`].
    pub(crate) fn offered(&self) -> Offered {
        let progress = self.feeder.progress();
        let mut offered = Offered {
            frames: progress.frames,
            octets: progress.octets,
            refused: Vec::new(),
        };
        if let Origin::Live(live) = &self.origin {
            // The kernel counted what was on the wire, but no octets of what
            // it dropped.
            let counted = live.news().counted;
            offered.frames = counted.wire();
            for (reason, frames) in [
                (KERNEL, counted.stats.dropped),
                (CARD, counted.card_drops()),
            ] {
                if frames > 0 {
                    offered.refuse(reason, frames, 0);
                }
            }
        }
        for why in Refusal::ALL {
            let refused = progress.refused(why);
            if refused.frames > 0 {
                offered.refuse(why.word(), refused.frames, refused.octets);
            }
        }
        offered
    }

    /// What is to be said at the end; `name` is the source's.
    pub(crate) fn sentences(&self, name: &str) -> Vec<String> {
        let refused = self.offered().refused;
        let mut all: Vec<_> = refused
            .iter()
            .map(|refusal| {
                let why = match refusal.reason.as_ref() {
                    "short" => "shorter than the board's network card takes",
                    "oversize" => "longer than the board's network card takes",
                    KERNEL => "dropped by the kernel while the board was busy",
                    CARD => "dropped by this machine's network card",
                    _ => "cut by the capture, and a card receives whole frames",
                };
                format!("{name}: {} frames not fed: {why}", refusal.frames)
            })
            .collect();
        if let Origin::File(outcome) = &self.origin {
            let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(outcome.notes.sentences(name));
        }
        all
    }

    /// What is to be said now.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match &self.origin {
            Origin::File(_) => Vec::new(),
            Origin::Live(live) => std::mem::take(&mut live.news().warnings),
        }
    }

    /// See [`crate::Source::failure`].
    pub(crate) fn failure(&self) -> Option<SourceError> {
        match &self.origin {
            Origin::File(outcome) => {
                let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                outcome.error.take().map(SourceError::Capture)
            }
            Origin::Live(live) => live.news().failure.take(),
        }
    }
}
