//! The feeder's thread.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::board::Board;
use crate::boot::STAMP_OCTETS;
use crate::credit::{Admission, Credit};
use crate::feeder::{FeedError, FeedFrame, FeedOptions, Frames, Refusal, Shared, Wish};
use crate::pace::{Clock, Stall};
use crate::stream::NetStream;

/// How long one wait lasts before the owner's wishes are looked at again.
const SLICE: Duration = Duration::from_millis(50);
/// Frames are gathered up to so many octets into one write.
const GATHER: usize = 32 * 1024;

/// Why the thread leaves its loop.
enum Leave {
    /// The owner wants it.
    Quit,
    /// Something is broken.
    Failed(FeedError),
}

impl From<FeedError> for Leave {
    fn from(error: FeedError) -> Self {
        Self::Failed(error)
    }
}

pub(crate) struct Worker {
    board: &'static Board,
    stamped: bool,
    wire: NetStream,
    counter: Box<dyn FnMut() -> Result<u32, String> + Send>,
    options: FeedOptions,
    shared: Arc<Shared>,
    credit: Credit,
    out: Vec<u8>,
    clock: Clock,
    stall: Stall,
}

impl Worker {
    pub(crate) fn new(
        board: &'static Board,
        stamped: bool,
        wire: NetStream,
        counter: Box<dyn FnMut() -> Result<u32, String> + Send>,
        options: FeedOptions,
        shared: Arc<Shared>,
    ) -> std::io::Result<Self> {
        wire.set_write_timeout(Some(SLICE))?;
        drain(wire.try_clone()?)?;
        Ok(Self {
            board,
            stamped,
            wire,
            counter,
            clock: Clock::new(options.pace),
            stall: Stall::new(),
            options,
            shared,
            credit: Credit::new(board.feed, 0),
            out: Vec::new(),
        })
    }

    pub(crate) fn run(mut self, frames: Frames) {
        let outcome = self.feed(frames);
        self.publish();
        self.shared.set(|state| match outcome {
            Ok(()) => state.progress.done = true,
            Err(Leave::Quit) => {}
            Err(Leave::Failed(error)) => state.progress.failed = Some(error),
        });
    }

    fn feed(&mut self, frames: Frames) -> Result<(), Leave> {
        self.until_ready()?;
        for frame in frames {
            let frame = match frame {
                Ok(Some(frame)) => frame,
                Ok(None) => {
                    if self.is_over_while_quiet()? {
                        break;
                    }
                    continue;
                }
                Err(reason) => {
                    self.settle()?;
                    return Err(FeedError::Input(reason).into());
                }
            };
            self.wishes()?;
            self.until_due(frame.at_us)?;
            if self.shared.lock().wish == Wish::Finish {
                break;
            }
            let refusal = Refusal::of(self.board, self.stamped, &frame);
            if refusal.is_none() {
                if self.shared.lock().unplugged {
                    self.lose(&frame)?;
                } else {
                    self.deliver(&frame)?;
                }
            }
            self.shared.lock().progress.offer(&frame, refusal);
        }
        self.settle()
    }

    /// There is no frame just now: what is gathered goes out, and the counts
    /// are made current. True: the owner wants the end.
    fn is_over_while_quiet(&mut self) -> Result<bool, Leave> {
        self.write()?;
        if self.credit.under_way() > 0 {
            self.confirm()?;
        }
        self.wishes()?;
        Ok(self.shared.lock().wish == Wish::Finish)
    }

    /// Puts one frame on the wire as soon as the card has room.
    fn deliver(&mut self, frame: &FeedFrame) -> Result<(), Leave> {
        let octets = self.octets(frame);
        while self.credit.admit(octets) != Admission::Now {
            if self.credit.admit(octets) == Admission::Never {
                return Err(self.lost("a frame that never fits the card").into());
            }
            self.write()?;
            self.confirm()?;
        }
        self.gather(frame)?;
        self.credit.sent(octets);
        if self.out.len() >= GATHER || self.clock.paced() {
            self.write()?;
        }
        Ok(())
    }

    /// Puts one frame on a wire that ends nowhere.
    fn lose(&mut self, frame: &FeedFrame) -> Result<(), Leave> {
        self.gather(frame)?;
        self.write()?;
        let lost = &mut self.shared.lock().progress.unplugged;
        lost.frames = lost.frames.saturating_add(1);
        lost.octets = lost.octets.saturating_add(u64::from(frame.wire_octets));
        Ok(())
    }

    /// Octets of a frame on the card.
    fn octets(&self, frame: &FeedFrame) -> usize {
        let stamp = if self.stamped { STAMP_OCTETS } else { 0 };
        frame.octets.len().saturating_add(stamp)
    }

    fn gather(&mut self, frame: &FeedFrame) -> Result<(), Leave> {
        let length = u32::try_from(self.octets(frame));
        let length = length.map_err(|_| self.lost("a frame without end"))?;
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(&frame.octets);
        if self.stamped {
            self.out.extend_from_slice(&frame.at_us.to_be_bytes());
        }
        Ok(())
    }

    /// Writes what is gathered; a card that pushes back makes this wait.
    fn write(&mut self) -> Result<(), Leave> {
        let mut from = 0;
        while let Some(rest) = self.out.get(from..)
            && !rest.is_empty()
        {
            match self.wire.write(rest) {
                Ok(0) => return Err(self.lost("the socket is closed").into()),
                Ok(n) => {
                    from = from.saturating_add(n);
                    self.stall.moved();
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    self.still()?;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.lost(&e.to_string()).into()),
            }
        }
        self.out.clear();
        // A card that pushes back asks for no credit, but the counts should
        // be current, and the list of frames under way short.
        if self.credit.under_way() > 1000 {
            self.poll()?;
        }
        Ok(())
    }

    /// Asks the firmware how far it is; waits a moment if nothing is new.
    fn confirm(&mut self) -> Result<(), Leave> {
        if self.poll()? == 0 {
            let pause = self.stall.pause();
            let state = self.shared.lock();
            drop(self.shared.wait(state, pause));
            self.still()?;
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<usize, Leave> {
        let counter = (self.counter)().map_err(|reason| self.lost(&reason))?;
        let fresh = self
            .credit
            .confirm(counter)
            .map_err(|overrun| FeedError::Overrun {
                board: self.board.name,
                counter: overrun.counter,
                before: overrun.before,
                under_way: overrun.under_way,
            })?;
        if fresh > 0 {
            self.stall.moved();
        }
        self.publish();
        Ok(fresh)
    }

    /// Waits until every frame sent has been read.
    fn settle(&mut self) -> Result<(), Leave> {
        self.write()?;
        while self.credit.under_way() > 0 {
            self.confirm()?;
        }
        Ok(())
    }

    fn publish(&self) {
        let mut state = self.shared.lock();
        state.progress.sent = self.credit.frames_sent();
        state.progress.read = self.credit.frames_read();
    }

    /// Nothing moved: looks whether to go on waiting.
    fn still(&mut self) -> Result<(), Leave> {
        let (wish, heartbeat) = {
            let state = self.shared.lock();
            (state.wish, state.heartbeat)
        };
        if wish == Wish::Quit {
            return Err(Leave::Quit);
        }
        let now = Instant::now();
        if self.stall.still(now, heartbeat) > self.options.stalled_after {
            return Err(FeedError::Stalled {
                board: self.board.name,
                seconds: self.options.stalled_after.as_secs(),
                sent: self.credit.frames_sent(),
                read: self.credit.frames_read(),
            }
            .into());
        }
        Ok(())
    }

    /// What the owner wants between two frames.
    fn wishes(&mut self) -> Result<(), Leave> {
        let wish = self.shared.lock().wish;
        match wish {
            Wish::Quit => return Err(Leave::Quit),
            Wish::Feed | Wish::Finish => return Ok(()),
            Wish::Hold | Wish::FeedAfterReset => {}
        }
        self.settle()?;
        self.shared.set(|state| state.held = true);
        let mut state = self.shared.lock();
        while state.wish == Wish::Hold {
            state = self.shared.wait(state, SLICE);
        }
        state.held = false;
        let reset = state.wish == Wish::FeedAfterReset;
        if reset {
            state.wish = Wish::Feed;
        }
        drop(state);
        self.clock.restart();
        self.stall.moved();
        if reset {
            self.credit.rebase();
            self.until_ready()?;
        }
        Ok(())
    }

    fn until_ready(&mut self) -> Result<(), Leave> {
        let deadline = Instant::now() + self.options.ready_within;
        let mut state = self.shared.lock();
        while !state.ready {
            match state.wish {
                Wish::Quit => return Err(Leave::Quit),
                Wish::Finish => return Ok(()),
                _ => {}
            }
            if Instant::now() > deadline {
                return Err(FeedError::NotReady {
                    board: self.board.name,
                    seconds: self.options.ready_within.as_secs(),
                }
                .into());
            }
            state = self.shared.wait(state, SLICE);
        }
        Ok(())
    }

    fn until_due(&mut self, at_us: u64) -> Result<(), Leave> {
        let Some(due) = self.clock.due(at_us, Instant::now()) else {
            return Ok(());
        };
        while let Some(left) = due.checked_duration_since(Instant::now())
            && !left.is_zero()
        {
            // The counts should be current while nothing goes out.
            if self.credit.under_way() > 0 {
                self.poll()?;
            }
            let state = self.shared.lock();
            drop(self.shared.wait(state, left.min(SLICE)));
            self.wishes()?;
            if self.shared.lock().wish == Wish::Finish {
                break;
            }
        }
        Ok(())
    }

    fn lost(&self, reason: &str) -> FeedError {
        FeedError::Lost {
            board: self.board.name,
            reason: reason.to_owned(),
        }
    }
}

/// Reads and throws away what the board sends, lest QEMU keep it for us. It
/// ends when the socket is shut down.
fn drain(mut wire: NetStream) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("magpie-drain".to_owned())
        .spawn(move || {
            let mut scrap = [0; 4096];
            while matches!(wire.read(&mut scrap), Ok(n) if n > 0) {}
        })
        .map(|_| ())
}
