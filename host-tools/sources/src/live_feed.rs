//! What an interface sees as the feed of an emulated board.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use magpie_emulator::FeedFrame;
use magpie_os::Capture;

use crate::SourceError;
use crate::tap::{Counted, Tap};

/// How long a quiet interface is waited for at a time.
const PAUSE: Duration = Duration::from_millis(20);

/// The frames of an interface; `None` where none waits.
pub(crate) struct LiveFeed {
    tap: Tap,
    control: Arc<LiveControl>,
    done: bool,
}

/// What the feed and its board tell each other.
pub(crate) struct LiveControl {
    end: AtomicBool,
    news: Mutex<News>,
}

pub(crate) struct News {
    pub(crate) counted: Counted,
    pub(crate) warnings: Vec<String>,
    pub(crate) failure: Option<SourceError>,
}

impl LiveControl {
    /// Ends the feed; what waits is still fed.
    pub(crate) fn end(&self) {
        self.end.store(true, Ordering::Relaxed);
    }

    pub(crate) fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveFeed {
    /// Feeds what `capture` sees; `name` is the source's.
    pub(crate) fn new(name: &str, capture: Capture) -> Self {
        let news = News {
            counted: Counted::NOTHING,
            warnings: Vec::new(),
            failure: None,
        };
        Self {
            tap: Tap::new(name, capture),
            control: Arc::new(LiveControl {
                end: AtomicBool::new(false),
                news: Mutex::new(news),
            }),
            done: false,
        }
    }

    pub(crate) fn control(&self) -> Arc<LiveControl> {
        Arc::clone(&self.control)
    }

    fn publish(&mut self) {
        let mut news = self.control.news();
        news.counted = self.tap.counted();
        news.warnings.append(&mut self.tap.warnings());
        if let Some(failure) = self.tap.failure() {
            news.failure.get_or_insert(failure);
        }
    }
}

impl Iterator for LiveFeed {
    type Item = Result<Option<FeedFrame>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.control.end.load(Ordering::Relaxed) {
            self.tap.end();
        }
        if self.tap.ask_if_due() {
            self.publish();
        }
        if let Some(frame) = self.tap.next_frame() {
            return Some(Ok(Some(FeedFrame {
                at_us: frame.at_ns / 1000,
                wire_octets: frame.wire_len,
                octets: frame.data.to_vec(),
            })));
        }
        self.done = !self.tap.rest(PAUSE);
        self.publish();
        (!self.done).then_some(Ok(None))
    }
}

#[cfg(all(test, target_os = "linux"))]
#[path = "live_feed_tests.rs"]
mod tests;
