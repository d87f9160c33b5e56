//! The memory that this process and the kernel share.
#![allow(unsafe_code)] // blocks change hands by a word in them

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use socket2::Socket;

use super::block::{self, Entry, STATUS_AT};

/// Blocks in a circle; the kernel fills one after the other and stops where
/// one is still ours.
#[derive(Debug)]
pub(super) struct Ring {
    memory: MmapRaw,
    block_octets: usize,
    blocks: usize,
    // Block we read or wait for.
    at: usize,
    open: Option<Open>,
}

/// A block that is ours.
#[derive(Debug)]
struct Open {
    frames_left: u32,
    next: usize,
}

impl Ring {
    /// Maps the ring that was asked for on this socket: `blocks` times
    /// `block_octets`, neither of them 0.
    pub(super) fn map(socket: &Socket, blocks: u32, block_octets: u32) -> io::Result<Self> {
        let size = |n: u32| usize::try_from(n).map_err(io::Error::other);
        let (blocks, block_octets) = (size(blocks)?, size(block_octets)?);
        let octets = blocks
            .checked_mul(block_octets)
            .ok_or(io::ErrorKind::OutOfMemory)?;
        let memory = MmapOptions::new().len(octets).map_raw(socket)?;
        Ok(Self {
            memory,
            block_octets,
            blocks,
            at: 0,
            open: None,
        })
    }

    /// Whose the current block is.
    fn status(&self) -> &AtomicU32 {
        let at = self.at * self.block_octets + STATUS_AT;
        // SAFETY: within the mapping, since at < blocks and a block is a page
        // at least; aligned, since a block begins on a page. The kernel
        // changes this word only as a whole, and nothing else refers to it
        // while `self` is borrowed: `block` needs it mutably.
        unsafe { AtomicU32::from_ptr(self.memory.as_mut_ptr().add(at).cast()) }
    }

    /// The current block, which must be ours.
    fn block(&mut self) -> &mut [u8] {
        let at = self.at * self.block_octets;
        // SAFETY: within the mapping, as above. `open` says that the block is
        // ours: the kernel writes nothing into it until `release`, and as
        // `self` is borrowed mutably, no other reference to it exists.
        unsafe {
            std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().add(at), self.block_octets)
        }
    }

    /// Takes the current block, if the kernel has handed it over.
    fn acquire(&mut self) -> Option<()> {
        // Acquire: what the kernel wrote before the status is seen after it.
        if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // A block without a header in it gives nothing; what the kernel
        // counted into it is then missing from what was read.
        let (frames_left, next) = block::frames(self.block()).unwrap_or_default();
        self.open = Some(Open { frames_left, next });
        Some(())
    }

    fn release(&mut self) {
        self.open = None;
        // Release: our reads come before the kernel's next writes.
        self.status()
            .store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.at = (self.at + 1) % self.blocks;
    }

    /// The next frame, if the kernel has handed one over.
    pub(super) fn next(&mut self) -> Option<(Entry, &[u8])> {
        let entry = loop {
            match self.open {
                None => self.acquire()?,
                Some(Open { frames_left: 0, .. }) => self.release(),
                Some(Open { frames_left, next }) => {
                    if let Some(entry) = block::entry(self.block(), next) {
                        self.open = Some(Open {
                            frames_left: frames_left - 1,
                            next: entry.next,
                        });
                        break entry;
                    }
                    self.release();
                }
            }
        };
        let octets = entry.octets.clone();
        let octets = self.block().get(octets).unwrap_or_default();
        Some((entry, octets))
    }
}
