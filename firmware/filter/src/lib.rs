//! Classic BPF (`McCanne` and Jacobson, 1993), the language that libpcap
//! compiles tcpdump's expressions to: a verifier, and a virtual machine that
//! runs what the verifier accepted. It never allocates, panics, loops or
//! reads beyond a packet; it compiles nothing and knows no protocol but the
//! tags of a frame.
//!
//! # Order of use
//!
//! 1. [`Program::verify`] takes instructions from wherever they came, or says
//!    which one it refuses and why.
//! 2. [`Packet::untagged`] shows a frame without its VLAN tags, so that
//!    `host X` and `not host X` mean the same behind tags; where an expression
//!    itself says `vlan`, [`Packet::literal`] shows it as it is.
//! 3. [`Program::run`] tells how many octets of it are wanted; 0 is none. Who
//!    has many frames asks [`Quick::run`] first, which learned the program.
//!
//! ```
//! use magpie_filter::{Instruction, Packet, Program, Reason, code};
//!
//! // What `tcpdump -dd arp` prints.
//! let arp = [
//!     Instruction::new(code::LD_H_ABS, 0, 0, 12),
//!     Instruction::new(code::JEQ_K, 0, 1, 0x0806),
//!     Instruction::new(code::RET_K, 0, 0, 262_144),
//!     Instruction::new(code::RET_K, 0, 0, 0),
//! ];
//! let program = Program::verify(&arp)?;
//! let mut frame = [0; 60];
//! frame[12..18].copy_from_slice(&[0x81, 0x00, 0, 7, 0x08, 0x06]);
//! assert_eq!(program.run(&Packet::untagged(&frame, 60)), 262_144);
//! assert_eq!(program.run(&Packet::literal(&frame, 60)), 0);
//!
//! let refused = Program::verify(&arp[..2]).unwrap_err();
//! assert_eq!((refused.at, refused.why), (1, Reason::JumpOutside));
//! # Ok::<(), magpie_filter::Invalid>(())
//! ```
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

pub mod code;
mod instruction;
mod machine;
mod packet;
mod program;
mod quick;
mod verify;

pub use instruction::Instruction;
pub use packet::Packet;
pub use program::{MAX_INSTRUCTIONS, Program};
pub use quick::{MAX_TESTS, Quick};
pub use verify::{Invalid, MEMORY_WORDS, Reason};
