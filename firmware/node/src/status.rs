//! What a node tells of its port and its processor.

#[cfg(feature = "defmt")]
use magpie_protocol::NetState;
use magpie_protocol::{LinkState, Port};
use magpie_sensor::Sensor;

use crate::FrameReceiver;
use crate::speak::Side;

/// The port is asked for its link this often at most.
const LOOK_US: u64 = 500_000;
/// The load is that of so long at least.
const LOAD_US: u64 = 1_000_000;

/// Says how long the processor has slept since boot: microseconds modulo 2^32.
pub(crate) type Slept = fn() -> u32;

/// What was told last, and when the port was looked at.
pub(crate) struct Status {
    port: Port,
    looked_us: Option<u64>,
    load: Load,
}

impl Status {
    pub(crate) fn new() -> Self {
        Self {
            port: Port::default(),
            looked_us: None,
            load: Load::default(),
        }
    }

    /// From now on the load is measured.
    pub(crate) fn measure_load(&mut self, slept: Slept) {
        self.load.slept = Some(slept);
    }

    /// When the port is looked at next.
    pub(crate) fn poll_at(&self) -> Option<u64> {
        Some(self.looked_us?.saturating_add(LOOK_US))
    }

    /// Looks at the port now and then, and tells the sensor what is new.
    pub(crate) fn turn<R: FrameReceiver, S: Side<R>>(
        &mut self,
        boot_us: u64,
        receiver: &mut R,
        side: &mut S,
        sensor: &mut Sensor<'_>,
    ) {
        let looks = self
            .looked_us
            .is_none_or(|at| boot_us.saturating_sub(at) >= LOOK_US);
        if looks {
            self.looked_us = Some(boot_us);
            self.port.link = receiver.link();
            side.set_link(self.port.link != LinkState::Down);
            self.load.note(boot_us);
            self.port.cpu_permille = self.load.permille;
        }
        let net = side.net(boot_us);
        if looks || net != self.port.net {
            #[cfg(feature = "defmt")]
            if net != self.port.net {
                report(net);
            }
            self.port.net = net;
            sensor.set_port(self.port);
        }
    }
}

/// Tells the log what became of the port's address.
#[cfg(feature = "defmt")]
fn report(net: NetState) {
    match net {
        NetState::NoLease => {
            defmt::warn!("no DHCP lease in 10 s: records stay on the serial line");
        }
        NetState::Up([a, b, c, d]) => {
            let port = crate::speak::PORT;
            defmt::info!(
                "address {=u8}.{=u8}.{=u8}.{=u8}, port {=u16}",
                a,
                b,
                c,
                d,
                port
            );
        }
        NetState::Silent | NetState::Asking | NetState::Unknown(_) => {}
    }
}

/// How much of its time the processor works.
#[derive(Default)]
struct Load {
    slept: Option<Slept>,
    /// Time since boot and time slept, when the span began.
    since_us: u64,
    slept_us: u32,
    permille: Option<u16>,
}

impl Load {
    fn note(&mut self, boot_us: u64) {
        let Some(slept) = self.slept else { return };
        let span_us = boot_us.saturating_sub(self.since_us);
        if span_us < LOAD_US {
            return;
        }
        let slept_us = slept();
        // A span is far shorter than 71 minutes: the node turns every second.
        let asleep_us = u64::from(slept_us.wrapping_sub(self.slept_us)).min(span_us);
        let awake_us = span_us.saturating_sub(asleep_us);
        let permille = awake_us.saturating_mul(1_000).checked_div(span_us);
        self.permille = permille.and_then(|n| u16::try_from(n).ok());
        self.since_us = boot_us;
        self.slept_us = slept_us;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn the_load_is_what_was_not_slept() {
        static SLEPT: AtomicU32 = AtomicU32::new(0);
        let mut load = Load::default();
        load.note(5_000_000);
        assert_eq!(load.permille, None, "nothing measures it");
        load.slept = Some(|| SLEPT.load(Ordering::Relaxed));
        let mut after = |boot_us, slept_us| {
            SLEPT.store(slept_us, Ordering::Relaxed);
            load.note(boot_us);
            load.permille
        };
        assert_eq!(after(999_999, 7), None, "too early");
        assert_eq!(after(1_000_000, 250_000), Some(750));
        assert_eq!(after(1_900_000, 250_000), Some(750), "of the last span");
        assert_eq!(after(3_000_000, 1_250_000), Some(500));
        // Over the end of 32 bits, and rounded down.
        assert_eq!(after(5_000_000_000, u32::MAX), Some(140));
        assert_eq!(after(5_001_000_000, 998_998), Some(1));
        // A sleep that is booked when it ends may have begun before.
        assert_eq!(after(5_002_000_000, 5_000_000), Some(0));
        assert_eq!(after(5_004_000_000, 5_000_000), Some(1_000));
    }
}
