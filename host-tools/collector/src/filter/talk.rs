//! What the host says of filters, until it is answered.

use magpie_protocol::{
    BpfInstruction, Command, CommandType, FilterReason, FilterReply, FilterState, FilterStatus,
    Instructions, Outcome, PacketPart,
};

use super::has_stopped;
use super::parts::Parts;
use super::{FilterAccount, FilterEvent, FilterPacket, FilterRefusal, FilterRequest, WallTime};
use crate::session::{ASK_RETRY_US, Asking};

/// How often a program that did not arrive whole is sent anew.
const ATTEMPTS: u8 = 3;
/// Events that wait to be taken; more packets than that are lost.
const MAX_EVENTS: usize = 1 << 16;

/// What is asked for now. Each is asked again until it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// That whatever runs in the slot stops.
    Clear,
    /// That instructions from this one on are taken.
    Load(usize),
    /// That the program runs.
    Start,
    /// That it runs on: the sensor stops what nobody asks for.
    Running,
    /// That it stops; then, whether its last packet has left.
    Stop { discard: bool },
    /// Nothing any more.
    Over,
}

#[derive(Debug)]
struct Filter {
    request: FilterRequest,
    step: Step,
    /// Number of the command asked; 0 before.
    id: u32,
    asking: Asking,
    /// The sensor said that it has done that; its status is awaited.
    done: bool,
    attempts: u8,
    /// It was said that it runs.
    started: bool,
    account: FilterAccount,
    parts: Parts,
    latest_us: Option<i128>,
}

/// All filters asked for.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    all: Vec<Filter>,
    events: Vec<FilterEvent>,
    last_id: u32,
}

/// Maps sensor time to this host's.
pub(crate) type Wall<'a> = &'a dyn Fn(u64) -> Option<WallTime>;

impl Filter {
    fn new(request: FilterRequest) -> Self {
        let account = FilterAccount {
            slot: request.slot,
            action: request.action,
            ..FilterAccount::default()
        };
        Self {
            request,
            step: Step::Clear,
            id: 0,
            asking: Asking::new(ASK_RETRY_US),
            done: false,
            attempts: 0,
            started: false,
            account,
            parts: Parts::default(),
            latest_us: None,
        }
    }

    fn go(&mut self, step: Step) {
        self.step = step;
        self.id = 0;
        self.asking = Asking::new(ASK_RETRY_US);
        self.done = false;
    }

    /// The run that was asked for, or is under way.
    fn has_run(&self, run: u32) -> bool {
        run != 0 && self.account.run == run && self.step != Step::Over
    }

    fn command(&self) -> Option<Command> {
        let (id, slot) = (self.id, self.request.slot);
        let of = u16::try_from(self.request.program.len()).unwrap_or(u16::MAX);
        match self.step {
            Step::Clear => Some(Command::StopFilter {
                id,
                slot,
                discard: true,
            }),
            Step::Load(at) => {
                let rest = self.request.program.get(at..).unwrap_or_default();
                Some(Command::LoadFilter {
                    id,
                    slot,
                    of,
                    at: u16::try_from(at).unwrap_or(u16::MAX),
                    instructions: Instructions::take(rest).0,
                })
            }
            Step::Start => Some(Command::StartFilter {
                id,
                slot,
                literal: self.request.literal,
                action: self.request.action,
                of,
                check: check_sum(&self.request.program),
            }),
            Step::Running => Some(Command::StartFilter {
                id,
                slot,
                literal: self.request.literal,
                action: self.request.action,
                // Whatever another program has put there must not begin.
                of: 0,
                check: 0,
            }),
            Step::Stop { discard } => Some(Command::StopFilter { id, slot, discard }),
            Step::Over => None,
        }
    }
}

fn check_sum(program: &[BpfInstruction]) -> u32 {
    let octets: Vec<u8> = program.iter().flat_map(|i| i.to_octets()).collect();
    crc32fast::hash(&octets)
}

impl Filters {
    pub(crate) fn request(&mut self, request: FilterRequest) {
        self.all.retain(|f| f.request.slot != request.slot);
        self.all.push(Filter::new(request));
    }

    pub(crate) fn stop(&mut self, slot: u8, discard: bool) {
        for filter in &mut self.all {
            if filter.request.slot == slot && filter.step != Step::Over {
                // What was not started yet stops just as well.
                filter.request.again = false;
                filter.go(Step::Stop { discard });
            }
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.all.iter().any(|f| f.step != Step::Over)
    }

    pub(crate) fn account(&self, slot: u8) -> Option<&FilterAccount> {
        let filter = self.all.iter().find(|f| f.request.slot == slot)?;
        Some(&filter.account)
    }

    pub(crate) fn take_events(&mut self) -> Vec<FilterEvent> {
        std::mem::take(&mut self.events)
    }

    /// Another boot knows nothing of them.
    pub(crate) fn begin_boot(&mut self) {
        for filter in &mut self.all {
            if filter.step == Step::Over {
                continue;
            }
            let is_stopping = matches!(filter.step, Step::Stop { .. });
            let again = (filter.request.again || !filter.started) && !is_stopping;
            let account = filter.account;
            if filter.started {
                self.events.push(FilterEvent::Forgotten { account, again });
            } else if is_stopping {
                // It never ran, and there is nothing left to stop.
                self.events.push(FilterEvent::Ended(account));
            }
            // Whoever took the sums of the run that ended finds none here.
            *filter = Filter::new(filter.request.clone());
            if !again {
                filter.step = Step::Over;
            }
        }
    }

    /// The connection was lost and is there again.
    pub(crate) fn reconnected(&mut self) {
        for filter in &mut self.all {
            filter.asking = Asking::new(ASK_RETRY_US);
        }
    }

    /// What is to be said now. `minor` is the sensor's version; host time in
    /// milliseconds makes numbers that an earlier session did not use.
    pub(crate) fn ask(&mut self, now_us: u64, minor: u8) -> Option<Command> {
        for filter in &mut self.all {
            if filter.step == Step::Over {
                continue;
            }
            if minor < FilterStatus::SINCE {
                filter.step = Step::Over;
                self.events.push(FilterEvent::Refused {
                    slot: filter.request.slot,
                    why: FilterRefusal::TooOld { minor },
                });
                continue;
            }
            if !filter.asking.ask(now_us) {
                continue;
            }
            if filter.id == 0 {
                #[allow(clippy::cast_possible_truncation)] // its low bits are what is wanted
                let by_time = (now_us / 1_000) as u32;
                self.last_id = self.last_id.wrapping_add(1).max(by_time).max(1);
                filter.id = self.last_id;
                if filter.step == Step::Start {
                    filter.account.run = filter.id;
                }
            }
            return filter.command();
        }
        None
    }

    pub(crate) fn take_reply(&mut self, boot_id: u32, reply: &FilterReply) {
        let filter = self.all.iter_mut().find(|f| f.id == reply.id && f.id != 0);
        let Some(filter) = filter else { return };
        let answered = match filter.step {
            Step::Clear | Step::Stop { .. } => CommandType::StopFilter,
            Step::Load(_) => CommandType::LoadFilter,
            Step::Start => CommandType::StartFilter,
            Step::Running | Step::Over => return,
        };
        if reply.command != answered as u8 || reply.slot != filter.request.slot {
            return;
        }
        if reply.outcome != Outcome::Done {
            let is_mended = matches!(
                reply.reason,
                FilterReason::Incomplete
                    | FilterReason::CheckSum
                    | FilterReason::Running
                    | FilterReason::Draining
            );
            filter.attempts = filter.attempts.saturating_add(1);
            if is_mended && filter.attempts < ATTEMPTS {
                filter.go(Step::Clear);
                return;
            }
            filter.step = Step::Over;
            let of_one = reply.reason.is_of_instruction();
            self.events.push(FilterEvent::Refused {
                slot: filter.request.slot,
                why: FilterRefusal::Answered {
                    outcome: reply.outcome,
                    reason: reply.reason,
                    instruction: of_one.then_some(reply.instruction),
                },
            });
            return;
        }
        let program = &filter.request.program;
        match filter.step {
            Step::Clear if program.is_empty() => filter.go(Step::Start),
            Step::Clear => filter.go(Step::Load(0)),
            Step::Load(at) if at.saturating_add(Instructions::MAX) < program.len() => {
                filter.go(Step::Load(at.saturating_add(Instructions::MAX)));
            }
            Step::Load(_) => filter.go(Step::Start),
            Step::Start => started(filter, boot_id, &mut self.events),
            // Until its status comes it is asked on: one that is lost comes again.
            Step::Stop { .. } => filter.done = true,
            Step::Running | Step::Over => {}
        }
    }

    pub(crate) fn take_status(&mut self, boot_id: u32, status: &FilterStatus) {
        let mut all = self.all.iter_mut();
        let Some(filter) = all.find(|f| f.request.slot == status.slot) else {
            return;
        };
        if !filter.has_run(status.run) {
            // It has stopped and never ran: behind the answer to its stop, its own
            // word would be the first of this slot.
            if matches!(filter.step, Step::Stop { .. }) && !filter.started && filter.done {
                filter.step = Step::Over;
                self.events.push(FilterEvent::Ended(filter.account));
            }
            return;
        }
        started(filter, boot_id, &mut self.events);
        filter.account.take(status);
        self.events.push(FilterEvent::Status(filter.account));
        if status.is_over() {
            let account = filter.account;
            if status.state == FilterState::Unheard && filter.request.again {
                self.events.push(FilterEvent::Forgotten {
                    account,
                    again: true,
                });
                *filter = Filter::new(filter.request.clone());
            } else {
                filter.step = Step::Over;
                self.events.push(FilterEvent::Ended(account));
            }
        } else if has_stopped(status.state) && filter.step == Step::Running {
            // By itself: its last word may be lost, and is to be asked for.
            filter.go(Step::Stop { discard: false });
        }
    }

    pub(crate) fn take_part(
        &mut self,
        boot_id: u32,
        part: &PacketPart,
        octets: &[u8],
        wall: Wall<'_>,
    ) {
        let all = self.all.iter_mut();
        let mut ours = all.filter(|f| f.request.slot == part.slot && f.has_run(part.run));
        let Some(filter) = ours.next() else { return };
        started(filter, boot_id, &mut self.events);
        let Some(whole) = filter.parts.take(part, octets) else {
            return;
        };
        if self.events.len() >= MAX_EVENTS {
            return; // nobody takes them
        }
        let mut wall = wall(whole.head.at_us);
        if let Some(WallTime { at_us, bound_us }) = &mut wall {
            // Another measurement of the clock may set it back a little.
            if let Some(latest_us) = filter.latest_us
                && *bound_us > 0
                && *at_us < latest_us
            {
                let back = u64::try_from(latest_us.saturating_sub(*at_us)).unwrap_or(u64::MAX);
                *bound_us = bound_us.saturating_add(back);
                *at_us = latest_us;
            }
            filter.latest_us = Some(*at_us);
        }
        let wire_len = whole.head.wire_len;
        filter.account.deliver(wire_len, whole.octets.len());
        self.events.push(FilterEvent::Packet(FilterPacket {
            slot: part.slot,
            number: whole.number,
            at_us: whole.head.at_us,
            wall,
            wire_len,
            octets: whole.octets,
            dropped_before: whole.dropped_before,
            lost_before: whole.lost_before,
        }));
    }
}

/// It runs, whichever word of it comes first.
fn started(filter: &mut Filter, boot_id: u32, events: &mut Vec<FilterEvent>) {
    if filter.started {
        return;
    }
    filter.started = true;
    filter.account.boot_id = boot_id;
    if filter.step == Step::Start {
        filter.step = Step::Running;
    }
    events.push(FilterEvent::Started {
        slot: filter.request.slot,
        run: filter.account.run,
    });
}

#[cfg(test)]
#[path = "talk_tests.rs"]
mod tests;
