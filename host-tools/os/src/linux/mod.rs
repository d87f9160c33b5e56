//! Linux: packet(7), netdevice(7), capabilities(7), ip(7), icmp(7).

mod block;
mod capture;
mod card;
mod control;
mod interface;
mod privileges;
mod probe;
mod probe_options;
mod probe_sys;
#[cfg(test)]
mod probe_tests;
mod ring;
mod sender;
mod signals;
mod sys;

pub use capture::Capture;
pub use privileges::drop_privileges;
pub use probe::{ProbeSocket, source_address, wait};
pub use sender::FrameSender;
pub use signals::Signals;
