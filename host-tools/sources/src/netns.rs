//! A network of a test's own: a cable between two interfaces, in a namespace
//! that goes with the test's thread.

use std::process::Command;

use magpie_os::FrameSender;
use nix::sched::{CloneFlags, unshare};

/// Moves this thread (and those it starts) into a new network with a cable
/// from `left` to `right`; what sends on the left.
pub(crate) fn cable() -> FrameSender {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace needs root");
    for family in ["all", "default"] {
        // A kernel without IPv6 has no such switch.
        let _ = std::fs::write(
            format!("/proc/sys/net/ipv6/conf/{family}/disable_ipv6"),
            "1",
        );
    }
    ip("link add left type veth peer name right");
    ip("link set left up");
    ip("link set right up");
    FrameSender::open("left").unwrap()
}

/// iproute2, in this thread's network.
pub(crate) fn ip(arguments: &str) {
    let done = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("iproute2 is needed");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {arguments}: {said}");
}

/// `frame` with these tags behind its addresses.
pub(crate) fn tagged(frame: &[u8], tags: &[u8]) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    [addresses, tags, rest].concat()
}
