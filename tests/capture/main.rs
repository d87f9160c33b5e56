//! `magpie capture`: its files as tcpdump, tshark and capinfos read them, its
//! files when it is killed or the disk is full, and what it sees beside tcpdump
//! on one wire. A plain `cargo test` leaves all of it out, and says so: these
//! programs may be missing, and networks of our own need root. `cargo verify`
//! runs them, or
//!
//! ```text
//! sudo cargo test --release -p magpie-tests --features libpcap --test capture -- --ignored
//! ```

// Not all of what `lab` needs is needed here.
#[allow(dead_code)]
#[path = "../lab/beside.rs"]
mod beside;

mod chosen;
mod files;
mod live;
mod readers;
mod safe;
