//! What outlives a reset: how often the board booted since power came, why it
//! did so now, and the last words of the boot before.
//!
//! It lies in SRAM4, which a reset leaves alone and no cache holds. SRAM4 has
//! error correction on words of 32 bits (RM0433, "RAM ECC monitoring"), so only
//! whole words are written.

use core::cell::UnsafeCell;
use core::fmt::Write;
use core::mem::MaybeUninit;

use embassy_stm32::pac;
use magpie_protocol::{BootReason, BootReport};

/// Octets of a last word.
pub(crate) const TEXT: usize = 96;
const TEXT_WORDS: usize = TEXT / 4;
/// Says that this memory was written by us.
const MAGIC: u32 = 0x4d61_6731;

/// Word by word: magic, boots, length, text, sum.
const WORDS: usize = TEXT_WORDS + 4;
const BOOTS: usize = 1;
const LENGTH: usize = 2;
const FIRST_TEXT: usize = 3;
const SUM: usize = WORDS - 1;

#[repr(C, align(32))]
struct Kept(UnsafeCell<MaybeUninit<[u32; WORDS]>>);

// SAFETY: only `Words` looks inside, a word at a time, by volatile access; it is
// made by `take` at the start, before there is any other context, and by
// `leave`, which ends the program with interrupts off.
#[allow(unsafe_code)]
unsafe impl Sync for Kept {}

#[allow(unsafe_code)] // a section of memory.x that start-up leaves alone
#[unsafe(link_section = ".kept")]
static KEPT: Kept = Kept(UnsafeCell::new(MaybeUninit::uninit()));

/// The only way inside.
struct Words(*mut u32);

impl Words {
    fn new() -> Self {
        Self(KEPT.0.get().cast())
    }

    fn get(&self, index: usize) -> u32 {
        if index >= WORDS {
            return 0;
        }
        // SAFETY: a word inside the static. Volatile: what it holds is from
        // before this program, and the compiler may assume nothing about it.
        #[allow(unsafe_code)]
        unsafe {
            self.0.add(index).read_volatile()
        }
    }

    fn set(&mut self, index: usize, value: u32) {
        if index < WORDS {
            // SAFETY: a word inside the static. Volatile: nobody in this
            // program reads it again.
            #[allow(unsafe_code)]
            unsafe {
                self.0.add(index).write_volatile(value);
            }
        }
    }

    fn sum(&self) -> u32 {
        (0..SUM).fold(0x811c_9dc5, |sum, index| {
            (sum ^ self.get(index)).wrapping_mul(0x0100_0193)
        })
    }

    fn seal(&mut self) {
        self.set(0, MAGIC);
        self.set(SUM, self.sum());
        cortex_m::asm::dsb();
    }
}

/// How it came to this boot.
pub(crate) struct Boot {
    /// Boots since power came, this one included.
    count: u32,
    reason: BootReason,
    /// The last words of the boot before.
    word: Cut,
}

impl Boot {
    /// Says this in the place of the last words.
    pub(crate) fn note(&mut self, what: core::fmt::Arguments<'_>) {
        self.word = Cut::of(what);
    }

    /// The same for Hello.
    pub(crate) fn report(&self) -> BootReport {
        let octets = self.word.text.get(..self.word.len).unwrap_or_default();
        // Cut within a character: without it.
        let text = octets
            .utf8_chunks()
            .next()
            .map_or("", |chunk| chunk.valid());
        BootReport {
            count: self.count,
            reason: self.reason,
            last_word: text.try_into().unwrap_or_default(),
        }
    }

    /// The same for the log. A panic has no line there: the probe would hardly
    /// read it before the reset.
    #[cfg(feature = "defmt")]
    pub(crate) fn log(&self) {
        let report = self.report();
        defmt::info!(
            "boot {=u32} since power came, reason {}, last word: {=str}",
            report.count,
            defmt::Debug2Format(&report.reason),
            report.last_word.as_str()
        );
    }
}

/// Reads what was kept and begins anew; to be called once, first of all.
pub(crate) fn take() -> Boot {
    let reason = reason();
    let mut words = Words::new();
    let valid =
        reason != BootReason::PowerOn && words.get(0) == MAGIC && words.get(SUM) == words.sum();
    let mut boot = Boot {
        count: 1,
        reason,
        word: Cut::EMPTY,
    };
    if valid {
        boot.count = words.get(BOOTS).saturating_add(1);
        boot.word.len = usize::try_from(words.get(LENGTH)).map_or(0, |l| l.min(TEXT));
        for (i, part) in boot.word.text.chunks_exact_mut(4).enumerate() {
            part.copy_from_slice(&words.get(FIRST_TEXT + i).to_le_bytes());
        }
    }
    words.set(BOOTS, boot.count);
    words.set(LENGTH, 0);
    for i in 0..TEXT_WORDS {
        words.set(FIRST_TEXT + i, 0);
    }
    words.seal();
    boot
}

/// Why the board booted (RM0433, `RCC_RSR` and "Reset source identification").
fn reason() -> BootReason {
    let rsr = pac::RCC.rsr().read();
    pac::RCC.rsr().modify(|w| w.set_rmvf(true));
    // Power-on sets the brown-out's flag too, and every reset the pin's.
    if rsr.porrstf() {
        BootReason::PowerOn
    } else if rsr.iwdg1rstf() {
        BootReason::Watchdog
    } else if rsr.sftrstf() {
        BootReason::Software
    } else if rsr.borrstf() {
        BootReason::BrownOut
    } else {
        BootReason::Pin
    }
}

/// Text cut to what is kept. Nothing here can panic: it runs after a panic.
struct Cut {
    text: [u8; TEXT],
    len: usize,
}

impl Cut {
    const EMPTY: Self = Self {
        text: [0; TEXT],
        len: 0,
    };

    fn of(what: core::fmt::Arguments<'_>) -> Self {
        let mut cut = Self::EMPTY;
        let _ = cut.write_fmt(what); // `write_str` below never fails
        cut
    }
}

impl Write for Cut {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        let room = self.text.iter_mut().skip(self.len);
        for (place, octet) in room.zip(s.bytes()) {
            *place = octet;
            self.len = self.len.saturating_add(1);
        }
        Ok(())
    }
}

/// Leaves last words for the next boot, and resets the chip.
pub(crate) fn leave(what: core::fmt::Arguments<'_>) -> ! {
    cortex_m::interrupt::disable();
    let cut = Cut::of(what);
    let mut words = Words::new();
    words.set(LENGTH, u32::try_from(cut.len).unwrap_or(0));
    for (i, part) in cut.text.as_chunks::<4>().0.iter().enumerate() {
        words.set(FIRST_TEXT + i, u32::from_le_bytes(*part));
    }
    words.seal();
    cortex_m::peripheral::SCB::sys_reset()
}
