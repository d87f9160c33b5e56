//! What may befall a board, its cable and its datagrams.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use magpie_sources::SourceError;

use super::feed::Feed;
use super::{PATIENCE, SerialEnd, SpeakingBoard};
use crate::udp::{Frames, Weather};

impl SpeakingBoard {
    /// From now on datagrams fare so. (What the harness itself asks the board
    /// gets through: it paces the feed.)
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Datagrams that were lost, or came twice or late.
    pub fn harmed(&self) -> u64 {
        self.ways.iter().map(|way| way.harmed).sum()
    }

    /// Pulls the cable out of the board's port, or plugs it in again; what was
    /// sent into its open end meanwhile.
    pub fn plug(&mut self, in_again: bool) -> Result<Frames, SourceError> {
        self.wait_until_read()?;
        // What went into the open end is thrown away before it is none.
        std::thread::sleep(Duration::from_millis(100));
        self.emulator.plug(in_again).map_err(|e| self.failed(&e))?;
        let missed = self.unplugged.take().unwrap_or_default();
        self.unplugged = (!in_again).then_some(Frames::default());
        Ok(missed)
    }

    /// Presses the reset button, with no frame under way.
    pub fn reset(&mut self) -> Result<(), SourceError> {
        self.wait_until_read()?;
        // What the old boot said is heard before the new one speaks.
        self.emulator.pause().map_err(|e| self.failed(&e))?;
        self.hear()?;
        self.old_boot = self.boot_id.take();
        self.ready.store(false, Relaxed);
        self.emulator.reset().map_err(|e| self.failed(&e))?;
        self.credit.rebase();
        self.passed().reboot();
        self.feed = Feed::Waiting;
        Ok(())
    }

    /// The host's machine goes off, or on again: it neither hears nor answers,
    /// ARP included. The feed then waits for the card alone, which must find the
    /// board's buffers large enough.
    pub fn turn_host_off(&mut self, off: bool) {
        self.host_off = off;
    }

    /// The board's serial line, once, for a host that comes now.
    pub fn serial_end(&mut self) -> SerialEnd {
        self.line.take().expect("one host on the line").plugged_in()
    }

    pub(super) fn wait_until_read(&mut self) -> Result<(), SourceError> {
        let since = Instant::now();
        while self.credit.under_way() > 0 {
            self.confirm()?;
            if since.elapsed() > PATIENCE {
                return Err(self.failed(&"it reads no frames"));
            }
        }
        Ok(())
    }
}
