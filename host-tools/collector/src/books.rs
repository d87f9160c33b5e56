//! The books: is every frame accounted for, and if not, where did it vanish?
//!
//! | stage | equation, in frames and in octets where octets are known |
//! |---|---|
//! | `capture`, `mac`, `driver`, `ring` | wire = lost + doubled + counted |
//! | `dissect` | counted = `in_flows` + arp + other + invalid + filtered |
//! | `flow table` | `in_flows` = live + exported + `never_sent`; made likewise |
//! | `uplink` | finished records received = exported - dropped by the link |
//! | `tables` | lines of each counter table sum to what the ledger says: ethertypes and VLANs to counted - filtered |
//! | `filter N` | what filter N selected = kept + dropped, where it captures |
//! | `never sent`, `unconfirmed` | so do, in flows, packets and octets, the lines of what was not kept |
//!
//! The first equation that does not hold names the stage.

use std::borrow::Cow;
use std::fmt;

use magpie_protocol::{Known, Ledger, Losses, Sum};
use serde::{Deserialize, Serialize};

use crate::mirror::Share;
use crate::{Mirror, Picture};

mod checks;

/// Frames that never reached the sensor, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// In the words of the books line: `oversize`, `short`, `kernel` ...
    pub reason: Cow<'static, str>,
    /// How many frames.
    pub frames: u64,
    /// Their octets on the wire, without FCS.
    pub octets: u64,
}

/// What was offered to the sensor, as its feeder counted it: never a number
/// of the sensor's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Offered {
    /// Frames on the wire, refused ones among them.
    pub frames: u64,
    /// Their octets without FCS.
    pub octets: u64,
    /// Those the feeder could not deliver, by reason.
    pub refused: Vec<Refusal>,
}

impl Offered {
    /// Books frames that could not be delivered (they are part of
    /// [`Self::frames`] already).
    pub fn refuse(&mut self, reason: &'static str, frames: u64, octets: u64) {
        if let Some(entry) = self.refused.iter_mut().find(|r| r.reason == reason) {
            entry.frames = entry.frames.saturating_add(frames);
            entry.octets = entry.octets.saturating_add(octets);
        } else {
            self.refused.push(Refusal {
                reason: Cow::Borrowed(reason),
                frames,
                octets,
            });
        }
    }
}

/// How the books stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The number of frames on the wire is known and all sums agree.
    Closed,
    /// The sums agree as far as they are known; the stage says what is not.
    Partial(String),
    /// The sums disagree.
    Open {
        /// Where.
        stage: String,
        /// How much is missing there (negative: too much).
        by: i128,
        /// Of what: `frames`, `octets`, `flows`, `records`.
        unit: &'static str,
    },
}

/// Frames lost for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The reason.
    pub reason: Cow<'static, str>,
    /// How many.
    pub frames: Known,
}

/// The balance of one sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// How they stand.
    pub state: State,
    /// Frames on the wire; never known from the sensor alone where a stage
    /// cannot count.
    pub wire: Known,
    /// Frames the core counted.
    pub counted: u64,
    /// Frames lost before the core, by reason; reasons of which nothing was
    /// lost are left out.
    pub lost: Vec<Loss>,
    /// Frames that the mirror showed a second time; `None` where none are
    /// looked for.
    pub doubled: Option<u64>,
    /// Frames counted that a filter of the host's kept from the tables.
    pub filtered: u64,
    /// Frames of our own seen: sent by the sensor or to it.
    pub own: u64,
    /// Frames on the wire neither counted nor known as lost; `None` while
    /// nobody can tell.
    pub unaccounted: Option<i128>,
    /// Finished records made.
    pub records: u64,
    /// Of these, arrived here and acknowledged.
    pub acked: u64,
    /// Records that were dropped without having been sent.
    pub never_sent: u64,
    /// Records that were dropped after having been sent: they may be here.
    pub unconfirmed: u64,
    /// TCP octets acknowledged and never seen.
    pub unseen: Share,
    /// Everything that does not add up, the first one in [`Self::state`].
    pub broken: Vec<String>,
    /// Everything that cannot be told, likewise.
    pub doubts: Vec<String>,
}

/// The stages before the core, in the order of a frame's way.
fn stages(lost: &Losses) -> [(&'static str, &'static str, Known); 5] {
    [
        ("fcs", "mac", lost.fcs),
        ("oversize", "mac", lost.oversize),
        ("mac_fifo", "mac", lost.mac_fifo),
        ("no_descriptor", "driver", lost.no_descriptor),
        ("ring", "ring", lost.ring),
    ]
}

/// Frames known to be lost before the core, for whatever reason.
pub(crate) fn known_lost(lost: &Losses) -> u64 {
    stages(lost)
        .iter()
        .map(|(_, _, frames)| frames.value())
        .fold(0, u64::saturating_add)
}

/// Which stage cannot say for certain what it lost, in words.
fn unsure(lost: &Losses) -> Option<(&'static str, String)> {
    stages(lost)
        .into_iter()
        .find_map(|(_, stage, frames)| match frames {
            Known::Exact(_) => None,
            Known::Unknown => Some((stage, format!("{stage} unknown"))),
            Known::AtLeast(_) => Some((stage, format!("{stage} at least"))),
        })
}

impl Picture {
    /// Draws up the books. `offered` is what somebody outside counted on the
    /// wire, if anybody did.
    pub fn books(&self, offered: Option<&Offered>) -> Books {
        self.books_with(offered, &Mirror::with(self, offered))
    }

    /// The same, where [`Mirror::with`] this picture is at hand: it looks at
    /// every flow.
    pub fn books_with(&self, offered: Option<&Offered>, mirror: &Mirror) -> Books {
        let mut audit = checks::Audit::default();
        let ledger = audit.boots(self, offered.is_some());
        let total = ledger.unwrap_or_default();
        let lost = known_lost(&total.lost);
        let wire = audit.wire(&total, ledger.is_some(), lost, offered);
        let mut lost: Vec<Loss> = offered
            .into_iter()
            .flat_map(|offered| &offered.refused)
            .map(|refusal| Loss {
                reason: refusal.reason.clone(),
                frames: Known::Exact(refusal.frames),
            })
            .collect();
        lost.extend(stages(&total.lost).map(|(reason, _, frames)| Loss {
            reason: Cow::Borrowed(reason),
            frames,
        }));
        // Where wire and counted agree, a silent stage has lost nothing.
        let agree = offered.is_some() && audit.unaccounted == Some(0);
        lost.retain(|loss| match loss.frames {
            Known::Exact(n) => n > 0,
            Known::Unknown => ledger.is_some() && !agree,
            Known::AtLeast(n) => n > 0 || !agree,
        });
        if agree {
            for loss in &mut lost {
                loss.frames = Known::Exact(loss.frames.value());
            }
        }
        Books {
            wire,
            counted: total.counted.frames,
            lost,
            doubled: mirror.doubled.map(|share| share.part),
            filtered: total.filtered.frames,
            own: total.own_tx.saturating_add(total.own_rx),
            unaccounted: audit.unaccounted,
            records: audit.records,
            acked: audit.acked,
            never_sent: total
                .never_sent
                .records
                .saturating_add(total.uplink.never_sent.records),
            unconfirmed: total.uplink.unconfirmed.records,
            unseen: mirror.unseen,
            broken: audit.broken.iter().map(ToString::to_string).collect(),
            state: audit.state(),
            doubts: audit.doubts,
        }
    }
}

impl Books {
    /// What a program ends with: 4 where the sums disagree, else 0.
    pub fn exit_code(&self) -> u8 {
        match self.state {
            State::Open { .. } => 4,
            State::Closed | State::Partial(_) => 0,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("CLOSED"),
            Self::Partial(why) => write!(f, "PARTIAL({why})"),
            Self::Open { stage, by, unit } => write!(f, "OPEN({stage} {by} {unit})"),
        }
    }
}

/// `=12`, `>=12` where more are possible, `=?` where that says nothing.
struct Amount(u64, bool);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self(n, true) => write!(f, "={n}"),
            Self(0, false) => f.write_str("=?"),
            Self(n, false) => write!(f, ">={n}"),
        }
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |known: &Known| matches!(known, Known::Exact(_));
        write!(f, "books {}", self.state)?;
        write!(f, " wire{}", Amount(self.wire.value(), exact(&self.wire)))?;
        write!(f, " counted={}", self.counted)?;
        let sum = self
            .lost
            .iter()
            .fold(0, |sum: u64, loss| sum.saturating_add(loss.frames.value()));
        let all = self.lost.iter().all(|loss| exact(&loss.frames));
        write!(f, " lost{}", Amount(sum, all))?;
        for (i, loss) in self.lost.iter().enumerate() {
            f.write_str(if i == 0 { "(" } else { ", " })?;
            match loss.frames {
                Known::Exact(n) => write!(f, "{} {n}", loss.reason)?,
                // A counter that shows none and may have missed some.
                Known::Unknown | Known::AtLeast(0) => write!(f, "{} ?", loss.reason)?,
                Known::AtLeast(n) => write!(f, "{} >={n}", loss.reason)?,
            }
        }
        if !self.lost.is_empty() {
            f.write_str(")")?;
        }
        if let Some(doubled) = self.doubled {
            write!(f, " doubled={doubled}")?;
        }
        if self.filtered > 0 {
            write!(f, " filtered={}", self.filtered)?;
        }
        write!(f, " own={}", self.own)?;
        match self.unaccounted {
            Some(n) => write!(f, " unaccounted={n}")?,
            None => f.write_str(" unaccounted=?")?,
        }
        write!(f, " records={} acked={}", self.records, self.acked)?;
        write!(f, " never_sent={}", self.never_sent)?;
        if self.unconfirmed > 0 {
            write!(f, " unconfirmed={}", self.unconfirmed)?;
        }
        write!(f, " unseen{}", self.unseen.at_least())
    }
}

/// The five terms a counted frame may fall under.
fn classes(ledger: &Ledger) -> Sum {
    let Ledger {
        in_flows,
        arp,
        other,
        invalid,
        filtered,
        ..
    } = ledger;
    [in_flows, arp, other, invalid, filtered]
        .into_iter()
        .fold(Sum::default(), |sum, class| Sum {
            frames: sum.frames.saturating_add(class.frames),
            octets: sum.octets.saturating_add(class.octets),
        })
}

#[cfg(test)]
mod tests;
