//! How a board is fed: a few frames, then its word that it has worked them
//! off. Frames cannot wait for records here, so the feed does.

use std::time::{Duration, Instant};

use magpie_emulator::FeedFrame;
use magpie_link::{Header, MAX_BATCH, command_batch};
use magpie_protocol::{Command, Items, Record, decode_record};
use magpie_sources::SourceError;

use super::{PATIENCE, PORT, SpeakingBoard};

/// A question without an answer is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(300);
/// Numbers of our own time requests; the session's are small.
pub(super) const OUR_IDS: u32 = 0x8000_0000;

/// Where the feed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    /// No batch came yet.
    Waiting,
    Going,
    /// The board is asked, so many times more, whether it has done its work.
    Asking {
        more: u32,
        since: Instant,
    },
    Done,
}

impl SpeakingBoard {
    /// More frames to be fed.
    pub fn feed(&mut self, frames: &[FeedFrame]) {
        self.frames.extend(frames.iter().cloned());
        if self.feed == Feed::Done && !self.frames.is_empty() {
            self.feed = Feed::Going;
        }
    }

    /// Whether all of them were fed, and the board has worked them off.
    pub fn is_fed(&self) -> bool {
        self.feed == Feed::Done
    }

    pub(super) fn note(&mut self, batch: &[u8]) {
        let Ok((header, octets)) = Header::parse(batch) else {
            return;
        };
        if self.old_boot == Some(header.boot_id) {
            return;
        }
        self.boot_id = Some(header.boot_id);
        for item in Items::new(octets).flatten() {
            if let Ok(Record::TimeReply(reply)) = decode_record(item)
                && reply.id >= OUR_IDS
            {
                self.answered = self.answered.max(reply.id);
            }
        }
    }

    /// Asks for the time, anew or once more: the answer comes when all that
    /// was sent before has been worked through.
    fn ask(&mut self, anew: bool) {
        self.asked += u32::from(anew);
        let id = self.asked;
        let command = Command::TimeSync { id, host_us: 0 };
        let mut batch = [0; MAX_BATCH];
        let boot_id = self.boot_id.expect("asked after the first batch");
        let len = command_batch(boot_id, 0, &[command], &mut batch).expect("a short batch");
        self.host.send(&batch[..len], PORT);
    }

    /// True when the feed has just ended. Nothing waits to be acknowledged
    /// here: every batch was given out.
    pub(super) fn step(&mut self) -> Result<bool, SourceError> {
        match self.feed {
            Feed::Done => return Ok(false),
            Feed::Waiting if self.boot_id.is_none() => {}
            Feed::Waiting => self.feed = Feed::Going,
            Feed::Going => {
                if self.frames.is_empty() {
                    self.forge()?;
                    self.feed = Feed::Done;
                    return Ok(true);
                }
                self.moved = Instant::now();
                for _ in 0..self.burst {
                    let Some(frame) = self.frames.pop_front() else {
                        break;
                    };
                    self.at_us = frame.at_us;
                    if self.deliver(&frame.octets)? {
                        self.passed().mirror(&frame.octets);
                    }
                }
                if self.unplugged.is_some() {
                    return Ok(false);
                }
                if self.host_off {
                    self.wait_until_read()?;
                    return Ok(false);
                }
                // Once for the work, once for its acknowledgement.
                self.ask(true);
                self.feed = Feed::Asking {
                    more: 1,
                    since: Instant::now(),
                };
            }
            Feed::Asking { more: 0, .. } if self.answered == self.asked => {
                self.feed = Feed::Going;
            }
            Feed::Asking { more, since } => {
                let answered = self.answered == self.asked;
                if answered || since.elapsed() > ASK_AGAIN {
                    self.ask(answered);
                    self.feed = Feed::Asking {
                        more: more - u32::from(answered),
                        since: Instant::now(),
                    };
                }
            }
        }
        if self.moved.elapsed() > PATIENCE {
            return Err(self.failed(&format!("nothing moves: {:?}", self.feed)));
        }
        Ok(false)
    }

    /// Frames under the board's address that it never sent.
    fn forge(&mut self) -> Result<(), SourceError> {
        for _ in 0..self.wiring.forged {
            let mut frame = self.passed().said.last().cloned().unwrap_or_default();
            frame[..6].copy_from_slice(&[2, 9, 9, 9, 9, 9]);
            self.deliver_own(frame)?;
        }
        Ok(())
    }
}
