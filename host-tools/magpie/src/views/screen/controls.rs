//! What keys do: a state machine without a terminal.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::views::Sort;

/// What the screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// Rows, flows and echo pairs.
    #[default]
    Flows,
    /// Where every frame went.
    Ledger,
    /// Keys, and what the rows mean.
    Help,
}

/// What follows from a key beside another drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing changed.
    Nothing,
    /// Draw again.
    Draw,
    /// Draw every cell again: somebody else wrote on the screen.
    Repaint,
    /// Keep showing this moment, or follow again ([`Controls::frozen`]).
    Freeze,
    /// The user wants to end: once, flush; again, at once.
    End,
}

/// How far there is to scroll, as of the last drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Sources there are.
    pub sources: usize,
    /// Lines there are.
    pub lines: usize,
    /// Lines in view.
    pub room: usize,
}

/// Longest filter.
const FILTER: usize = 64;

/// By what `s` orders flows, one after the other.
const SORTS: [Sort; 7] = [
    Sort::Rate,
    Sort::Octets,
    Sort::Packets,
    Sort::Last,
    Sort::Duration,
    Sort::Rtt,
    Sort::Back,
];

/// What the user has chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controls {
    /// What is shown.
    pub page: Page,
    /// By what flows are ordered.
    pub sort: Sort,
    /// Words that a flow must have, all of them; empty for all flows.
    pub filter: String,
    /// The filter is being typed.
    pub typing: bool,
    /// The screen stands still.
    pub frozen: bool,
    /// Which source, from 0.
    pub source: usize,
    /// The first line in view, from 0.
    pub top: usize,
}

impl Controls {
    /// The fastest flows of the first source.
    pub fn new(sort: Sort) -> Self {
        Self {
            page: Page::Flows,
            sort,
            filter: String::new(),
            typing: false,
            frozen: false,
            source: 0,
            top: 0,
        }
    }

    /// Takes a key.
    pub fn press(&mut self, key: KeyEvent, extent: Extent) -> Effect {
        if key.kind == KeyEventKind::Release {
            return Effect::Nothing;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Effect::End,
                KeyCode::Char('l') => Effect::Repaint,
                KeyCode::Char('u') if self.typing => self.filter_by(String::new()),
                _ => Effect::Nothing,
            };
        }
        if key.modifiers.contains(KeyModifiers::ALT) {
            // Also Escape with the next key close behind it.
            return Effect::Nothing;
        }
        if self.typing {
            self.type_filter(key.code)
        } else {
            self.command(key.code, extent)
        }
    }

    fn type_filter(&mut self, code: KeyCode) -> Effect {
        let mut filter = self.filter.clone();
        match code {
            KeyCode::Enter => {
                self.typing = false;
                return Effect::Draw;
            }
            KeyCode::Esc => {
                self.typing = false;
                filter.clear();
            }
            KeyCode::Backspace => {
                filter.pop();
            }
            KeyCode::Char(c) if !c.is_control() && filter.chars().count() < FILTER => {
                filter.push(c);
            }
            _ => return Effect::Nothing,
        }
        self.filter_by(filter)
    }

    fn filter_by(&mut self, filter: String) -> Effect {
        self.filter = filter;
        self.top = 0;
        Effect::Draw
    }

    fn turn_to(&mut self, page: Page) -> Effect {
        self.page = if self.page == page { Page::Flows } else { page };
        self.top = 0;
        Effect::Draw
    }

    fn command(&mut self, code: KeyCode, extent: Extent) -> Effect {
        match code {
            KeyCode::Char('q') => Effect::End,
            KeyCode::Char('f') => {
                self.frozen = !self.frozen;
                Effect::Freeze
            }
            KeyCode::Char('s') => {
                let at = SORTS.iter().position(|sort| *sort == self.sort);
                let next = at.map_or(0, |at| (at + 1) % SORTS.len());
                self.sort = SORTS.get(next).copied().unwrap_or(self.sort);
                self.page = Page::Flows;
                self.top = 0;
                Effect::Draw
            }
            KeyCode::Char('/') => {
                self.page = Page::Flows;
                self.typing = true;
                self.top = 0;
                Effect::Draw
            }
            KeyCode::Char('l') => self.turn_to(Page::Ledger),
            KeyCode::Char('?' | 'h') => self.turn_to(Page::Help),
            KeyCode::Esc if self.page != Page::Flows => self.turn_to(Page::Flows),
            KeyCode::Esc => self.filter_by(String::new()),
            KeyCode::Tab | KeyCode::BackTab if extent.sources > 1 => {
                let step = if code == KeyCode::Tab {
                    1
                } else {
                    extent.sources - 1
                };
                self.source = (self.source + step) % extent.sources;
                self.top = 0;
                Effect::Draw
            }
            _ => self.scroll(code, extent),
        }
    }

    fn scroll(&mut self, code: KeyCode, extent: Extent) -> Effect {
        let page = extent.room.saturating_sub(1).max(1);
        let last = extent.lines.saturating_sub(extent.room);
        let to = match code {
            KeyCode::Up | KeyCode::Char('k') => self.top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.top.saturating_add(1),
            KeyCode::PageUp => self.top.saturating_sub(page),
            KeyCode::PageDown | KeyCode::Char(' ') => self.top.saturating_add(page),
            KeyCode::Home => 0,
            KeyCode::End => last,
            _ => return Effect::Nothing,
        };
        self.top = to.min(last);
        Effect::Draw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent {
        sources: 1,
        lines: 100,
        room: 10,
    };

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    fn control(c: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)
    }

    fn typed(controls: &mut Controls, keys: &str) -> Vec<Effect> {
        keys.chars()
            .map(|c| controls.press(key(KeyCode::Char(c)), EXTENT))
            .collect()
    }

    #[test]
    fn letters_of_a_filter_are_no_commands() {
        let mut controls = Controls::new(Sort::Rate);
        assert_eq!(typed(&mut controls, "/qfsl?:443"), [Effect::Draw; 10]);
        assert_eq!(controls.filter, "qfsl?:443");
        assert!(controls.typing && !controls.frozen && controls.page == Page::Flows);
        controls.press(key(KeyCode::Backspace), EXTENT);
        assert_eq!(controls.filter, "qfsl?:44");
        // It can be ended all the same.
        assert_eq!(controls.press(control('c'), EXTENT), Effect::End);
        controls.press(key(KeyCode::Enter), EXTENT);
        assert!(!controls.typing);
        assert_eq!(controls.filter, "qfsl?:44");
        assert_eq!(typed(&mut controls, "q"), [Effect::End]);
        controls.press(key(KeyCode::Esc), EXTENT);
        assert_eq!(controls.filter, "");
        typed(&mut controls, "/udp");
        controls.press(key(KeyCode::Esc), EXTENT);
        assert_eq!((controls.filter.as_str(), controls.typing), ("", false));
    }

    #[test]
    fn a_filter_has_an_end() {
        let mut controls = Controls::new(Sort::Rate);
        typed(&mut controls, &format!("/{}", "x".repeat(1_000)));
        assert_eq!(controls.filter.len(), FILTER);
        controls.press(control('u'), EXTENT);
        assert!(controls.filter.is_empty() && controls.typing);
    }

    #[test]
    fn sorts_come_round() {
        let mut controls = Controls::new(Sort::Rate);
        let mut met = Vec::new();
        for _ in 0..SORTS.len() {
            met.push(controls.sort);
            typed(&mut controls, "s");
        }
        assert_eq!((controls.sort, met), (Sort::Rate, SORTS.to_vec()));
    }

    #[test]
    fn scrolling_stays_within() {
        let mut controls = Controls::new(Sort::Rate);
        for (code, top) in [
            (KeyCode::Up, 0),
            (KeyCode::Down, 1),
            (KeyCode::PageDown, 10),
            (KeyCode::End, 90),
            (KeyCode::Down, 90),
            (KeyCode::PageUp, 81),
            (KeyCode::Home, 0),
            (KeyCode::PageUp, 0),
        ] {
            assert_eq!(controls.press(key(code), EXTENT), Effect::Draw);
            assert_eq!(controls.top, top, "{code:?}");
        }
        let few = Extent { lines: 3, ..EXTENT };
        controls.press(key(KeyCode::End), few);
        assert_eq!(controls.top, 0);
        controls.press(key(KeyCode::Down), Extent::default());
        assert_eq!(controls.top, 0);
    }

    #[test]
    fn pages_open_and_close() {
        let mut controls = Controls::new(Sort::Rate);
        for (keys, page) in [
            ("l", Page::Ledger),
            ("?", Page::Help),
            ("?", Page::Flows),
            ("ll", Page::Flows),
            ("ls", Page::Flows),
        ] {
            typed(&mut controls, keys);
            assert_eq!(controls.page, page, "{keys}");
        }
        typed(&mut controls, "l");
        controls.press(key(KeyCode::Esc), EXTENT);
        assert_eq!(controls.page, Page::Flows);
    }

    #[test]
    fn tab_chooses_among_several() {
        let mut controls = Controls::new(Sort::Rate);
        assert_eq!(controls.press(key(KeyCode::Tab), EXTENT), Effect::Nothing);
        let three = Extent {
            sources: 3,
            ..EXTENT
        };
        for (code, source) in [
            (KeyCode::Tab, 1),
            (KeyCode::Tab, 2),
            (KeyCode::Tab, 0),
            (KeyCode::BackTab, 2),
        ] {
            controls.press(key(code), three);
            assert_eq!(controls.source, source);
        }
    }

    #[test]
    fn freezing_and_letting_go() {
        let mut controls = Controls::new(Sort::Rate);
        assert_eq!(typed(&mut controls, "f"), [Effect::Freeze]);
        assert!(controls.frozen);
        assert_eq!(typed(&mut controls, "f"), [Effect::Freeze]);
        assert!(!controls.frozen);
        assert_eq!(controls.press(control('l'), EXTENT), Effect::Repaint);
        let alt = KeyEvent::new(KeyCode::Char('f'), KeyModifiers::ALT);
        assert_eq!(controls.press(alt, EXTENT), Effect::Nothing);
        let mut up = key(KeyCode::Char('q'));
        up.kind = KeyEventKind::Release;
        assert_eq!(controls.press(up, EXTENT), Effect::Nothing);
    }
}
