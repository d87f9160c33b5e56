//! The live screen on ratatui's test terminal, drawn from hand-made pictures
//! and held against files beside this test. After a wanted change:
//! `MAGPIE_BLESS=1 cargo test -p magpie --test screen`, then read the
//! difference.

#[path = "../blessed/mod.rs"]
mod blessed;

mod links;
mod made;
mod sizes;
mod trouble;
mod watched;

use magpie::views::screen::{
    Colour, Controls, Effect, Extent, Findings, Pictures, Scene, Screen, Size, paint,
};
use magpie::views::{Seen, Sort};
use magpie_collector::Picture;
use magpie_sources::{Status, Uplink};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// 22:15:00 UTC.
const NOW_US: u64 = 1_700_000_100_000_000;
/// Sensor time: two and a quarter hours after its boot.
const SENSOR_US: u64 = 8_043_000_000;
const BOOT: u32 = 0x1a2b_3c4d;
const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 60);

/// Hand-made sources, in place of running ones.
struct Made {
    sources: Vec<(Picture, Status)>,
    now_us: u64,
}

impl Pictures for Made {
    fn count(&self) -> usize {
        self.sources.len()
    }

    fn look<T>(&self, index: usize, with: impl FnOnce(&Seen<'_>, &Status) -> T) -> T {
        let (picture, status) = &self.sources[index];
        let seen = Seen::new(picture, status.offered.as_ref(), self.now_us);
        with(&seen, status)
    }
}

impl Made {
    fn of(sources: Vec<Picture>) -> Self {
        let with_status = |picture| {
            let uplink = Uplink::Serial {
                octets: 12_345_678,
                room: Some(92_160),
            };
            let status = Status {
                uplink: Some(uplink),
                as_of_us: NOW_US,
                ..Status::default()
            };
            (picture, status)
        };
        Self {
            sources: sources.into_iter().map(with_status).collect(),
            now_us: NOW_US,
        }
    }

    fn findings(&self) -> Vec<Findings> {
        (0..self.count())
            .map(|i| self.look(i, |seen, _| Findings::of(seen)))
            .collect()
    }

    fn scene(
        &self,
        screen: &mut Screen,
        controls: &Controls,
        (columns, rows): (u16, u16),
    ) -> Scene {
        let size = Size {
            columns: columns.into(),
            rows: rows.into(),
        };
        screen.scene(self, &self.findings(), controls, None, size)
    }

    /// What stands on a terminal of this size.
    fn shown(&self, controls: &Controls, size: (u16, u16)) -> String {
        let scene = self.scene(&mut Screen::default(), controls, size);
        on_terminal(&scene, size)
    }
}

fn on_terminal(scene: &Scene, (columns, rows): (u16, u16)) -> String {
    for line in &scene.lines {
        // Nothing relies on being cut by the terminal.
        assert!(line.width() <= columns.into(), "{}", line.text());
    }
    assert!(scene.lines.len() <= rows.into());
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal
        .draw(|frame| paint(scene, Colour::Yes, frame))
        .unwrap();
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for row in 0..rows {
        let line: String = (0..columns)
            .map(|column| buffer[(column, row)].symbol())
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn controls() -> Controls {
    Controls::new(Sort::Rate)
}

fn typed(controls: &mut Controls, keys: &str, extent: Extent) {
    for c in keys.chars() {
        let code = if c == '\n' {
            KeyCode::Enter
        } else {
            KeyCode::Char(c)
        };
        let effect = controls.press(KeyEvent::new(code, KeyModifiers::NONE), extent);
        assert_ne!(effect, Effect::Nothing, "{c:?}");
    }
}
