//! Octets of an input, read as numbers and pieces.

/// Most octets of one piece: longer than any frame or batch may be.
const PIECE_MASK: u16 = 0x0fff;

/// What is left of an input. Where it ends, numbers are 0 and pieces short.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// All of an input.
    pub fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// True when nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next octets, fewer at the end.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// The next octet.
    pub fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    /// The next two octets.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// The next four octets.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// The next eight octets.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// Octets behind their length.
    pub fn piece(&mut self) -> &'a [u8] {
        let len = self.u16() & PIECE_MASK;
        self.take(usize::from(len))
    }
}

/// Writes what [`Input::piece`] reads.
pub fn push_piece(to: &mut Vec<u8>, piece: &[u8]) {
    let len = u16::try_from(piece.len()).expect("a seed's piece is short");
    to.extend(len.to_le_bytes());
    to.extend(piece);
}
