//! What the lamps of a board say: receiving, losing, no host. Three of them, or
//! one that has to say it all; when to light them, and nothing of how.

/// How often [`Lamps::tick`] is to be called, in microseconds.
pub const TICK_US: u64 = 100_000;
/// A loss is shown so long.
const LOSS_SHOWN_US: u64 = 2_000_000;
/// So long a single lamp tells that frames come.
const FRAMES_SHOWN_US: u64 = 2_000_000;
/// The host asks for the time every 10 s; so long without a word, it is gone.
const HOST_GONE_US: u64 = 25_000_000;
/// Ticks after which the pattern of a single lamp begins anew.
const PATTERN: u32 = 20;

/// What a board has counted since boot, modulo 2^32, and its cable.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signs {
    /// Frames taken out of the port.
    pub received: u32,
    /// How often frames were lost, or may have been.
    pub lost: u32,
    /// Whatever came from the host, by any way.
    pub heard: u32,
    /// There is a cable, and someone at its other end.
    pub link: bool,
}

/// Three lamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Three {
    /// On with the link, flickering with frames.
    pub green: bool,
    /// No host.
    pub yellow: bool,
    /// Frames were lost within the last 2 s, or may have been.
    pub red: bool,
}

/// A counter, and when it last changed.
#[derive(Debug, Default)]
struct Watched {
    value: u32,
    changed_us: Option<u64>,
}

impl Watched {
    fn see(&mut self, now_us: u64, value: u32) {
        if value != self.value {
            self.value = value;
            self.changed_us = Some(now_us);
        }
    }

    /// Whether it changed in the last `within_us`.
    fn moves(&self, now_us: u64, within_us: u64) -> bool {
        self.changed_us
            .is_some_and(|at| now_us.saturating_sub(at) < within_us)
    }
}

/// Follows the counters. Call [`Self::tick`] every [`TICK_US`], then light what
/// [`Self::three`] or [`Self::one`] say.
#[derive(Debug, Default)]
pub struct Lamps {
    now_us: u64,
    ticks: u32,
    frames: Watched,
    losses: Watched,
    host: Watched,
    link: bool,
}

impl Lamps {
    /// A tick has passed.
    pub fn tick(&mut self, now_us: u64, signs: &Signs) {
        self.ticks = self.ticks.wrapping_add(1);
        self.now_us = now_us;
        self.frames.see(now_us, signs.received);
        self.losses.see(now_us, signs.lost);
        self.host.see(now_us, signs.heard);
        self.link = signs.link;
    }

    fn is_losing(&self) -> bool {
        self.losses.moves(self.now_us, LOSS_SHOWN_US)
    }

    fn has_host(&self) -> bool {
        self.host.moves(self.now_us, HOST_GONE_US)
    }

    /// Three lamps, now.
    pub fn three(&self) -> Three {
        let receiving = self.frames.moves(self.now_us, TICK_US);
        Three {
            green: self.link && (self.ticks.is_multiple_of(2) || !receiving),
            yellow: !self.has_host(),
            red: self.is_losing(),
        }
    }

    /// One lamp, now; what is worst goes first.
    ///
    /// | lamp | says |
    /// |---|---|
    /// | flickers, five times a second | frames were lost within the last 2 s, or may have been |
    /// | two flashes a second | no host |
    /// | a flash every two seconds | no link |
    /// | on, dark for a moment twice a second | frames come |
    /// | on | all is well, and nothing passes |
    pub fn one(&self) -> bool {
        let tick = self.ticks.checked_rem(PATTERN).unwrap_or_default();
        if self.is_losing() {
            tick.is_multiple_of(2)
        } else if !self.has_host() {
            matches!(tick, 0 | 2 | 10 | 12)
        } else if !self.link {
            tick == 0
        } else if self.frames.moves(self.now_us, FRAMES_SHOWN_US) {
            !tick.is_multiple_of(5)
        } else {
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A board, tick by tick.
    #[derive(Default)]
    struct Board {
        lamps: Lamps,
        signs: Signs,
        now_us: u64,
    }

    impl Board {
        fn tick(&mut self) -> (Three, bool) {
            self.now_us += TICK_US;
            self.lamps.tick(self.now_us, &self.signs);
            (self.lamps.three(), self.lamps.one())
        }

        /// What a single lamp does in two seconds, from the pattern's begin.
        fn pattern(&mut self, mut each: impl FnMut(&mut Signs)) -> String {
            while !(self.lamps.ticks + 1).is_multiple_of(PATTERN) {
                each(&mut self.signs);
                self.tick();
            }
            let shown = (0..PATTERN).map(|_| {
                each(&mut self.signs);
                if self.tick().1 { '#' } else { '.' }
            });
            shown.collect()
        }
    }

    #[test]
    fn three_lamps_say_what_they_are_for() {
        let mut board = Board::default();
        let dark = Three {
            green: false,
            yellow: true,
            red: false,
        };
        assert_eq!(board.tick().0, dark, "no link, no host");
        board.signs.link = true;
        board.signs.heard += 1;
        let well = Three {
            green: true,
            yellow: false,
            red: false,
        };
        assert_eq!(board.tick().0, well);
        // Frames: green flickers, whatever their number.
        let mut greens = Vec::new();
        for _ in 0..4 {
            board.signs.received = board.signs.received.wrapping_sub(7);
            greens.push(board.tick().0.green);
        }
        assert!(greens[0] != greens[1] && greens[..2] == greens[2..]);
        assert_eq!([board.tick().0, board.tick().0], [well; 2]);
        // A loss is shown for two seconds.
        board.signs.lost += 1;
        let reds = (0..30).filter(|_| board.tick().0.red).count();
        assert_eq!(reds, 20);
        // The host spoke 3.8 s ago; 25 s without a word are too long.
        let ticks = (0..400).take_while(|_| !board.tick().0.yellow).count();
        assert!((210..=215).contains(&ticks), "{ticks}");
    }

    #[test]
    fn one_lamp_says_the_worst() {
        let mut board = Board::default();
        let quiet = |_: &mut Signs| {};
        let no_host = "#.#.......#.#.......";
        assert_eq!(board.pattern(quiet), no_host);
        board.signs.heard += 1;
        assert_eq!(board.pattern(quiet), "#...................");
        board.signs.link = true;
        assert_eq!(board.pattern(quiet), "####################");
        let frames = |signs: &mut Signs| signs.received += 1;
        assert_eq!(board.pattern(frames), ".####.####.####.####");
        let losing = |signs: &mut Signs| {
            signs.received += 1;
            signs.lost += 1;
            signs.link = false;
        };
        assert_eq!(board.pattern(losing), "#.#.#.#.#.#.#.#.#.#.");
        for _ in 0..260 {
            board.tick();
        }
        assert_eq!(board.pattern(quiet), no_host, "of two faults the worse");
    }
}
