//! Lines on a terminal.

use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{self, Span};

use super::{Scene, Tone};

/// Whether tones may be colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// They may.
    Yes,
    /// The user does not want any (<https://no-color.org>).
    No,
}

fn style(tone: Tone, colour: Colour) -> Style {
    let with = |hue| match colour {
        Colour::Yes => Style::new().fg(hue),
        Colour::No => Style::new(),
    };
    match tone {
        Tone::Plain => Style::new(),
        Tone::Heading => Style::new().add_modifier(Modifier::BOLD),
        Tone::Mark => Style::new().add_modifier(Modifier::REVERSED),
        Tone::Doubt => with(Color::Yellow),
        Tone::Loss => with(Color::Red).add_modifier(Modifier::BOLD),
    }
}

/// Draws a scene; only what changed is sent to the terminal.
pub fn paint(scene: &Scene, colour: Colour, frame: &mut Frame<'_>) {
    let area = frame.area();
    for (row, line) in area.rows().zip(&scene.lines) {
        let spans = line
            .pieces
            .iter()
            .map(|piece| Span::styled(piece.text.as_str(), style(piece.tone, colour)));
        frame.render_widget(spans.collect::<text::Line<'_>>(), row);
    }
}
