//! Lines of the screen, before any terminal: pieces of text with a tone, and
//! rows whose parts give way whole, the least important first.

/// What a piece of text says by how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing beside its words.
    #[default]
    Plain,
    /// A heading.
    Heading,
    /// The user's own choice.
    Mark,
    /// Cannot be told, or only in part.
    Doubt,
    /// Lost.
    Loss,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// How it looks.
    pub tone: Tone,
    /// What it says.
    pub text: String,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// Its pieces, left to right.
    pub pieces: Vec<Piece>,
}

impl Line {
    /// A line of one piece.
    pub fn of(tone: Tone, text: impl Into<String>) -> Self {
        let mut line = Self::default();
        line.push(tone, text);
        line
    }

    /// A line without a tone.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::of(Tone::Plain, text)
    }

    /// Adds a piece.
    pub fn push(&mut self, tone: Tone, text: impl Into<String>) {
        let text = text.into();
        match self.pieces.last_mut() {
            Some(last) if last.tone == tone => last.text.push_str(&text),
            _ => self.pieces.push(Piece { tone, text }),
        }
    }

    /// Adds another line's pieces.
    pub fn append(&mut self, other: Self) {
        for piece in other.pieces {
            self.push(piece.tone, piece.text);
        }
    }

    /// Blanks up to this column.
    pub fn pad(&mut self, column: usize) {
        let missing = column.saturating_sub(self.width());
        if missing > 0 {
            self.push(Tone::Plain, " ".repeat(missing));
        }
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.pieces.iter().map(|piece| width(&piece.text)).sum()
    }

    /// Its words alone.
    pub fn text(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| piece.text.as_str())
            .collect()
    }
}

/// Columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    ratatui::text::Span::raw(text).width()
}

/// A part of a row: shown whole or not at all.
#[derive(Debug, Clone)]
struct Part {
    /// The smallest is shown first.
    rank: u8,
    gap: usize,
    line: Line,
}

/// A row of parts after a label.
#[derive(Debug, Clone)]
pub(super) struct Row {
    label: String,
    parts: Vec<Part>,
}

/// Column at which the first part begins.
const LABEL: usize = 7;

impl Row {
    pub(super) fn new(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            parts: Vec::new(),
        }
    }

    /// Adds a part that is this many blanks from the one before.
    pub(super) fn part(&mut self, rank: u8, gap: usize, line: Line) {
        self.parts.push(Part { rank, gap, line });
    }

    /// Adds a part without a tone.
    pub(super) fn say(&mut self, rank: u8, gap: usize, text: impl Into<String>) {
        self.part(rank, gap, Line::plain(text));
    }

    fn joined(&self, shown: &[bool]) -> Line {
        let mut line = Line::default();
        if !self.label.is_empty() {
            line.push(Tone::Plain, &*self.label);
            line.pad(LABEL);
        }
        let parts = self.parts.iter().zip(shown).filter(|(_, shown)| **shown);
        for (i, (part, _)) in parts.enumerate() {
            if i > 0 {
                line.push(Tone::Plain, " ".repeat(part.gap));
            }
            line.append(part.line.clone());
        }
        line
    }

    /// The row in this many columns: every part that still fits, the most
    /// important first.
    pub(super) fn fit(&self, columns: usize) -> Line {
        let mut order: Vec<usize> = (0..self.parts.len()).collect();
        order.sort_by_key(|i| self.parts[*i].rank);
        let mut shown = vec![false; self.parts.len()];
        for i in order {
            shown[i] = true;
            if self.joined(&shown).width() > columns {
                shown[i] = false;
            }
        }
        self.joined(&shown)
    }
}

/// Breaks a sentence between words.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gives_up_its_least_part_whole() {
        let row = || {
            let mut row = Row::new("LOST");
            row.say(0, 2, "fcs 123,456");
            row.say(2, 2, "ring 0");
            row.say(1, 2, "mac 7");
            row
        };
        assert_eq!(row().fit(80).text(), "LOST   fcs 123,456  ring 0  mac 7");
        assert_eq!(row().fit(32).text(), "LOST   fcs 123,456  mac 7");
        assert_eq!(row().fit(24).text(), "LOST   fcs 123,456");
        assert_eq!(row().fit(17).text(), "LOST   mac 7");
        assert_eq!(row().fit(10).text(), "LOST   ");
    }

    #[test]
    fn sentences_break_between_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("unbreakable one", 4), ["unbreakable", "one"]);
    }
}
