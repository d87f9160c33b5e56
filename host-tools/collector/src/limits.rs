//! How much the picture may hold.

/// Bounds of what is kept for one sensor; `None` is no bound.
///
/// What does not fit is summed in [`crate::Forgotten`], never lost silently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Flow keys; above it an eighth is forgotten: of the half that changed
    /// least recently those with the fewest frame octets.
    pub flows: Option<usize>,
    /// Echo pairs; likewise, those with the fewest requests and replies.
    pub echoes: Option<usize>,
    /// Round trips kept of one echo pair; above it an even random sample.
    pub samples: Option<usize>,
    /// Lines of one counter table of one boot.
    pub count_lines: Option<usize>,
    /// Boots whose ledgers are kept apart.
    pub boots: Option<usize>,
    /// Change events that wait to be taken; 0 makes none.
    pub events: usize,
}

impl Limits {
    /// Forgets nothing: for captures whose answer must be exact. Only the boots
    /// are bounded, of which a capture has one: what the oldest counted is
    /// added up.
    pub const EXACT: Self = Self {
        flows: None,
        echoes: None,
        samples: None,
        count_lines: None,
        boots: Some(128),
        events: 0,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            flows: Some(100_000),
            echoes: Some(4_096),
            samples: Some(256),
            count_lines: Some(66_000),
            boots: Some(64),
            events: 0,
        }
    }
}
