//! Frames in what was read out of the chip's buffer: each behind its length word.
//!
//! The chip's pointers move only when a frame is complete, so what it says it
//! holds is a whole number of frames: the length words must lead from one to the
//! next and end exactly where that ends. Nothing is handed out before that was
//! looked at, since a wrong length word makes frames of what are none.

/// Octets of the length word (PACKET INFO of MACRAW): big endian, itself included.
pub(crate) const WORD: usize = 2;
/// Shortest frame that can be: an Ethernet header. (The chip passes on no runts,
/// says the vendor's driver; a shorter length is no length.)
pub(crate) const SHORTEST: usize = 14;

/// The frame at `at`, and where the next one begins. `None` at the end, or where
/// no frame can be.
///
/// ```
/// let mut octets = vec![0, 62];
/// octets.extend([7; 60]);
/// let (frame, next) = magpie_w6100::frame_at(&octets, 0).unwrap();
/// assert_eq!((frame.len(), next), (60, 62));
/// assert!(magpie_w6100::frame_at(&octets, next).is_none());
/// ```
pub fn frame_at(octets: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (word, rest) = octets.get(at..)?.split_first_chunk::<WORD>()?;
    let length = usize::from(u16::from_be_bytes(*word));
    let frame = rest.get(..length.checked_sub(WORD)?)?;
    if frame.len() < SHORTEST {
        return None;
    }
    Some((frame, at.checked_add(length)?))
}

/// Whether these octets are frames and nothing else.
pub(crate) fn is_whole(octets: &[u8]) -> bool {
    let mut at = 0;
    while let Some((_, next)) = frame_at(octets, at) {
        at = next;
    }
    at == octets.len()
}
