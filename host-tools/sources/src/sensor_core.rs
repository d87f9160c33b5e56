//! The sensor core in this process, and its end of the link.

use std::time::{Duration, Instant};

use magpie_link::{MAX_BATCH, Overflow, Sender};
use magpie_protocol::{ClockKind, Emitted, Losses, RecordSource, Tally, UplinkCounts, Want};
use magpie_sensor::{Config, Identity, ROOM_PER_FRAME, Sensor, Storage};
use self_cell::{MutBorrow, self_cell};

use crate::SourceError;

/// Frames observed between two looks at the link and the clock.
pub(crate) const FRAMES_AT_ONCE: usize = 512;
/// The tables are looked through after so long at the latest, where there is
/// something to look for.
const PASS_EVERY: Duration = Duration::from_secs(1);
/// Octets for finished records until the session acknowledged them.
const RESEND_OCTETS: usize = 1 << 20;

/// How the in-process core is set up. A time of zero means never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SensorOptions {
    /// Flow table entries.
    pub flows: usize,
    /// Echo table entries.
    pub echoes: usize,
    /// Tables grow before they are crowded, so that nothing is ever evicted:
    /// memory grows with the capture.
    pub grow: bool,
    /// A flow ends after so long without a frame.
    pub idle: Duration,
    /// A flow's record is exported at this age.
    pub active: Duration,
    /// A closed connection leaves after so long.
    pub end: Duration,
    /// Live updates of a changed entry at most this often.
    pub live: Duration,
    /// A frame that comes again within this time is a double of the mirror's
    /// and not counted ([`magpie_sensor::doubled`]); zero: none are looked for.
    pub dedup: Duration,
    /// Source revision this program was built from.
    pub git: String,
    /// Seed of the hash and the boot id; `None` draws one.
    pub seed: Option<[u8; 32]>,
}

impl SensorOptions {
    /// Forgets nothing and shows nothing before it is asked for: what an exact
    /// run needs (EXACT.md, "How a program shows it").
    pub fn exact() -> Self {
        Self {
            idle: Duration::ZERO,
            active: Duration::ZERO,
            end: Duration::ZERO,
            live: Duration::ZERO,
            ..Self::default()
        }
    }

    /// Tables of a fixed size: what nobody watches live, however large it is,
    /// needs no more. What finds no place is exported, so no sum suffers.
    pub fn bounded() -> Self {
        Self {
            flows: 1 << 15,
            echoes: 1 << 10,
            grow: false,
            ..Self::default()
        }
    }

    pub(crate) fn forgets_nothing(&self) -> bool {
        self.grow
            && [self.idle, self.active, self.end, self.live]
                .iter()
                .all(Duration::is_zero)
    }

    fn config(&self) -> Config {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let dedup_us = u32::try_from(self.dedup.as_micros()).unwrap_or(u32::MAX);
        if self.forgets_nothing() {
            return Config {
                dedup_us,
                ..Config::exact()
            };
        }
        Config {
            idle_us: us(self.idle),
            active_us: us(self.active),
            end_us: us(self.end),
            // When it is time for one is for the host's clock to say ([`Core::live`]).
            // The frames' own, a little behind, would refuse every other one.
            live_us: us(self.live).div_ceil(2),
            // No frame waits here while tables are looked through.
            scan_slots: u32::MAX,
            dedup_us,
            ..Config::default()
        }
    }
}

impl Default for SensorOptions {
    /// The core's own time-outs, tables that grow, no live updates.
    fn default() -> Self {
        let config = Config::default();
        Self {
            flows: 4096,
            echoes: 256,
            grow: true,
            idle: Duration::from_micros(config.idle_us),
            active: Duration::from_micros(config.active_us),
            end: Duration::from_micros(config.end_us),
            live: Duration::ZERO,
            dedup: Duration::ZERO,
            git: "unknown".to_owned(),
            seed: None,
        }
    }
}

/// Octets of packets that filters selected, until they are taken: several of the
/// longest.
const PACKET_OCTETS: usize = 4 << 20;

/// 16,384 frames may wait for their double: a millisecond of 10 Gbit/s in the
/// smallest frames.
const DOUBLED_SETS: usize = 4096;

self_cell!(
    /// The link's sender together with the storage it works in.
    struct Uplink {
        owner: MutBorrow<Vec<u8>>,
        #[covariant]
        dependent: Sender,
    }
);

/// The core as the link sees it: with the frames' time, while the link's own
/// timers run by the host's clock.
struct InFrameTime<'c> {
    sensor: &'c mut Sensor<'static>,
    now_us: u64,
    /// See [`Core::passes_us`].
    passes_us: u64,
    /// Whether live records are wanted now; false once there are no more.
    live: &'c mut bool,
}

impl RecordSource for InFrameTime<'_> {
    fn poll_record(&mut self, _: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        if want == Want::Live && !*self.live {
            return None;
        }
        let now_us = match want {
            Want::Live | Want::Packet => self.now_us,
            Want::Final => self.passes_us,
        };
        let emitted = self.sensor.poll_record(now_us, want, out);
        if want == Want::Live && emitted.is_none() {
            *self.live = false;
        }
        emitted
    }

    fn note_uplink(&mut self, counts: &UplinkCounts, host_minor: u8) {
        self.sensor.note_uplink(counts, host_minor);
    }

    fn note_dropped(&mut self, item: &[u8], tally: &Tally, sent: bool) {
        self.sensor.note_dropped(item, tally, sent);
    }
}

/// The same core and the same link as on a board, with larger buffers.
pub(crate) struct Core {
    name: String,
    sensor: Sensor<'static>,
    uplink: Uplink,
    grow: bool,
    started: Instant,
    /// The time of its last frame, or a later one.
    now_us: u64,
    /// The time as passes over the tables know it: it stands still until the
    /// next one may begin.
    passes_us: u64,
    sweep_us: u64,
    /// Frames since the last pass, and those there must be, or a second of the
    /// host's time: a capture may hold a day in a second, and to look through
    /// the tables for each second of it would be most of the work. What
    /// expired meanwhile leaves at the latest when its place is needed.
    frames: usize,
    frames_a_pass: usize,
    pass_due: Instant,
    /// Live updates are for the eye: they are taken by the host's clock, since
    /// a capture may hold a day in a second.
    live: bool,
    live_due: Instant,
    live_every: Duration,
    out: Box<[u8; MAX_BATCH]>,
}

impl Core {
    /// A core that has seen nothing. `name` is the source's, `sensor` the
    /// sensor's own; frames are `max_frame` octets long at most.
    pub(crate) fn new(
        name: &str,
        sensor: &str,
        max_frame: usize,
        options: &SensorOptions,
    ) -> Result<Self, SourceError> {
        let seed = match options.seed {
            Some(seed) => seed,
            None => draw_seed(name)?,
        };
        let identity = Identity {
            name: sensor,
            board: "in-process",
            firmware: env!("CARGO_PKG_VERSION"),
            git: &options.git,
            clock: ClockKind::Unix,
            max_frame: u32::try_from(max_frame).unwrap_or(u32::MAX),
            resend_octets: u32::try_from(RESEND_OCTETS).unwrap_or(u32::MAX),
        };
        // Also where it may be switched on later.
        let storage = Storage::owned(options.flows, options.echoes)
            .with_packets(PACKET_OCTETS)
            .with_doubled::<DOUBLED_SETS>();
        let config = options.config();
        let sensor = Sensor::new(config, identity, &seed, storage);
        let boot_id = sensor.boot_id();
        let uplink = Uplink::new(MutBorrow::new(vec![0; RESEND_OCTETS]), |storage| {
            Sender::new(boot_id, storage.borrow_mut(), Overflow::Hold)
        });
        Ok(Self {
            name: name.to_owned(),
            sensor,
            uplink,
            grow: options.grow,
            started: Instant::now(),
            now_us: 0,
            passes_us: 0,
            sweep_us: config.sweep_us,
            frames: 0,
            frames_a_pass: options.flows,
            pass_due: Instant::now() + PASS_EVERY,
            live: true,
            live_due: Instant::now(),
            live_every: options.live,
            out: Box::new([0; MAX_BATCH]),
        })
    }

    fn link_now(&self) -> u64 {
        self.link_at(Instant::now())
    }

    /// The link's clock.
    fn link_at(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.started);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    /// What is known to be lost before the core.
    pub(crate) fn set_losses(&mut self, losses: Losses) {
        self.sensor.set_losses(losses);
    }

    /// Time goes on without a frame. A clock that was set back is followed.
    pub(crate) fn set_now(&mut self, now_us: u64) {
        self.now_us = now_us;
        self.look_through();
    }

    /// The tables may be looked through for what expired, if that is due:
    /// there are few frames, or no more.
    pub(crate) fn look_through(&mut self) {
        self.passes_us = self.now_us;
        self.frames = 0;
        self.pass_due = Instant::now() + PASS_EVERY;
    }

    /// The next batch of the link, if there is one to send now.
    pub(crate) fn poll(&mut self) -> Option<Vec<u8>> {
        self.poll_at(Instant::now())
    }

    fn poll_at(&mut self, now: Instant) -> Option<Vec<u8>> {
        let link_now = self.link_at(now);
        if !self.live && now >= self.live_due {
            self.live = true;
            self.live_due = now + self.live_every;
        }
        if now >= self.pass_due {
            self.look_through();
        }
        let mut core = InFrameTime {
            sensor: &mut self.sensor,
            now_us: self.now_us,
            passes_us: self.passes_us,
            live: &mut self.live,
        };
        let out = &mut self.out[..];
        let len = self
            .uplink
            .with_dependent_mut(|_, sender| sender.poll_transmit(link_now, &mut core, out))?;
        self.out.get(..len).map(<[u8]>::to_vec)
    }

    /// How long nothing can happen unless a frame or a command comes: until
    /// the link's own timers.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let due = self.uplink.borrow_dependent().poll_at()?;
        Some(Duration::from_micros(due.saturating_sub(self.link_now())))
    }

    /// Whether there is room for what a frame may cause. Without it the
    /// session has to acknowledge something first.
    pub(crate) fn has_room(&self) -> bool {
        self.sensor.outbox_room() >= ROOM_PER_FRAME && !self.sensor.must_wait()
    }

    /// Shows it one frame; true when it is time to look for what expired, so
    /// [`Self::poll`] comes first.
    pub(crate) fn observe(&mut self, at_us: u64, frame: &[u8], wire_len: u32) -> bool {
        if self.grow {
            self.sensor.grow_if_crowded();
        }
        self.sensor.observe(at_us, frame, wire_len);
        self.now_us = self.now_us.max(at_us);
        self.frames += 1;
        let due = self.sweep_us > 0
            && self.frames >= self.frames_a_pass
            && self.now_us.saturating_sub(self.passes_us) >= self.sweep_us;
        if due {
            self.look_through();
        }
        due
    }

    /// Takes a batch of commands.
    pub(crate) fn handle(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        let link_now = self.link_now();
        let Self {
            uplink,
            sensor,
            live,
            now_us,
            passes_us,
            name,
            ..
        } = self;
        uplink.with_dependent_mut(|_, sender| match sender.handle_batch(link_now, batch) {
            Ok(commands) => {
                for command in commands {
                    // The answer is among the live records.
                    *live = true;
                    *passes_us = *now_us;
                    sensor.handle_command(*now_us, &command);
                }
                Ok(())
            }
            Err(error) => Err(SourceError::failed(
                name.as_str(),
                format!("its link refused a batch of commands ({error})"),
                "this is a fault of Magpie: please report it",
            )),
        })
    }

    /// See [`crate::Source::shortfalls`].
    pub(crate) fn shortfalls(&mut self) -> Vec<String> {
        self.sensor.shortfalls()
    }
}

fn draw_seed(name: &str) -> Result<[u8; 32], SourceError> {
    let mut seed = [0; 32];
    match getrandom::fill(&mut seed) {
        Ok(()) => Ok(seed),
        Err(error) => Err(SourceError::failed(
            name,
            format!("the system gives no random numbers ({error})"),
            "see that /dev/urandom exists",
        )),
    }
}

#[cfg(test)]
mod tests {
    use magpie_collector::{Event, Limits, Picture, Session};

    use super::*;
    use crate::tests::frame;

    #[test]
    fn live_updates_come_by_the_hosts_clock_if_the_frames_clock_is_slower() {
        let options = SensorOptions {
            live: Duration::from_secs(1),
            seed: Some([7; 32]),
            ..SensorOptions::bounded()
        };
        let mut core = Core::new("test", "test", 1514, &options).unwrap();
        let mut session = Session::new("test");
        let limits = Limits {
            events: 1 << 10,
            ..Limits::default()
        };
        let mut picture = Picture::new("test", limits);
        let started = Instant::now();
        for second in 0..20_u32 {
            // A millisecond behind, every second: read late, or drifting.
            let at_us = 1_700_000_000_000_000 + u64::from(second) * 999_000;
            core.observe(at_us, &frame(second), 60);
            let now = started + Duration::from_secs(second.into());
            while let Some(batch) = core.poll_at(now) {
                session.handle_batch(at_us, &batch, &mut picture).unwrap();
            }
        }
        let events = picture.take_events();
        let ledgers = events.filter(|event| matches!(event, Event::Ledger(_)));
        assert_eq!(ledgers.count(), 20);
        assert!(picture.peak().frames_a_second().is_some());
    }
}
