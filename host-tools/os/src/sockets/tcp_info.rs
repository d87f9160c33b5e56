//! What TCP knows of a connection.

use crate::octets;

/// Each field where the kernel has it: a name with its unit, and its place.
macro_rules! tcp_info {
    ($($(#[$doc:meta])* $name:ident: $kind:ident = $at:literal,)*) => {
        /// `struct tcp_info` of `linux/tcp.h`. A kernel that is older than a
        /// field does not tell it: `None`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct TcpInfo {
            $($(#[$doc])* pub $name: Option<$kind>,)*
        }

        impl TcpInfo {
            /// From the kernel's octets.
            pub fn from_octets(octets: &[u8]) -> Self {
                Self { $($name: octets::$kind(octets, $at),)* }
            }

            /// Every field with its name, in the kernel's order.
            pub fn fields(&self) -> impl Iterator<Item = (&'static str, Option<u64>)> {
                [$((stringify!($name), self.$name.map(u64::from)),)*].into_iter()
            }
        }
    };
}

tcp_info! {
    /// `TCP_CA_...`: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss.
    congestion_state: u8 = 1,
    /// Retransmissions of the oldest segment in a row.
    retransmits: u8 = 2,
    /// Probes without an answer.
    probes: u8 = 3,
    /// By how many powers of two the retransmission timer was lengthened.
    backoff: u8 = 4,
    /// `TCPI_OPT_...`: 1 time stamps, 2 SACK, 4 window scale, 8 ECN, 16 ECN
    /// seen, 32 data in the SYN.
    options: u8 = 5,
    /// The kernel's two halves of four bits: ours and the peer's, by the
    /// machine's order.
    window_scales: u8 = 6,
    /// Bit 0 (of a little-endian machine): the application had too little to
    /// send for `delivery_octets_per_s` to be the path's.
    limits: u8 = 7,
    /// Retransmission time-out.
    rto_us: u32 = 8,
    /// Delayed acknowledgement.
    ato_us: u32 = 12,
    /// Longest segment we send.
    send_mss_octets: u32 = 16,
    /// Longest segment that came, as estimated.
    receive_mss_octets: u32 = 20,
    /// Segments in flight; of a listening socket, connections that wait.
    unacked_segments: u32 = 24,
    /// Of these, acknowledged selectively.
    sacked_segments: u32 = 28,
    /// Of these, taken for lost.
    lost_segments: u32 = 32,
    /// Of these, sent again.
    retransmitted_segments: u32 = 36,
    /// Of these, acknowledged forward.
    facked_segments: u32 = 40,
    /// Since data was sent.
    last_sent_ms: u32 = 44,
    /// Since data came.
    last_received_ms: u32 = 52,
    /// Since an acknowledgement came.
    last_ack_ms: u32 = 56,
    /// Longest packet of the path.
    path_mtu_octets: u32 = 60,
    /// Up to here the receive window grows.
    receive_ssthresh_octets: u32 = 64,
    /// Smoothed round trip.
    rtt_us: u32 = 68,
    /// Its mean deviation.
    rtt_deviation_us: u32 = 72,
    /// Slow start ends here.
    ssthresh_segments: u32 = 76,
    /// Congestion window.
    cwnd_segments: u32 = 80,
    /// Longest segment we told the peer to send.
    advertised_mss_octets: u32 = 84,
    /// Segments that may overtake each other.
    reordering_segments: u32 = 88,
    /// Round trip, as the receiver estimates it.
    receive_rtt_us: u32 = 92,
    /// Octets read in such a round trip.
    receive_space_octets: u32 = 96,
    /// Segments sent again, ever.
    total_retransmits: u32 = 100,
    /// Pace of sending.
    pacing_octets_per_s: u64 = 104,
    /// Its limit.
    max_pacing_octets_per_s: u64 = 112,
    /// Octets acknowledged (RFC 4898).
    acked_octets: u64 = 120,
    /// Octets received, likewise.
    received_octets: u64 = 128,
    /// Segments sent, likewise.
    segments_out: u32 = 136,
    /// Segments received, likewise.
    segments_in: u32 = 140,
    /// Octets not sent yet.
    unsent_octets: u32 = 144,
    /// Least round trip.
    min_rtt_us: u32 = 148,
    /// Segments with data received.
    data_segments_in: u32 = 152,
    /// Segments with data sent.
    data_segments_out: u32 = 156,
    /// What was delivered of late.
    delivery_octets_per_s: u64 = 160,
    /// Time with data to send.
    busy_us: u64 = 168,
    /// Of this, held up by the peer's window.
    window_limited_us: u64 = 176,
    /// Of this, held up by our buffer.
    buffer_limited_us: u64 = 184,
    /// Segments delivered.
    delivered_segments: u32 = 192,
    /// Of these, with congestion told by ECN.
    delivered_ce_segments: u32 = 196,
    /// Octets sent, with those sent again.
    sent_octets: u64 = 200,
    /// Octets sent again.
    retransmitted_octets: u64 = 208,
    /// Duplicates that the peer told of by SACK.
    dsack_duplicates: u32 = 216,
    /// How often segments overtook each other.
    reorderings: u32 = 220,
    /// Segments that came out of order.
    received_out_of_order: u32 = 224,
    /// The window that the peer offers.
    send_window_octets: u32 = 228,
    /// The window that we offer.
    receive_window_octets: u32 = 232,
    /// How often the path was changed by another flow label.
    rehashes: u32 = 236,
}

impl TcpInfo {
    /// Window scales (ours for sending, that for receiving), if agreed.
    pub fn scales(&self) -> Option<(u8, u8)> {
        (self.options? & 4 != 0).then_some(())?;
        let both = self.window_scales?;
        let (low, high) = (both & 15, both >> 4);
        Some(if cfg!(target_endian = "big") {
            (high, low)
        } else {
            (low, high)
        })
    }

    /// The application, not the path, limits `delivery_octets_per_s`.
    pub fn is_application_limited(&self) -> bool {
        let bit = if cfg!(target_endian = "big") { 128 } else { 1 };
        self.limits.is_some_and(|limits| limits & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_is_too_old_for_is_not_there() {
        let octets: Vec<u8> = (0..=239).collect();
        let whole = TcpInfo::from_octets(&octets);
        assert_eq!(whole.rto_us, Some(u32::from_ne_bytes([8, 9, 10, 11])));
        assert_eq!(
            whole.rehashes,
            Some(u32::from_ne_bytes([236, 237, 238, 239]))
        );
        assert!(whole.fields().all(|(_, value)| value.is_some()));
        // struct tcp_info of Linux 2.6.
        let old = TcpInfo::from_octets(octets.get(..104).unwrap());
        assert!(old.total_retransmits.is_some() && old.pacing_octets_per_s.is_none());
        assert_eq!(TcpInfo::from_octets(&[]), TcpInfo::default());
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn halves_of_an_octet() {
        let mut octets = [0; 8];
        octets[6] = 0x79;
        assert_eq!(TcpInfo::from_octets(&octets).scales(), None);
        octets[5] = 4;
        assert_eq!(TcpInfo::from_octets(&octets).scales(), Some((9, 7)));
        assert!(!TcpInfo::from_octets(&octets).is_application_limited());
        octets[7] = 1;
        assert!(TcpInfo::from_octets(&octets).is_application_limited());
    }
}
