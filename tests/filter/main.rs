//! Filters beside tcpdump: what our virtual machine selects with libpcap's
//! program, frame by frame, and how the program is listed.
//!
//! Expressions are in `expressions.txt`; frames are those of our own captures
//! and, with `MAGPIE_CORPUS`, of the corpus.

#[cfg(feature = "libpcap")]
mod beside;
#[cfg(feature = "libpcap")]
mod files;
#[cfg(feature = "libpcap")]
mod listing;
#[cfg(feature = "libpcap")]
mod quick;
#[cfg(feature = "libpcap")]
mod share;
#[cfg(feature = "libpcap")]
mod tcpdump;

/// Stands in for all of them, so that their absence shows.
#[cfg(not(feature = "libpcap"))]
#[test]
#[ignore = "needs libpcap: cargo test -p magpie-tests --features libpcap --test filter"]
fn filters_beside_tcpdump() {
    panic!("built without `--features libpcap`");
}
