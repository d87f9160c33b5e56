//! The sensor: one frame in, counted once, offered to each table.

use magpie_protocol::{
    BootReport, Capacities, Doubles, Hello, Ledger, Losses, Port, VERSION_MAJOR, VERSION_MINOR,
};

use crate::{
    Config, Identity, Storage,
    books::Books,
    dissect::{self, Content, Parsed},
    doubled::Detector,
    echo::Echoes,
    export::Exporter,
    filter::Filters,
    flow::{Flows, FollowUp},
    hash::{Secret, draw},
    outbox::Outbox,
    own::Own,
    unsent::UnsentFlows,
};

mod commands;
mod looks;

use looks::Looks;

/// Room in the outbox that one frame can need at most, in records: a flow
/// that leaves for a new one, and either that one's split, or the leave of an
/// echo pair, or an echo sample.
pub const ROOM_PER_FRAME: usize = 2;

/// Number from which the boot id is drawn; the hash uses those below.
const BOOT_ID: u8 = 64;

/// The core. See the crate's lead paragraph for the order of use.
///
/// What every frame needs stands together, in two cache lines and one of
/// [`Books`], and so near the beginning that one instruction loads two words.
#[repr(C, align(32))]
pub struct Sensor<'a> {
    secret: Secret,
    /// See [`Self::look_closer`].
    looks: Looks,
    pub(crate) flows: Flows<'a>,
    pub(crate) books: Books<'a>,
    pub(crate) config: Config,
    pub(crate) echoes: Echoes<'a>,
    pub(crate) outbox: Outbox<'a>,
    pub(crate) exporter: Exporter,
    doubled: Detector<'a>,
    pub(crate) filters: Filters<'a>,
    pub(crate) hello: Hello,
}

/// What flows that end need beside the frame.
pub(crate) struct Desk<'d, 'a> {
    pub(crate) config: &'d Config,
    pub(crate) outbox: &'d mut Outbox<'a>,
}

fn name<const N: usize>(text: &str) -> heapless::String<N> {
    let mut short = heapless::String::new();
    for c in text.chars() {
        if short.push(c).is_err() {
            break;
        }
    }
    short
}

impl<'a> Sensor<'a> {
    /// A sensor that has seen nothing. The seed must be drawn anew for each
    /// boot: hash secret and boot id come from it. An all-zero one is
    /// accepted and shown ([`Hello::zero_seed`]).
    pub fn new(
        config: Config,
        identity: Identity<'_>,
        seed: &[u8; 32],
        mut storage: Storage<'a>,
    ) -> Self {
        let books = Books::new(&mut storage);
        let flows = Flows::new(storage.flows, &config);
        let echoes = Echoes::new(storage.echoes, storage.requests, seed);
        let outbox = Outbox::new(storage.outbox, UnsentFlows::new(storage.unsent, seed));
        let (pairs, requests) = echoes.capacity();
        let doubled = Detector::new(storage.doubled, seed);
        let filters = Filters::new(storage.filters, storage.packets, identity.max_frame);
        let hello = Hello {
            major: VERSION_MAJOR,
            minor: VERSION_MINOR,
            boot_id: (draw(seed, BOOT_ID) >> 32) as u32,
            at_us: 0,
            clock: identity.clock,
            zero_seed: seed.iter().all(|octet| *octet == 0),
            name: name(identity.name),
            board: name(identity.board),
            firmware: name(identity.firmware),
            git: name(identity.git),
            capacities: Capacities {
                flows: flows.capacity(),
                echoes: pairs,
                echo_requests: requests,
                outbox_octets: outbox.capacity(),
                resend_octets: identity.resend_octets,
                max_frame: identity.max_frame,
                doubles: doubled.capacity(),
                filters: filters.room(),
            },
            boot: BootReport::default(),
        };
        Self {
            looks: if config.dedup_us == 0 {
                Looks::Once
            } else {
                Looks::Closer
            },
            config,
            hello,
            secret: Secret::new(seed),
            books,
            flows,
            echoes,
            outbox,
            exporter: Exporter::default(),
            doubled,
            filters,
        }
    }

    /// Says how it came to this boot, for boards that know. Before the first
    /// record is taken.
    pub fn set_boot(&mut self, boot: BootReport) {
        self.hello.boot = boot;
    }

    /// Tells one boot from another.
    pub fn boot_id(&self) -> u32 {
        self.hello.boot_id
    }

    /// Counts one frame: `frame` as captured, `wire_len` octets long on the
    /// wire without FCS, at `at_us` microseconds of the sensor's clock. A
    /// clock that steps back is taken as it comes.
    #[inline]
    pub fn observe(&mut self, at_us: u64, frame: &[u8], wire_len: u32) {
        if self.looks != Looks::Once && self.look_closer(at_us, frame, wire_len) {
            return;
        }
        let mut parsed = Parsed::nothing();
        dissect::parse(frame, wire_len, &mut parsed);
        let path = self.books.count(&parsed, wire_len, &self.secret);
        if !parsed.is_plain_ip() {
            self.books.count_rare(at_us, &parsed);
            if !parsed.is_ip() {
                return;
            }
        }
        let hash = self.secret.of_key_on(path, &parsed.key);
        let follow_up = self.flows.take(hash, at_us, wire_len, &parsed);
        match follow_up {
            FollowUp::Nothing => {}
            FollowUp::Echo => self.observe_echo(hash, at_us, &mut parsed),
            _ => self.follow_up(follow_up, hash, at_us, wire_len, &mut parsed),
        }
    }

    #[inline(never)] // out of the way of most frames
    fn follow_up(
        &mut self,
        what: FollowUp,
        hash: u32,
        at_us: u64,
        wire_len: u32,
        packet: &mut Parsed,
    ) {
        let desk = &mut Desk {
            config: &self.config,
            outbox: &mut self.outbox,
        };
        self.flows
            .follow_up(what, hash, at_us, wire_len, packet, desk);
        if let Content::Icmp(_) = packet.content {
            self.observe_echo(hash, at_us, packet);
        }
    }

    /// A packet of ICMP, whose flow has this hash, may be of an echo pair.
    #[expect(
        clippy::inline_always,
        reason = "a call costs an echo message 6 instructions, and every other frame 2"
    )]
    #[inline(always)]
    fn observe_echo(&mut self, hash: u32, at_us: u64, packet: &mut Parsed) {
        if let Content::Icmp(icmp) = packet.content
            && let Some(echo) = icmp.echo
        {
            let requester = if echo.request {
                packet.from
            } else {
                packet.from.other()
            };
            packet.key.become_echo(echo.id, requester);
            let pair = (hash, &packet.key);
            self.echoes.observe(at_us, pair, echo, &mut self.outbox);
        }
    }

    /// What the port is at, for boards that have one: told live, with every
    /// ledger, and at once when link or network change. [`Port::at_us`] is set
    /// when it is told.
    pub fn set_port(&mut self, port: Port) {
        self.exporter.set_port(port);
    }

    /// The port speaks under this address: from now on frames of its own, and
    /// forged ones, are told apart in the ledger ([`Ledger::own_tx`],
    /// [`Ledger::own_rx`], [`Ledger::forged`]). They are counted like all
    /// others besides.
    pub fn set_own(&mut self, address: [u8; 6]) {
        self.books.own = Some(Own::new(address));
        self.set_looks();
    }

    /// A frame is on its way out of the port under the address of
    /// [`Self::set_own`]: one such frame may be seen.
    pub fn note_own_tx(&mut self) {
        if let Some(own) = &mut self.books.own {
            own.sent();
        }
    }

    /// So many of them have not left after all.
    pub fn note_own_failed(&mut self, frames: u64) {
        if let Some(own) = &mut self.books.own {
            own.failed(frames);
        }
    }

    /// What the driver knows it lost, since boot.
    pub fn set_losses(&mut self, losses: Losses) {
        self.books.losses = losses;
    }

    /// Finished records that find room. A caller who can make frames wait
    /// does so below [`ROOM_PER_FRAME`].
    pub fn outbox_room(&self) -> usize {
        self.outbox.room()
    }

    /// Where every frame and record went, as of the last frame observed.
    pub fn ledger(&self, now_us: u64) -> Ledger {
        let books = self.books.ledger(now_us);
        Ledger {
            flows: self.flows.census(books.in_flows),
            echoes: self.echoes.census(),
            echo_forgotten: self.echoes.forgotten(),
            exported: self.outbox.exported,
            never_sent: self.outbox.never_sent,
            doubles: Doubles {
                window_us: if self.doubled.capacity() > 0 {
                    self.config.dedup_us
                } else {
                    0
                },
                ..self.doubled.counts
            },
            ..books
        }
    }

    /// From now on a counter table that is owned grows before a key is counted
    /// as `other`: until it has an entry for every key, that of VLAN stacks up
    /// to 65,536 entries.
    #[cfg(feature = "std")]
    pub fn grow_counters(&mut self) {
        self.books.grow();
    }

    /// Doubles every table in which the next frame might evict something or be
    /// counted as `other`: an exact run calls this before each frame, and
    /// nothing ever is. (Counter tables grow to a million lines at most.)
    #[cfg(feature = "std")]
    pub fn grow_if_crowded(&mut self) {
        self.books.count_exactly();
        self.flows.grow_if_crowded(&self.secret);
        self.echoes.grow_if_crowded(&self.secret);
    }

    /// What had to be given up since boot: entries evicted, records that
    /// found no room, requests forgotten, keys counted as `other`, stacks cut.
    /// An exact run is exact when this is empty.
    #[cfg(feature = "std")]
    pub fn shortfalls(&mut self) -> std::vec::Vec<std::string::String> {
        use magpie_protocol::KEY_OTHER;
        self.books.settle();
        let ledger = self.ledger(0);
        let mut all: std::vec::Vec<_> = [
            (ledger.flows.evicted, "flows evicted"),
            (ledger.echoes.evicted, "echo pairs evicted"),
            (ledger.echo_forgotten, "echo requests forgotten"),
            (ledger.never_sent.records, "records that found no room"),
            (self.flows.untold(), "handshakes too long to keep"),
            (
                ledger.doubles.forgotten,
                "frames forgotten before a double of theirs could come",
            ),
        ]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| std::format!("{n} {what}"))
        .collect();
        for table in crate::books::TABLES {
            let last = self.books.len(table).saturating_sub(1);
            if let Some(line) = self
                .books
                .line(table, last)
                .filter(|line| line.key == KEY_OTHER)
            {
                all.push(std::format!(
                    "{} frames under other keys of table {table:?}",
                    line.frames
                ));
            }
        }
        all
    }
}
