//! Room for the few numbers that do not fit into their slots.

use super::setup::Numbers;

/// Handshakes at full width that are kept at a time.
const PLACES: usize = 4;

#[cfg(not(feature = "std"))]
type Places = [Option<Numbers>; PLACES];
#[cfg(feature = "std")]
type Places = std::vec::Vec<Option<Numbers>>;

/// Numbers of slots that point here, and of how many there was no room for.
pub(crate) struct Annex {
    places: Places,
    /// An exact run: there is always room.
    #[cfg(feature = "std")]
    grows: bool,
    #[cfg(feature = "std")]
    untold: u64,
}

impl Annex {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(not(feature = "std"))]
            places: [None; PLACES],
            #[cfg(feature = "std")]
            places: std::vec![None; PLACES],
            #[cfg(feature = "std")]
            grows: false,
            #[cfg(feature = "std")]
            untold: 0,
        }
    }

    pub(super) fn get(&self, place: usize) -> Option<Numbers> {
        *self.places.get(place)?
    }

    /// Keeps these in `place`, or else in a free one: in which.
    pub(super) fn keep(&mut self, place: Option<usize>, numbers: &Numbers) -> Option<usize> {
        let place = place.or_else(|| self.places.iter().position(Option::is_none));
        #[cfg(feature = "std")]
        let place = place.or_else(|| {
            self.grows.then(|| {
                self.places.push(None);
                self.places.len().saturating_sub(1)
            })
        });
        let Some(kept) = place.and_then(|place| self.places.get_mut(place)) else {
            #[cfg(feature = "std")]
            {
                self.untold = self.untold.saturating_add(1);
            }
            return None;
        };
        *kept = Some(*numbers);
        place
    }

    pub(super) fn release(&mut self, place: Option<usize>) {
        if let Some(kept) = place.and_then(|place| self.places.get_mut(place)) {
            *kept = None;
        }
    }

    #[cfg(feature = "std")]
    pub(super) fn grow(&mut self) {
        self.grows = true;
    }

    /// Handshakes that found no room.
    #[cfg(feature = "std")]
    pub(super) fn untold(&self) -> u64 {
        self.untold
    }
}
