//! A set of malformed classes.

use magpie_protocol::Malformed;

/// The malformed classes one frame raised, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Classes(u32);

impl Classes {
    /// A sound frame.
    pub const NONE: Self = Self(0);

    pub(super) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    const fn bit(class: Malformed) -> u32 {
        1 << (class as u8)
    }

    /// Raises a class.
    #[inline]
    pub fn insert(&mut self, class: Malformed) {
        self.0 |= Self::bit(class);
    }

    /// Was it raised?
    #[inline]
    pub fn contains(self, class: Malformed) -> bool {
        self.0 & Self::bit(class) != 0
    }

    /// Nothing is wrong.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What was raised, in the order of [`Malformed::ALL`].
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = Malformed> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            // Of nothing that is 32: no class.
            let class = Malformed::ALL.get(left.trailing_zeros() as usize)?;
            left &= left.wrapping_sub(1);
            Some(*class)
        })
    }
}

impl core::fmt::Debug for Classes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<Malformed> for Classes {
    fn from_iter<I: IntoIterator<Item = Malformed>>(classes: I) -> Self {
        let mut set = Self::NONE;
        for class in classes {
            set.insert(class);
        }
        set
    }
}
