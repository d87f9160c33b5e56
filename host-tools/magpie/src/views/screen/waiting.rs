//! What is said while nothing comes.

use magpie_sources::Phase;

use super::line::{Line, Tone, wrap};
use super::look::Facts;
use super::words::span;
use crate::views::text::plain;

/// Silence is told from then on.
const SILENT_US: u64 = 5_000_000;

/// Since when nothing new has come from a source.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heard {
    batches: u64,
    frames: u64,
    batch_us: Option<u64>,
    frame_us: Option<u64>,
}

impl Heard {
    pub(super) fn note(&mut self, facts: &Facts) {
        let batches = facts.status.receiver.batches;
        let frames = facts.ledger.map_or(0, |ledger| ledger.counted.frames);
        if self.batch_us.is_none() || batches != self.batches {
            self.batches = batches;
            self.batch_us = Some(facts.now_us);
        }
        if self.frame_us.is_none() || frames != self.frames {
            self.frames = frames;
            self.frame_us = Some(facts.now_us);
        }
    }

    /// For how long no batch has come; `None` while it is nothing to speak of.
    fn silence(&self, now_us: u64) -> Option<u64> {
        let silence = now_us.saturating_sub(self.batch_us?);
        (silence >= SILENT_US).then_some(silence)
    }
}

/// What to look at when nobody answers.
fn advice(source: &str) -> &'static str {
    match source.split(':').next() {
        Some("serial") => {
            "Is it powered, is this its port and its speed (serial:PATH@BAUD), and does no other \
             program read it?"
        }
        Some("udp") => {
            "Is it told to send to this address, and does no firewall drop it on its way?"
        }
        Some("qemu") => "The emulated board should have booted by now: is this its image?",
        _ => "Is anything writing to it?",
    }
}

/// What fills the screen until the first frame was counted; `None` from then
/// on.
pub(super) fn before_the_first_frame(
    facts: &Facts,
    heard: &Heard,
    columns: usize,
) -> Option<Vec<Line>> {
    if facts.ledger.is_some_and(|ledger| ledger.counted.frames > 0) || facts.keys > 0 {
        return None;
    }
    let source = plain(&facts.name);
    let silence = heard.silence(facts.now_us);
    let mut lines = vec![Line::default()];
    let mut say = |tone, text: &str| {
        for line in wrap(text, columns) {
            lines.push(Line::of(tone, line));
        }
    };
    if facts.status.phase == Phase::Ended {
        say(Tone::Plain, &format!("{source} has ended without a frame."));
        return Some(lines);
    }
    let Some(hello) = &facts.hello else {
        let text = format!("Waiting for the sensor at {source} to say who it is.");
        say(Tone::Plain, &text);
        if let Some(silence) = silence {
            let text = format!("No answer for {}. {}", span(silence), advice(&facts.name));
            say(Tone::Doubt, &text);
        }
        return Some(lines);
    };
    let name = plain(&hello.name);
    let text = format!("{name} is there. Waiting for the first frame on its capture port.");
    say(Tone::Plain, &text);
    let since = facts
        .now_us
        .saturating_sub(heard.frame_us.unwrap_or(facts.now_us));
    if since >= SILENT_US {
        let advice = if facts.is_unplugged() {
            "The link of its port is down: is the cable in, and anybody at its other end?"
        } else {
            "Is the mirror session on, and is this its port?"
        };
        say(Tone::Doubt, &format!("None for {}. {advice}", span(since)));
    }
    Some(lines)
}

/// What a row above the keys says of a source that has been heard.
pub(super) fn state(facts: &Facts, heard: &Heard) -> Option<Line> {
    match facts.status.phase {
        Phase::Ended => Some(Line::plain("Ended: nothing more will come.")),
        Phase::Flushing => Some(Line::plain(
            "Asking the sensor for all it still holds; q again ends at once.",
        )),
        Phase::Running => {
            let silence = heard.silence(facts.now_us)?;
            let text = format!("No word from the sensor for {}.", span(silence));
            Some(Line::of(Tone::Doubt, text))
        }
    }
}
