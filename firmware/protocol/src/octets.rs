//! Octets one after the other: what forms made by hand are written and read
//! with.

use crate::EncodeError;

/// The free room of a buffer, from its front.
pub(crate) struct Writer<'o> {
    free: &'o mut [u8],
}

impl<'o> Writer<'o> {
    pub(crate) fn new(free: &'o mut [u8]) -> Self {
        Self { free }
    }

    /// How many octets still fit.
    pub(crate) fn room(&self) -> usize {
        self.free.len()
    }

    /// Leaves out `N` octets, to be written when what follows them is.
    pub(crate) fn reserve<const N: usize>(&mut self) -> Result<&'o mut [u8; N], EncodeError> {
        let (place, free) = core::mem::take(&mut self.free)
            .split_first_chunk_mut()
            .ok_or(EncodeError::NoRoom)?;
        self.free = free;
        Ok(place)
    }

    pub(crate) fn put<const N: usize>(&mut self, octets: [u8; N]) -> Result<(), EncodeError> {
        *self.reserve()? = octets;
        Ok(())
    }

    pub(crate) fn octets(&mut self, octets: &[u8]) -> Result<(), EncodeError> {
        let (place, free) = core::mem::take(&mut self.free)
            .split_at_mut_checked(octets.len())
            .ok_or(EncodeError::NoRoom)?;
        place.copy_from_slice(octets);
        self.free = free;
        Ok(())
    }

    /// LEB128, minimal.
    pub(crate) fn varint(&mut self, number: u64) -> Result<(), EncodeError> {
        let mut rest = number;
        while rest >= 0x80 {
            let [low, ..] = rest.to_le_bytes();
            self.put([low | 0x80])?;
            rest >>= 7;
        }
        let [last, ..] = rest.to_le_bytes();
        self.put([last])
    }
}

/// Octets of somebody else; `None` where they end too early.
pub(crate) struct Reader<'o> {
    rest: &'o [u8],
}

impl<'o> Reader<'o> {
    pub(crate) fn new(rest: &'o [u8]) -> Self {
        Self { rest }
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (octets, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*octets)
    }

    pub(crate) fn octets(&mut self, len: usize) -> Option<&'o [u8]> {
        let (octets, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(octets)
    }

    pub(crate) fn octet(&mut self) -> Option<u8> {
        self.take().map(|[octet]| octet)
    }

    /// LEB128, minimal or not; `None` also for what 64 bits do not hold.
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let octet = self.octet()?;
            let bits = u64::from(octet & 0x7f);
            if (bits << shift) >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if octet < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(number: u64) -> Vec<u8> {
        let mut octets = [0; 10];
        let mut out = Writer::new(&mut octets);
        out.varint(number).unwrap();
        let free = out.room();
        octets[..10 - free].to_vec()
    }

    #[test]
    fn varints_have_their_known_octets() {
        let longest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        let known: [(u64, &[u8]); 6] = [
            (0, &[0]),
            (0x7f, &[0x7f]),
            (0x80, &[0x80, 1]),
            (0x3fff, &[0xff, 0x7f]),
            (u64::from(u32::MAX) + 1, &[0x80, 0x80, 0x80, 0x80, 0x10]),
            (u64::MAX, &longest),
        ];
        for (number, octets) in known {
            assert_eq!(written(number), octets, "{number}");
            assert_eq!(Reader::new(octets).varint(), Some(number));
            for len in 0..octets.len() {
                assert_eq!(Reader::new(&octets[..len]).varint(), None);
                let mut room = [0; 10];
                assert!(Writer::new(&mut room[..len]).varint(number).is_err());
            }
        }
    }

    #[test]
    fn longer_forms_are_read_and_too_long_ones_refused() {
        assert_eq!(Reader::new(&[0x85, 0x80, 0]).varint(), Some(5));
        let mut octets = [0x80; 11];
        octets[9] = 2;
        assert_eq!(Reader::new(&octets).varint(), None, "65 bits");
        octets[9..].copy_from_slice(&[0x80, 0]);
        assert_eq!(Reader::new(&octets).varint(), None, "eleven octets");
    }
}
