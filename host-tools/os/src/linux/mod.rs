//! Linux: packet(7), netdevice(7), capabilities(7).

mod block;
mod capture;
mod card;
mod interface;
mod privileges;
mod ring;
mod sender;
mod sys;

pub use capture::Capture;
pub use privileges::drop_privileges;
pub use sender::FrameSender;
