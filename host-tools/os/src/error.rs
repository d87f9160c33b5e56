//! Why the operating system did not do it.

use std::io;
use std::path::PathBuf;

/// Why an interface or a socket cannot be used. Every text names it, the reason
/// and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OsError {
    /// There is none of this name.
    #[error("{interface}: no such interface; `ip link` lists them")]
    NoInterface {
        /// As it was named.
        interface: String,
    },
    /// The right to listen is missing.
    #[error(
        "{interface}: only who has CAP_NET_RAW may listen to an interface; give it to this program once (sudo setcap cap_net_raw+ep {}) or run it as root", program.display()
    )]
    Permission {
        /// Which interface.
        interface: String,
        /// This program.
        program: PathBuf,
    },
    /// Its frames have no Ethernet header.
    #[error(
        "{interface}: not an Ethernet interface (its hardware type is {kind}); name the one below it, or a bridge"
    )]
    NotEthernet {
        /// Which interface.
        interface: String,
        /// `ARPHRD_...` of `linux/if_arp.h`.
        kind: u16,
    },
    /// The system refused.
    #[error("{thing}: {what}: {reason}; {advice}")]
    Io {
        /// Which interface or process.
        thing: String,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        reason: io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// The right to send such probes is missing.
    #[error("{name}: {why}; {remedy}")]
    ProbePermission {
        /// Which kind of probe.
        name: &'static str,
        /// What stands in the way.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// Probes are not sent on this system.
    #[error(
        "probes are not supported on {}; use the ping and traceroute that it has",
        std::env::consts::OS
    )]
    UnsupportedProbes,
    /// Not on this system.
    #[error(
        "{interface}: listening to interfaces is not supported on {}; capture there with tcpdump and read the file",
        std::env::consts::OS
    )]
    Unsupported {
        /// As it was named.
        interface: String,
    },
    /// Another thing that is not on this system.
    #[error("{what} not supported on {}", std::env::consts::OS)]
    NotHere {
        /// What, with its verb.
        what: &'static str,
    },
}
