//! What a case comes to: its frames, and their instructions.

use cortex_m_semihosting::hprintln;

/// Instructions of what was counted.
pub(crate) struct Sum {
    frames: u64,
    total: u64,
    min: u32,
    max: u32,
}

impl Sum {
    pub(crate) const NONE: Self = Self {
        frames: 0,
        total: 0,
        min: u32::MAX,
        max: 0,
    };

    /// One more.
    pub(crate) fn add(&mut self, instructions: u32) {
        self.add_mean(instructions, 1);
    }

    /// So many more at once, of which only the sum is known.
    pub(crate) fn add_mean(&mut self, instructions: u32, frames: u32) {
        let mean = instructions / frames;
        self.frames += u64::from(frames);
        self.total += u64::from(instructions);
        self.min = self.min.min(mean);
        self.max = self.max.max(mean);
    }

    /// Another one's too.
    pub(crate) fn join(&mut self, other: &Self) {
        self.frames += other.frames;
        self.total += other.total;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The line of a case.
    pub(crate) fn print(&self, name: &str) {
        let Self {
            frames,
            total,
            min,
            max,
        } = self;
        assert!(*frames > 0, "{name}: nothing was counted");
        hprintln!("case {} {} {} {} {}", name, frames, total, min, max);
    }
}
