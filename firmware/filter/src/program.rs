//! A program that was verified.

use crate::verify::{self, Invalid};
use crate::{Instruction, Packet, machine};

/// Most instructions of a program.
pub const MAX_INSTRUCTIONS: usize = 256;

/// A program that the verifier accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Program<'a> {
    instructions: &'a [Instruction],
}

impl<'a> Program<'a> {
    /// Accepts a program of at most [`MAX_INSTRUCTIONS`] whose codes are known,
    /// whose jumps go forward and stay inside, that ends in a return on every
    /// path, reads scratch memory only after it was written on every path
    /// there, and divides by no constant 0. Takes half a kibibyte of stack.
    pub fn verify(instructions: &'a [Instruction]) -> Result<Self, Invalid> {
        verify::verify(instructions)?;
        Ok(Self { instructions })
    }

    /// For who keeps instructions that [`Program::verify`] accepted when they
    /// came. Others do no harm either: what is unknown, or behind the end,
    /// rejects the packet.
    pub const fn assume_verified(instructions: &'a [Instruction]) -> Self {
        Self { instructions }
    }

    /// Its instructions.
    pub const fn instructions(&self) -> &'a [Instruction] {
        self.instructions
    }

    /// Octets to keep of the packet; 0 rejects it. Ends within as many steps
    /// as the program has instructions.
    #[inline]
    pub fn run(&self, packet: &Packet<'_>) -> u32 {
        machine::run(self.instructions, packet)
    }
}
