//! What is done with a frame besides counting it.

use super::Sensor;
use crate::filter::Seen;

/// What is done with a frame besides counting it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Looks {
    /// Nothing.
    Once,
    /// It may be a double, or one of our own.
    Closer,
    /// Filters see it, and that is all.
    Filters,
    /// Filters see it first.
    FiltersAndCloser,
}

impl Sensor<'_> {
    /// What most sensors do not do: shows frames to filters, looks for doubles,
    /// and for frames of our own. True for a frame that is not for the tables.
    #[inline]
    pub(super) fn look_closer(&mut self, at_us: u64, frame: &[u8], wire_len: u32) -> bool {
        match self.looks {
            Looks::Once => false,
            Looks::Closer => self.is_double(at_us, frame, wire_len),
            Looks::Filters | Looks::FiltersAndCloser => self.show_filters(at_us, frame, wire_len),
        }
    }

    /// Looks for doubles, and for frames of our own. True for a double.
    #[inline(never)]
    fn is_double(&mut self, at_us: u64, frame: &[u8], wire_len: u32) -> bool {
        let window_us = self.config.dedup_us;
        if window_us != 0 && self.doubled.takes(at_us, frame, wire_len, window_us) {
            return true;
        }
        if let Some(own) = &mut self.books.own {
            own.see(frame);
        }
        false
    }

    /// Filters see every frame, doubles and our own too.
    #[inline(never)]
    fn show_filters(&mut self, at_us: u64, frame: &[u8], wire_len: u32) -> bool {
        match self.filters.see(at_us, frame, wire_len) {
            Seen::Rejected if self.looks == Looks::Filters => false,
            seen => self.after_filters(seen, at_us, frame, wire_len),
        }
    }

    /// What few frames need that filters have seen.
    #[inline(never)]
    fn after_filters(&mut self, seen: Seen, at_us: u64, frame: &[u8], wire_len: u32) -> bool {
        if !self.filters.is_running() {
            self.set_looks();
        }
        if seen != Seen::Filtered {
            return self.is_double(at_us, frame, wire_len);
        }
        if let Some(own) = &mut self.books.own {
            own.see(frame);
        }
        self.books.count_filtered(wire_len);
        true
    }

    /// How far every frame is looked at from now on.
    pub(super) fn set_looks(&mut self) {
        let looks_closer = self.config.dedup_us != 0 || self.books.own.is_some();
        self.looks = match (self.filters.is_running(), looks_closer) {
            (true, false) => Looks::Filters,
            (true, true) => Looks::FiltersAndCloser,
            (false, true) => Looks::Closer,
            (false, false) => Looks::Once,
        };
    }
}
