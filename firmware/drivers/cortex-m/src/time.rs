//! embassy's time driver on `SysTick`, with one alarm timer of the board.
//!
//! `SysTick` runs freely over its 24 bits and is read for the time, so the
//! clock is exact to a cycle and loses nothing while interrupts are masked
//! for less than a period (0.33 s at 50 MHz). The wraps are counted in 64
//! bits: it does not wrap in 10,000 years. What must be woken when is a matter
//! of the board's one-shot timer, armed through a function.

use core::cell::RefCell;
use core::task::Waker;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use critical_section::Mutex;
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

use crate::count::{PERIOD, Phase, drifted};

/// Longest time an alarm is armed for, in microseconds; what lies further off
/// is armed again when it went off.
const FARTHEST_US: u32 = 10_000_000;

struct State {
    /// Wraps of the counter whose interrupt was taken.
    wraps: u64,
    /// Clock cycles a tick; 0 before [`SysTickTime::start`].
    cycles_per_tick: u32,
    /// By how much the clock is made to run fast, parts per million.
    ppm: i32,
    queue: Queue,
}

/// The time driver; a board makes it a static with
/// `embassy_time_driver::time_driver_impl!`.
pub struct SysTickTime {
    state: Mutex<RefCell<State>>,
    arm: fn(u32),
}

impl SysTickTime {
    /// With a function that arms the board's one-shot timer to interrupt in so
    /// many microseconds (1 to 10,000,000); it replaces an earlier alarm.
    #[must_use]
    pub const fn new(arm: fn(u32)) -> Self {
        let state = State {
            wraps: 0,
            cycles_per_tick: 0,
            ppm: 0,
            queue: Queue::new(),
        };
        Self {
            state: Mutex::new(RefCell::new(state)),
            arm,
        }
    }

    /// Starts the clock at 0 with the core's clock in Hz, a multiple of 1 MHz. It
    /// runs fast by so many parts per million (slow where negative); 0 is what
    /// the core's clock says.
    pub fn start(&self, mut syst: SYST, core_hz: u32, ppm: i32) {
        let tick_hz = u32::try_from(TICK_HZ).unwrap_or(u32::MAX);
        let cycles_per_tick = core_hz.checked_div(tick_hz).unwrap_or(0);
        critical_section::with(|cs| {
            syst.set_clock_source(SystClkSource::Core);
            syst.set_reload(u32::try_from(PERIOD - 1).unwrap_or(0));
            syst.clear_current();
            syst.enable_counter();
            syst.enable_interrupt();
            if let Ok(mut state) = self.state.borrow(cs).try_borrow_mut() {
                state.cycles_per_tick = cycles_per_tick;
                state.ppm = ppm;
            }
        });
    }

    /// To be called by the `SysTick` exception.
    pub fn on_wrap(&self) {
        critical_section::with(|cs| {
            if let Ok(mut state) = self.state.borrow(cs).try_borrow_mut() {
                state.wraps = state.wraps.wrapping_add(1);
            }
        });
    }

    /// To be called by the alarm timer's interrupt.
    pub fn on_alarm(&self) {
        critical_section::with(|cs| {
            if let Ok(mut state) = self.state.borrow(cs).try_borrow_mut() {
                self.arm_next(&mut state);
            }
        });
    }

    /// Wakes what is due and arms the timer for what is not.
    fn arm_next(&self, state: &mut State) {
        let now = state.now();
        let at = state.queue.next_expiration(now);
        if at != u64::MAX {
            // A drifting clock's alarm comes a little early, and is armed again,
            // or a little late.
            let ahead = u32::try_from(at.saturating_sub(now)).unwrap_or(FARTHEST_US);
            (self.arm)(ahead.clamp(1, FARTHEST_US));
        }
    }
}

impl State {
    /// Ticks since start; interrupts are off.
    fn now(&self) -> u64 {
        let first = SYST::get_current();
        let wrap_pending = SCB::is_pendst_pending();
        // A wrap between the two reads above would be seen pending with a
        // counter from before it: then the counter is read again.
        let current = if wrap_pending {
            SYST::get_current()
        } else {
            first
        };
        let phase = Phase {
            current,
            wrap_pending,
        };
        let ticks = phase
            .cycles(self.wraps)
            .checked_div(u64::from(self.cycles_per_tick))
            .unwrap_or(0);
        match self.ppm {
            0 => ticks,
            ppm => drifted(ticks, ppm),
        }
    }
}

impl Driver for SysTickTime {
    fn now(&self) -> u64 {
        critical_section::with(|cs| self.state.borrow(cs).try_borrow().map_or(0, |s| s.now()))
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            if let Ok(mut state) = self.state.borrow(cs).try_borrow_mut()
                && state.queue.schedule_wake(at, waker)
            {
                self.arm_next(&mut state);
            }
        });
    }
}
