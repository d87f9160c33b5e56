//! Doubled mirrors: a switch that mirrors a frame on its way in and again on
//! its way out shows it twice, perhaps one routing hop later.
//!
//! With [`crate::Config::dedup_us`] at 0, as it is by default, nothing here
//! runs. Else every frame is looked at before all else, and a double is counted in
//! [`magpie_protocol::Doubles`] and nowhere else: `wire = lost + doubled +
//! counted`. What follows defines it so that a second implementation agrees
//! frame by frame (one does: `tests/doubled/second.rs`).
//!
//! # Terms
//!
//! - **Kind.** Tags, LLC/SNAP, `PPPoE` and MPLS are walked as for the counts
//!   (EXACT.md 2). Where that leads to IPv4, 20 octets or more are captured
//!   from there on and the first nibble is 4, the kind is *IPv4*; likewise,
//!   with 40 octets and 6, *IPv6*; else it is *other*.
//! - **Packet** (IPv4, IPv6): the captured octets from the IP header on, up to
//!   the total length where that is 20 or more, or up to 40 + payload length
//!   where that length is not 0. So padding is no part of it.
//! - **Content**, at most 128 octets of
//!   - IPv4: the packet, with type of service (octet 1), TTL (octet 8) and header
//!     checksum (octets 10, 11) taken as 0;
//!   - IPv6: the packet, with traffic class (low half of octet 0, high half of
//!     octet 1) and hop limit (octet 7) taken as 0;
//!   - other: both MAC addresses, then the captured octets from the type or
//!     length field behind the last tag on (tags: TPIDs 0x8100, 0x88a8, 0x9100,
//!     32 at most, each with its id and the type behind it captured). Where these and the
//!     addresses are 60 octets or fewer, zeros at their end do not belong to
//!     it: they may be padding, which comes and goes with a tag. A frame of
//!     fewer than 14 captured octets has no type: its content is all of it.
//! - **VLAN**: the id of the innermost of these tags whose id is not 0;
//!   without such a tag a frame has none.
//! - **TTL**: of the outermost IP header, or the hop limit; *other* has none.
//!
//! MAC addresses and tags of an IP packet are no part of its content: a router
//! changes both.
//!
//! # The rule
//!
//! Frames are looked at in the order in which they are shown. `G` is a double
//! of an earlier frame `F` when all of these hold:
//!
//! 1. `F` is *open* (see below);
//! 2. kind and content are the same, the content's length included;
//! 3. `0 <= t(G) - t(F) <= window`, in microseconds;
//! 4. either **switched**: the TTL is the same (or there is none), and the VLAN
//!    is the same or one of both has none;
//!    or **routed** (IPv4, IPv6): `TTL(G) = TTL(F) - 1`, whatever the VLANs.
//!
//! Of several such `F` it is the one that was shown first. Then `G` is counted
//! as doubled, `F` is open no longer, and `G` never is. A frame that is no
//! double becomes open.
//!
//! So an original has one double at most. This makes the counts right even
//! where octets cannot tell a double from a frame that was sent twice: of the
//! four frames that two equal ones and their doubles make, two are doubles, in
//! whatever order they come, if both doubles are switched or both are routed. A
//! frame that is shown three times (a broadcast out of many mirrored ports)
//! counts twice.
//!
//! # What is never a double
//!
//! A later packet of the same flow: its IP identification, sequence number or
//! payload differs, so its content does. A retransmission over IPv4, which has
//! a new identification (RFC 6864), and any that takes longer than the window. A
//! packet two hops later, or one with a higher TTL. The same multicast into
//! another VLAN (MLD, IGMP and router advertisements go out to all of them at
//! once). A frame that is older than its original by a clock that stepped back.
//!
//! # What octets cannot tell
//!
//! Without an identification (IPv6, IPv4 with 0) a sender that says the same
//! again within the window looks like a doubled mirror: ACKs that repeat
//! another, RSTs, neighbour discovery, ARP. To let them all pass would count
//! each ACK of a doubled IPv6 download twice, some third of its frames; to
//! take them errs by one frame for each that was truly repeated within the
//! window, where the mirror does not double. So they are doubles, and counted
//! apart besides ([`magpie_protocol::Doubles::unsure`]): no more of the doubles
//! than these can be false. A double is *sure* when it is routed (hosts do not
//! vary their TTL), or its IPv4 identification is not 0, or it is TCP with
//! sequence space of its own, which cannot be sent again before a round trip:
//! protocol 6 right behind the IP header, no later fragment, 20 octets of TCP captured, and SYN
//! or FIN set or, by the lengths that IP and TCP declare, a payload.
//!
//! # The table
//!
//! Open frames are kept in sets of four, chosen by a keyed digest of kind and
//! content. Where a set is full, the one of it that was shown first is
//! forgotten; is it not older than the window, [`magpie_protocol::Doubles::forgotten`]
//! counts it, and its double may be counted as a frame. While that is 0 (and
//! the clock does not step back by more than the window, to where frames were
//! forgotten as too old), the rule is followed to the letter, but for digests that are equal by chance:
//! 1 in 2^32 at most for any two contents that were chosen without knowledge of
//! the boot's secret (NH, of UMAC: Black, Halevi, Krawczyk, Krovetz and Rogaway,
//! "UMAC: Fast and secure message authentication", 1999).
//!
//! # Aimed at
//!
//! Whatever is sent, no frame is lost to the books: each is counted either as
//! a frame or as a double, with its octets, once. What can be aimed at is which.
//!
//! - *To hide frames from the flows*: send each twice within the window. That is
//!   half of what was sent, at most; and the second one may carry other octets
//!   behind the first 128, if lengths and checksum (which are among them) agree.
//!   The content is bounded, and so is the time for a frame. All of it stands
//!   as `dup` in mirror health, where no mirror that doubles hides it. Where the mirror does
//!   double, nothing is gained: two equal frames and their doubles count twice.
//! - *To hide a frame of somebody else* takes its content before it comes, first
//!   of all its identification and sequence number.
//! - *To hide a frame behind another one* takes two contents with one digest.
//!   Blindly that is one try in 2^32 for each pair of contents. Who reads the
//!   exports sees which tries succeeded; a success tells 32 bits of the secret,
//!   and pairs that differ in the octets next to those can be made from then on
//!   until the next boot. So can they be where the secret is known: on a board
//!   without entropy, which says so (`Hello::zero_seed`).
//! - *To make the table forget* takes a flood of frames that are all different;
//!   `forgotten` counts what it pushed out.
//!
//! # False positives, measured
//!
//! 99,678 frames of 176 captures that nobody doubled on purpose, 500 us
//! (`cargo test --release -p magpie-tests --test doubled -- --nocapture`). 160
//! of them have no double. Of the others most were doubled where they were taken:
//!
//! | capture | frames | sure | unsure | why |
//! |---|---|---|---|---|
//! | mercury `capture2` | 5617 | 1046 | 110 | doubled when it was taken: next to each other, at the same time |
//! | nfstream `pps` | 2557 | 290 | 1 | doubled when it was taken: same identification, 160 us later |
//! | ipfixprobe `tls` | 206 | 83 | 0 | holds a trace twice, every frame at one time |
//! | suricata `input` | 66 | 33 | 0 | every frame twice, 2 us apart |
//! | our `lab`, `clock-back` | 4717 | 18 | 0 | our lab repeats frames on purpose |
//! | `PcapPlusPlus` `ip-frag` | 3000 | 700 | 0 | **false**, it seems: a generator sends fragments again, identification and all |
//! | arkime `m3ua_synthetic` | 90 | 20 | 0 | **false**: made up, every packet has identification 1 |
//! | tcpdump `l2tp-avp-overflow` | 20 | 6 | 1 | **false**: made up, identifications repeat, all at one time |
//! | nfstream `skype_no_unknown` | 2146 | 0 | 25 | **false**: a scanner asks by ARP twice |
//! | nDPI, nfstream `alexa-app` | 6538 | 2 | 18 | an access point sends multicast again |
//! | bro `mpls-6in6-broken` | 1811 | 0 | 15 | **false**: made up, all at one time |
//! | tcpdump `isakmp-rfc3948-oobr` | 23 | 0 | 11 | **false**: made up, all at one time |
//! | bro `nmap-vsn` | 547 | 0 | 1 | **false**: ARP asked twice |
//! | nfstream `anydesk-2` | 2521 | 0 | 1 | **false**: an RST without identification, sent twice |
//!
//! None of the unsure ones is a TCP ACK that repeats another.
//!
//! Doubled by us, 3 to 40 us later, with the same or other tags, or routed with
//! other addresses: all counts are those before, in every section. Captures
//! that hold such frames closer to each other than their copies differ in
//! times by as much, and, where copies have other tags, in which tags were kept.

mod content;
mod table;

pub use table::{DoubledSet, DoubledTable, EMPTY_DOUBLED_SET};

use magpie_protocol::Doubles;
use managed::Managed;

use content::Content;

/// The detector: nothing but its counts where it has no table.
pub(crate) struct Detector<'a> {
    table: Option<Managed<'a, DoubledTable>>,
    pub(crate) counts: Doubles,
}

impl<'a> Detector<'a> {
    /// Has seen nothing. The table's digest is keyed from `seed`.
    pub(crate) fn new(mut table: Option<Managed<'a, DoubledTable>>, seed: &[u8; 32]) -> Self {
        if let Some(table) = &mut table {
            table.begin(seed);
        }
        Self {
            table,
            counts: Doubles::default(),
        }
    }

    /// Open frames that the table holds; 0 without one.
    pub(crate) fn capacity(&self) -> u32 {
        self.table.as_ref().map_or(0, |table| table.capacity())
    }

    /// Whether the frame is a double; then it is counted as such.
    #[cold] // off by default: out of the way of all
    #[inline(never)]
    pub(crate) fn takes(
        &mut self,
        at_us: u64,
        frame: &[u8],
        wire_len: u32,
        window_us: u32,
    ) -> bool {
        let Some(table) = &mut self.table else {
            return false;
        };
        let content = Content::of(frame);
        let Some(double) = table.find_or_open(at_us, window_us, &content, &mut self.counts) else {
            return false;
        };
        let Doubles { sum, unsure, .. } = &mut self.counts;
        sum.frames = sum.frames.saturating_add(1);
        sum.octets = sum.octets.saturating_add(u64::from(wire_len));
        if !double.routed && !content.tells() {
            *unsure = unsure.saturating_add(1);
        }
        true
    }
}
