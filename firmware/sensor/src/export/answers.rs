//! Answers that wait to be given, each by the way of its command.

use heapless::Deque;

/// By which way commands come, and records go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// The serial line: whoever has it in his hands has the board.
    #[default]
    Line,
    /// The network, where anybody may speak, and listen.
    Network,
}

/// Answers that can wait at once; more than a host has commands without an
/// answer under way.
const ANSWERS: usize = 4;

/// Answers of one kind.
#[derive(Debug)]
pub(super) struct Answers<T>(Deque<(Way, T), ANSWERS>);

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self(Deque::new())
    }
}

impl<T> Answers<T> {
    /// Of too many at once some go unanswered, and are asked again: the oldest,
    /// but none for the sake of one by the network.
    pub(super) fn push(&mut self, way: Way, answer: T) {
        if self.0.is_full() {
            if way == Way::Network {
                return;
            }
            self.0.pop_front();
        }
        let _ = self.0.push_back((way, answer));
    }

    /// The next for who gets records now. Commands are numbered by those who give
    /// them, so another's answer would pass for his own; others get none.
    pub(super) fn next(&mut self, by: Way) -> Option<T> {
        while let Some((way, answer)) = self.0.pop_front() {
            if way == by {
                return Some(answer);
            }
        }
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
