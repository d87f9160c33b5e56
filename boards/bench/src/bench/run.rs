//! One case: a sensor of its own, frames shown to it, some of them counted.

use magpie_node::Buffers;
use magpie_protocol::{Command, FlowRecord, Items, Record, RecordSource, Want, decode_record};
#[cfg(not(lm3s6965evb))]
use magpie_protocol::{UplinkCounts, VERSION_MINOR};
use magpie_sensor::{
    Config, EMPTY_ECHO_SET, EMPTY_FLOW_SET, EMPTY_REQUEST_SET, EMPTY_UNSENT_SET, FilterSlot,
    Identity, Sensor, Storage,
};
use managed::ManagedSlice::Borrowed;
use static_cell::StaticCell;

use super::change::Change;
use super::counter::Counter;
use super::lines::Lines;
use super::sum::Sum;

/// The same in every run: deterministic to the instruction.
const SEED: [u8; 32] = *b"instructions, not milliseconds..";
/// From one frame to the next: 100,000 frames a second.
const STEP_US: u64 = 10;

/// What every case works with.
pub(crate) struct Bench {
    counter: Counter,
    storage: Storage<'static>,
    buffers: Buffers<'static>,
}

/// What a case does with its run, given room for one frame.
pub(crate) type Play<'p> = &'p mut dyn FnMut(&mut Run<'_, '_>, &mut [u8]);

/// A case under way.
pub(crate) struct Run<'r, 's> {
    counter: &'r Counter,
    /// Cache lines are counted in place of instructions.
    lines: Option<&'r mut Lines>,
    sensor: &'r mut Sensor<'s>,
    out: &'r mut [u8],
    now_us: u64,
    sum: Sum,
    /// Of all frames counted.
    pub(crate) change: Change,
}

/// The first of them.
fn up_to<T>(len: usize, all: &mut [T]) -> &mut [T] {
    let len = len.min(all.len());
    &mut all[..len]
}

/// What is counted: the call with its arguments, whole.
#[inline(never)]
fn observe(sensor: &mut Sensor<'_>, at_us: u64, frame: &[u8], wire_len: u32) {
    sensor.observe(at_us, frame, wire_len);
}

impl Bench {
    pub(crate) fn new(
        counter: Counter,
        storage: Storage<'static>,
        buffers: Buffers<'static>,
    ) -> Self {
        Self {
            counter,
            storage,
            buffers,
        }
    }

    /// Flows that the board has room for.
    pub(crate) fn capacity(&self) -> u32 {
        let flows = self.storage.flows.len() * EMPTY_FLOW_SET.len();
        u32::try_from(flows).unwrap_or(u32::MAX)
    }

    /// Clock and buffers, for cases without a sensor.
    pub(crate) fn parts(&mut self) -> (&Counter, &mut Buffers<'static>) {
        (&self.counter, &mut self.buffers)
    }

    /// Plays a case and prints its line.
    pub(crate) fn case(&mut self, name: &str, play: Play<'_>) {
        self.play(play).print(name);
    }

    /// Plays with a new sensor.
    #[inline(never)]
    pub(crate) fn play(&mut self, play: Play<'_>) -> Sum {
        self.forget_counts();
        let sets = self.storage.flows.len();
        self.play_on(sets, play)
    }

    /// The counter tables are empty again.
    #[inline(never)]
    pub(crate) fn forget_counts(&mut self) {
        let storage = &mut self.storage;
        for lines in [
            &mut storage.ethertypes,
            &mut storage.protocols,
            &mut storage.vlans,
            &mut storage.icmp,
            &mut storage.arp_operations,
        ] {
            lines.fill(magpie_protocol::CountEntry::default());
        }
    }

    /// Plays with a new sensor over the counter tables as they are and no more
    /// than so many sets of each other table.
    #[inline(never)]
    pub(crate) fn play_on(&mut self, sets: usize, play: Play<'_>) -> Sum {
        let Self {
            counter,
            storage,
            buffers,
        } = self;
        let (flows, echoes, requests) = (
            up_to(sets, &mut storage.flows),
            up_to(sets, &mut storage.echoes),
            up_to(sets, &mut storage.requests),
        );
        flows.fill(EMPTY_FLOW_SET);
        echoes.fill(EMPTY_ECHO_SET);
        requests.fill(EMPTY_REQUEST_SET);
        storage.unsent.fill(EMPTY_UNSENT_SET);
        storage.filters.fill(FilterSlot::EMPTY);
        let mut sensor = sensor(Storage {
            flows: Borrowed(flows),
            echoes: Borrowed(echoes),
            requests: Borrowed(requests),
            ethertypes: Borrowed(&mut storage.ethertypes),
            protocols: Borrowed(&mut storage.protocols),
            vlans: Borrowed(&mut storage.vlans),
            icmp: Borrowed(&mut storage.icmp),
            arp_operations: Borrowed(&mut storage.arp_operations),
            outbox: Borrowed(&mut storage.outbox),
            unsent: Borrowed(&mut storage.unsent),
            doubled: storage
                .doubled
                .as_mut()
                .map(|table| managed::Managed::Borrowed(&mut **table)),
            filters: Borrowed(&mut storage.filters),
            packets: Borrowed(&mut storage.packets),
        });
        let mut run = Run {
            counter,
            lines: None,
            sensor: &mut sensor,
            out: buffers.framed,
            now_us: 1_000_000,
            sum: Sum::NONE,
            change: Change::default(),
        };
        play(&mut run, buffers.scratch);
        assert_eq!(run.change.lost, 0, "records were lost");
        run.sum
    }

    /// The last case: a sensor that lies beside its tables, as on a board, and
    /// cache lines in place of instructions.
    #[cfg_attr(lm3s6965evb, allow(dead_code))]
    pub(crate) fn case_of_lines(mut self, name: &str, lines: &mut Lines, play: Play<'_>) {
        static SENSOR: StaticCell<Sensor<'static>> = StaticCell::new();
        self.forget_counts();
        let Self {
            counter,
            mut storage,
            buffers,
        } = self;
        storage.flows.fill(EMPTY_FLOW_SET);
        let flows = storage.flows.as_ptr_range();
        let sensor = SENSOR.init_with(|| sensor(storage));
        lines.are_of(flows, buffers.scratch, sensor);
        let mut run = Run {
            counter: &counter,
            lines: Some(lines),
            sensor,
            out: buffers.framed,
            now_us: 1_000_000,
            sum: Sum::NONE,
            change: Change::default(),
        };
        play(&mut run, buffers.scratch);
        run.sum.print(name);
        lines.print();
    }
}

#[inline(never)]
fn sensor(storage: Storage<'_>) -> Sensor<'_> {
    Sensor::new(Config::default(), Identity::default(), &SEED, storage)
}

impl Run<'_, '_> {
    /// Shows a frame that is not counted.
    #[inline(never)]
    pub(crate) fn show(&mut self, frame: &[u8]) {
        self.now_us += STEP_US;
        self.sensor.observe(self.now_us, frame, wire_len(frame));
        self.drain();
    }

    /// Shows a frame and counts its instructions, unless `wanted` says no: how
    /// many.
    #[inline(never)]
    fn observe_if(&mut self, frame: &[u8], wanted: impl FnOnce(Change) -> bool) -> u32 {
        self.now_us += STEP_US;
        let (at_us, wire_len) = (self.now_us, wire_len(frame));
        let before = Change::since_boot(self.sensor);
        let sensor = &mut *self.sensor;
        let work = || observe(sensor, at_us, frame, wire_len);
        let instructions = match &mut self.lines {
            None => self.counter.count(work).0,
            Some(lines) => lines.count(work),
        };
        let change = Change::since_boot(self.sensor).since(before);
        if wanted(change) {
            self.change.add(change);
            self.sum.add(instructions);
        }
        instructions
    }

    /// Shows a frame and counts its instructions: how many.
    pub(crate) fn count(&mut self, frame: &[u8]) -> u32 {
        let instructions = self.observe_if(frame, |_| true);
        self.drain();
        instructions
    }

    /// The same, if the frame is malformed.
    pub(crate) fn count_if_malformed(&mut self, frame: &[u8]) {
        self.observe_if(frame, |change| change.malformed > 0);
        self.drain();
    }

    /// The same, with a link that takes a record only when the outbox has
    /// no room for the next frame.
    pub(crate) fn count_with_slow_link(&mut self, frame: &[u8]) {
        self.observe_if(frame, |_| true);
        while self.sensor.outbox_room() < magpie_sensor::ROOM_PER_FRAME {
            self.take();
        }
    }

    /// The same, and nobody takes anything.
    pub(crate) fn count_stalled(&mut self, frame: &[u8]) {
        self.observe_if(frame, |_| true);
    }

    /// Forgets what was counted so far.
    pub(crate) fn begin_anew(&mut self) {
        self.sum = Sum::NONE;
        self.change = Change::default();
    }

    /// Ends every flow; takes the first of them.
    #[inline(never)]
    pub(crate) fn flush(&mut self, flows: &mut [Option<FlowRecord>]) {
        let flush = Command::Flush { id: 1 };
        self.sensor.handle_command(self.now_us, &flush);
        let mut places = flows.iter_mut().peekable();
        while let Some(len) = self.take() {
            if let Some(place) = places.peek_mut() {
                **place = flow(&self.out[..len]);
                if place.is_some() {
                    places.next();
                }
            }
        }
    }

    /// The port speaks under this address.
    pub(crate) fn speak_as(&mut self, address: [u8; 6]) {
        self.sensor.set_own(address);
    }

    /// Doubles are looked for from now on.
    #[inline(never)]
    pub(crate) fn look_for_doubles(&mut self) {
        let set = magpie_protocol::Configuration {
            dedup_us: Some(500),
            ..magpie_protocol::Configuration::default()
        };
        let command = Command::Configure { id: 1, set };
        self.sensor.handle_command(self.now_us, &command);
    }

    /// A filter that captures looks at every frame from now on; `check` is its
    /// program's check sum.
    #[cfg(not(lm3s6965evb))] // no room for one
    #[inline(never)]
    pub(crate) fn set_filter(&mut self, program: &[magpie_filter::Instruction], check: u32) {
        use magpie_protocol::{BpfInstruction, FilterAction, Instructions};
        let of = u16::try_from(program.len()).unwrap_or(u16::MAX);
        let mut at = 0;
        for some in program.chunks(Instructions::MAX) {
            let mut instructions = [BpfInstruction::default(); Instructions::MAX];
            for (place, i) in instructions.iter_mut().zip(some) {
                (place.code, place.jt, place.jf, place.k) = (i.code, i.jt, i.jf, i.k);
            }
            let load = Command::LoadFilter {
                id: 1,
                slot: 0,
                of,
                at,
                instructions: Instructions::take(&instructions[..some.len()]).0,
            };
            self.sensor.handle_command(self.now_us, &load);
            at += u16::try_from(some.len()).unwrap_or(u16::MAX);
        }
        let start = Command::StartFilter {
            id: 2,
            slot: 0,
            literal: false,
            action: FilterAction::Capture {
                snap_len: 0,
                max_packets: 0,
                max_octets: 0,
                wait: false,
            },
            of,
            check,
        };
        self.sensor.handle_command(self.now_us, &start);
    }

    /// Packets that a filter selected wait for the link.
    #[cfg(not(lm3s6965evb))]
    pub(crate) fn has_packet(&mut self) -> bool {
        self.sensor
            .note_uplink(&UplinkCounts::default(), VERSION_MINOR);
        while self
            .sensor
            .poll_record(self.now_us, Want::Live, self.out)
            .is_some()
        {}
        self.sensor
            .poll_record(self.now_us, Want::Packet, self.out)
            .is_some()
    }

    /// The next frame comes then, in microseconds.
    pub(crate) fn at(&mut self, at_us: u64) {
        self.now_us = at_us.wrapping_sub(STEP_US);
    }

    /// The link takes what there is, so that the outbox is empty.
    fn drain(&mut self) {
        while self.take().is_some() {}
    }

    #[inline(never)]
    fn take(&mut self) -> Option<usize> {
        self.sensor
            .poll_record(self.now_us, Want::Final, self.out)
            .map(|emitted| emitted.len)
    }
}

/// The flow record in these octets, if it is one.
#[inline(never)]
fn flow(octets: &[u8]) -> Option<FlowRecord> {
    let item = Items::new(octets).flatten().next()?;
    match decode_record(item) {
        Ok(Record::Flow(flow)) => Some(flow),
        _ => None,
    }
}

fn wire_len(frame: &[u8]) -> u32 {
    u32::try_from(frame.len()).unwrap_or(u32::MAX)
}
