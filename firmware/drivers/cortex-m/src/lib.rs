//! What every Cortex-M board shares and what needs `unsafe` there: the clock
//! (`time`), the executor (`thread`), the wall below the stack (`guard`), what
//! outlives a reset (`kept`) and what is said before one (`last_word`), and
//! the block of memory through which the outside speaks to an image before its
//! first instruction, and watches it (`boot`).
//!
//! It never knows a chip, a frame or a record. Order of use:
//! `guard::below_stack` before all else, then `thread::run`, which spawns the
//! board's task; that calls `boot::take` first and `time::SysTickTime::start`
//! before it awaits anything.
#![no_std]

#[cfg(target_os = "none")]
pub mod boot;
mod count;
#[cfg(all(magpie_ends, target_os = "none"))]
pub mod ends;
#[cfg(target_os = "none")]
pub mod guard;
#[cfg(any(test, target_os = "none"))]
pub mod kept;
#[cfg(target_os = "none")]
pub mod last_word;
#[cfg(target_os = "none")]
pub mod thread;
#[cfg(target_os = "none")]
pub mod time;

pub use count::{PERIOD, Phase, drifted};
