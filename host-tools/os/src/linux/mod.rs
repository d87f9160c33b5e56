//! Linux: packet(7), netdevice(7), capabilities(7), ip(7), icmp(7),
//! `sock_diag(7)`, rtnetlink(7).

mod block;
mod capture;
mod card;
mod clocks;
mod control;
mod fuzzed;
mod inet_diag;
mod interface;
mod links;
mod netlink;
mod numbers;
mod pipes;
mod privileges;
mod probe;
mod probe_options;
mod probe_rights;
mod probe_sys;
#[cfg(test)]
mod probe_tests;
mod proc_net;
mod processes;
mod ring;
mod routes;
mod sender;
mod signals;
mod socket_table;
mod sys;
mod unix_diag;

pub use capture::Capture;
pub use fuzzed::decode;
pub use links::interfaces;
pub use pipes::{had_stdout, reader_is_gone};
pub use privileges::{drop_privileges, may_administer, may_capture, may_trace, no_new_privileges};
pub use probe::{ProbeSocket, source_address, wait, zone_name};
pub use processes::socket_holders;
pub use routes::routes;
pub use sender::FrameSender;
pub use signals::{Signals, survive_file_limit};
pub use socket_table::{socket_summary, sockets};
