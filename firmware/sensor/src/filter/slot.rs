//! One filter: its program, and what it did.

use magpie_filter::{Instruction, MAX_INSTRUCTIONS, Packet, Program, Quick};
use magpie_protocol::{BpfInstruction, FilterAction, FilterReason, FilterState, FilterStatus, Sum};

/// Room for one filter: its program of up to 256 instructions, and up to 64 of
/// its tests in a quicker form; all zero when it was never used.
#[derive(Debug, Clone, Copy)]
pub struct FilterSlot(pub(super) Slot);

impl FilterSlot {
    /// The slot that was never used.
    pub const EMPTY: Self = Self(Slot {
        program: [Instruction::new(0, 0, 0, 0); MAX_INSTRUCTIONS],
        quick: Quick::EMPTY,
        of: 0,
        loaded: 0,
        state: State::Free,
        kind: Kind::Count,
        is_only: false,
        literal: false,
        wait: false,
        discarded: false,
        status_due: false,
        run: 0,
        stopped_by: 0,
        silent_s: 0,
        snap_len: 0,
        max_packets: 0,
        max_octets: 0,
        kept_octets: 0,
        matched: NONE,
        kept: NONE,
        dropped: NONE,
        forwarded: NONE,
    });
}

const NONE: Sum = Sum {
    frames: 0,
    octets: 0,
};

/// As in [`FilterState`]; free is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    Free,
    Running,
    Stopped,
    PacketLimit,
    OctetLimit,
    Unheard,
}

/// As in [`FilterAction`]; to count is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Count,
    Capture,
    Only,
}

#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools)] // each may be so or not
pub(super) struct Slot {
    program: [Instruction; MAX_INSTRUCTIONS],
    quick: Quick,
    /// Instructions that the program has, and that are here from the first on.
    of: u16,
    loaded: u16,
    pub(super) state: State,
    pub(super) kind: Kind,
    /// It is of kind [`Kind::Only`]: asked for each frame.
    pub(super) is_only: bool,
    literal: bool,
    /// Frames wait for room, where they can.
    pub(super) wait: bool,
    /// Packets of this run that still stand in the ring are not sent.
    pub(super) discarded: bool,
    pub(super) status_due: bool,
    /// Numbers of the commands that started and stopped it.
    pub(super) run: u32,
    pub(super) stopped_by: u32,
    /// Seconds since it was asked for.
    silent_s: u8,
    pub(super) snap_len: u32,
    pub(super) max_packets: u64,
    pub(super) max_octets: u64,
    /// Octets of packets in the ring since it was started.
    pub(super) kept_octets: u64,
    pub(super) matched: Sum,
    pub(super) kept: Sum,
    pub(super) dropped: Sum,
    pub(super) forwarded: Sum,
}

/// Counts a frame.
pub(super) fn count(sum: &mut Sum, wire_len: u32) {
    sum.frames = sum.frames.saturating_add(1);
    sum.octets = sum.octets.saturating_add(u64::from(wire_len));
}

impl Slot {
    pub(super) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// True where a frame is rejected for sure.
    #[inline(never)] // else it is made ready for all ways that a frame may look
    pub(super) fn rejects(&self, frame: &[u8], wire_len: u32) -> bool {
        self.quick.run(&self.shown(frame, wire_len)) == Some(0)
    }

    /// Octets to keep of a frame, 0 where it is not selected.
    #[inline(never)] // most frames are rejected
    pub(super) fn run(&self, frame: &[u8], wire_len: u32) -> u32 {
        let packet = self.shown(frame, wire_len);
        self.quick
            .run(&packet)
            .unwrap_or_else(|| Program::assume_verified(self.program()).run(&packet))
    }

    /// The frame as this filter sees it.
    #[inline]
    fn shown<'f>(&self, frame: &'f [u8], wire_len: u32) -> Packet<'f> {
        if self.literal {
            Packet::literal(frame, wire_len)
        } else {
            Packet::untagged(frame, wire_len)
        }
    }

    #[inline]
    fn program(&self) -> &[Instruction] {
        self.program
            .get(..usize::from(self.loaded))
            .unwrap_or_default()
    }

    /// Packets that stand in the ring and will be sent.
    pub(super) fn waiting(&self) -> u64 {
        self.kept.frames.saturating_sub(self.forwarded.frames)
    }

    /// Takes instructions from number `at` on of a program of so many.
    pub(super) fn load(
        &mut self,
        of: u16,
        at: u16,
        instructions: &[BpfInstruction],
    ) -> Result<(), FilterReason> {
        if of == 0 || instructions.is_empty() {
            return Err(FilterReason::Empty);
        }
        let at = usize::from(at);
        let end = at.saturating_add(instructions.len());
        if usize::from(of) > MAX_INSTRUCTIONS || end > usize::from(of) {
            return Err(FilterReason::TooMany);
        }
        let loaded = usize::from(self.loaded);
        let new = instructions.iter().map(|i| Instruction {
            code: i.code,
            jt: i.jt,
            jf: i.jf,
            k: i.k,
        });
        let is_known = self.of == of && end <= loaded;
        let known = self.program.get(at..end).unwrap_or_default();
        if is_known && known.iter().copied().eq(new.clone()) {
            return Ok(()); // it came before
        }
        if self.state == State::Running {
            return Err(FilterReason::Running);
        }
        if at > 0 && (self.of != of || at > loaded) {
            return Err(FilterReason::Incomplete);
        }
        let places = self.program.get_mut(at..end).unwrap_or_default();
        for (place, instruction) in places.iter_mut().zip(new) {
            *place = instruction;
        }
        self.of = of;
        self.loaded = u16::try_from(end).unwrap_or(0);
        Ok(())
    }

    /// Makes the program that was loaded ready to run; or why it cannot, and which
    /// instruction of it is at fault.
    pub(super) fn prepare(&mut self, of: u16, check: u32) -> Result<(), (FilterReason, u16)> {
        if of == 0 {
            return Err((FilterReason::Empty, 0));
        }
        if (self.of, self.loaded) != (of, of) {
            return Err((FilterReason::Incomplete, self.loaded));
        }
        let loaded = usize::from(self.loaded);
        let program = self.program.get(..loaded).unwrap_or_default();
        if check_sum(program) != check {
            return Err((FilterReason::CheckSum, 0));
        }
        let program = Program::verify(program).map_err(|invalid| {
            let at = u16::try_from(invalid.at).unwrap_or(u16::MAX);
            (reason(invalid.why), at)
        })?;
        self.quick.learn(program);
        Ok(())
    }

    /// Begins a run.
    pub(super) fn start(&mut self, run: u32, literal: bool, action: FilterAction) {
        self.kind = Kind::Count;
        (self.snap_len, self.max_packets, self.max_octets, self.wait) = (0, 0, 0, false);
        match action {
            FilterAction::Capture {
                snap_len,
                max_packets,
                max_octets,
                wait,
            } => {
                self.kind = Kind::Capture;
                self.snap_len = snap_len;
                self.max_packets = max_packets;
                self.max_octets = max_octets;
                self.wait = wait;
            }
            FilterAction::Only => self.kind = Kind::Only,
            FilterAction::Count | FilterAction::Unknown(_) => {}
        }
        self.is_only = self.kind == Kind::Only;
        self.run = run;
        self.prolong();
        self.literal = literal;
        self.kept_octets = 0;
        (self.matched, self.kept, self.dropped, self.forwarded) = (NONE, NONE, NONE, NONE);
        self.discarded = false;
        self.state = State::Running;
        self.status_due = true;
    }

    /// Whoever asked for it is still there.
    pub(super) fn prolong(&mut self) {
        self.silent_s = 0;
    }

    /// So many seconds have passed: it may be over; true if so.
    pub(super) fn grow_older(&mut self, seconds: u8) -> bool {
        self.silent_s = self.silent_s.saturating_add(seconds);
        let is_over = self.is_running() && self.silent_s > FilterStatus::LIFE_S;
        if is_over {
            self.stop(State::Unheard);
        }
        is_over
    }

    /// Ends a run.
    pub(super) fn stop(&mut self, state: State) {
        self.state = state;
        self.status_due = true;
    }

    /// Gives up the packets that wait: they count as dropped.
    pub(super) fn discard(&mut self) {
        let waiting = self.kept.octets.saturating_sub(self.forwarded.octets);
        self.dropped.frames = self.dropped.frames.saturating_add(self.waiting());
        self.dropped.octets = self.dropped.octets.saturating_add(waiting);
        self.kept = self.forwarded;
        self.discarded = true;
        self.status_due = true;
    }

    pub(super) fn status(&self, slot: u8, at_us: u64) -> FilterStatus {
        FilterStatus {
            slot,
            run: self.run,
            at_us,
            state: match self.state {
                State::Free => FilterState::Free,
                State::Running => FilterState::Running,
                State::Stopped => FilterState::Stopped,
                State::PacketLimit => FilterState::PacketLimit,
                State::OctetLimit => FilterState::OctetLimit,
                State::Unheard => FilterState::Unheard,
            },
            action: match self.kind {
                Kind::Count => FilterAction::Count,
                Kind::Capture => FilterAction::Capture {
                    snap_len: self.snap_len,
                    max_packets: self.max_packets,
                    max_octets: self.max_octets,
                    wait: self.wait,
                },
                Kind::Only => FilterAction::Only,
            },
            matched: self.matched,
            kept: self.kept,
            dropped: self.dropped,
            forwarded: self.forwarded,
        }
    }
}

/// CRC-32/ISO-HDLC over the instructions, in the form in which they came.
fn check_sum(program: &[Instruction]) -> u32 {
    // Without a table: a program comes once in a while.
    const CHECK: crc::Crc<u32, crc::NoTable> =
        crc::Crc::<u32, crc::NoTable>::new(&crc::CRC_32_ISO_HDLC);
    let mut digest = CHECK.digest();
    for &Instruction { code, jt, jf, k } in program {
        digest.update(&BpfInstruction { code, jt, jf, k }.to_octets());
    }
    digest.finalize()
}

fn reason(why: magpie_filter::Reason) -> FilterReason {
    use magpie_filter::Reason;
    match why {
        Reason::Empty => FilterReason::Empty,
        Reason::TooMany => FilterReason::TooMany,
        Reason::JumpBackward => FilterReason::JumpBackward,
        Reason::JumpOutside => FilterReason::JumpOutside,
        Reason::NoReturn => FilterReason::NoReturn,
        Reason::NoSuchWord => FilterReason::NoSuchWord,
        Reason::WordNotWritten => FilterReason::WordNotWritten,
        Reason::DivisionByZero => FilterReason::DivisionByZero,
        // UnknownCode, and what a newer verifier finds besides.
        _ => FilterReason::UnknownCode,
    }
}
