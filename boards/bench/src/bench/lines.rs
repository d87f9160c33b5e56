//! Cache lines that a frame touches, counted by the memory protection unit.
//!
//! All of RAM is closed but for the stack; whoever touches a line of it that is
//! closed faults, the handler notes the line and opens it. So what is counted is
//! what a core's data cache would have to hold (lines of 32 octets, as on a
//! Cortex-M7), read or written, of everything in RAM but the stack: that is in
//! the cache whatever a frame does. Code and constants in flash are not counted.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use cortex_m::peripheral::{SCB, scb::Exception};
use cortex_m_rt::exception;
use cortex_m_semihosting::hprintln;
use magpie_mmio::{Mmio, Registers};
use magpie_sensor::{FlowSet, Sensor};

/// Octets of a line.
const LINE: u32 = 32;
/// Most lines of one frame.
const MOST: usize = 64;
/// Most lines of a sensor.
const SENSOR: usize = 96;

/// The memory that is closed: from its start, 2^(21 + 1) octets; and the stack
/// in it, 2^(14 + 1) (the board's memory.x).
const RAM: u32 = 0x2000_0000;
const RAM_SIZE: u32 = 21;
const STACK_SIZE: u32 = 14;
const LINE_SIZE: u32 = 4;

/// Regions of the unit; those with higher numbers win. Number 0 is the wall
/// below the stack.
const CLOSED: u32 = 1;
const STACK: u32 = 2;
const OPEN: Range<u32> = 3..8;

/// Offsets from the system control block on (ARMv7-M, B3.2.2 and B3.5.4).
const SYSTEM: usize = 0xe000_ed00;
const CFSR: u32 = 0x28;
const MMFAR: u32 = 0x34;
const MPU_CTRL: u32 = 0x94;
const MPU_RNR: u32 = 0x98;
const MPU_RBAR: u32 = 0x9c;
const MPU_RASR: u32 = 0xa0;
const WINDOW: u32 = 0xa4;

const CTRL_ON: u32 = 1 << 2 | 1;
/// Of the fault status: a data access, whose address is known.
const DATA: u32 = 1 << 7 | 1 << 1;
const MEMORY_STATUS: u32 = 0xff;

/// What the handler leaves. While it runs the unit is off.
static TOUCHED: [AtomicU32; MOST] = [const { AtomicU32::new(0) }; MOST];
static COUNT: AtomicUsize = AtomicUsize::new(0);
static FAULTS: AtomicU32 = AtomicU32::new(0);

fn system() -> Mmio {
    // SAFETY: the system control block and the unit of every ARMv7-M core are
    // here; of what this uses nothing else is in use once the wall stands.
    #[allow(unsafe_code)]
    unsafe {
        Mmio::new(SYSTEM, WINDOW)
    }
}

/// A region of 2^(size + 1) octets, for everybody or for nobody.
fn region(system: &mut Mmio, number: u32, start: u32, size: u32, open: bool) {
    const NEVER_EXECUTED: u32 = 1 << 28;
    const FULL_ACCESS: u32 = 3 << 24;
    system.write(MPU_RNR, number);
    system.write(MPU_RBAR, start);
    let access = if open { FULL_ACCESS } else { 0 };
    system.write(MPU_RASR, NEVER_EXECUTED | access | size << 1 | 1);
}

fn disable(system: &mut Mmio, number: u32) {
    system.write(MPU_RNR, number);
    system.write(MPU_RASR, 0);
}

fn turn(system: &mut Mmio, control: u32) {
    system.write(MPU_CTRL, control);
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

#[exception]
fn MemoryManagement() {
    let mut system = system();
    turn(&mut system, 0);
    let status = system.read(CFSR);
    let line = system.read(MMFAR) & !(LINE - 1);
    assert_eq!(status & MEMORY_STATUS, DATA, "a fault at {line:#x}");
    system.write(CFSR, MEMORY_STATUS);
    let count = COUNT.load(Ordering::Relaxed);
    let known = TOUCHED[..count].iter();
    // A line that made room for others may be known.
    if !known
        .into_iter()
        .any(|one| one.load(Ordering::Relaxed) == line)
    {
        TOUCHED[count].store(line, Ordering::Relaxed);
        COUNT.store(count + 1, Ordering::Relaxed);
    }
    // No instruction touches as many lines as can be open.
    let turn_of = FAULTS.fetch_add(1, Ordering::Relaxed) % (OPEN.end - OPEN.start);
    region(&mut system, OPEN.start + turn_of, line, LINE_SIZE, true);
    turn(&mut system, CTRL_ON);
}

/// What was touched, by what lies there.
pub(crate) struct Lines {
    system: Mmio,
    flows: Range<u32>,
    frame: Range<u32>,
    sensor: Range<u32>,
    /// Lines of flows, of the frame, and of all else but the sensor.
    of_flows: u32,
    of_frame: u32,
    of_others: u32,
    /// Of the sensor, each line.
    of_sensor: [u32; SENSOR],
}

/// Where it lies.
fn place<T>(Range { start, end }: Range<*const T>) -> Range<u32> {
    let address = |pointer: *const T| u32::try_from(pointer.addr()).unwrap_or(u32::MAX);
    address(start)..address(end)
}

impl Lines {
    /// The unit is made ready. `scb` makes its faults exceptions of their own.
    pub(crate) fn new(mut scb: SCB) -> Self {
        scb.enable(Exception::MemoryManagement);
        Self {
            system: system(),
            flows: 0..0,
            frame: 0..0,
            sensor: 0..0,
            of_flows: 0,
            of_frame: 0,
            of_others: 0,
            of_sensor: [0; SENSOR],
        }
    }

    /// What is told apart.
    pub(crate) fn are_of(
        &mut self,
        flows: Range<*const FlowSet>,
        frame: &[u8],
        sensor: &Sensor<'_>,
    ) {
        self.flows = place(flows);
        self.frame = place(frame.as_ptr_range());
        self.sensor = place(core::slice::from_ref(sensor).as_ptr_range());
    }

    /// Lines that the work touches, of all but the frame.
    #[inline(never)]
    pub(crate) fn count(&mut self, work: impl FnOnce()) -> u32 {
        COUNT.store(0, Ordering::Relaxed);
        let system = &mut self.system;
        region(system, CLOSED, RAM, RAM_SIZE, false);
        region(system, STACK, RAM, STACK_SIZE, true);
        for number in OPEN {
            disable(system, number);
        }
        turn(system, CTRL_ON);
        work();
        turn(system, 0);
        disable(system, CLOSED);
        turn(system, CTRL_ON);
        let count = COUNT.load(Ordering::Relaxed);
        let before = self.of_frame;
        for line in &TOUCHED[..count] {
            self.add(line.load(Ordering::Relaxed));
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        count - (self.of_frame - before)
    }

    fn add(&mut self, line: u32) {
        // A line may hold the end of what lies before.
        let is_of = |place: &Range<u32>| line < place.end && line + LINE > place.start;
        if is_of(&self.flows) {
            self.of_flows += 1;
        } else if is_of(&self.frame) {
            self.of_frame += 1;
        } else if is_of(&self.sensor) {
            let first = self.sensor.start & !(LINE - 1);
            self.of_sensor[((line - first) / LINE) as usize] += 1;
        } else {
            self.of_others += 1;
        }
    }

    /// How often each place was touched.
    pub(crate) fn print(&self) {
        for (name, count) in [
            ("flows", self.of_flows),
            ("frame", self.of_frame),
            ("others", self.of_others),
        ] {
            hprintln!("line {} {}", name, count);
        }
        for (at, count) in self.of_sensor.iter().enumerate() {
            if *count > 0 {
                hprintln!("line sensor+{} {}", at * LINE as usize, count);
            }
        }
    }
}
