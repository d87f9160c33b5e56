//! What outlives a reset: how often the board booted since power came, how often
//! because of its watchdog, and the last words of the boot before.
//!
//! It lies in 128 octets at the symbol `MAGPIE_KEPT`, which the board's `memory.x`
//! gives in memory that start-up leaves alone and that no cache holds; in no
//! section, since QEMU puts back what an image's sections held at every reset.
//! Only whole words are written, for memories with error correction.
//!
//! Order of use: [`take`] once, first of all; [`leave`] at the end of an image
//! that cannot go on.

#[cfg(target_os = "none")]
use core::cell::UnsafeCell;
use core::fmt::{Arguments, Write};
#[cfg(target_os = "none")]
use core::mem::MaybeUninit;

/// Octets of last words.
const TEXT: usize = 96;
const TEXT_WORDS: usize = TEXT / 4;
/// Says that this memory was written by us, in this form.
const MAGIC: u32 = 0x4d61_6732;

/// Word by word: magic, boots, boots by the watchdog, length, text, sum.
const WORDS: usize = TEXT_WORDS + 5;
const BOOTS: usize = 1;
const WATCHDOGS: usize = 2;
const LENGTH: usize = 3;
const FIRST_TEXT: usize = 4;
const SUM: usize = WORDS - 1;
const _: () = assert!(WORDS * 4 <= 128, "every memory.x keeps so much");

/// Words that keep their value.
trait Memory {
    /// 0 outside.
    fn get(&self, index: usize) -> u32;
    /// Nothing outside.
    fn set(&mut self, index: usize, value: u32);
}

/// Text cut to what is kept. Nothing here can panic: it is used after a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastWord {
    text: [u8; TEXT],
    len: usize,
}

impl LastWord {
    const EMPTY: Self = Self {
        text: [0; TEXT],
        len: 0,
    };

    /// As much of it as is kept.
    #[must_use]
    pub fn of(what: Arguments<'_>) -> Self {
        let mut word = Self::EMPTY;
        let _ = word.write_fmt(what); // `write_str` below never fails
        word
    }

    /// The text, without a character that was cut.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let octets = self.text.get(..self.len).unwrap_or_default();
        octets
            .utf8_chunks()
            .next()
            .map_or("", |chunk| chunk.valid())
    }
}

impl Write for LastWord {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        let room = self.text.iter_mut().skip(self.len);
        for (place, octet) in room.zip(s.bytes()) {
            *place = octet;
            self.len = self.len.saturating_add(1);
        }
        Ok(())
    }
}

/// What there was before this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// Boots since power came, this one included.
    pub boots: u32,
    /// Of these, so many began because the one before hung.
    pub watchdogs: u32,
    /// The last words of the boot before.
    pub word: LastWord,
}

fn sum(words: &impl Memory) -> u32 {
    (0..SUM).fold(0x811c_9dc5, |sum, index| {
        (sum ^ words.get(index)).wrapping_mul(0x0100_0193)
    })
}

fn seal(words: &mut impl Memory) {
    words.set(0, MAGIC);
    words.set(SUM, sum(words));
}

/// How a boot comes about, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Power came: memory kept nothing, whatever it looks like.
    Power,
    /// The watchdog.
    Watchdog,
    /// Anything else.
    Other,
}

fn begin(words: &mut impl Memory, cause: Cause) -> Before {
    let mut before = Before {
        boots: 1,
        watchdogs: 0,
        word: LastWord::EMPTY,
    };
    if cause != Cause::Power && words.get(0) == MAGIC && words.get(SUM) == sum(words) {
        before.boots = words.get(BOOTS).saturating_add(1);
        before.watchdogs = words.get(WATCHDOGS);
        before.word.len = usize::try_from(words.get(LENGTH)).map_or(0, |l| l.min(TEXT));
        let parts = before.word.text.as_chunks_mut::<4>().0.iter_mut();
        for (part, index) in parts.zip(FIRST_TEXT..SUM) {
            *part = words.get(index).to_le_bytes();
        }
    }
    let by_watchdog = u32::from(cause == Cause::Watchdog);
    before.watchdogs = before.watchdogs.saturating_add(by_watchdog);
    words.set(BOOTS, before.boots);
    words.set(WATCHDOGS, before.watchdogs);
    write_word(words, &LastWord::EMPTY);
    before
}

fn write_word(words: &mut impl Memory, word: &LastWord) {
    words.set(LENGTH, u32::try_from(word.len).unwrap_or(0));
    let parts = word.text.as_chunks::<4>().0.iter();
    for (part, index) in parts.zip(FIRST_TEXT..SUM) {
        words.set(index, u32::from_le_bytes(*part));
    }
    seal(words);
}

#[cfg(target_os = "none")]
#[repr(C, align(32))]
struct Kept(UnsafeCell<MaybeUninit<[u32; WORDS]>>);

// SAFETY: only `Words` looks inside, a word at a time, by volatile access; it is
// made by `take` at the start, before there is any other context, and by
// `leave`, which ends the program with interrupts off.
#[cfg(target_os = "none")]
#[allow(unsafe_code)]
unsafe impl Sync for Kept {}

#[cfg(target_os = "none")]
#[allow(unsafe_code)] // SAFETY: every memory.x gives the symbol 128 octets of RAM
unsafe extern "C" {
    safe static MAGPIE_KEPT: Kept;
}

/// The only way inside.
#[cfg(target_os = "none")]
struct Words(*mut u32);

#[cfg(target_os = "none")]
impl Words {
    fn new() -> Self {
        Self(MAGPIE_KEPT.0.get().cast())
    }
}

#[cfg(target_os = "none")]
impl Memory for Words {
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
}

/// Reads what was kept and begins anew; to be called once, first of all.
#[cfg(target_os = "none")]
#[must_use]
pub fn take(cause: Cause) -> Before {
    let before = begin(&mut Words::new(), cause);
    cortex_m::asm::dsb();
    before
}

/// Leaves last words for the next boot, and ends this one by the board's `reset`.
#[cfg(target_os = "none")]
pub fn leave(what: Arguments<'_>, reset: impl FnOnce() -> core::convert::Infallible) -> ! {
    cortex_m::interrupt::disable();
    write_word(&mut Words::new(), &LastWord::of(what));
    cortex_m::asm::dsb();
    match reset() {}
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{Before, Cause, LastWord, Memory, WORDS, begin, write_word};

    impl Memory for [u32; WORDS] {
        fn get(&self, index: usize) -> u32 {
            self.as_slice().get(index).copied().unwrap_or(0)
        }

        fn set(&mut self, index: usize, value: u32) {
            if let Some(word) = self.as_mut_slice().get_mut(index) {
                *word = value;
            }
        }
    }

    const FIRST: Before = Before {
        boots: 1,
        watchdogs: 0,
        word: LastWord::EMPTY,
    };

    #[test]
    fn boots_are_counted_and_words_heard_once() {
        let mut memory = [0xdead_beef; WORDS];
        assert_eq!(begin(&mut memory, Cause::Power), FIRST);
        assert_eq!(begin(&mut memory, Cause::Other).boots, 2);
        let word = LastWord::of(format_args!("board.rs:{}: it broke", 7));
        write_word(&mut memory, &word);
        let before = begin(&mut memory, Cause::Other);
        assert_eq!((before.boots, before.watchdogs), (3, 0));
        assert_eq!(before.word.as_str(), "board.rs:7: it broke");
        let before = begin(&mut memory, Cause::Watchdog);
        assert_eq!((before.boots, before.watchdogs), (4, 1));
        assert_eq!(before.word.as_str(), "");
        assert_eq!(begin(&mut memory, Cause::Watchdog).watchdogs, 2);
        assert_eq!(begin(&mut memory, Cause::Other).watchdogs, 2);
        assert_eq!(begin(&mut memory, Cause::Power), FIRST);
    }

    #[test]
    fn what_power_on_left_or_something_spoilt_is_not_believed() {
        for spoilt in 0..WORDS {
            let mut memory = [0; WORDS];
            assert_eq!(begin(&mut memory, Cause::Other), FIRST);
            write_word(&mut memory, &LastWord::of(format_args!("words")));
            memory[spoilt] ^= 1 << (spoilt % 32);
            assert_eq!(begin(&mut memory, Cause::Other), FIRST, "{spoilt}");
        }
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let long = "é".repeat(100);
        let word = LastWord::of(format_args!("x{long}"));
        assert_eq!(word.len, 96);
        // 1 + 47 * 2; the 48th is cut.
        assert_eq!(word.as_str().len(), 95);
        assert!(word.as_str().ends_with('é'));
    }
}
