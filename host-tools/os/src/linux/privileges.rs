//! Rights that are needed once.

use std::io;

use caps::{CapSet, Capability};

use super::sys;
use crate::OsError;

/// What opens sockets and changes interfaces.
const NETWORK: [Capability; 2] = [Capability::CAP_NET_RAW, Capability::CAP_NET_ADMIN];

/// Gives the rights over the network up, for good, for this thread and those
/// it starts from now on: call it after the last [`crate::Capture::open`] and
/// before the first thread. Programs that root starts have them again,
/// unless [`no_new_privileges`] was called.
pub fn drop_privileges() -> Result<(), OsError> {
    // What is permitted goes last: the other sets are within it.
    let sets = [
        CapSet::Ambient,
        CapSet::Inheritable,
        CapSet::Effective,
        CapSet::Permitted,
    ];
    for set in sets {
        for capability in NETWORK {
            if caps::has_cap(None, set, capability).unwrap_or(false) {
                caps::drop(None, set, capability).map_err(|error| OsError::Io {
                    thing: "this process".to_owned(),
                    what: "its rights over the network cannot be given up",
                    reason: io::Error::other(error.to_string()),
                    advice: "run it without them if that matters",
                })?;
            }
        }
    }
    Ok(())
}

/// Programs that this thread, and those it starts, run from now on get no
/// rights that the thread itself has not (`PR_SET_NO_NEW_PRIVS`, prctl(2)).
pub fn no_new_privileges() -> Result<(), OsError> {
    sys::no_new_privileges().map_err(|reason| OsError::Io {
        thing: "this process".to_owned(),
        what: "programs that it starts cannot be kept from its rights",
        reason,
        advice: "run it without rights if that matters",
    })
}

/// Whether this process may listen to interfaces (`CAP_NET_RAW`).
pub fn may_capture() -> bool {
    has(Capability::CAP_NET_RAW)
}

/// Whether this process may change the network (`CAP_NET_ADMIN`).
pub fn may_administer() -> bool {
    has(Capability::CAP_NET_ADMIN)
}

/// Whether this process may look into those of others (`CAP_SYS_PTRACE`).
pub fn may_trace() -> bool {
    has(Capability::CAP_SYS_PTRACE)
}

fn has(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false)
}
