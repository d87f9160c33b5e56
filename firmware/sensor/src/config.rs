//! What a board or a host decides for its sensor.

use magpie_protocol::ClockKind;

/// Time-outs and work bounds. A time of 0 means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// A flow or echo pair is exported and forgotten after so long without a frame.
    pub idle_us: u64,
    /// A flow's record is exported at this age; the flow stays.
    pub active_us: u64,
    /// A closed connection is exported and forgotten after so long without a frame.
    pub end_us: u64,
    /// A request counts as waiting for so long.
    pub echo_wait_us: u64,
    /// Changed entries are shown live this often; 0 for no live records.
    pub live_us: u64,
    /// Expired entries are looked for this often (in a table of more than
    /// 65,536 slots proportionally less often).
    pub sweep_us: u64,
    /// Most slots looked at in one call of `poll_record`.
    pub scan_slots: u32,
    /// Doubles of frames are looked for within this window, and not counted as
    /// frames ([`crate::doubled`]); 0, or without a table for them: they are not.
    pub dedup_us: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            idle_us: 60_000_000,
            active_us: 300_000_000,
            end_us: 1_000_000,
            echo_wait_us: 10_000_000,
            live_us: 1_000_000,
            sweep_us: 1_000_000,
            scan_slots: 64,
            dedup_us: 0,
        }
    }
}

impl Config {
    /// Nothing is forgotten and nothing shown before it is asked for: what an
    /// exact run over a capture needs (EXACT.md, "How a program shows it").
    pub fn exact() -> Self {
        Self {
            idle_us: 0,
            active_us: 0,
            end_us: 0,
            echo_wait_us: 0,
            live_us: 0,
            sweep_us: 0,
            scan_slots: u32::MAX,
            dedup_us: 0,
        }
    }
}

/// Who the sensor says it is; longer names are cut to what Hello holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'s> {
    /// Name of this sensor.
    pub name: &'s str,
    /// Board it runs on.
    pub board: &'s str,
    /// Firmware version.
    pub firmware: &'s str,
    /// Source revision.
    pub git: &'s str,
    /// What `at_us` counts from.
    pub clock: ClockKind,
    /// Longest frame the board takes, without FCS.
    pub max_frame: u32,
    /// Octets the link keeps until acknowledged.
    pub resend_octets: u32,
}

impl Default for Identity<'_> {
    fn default() -> Self {
        Self {
            name: "magpie",
            board: "host",
            firmware: env!("CARGO_PKG_VERSION"),
            git: "unknown",
            clock: ClockKind::SinceBoot,
            max_frame: 1518,
            resend_octets: 0,
        }
    }
}
