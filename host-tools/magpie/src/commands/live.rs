//! The live screen on a terminal: keys in, scenes out, and the terminal given
//! back on every way out.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Stdout, Write as _};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use magpie_collector::Picture;
use magpie_sources::{Shown, Status, Stop};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{execute, queue};

use super::shared::now_us;
use crate::output::say;
use crate::views::screen::{
    Colour, Controls, Effect, Extent, Findings, Pictures, Scene, Screen, Size, paint,
};
use crate::views::{Seen, Sort};

/// How often keys are looked at.
pub(crate) const KEYS_EVERY: Duration = Duration::from_millis(50);
/// The screen is drawn anew this often at most, but for keys.
const DRAW_EVERY: Duration = Duration::from_millis(250);
/// What takes a look at every flow is renewed this often at most.
const FINDINGS_EVERY: Duration = Duration::from_secs(1);
/// A warning stays on the screen for so long.
const NOTICE: Duration = Duration::from_secs(10);
/// Warnings that are told again once the screen is gone.
const WARNINGS: usize = 100;

/// The terminal is ours: raw, and showing its other screen.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back, if it is ours. One that is gone needs nothing.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = disable_raw_mode();
        let _ = execute!(
            io::stdout(),
            EndSynchronizedUpdate,
            LeaveAlternateScreen,
            Show
        );
    }
}

/// A panic is told on the screen that stays, and ends the sources, which would
/// be waited for.
fn give_back_on_panic(stop: &'static Stop) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            told(info);
            stop.raise();
            stop.raise();
        }));
    });
}

/// Whether there is a terminal that can show the screen and has keys.
pub(crate) fn is_possible() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        && enable_raw_mode().and_then(|()| disable_raw_mode()).is_ok()
}

fn colour() -> Colour {
    match std::env::var_os("NO_COLOR") {
        Some(set) if !set.is_empty() => Colour::No,
        _ => Colour::Yes,
    }
}

/// Events of the terminal, read by a thread of their own: reading may hang
/// when the terminal is closed.
fn events() -> Receiver<Event> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        while TAKEN.load(Ordering::SeqCst) {
            let event = match event::poll(KEYS_EVERY) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let Ok(event) = event else { return };
            if tell.send(event).is_err() {
                return;
            }
        }
    });
    told
}

/// Pictures that sources go on painting.
struct Following<'a> {
    shown: &'a [Shown],
    now_us: u64,
}

impl Pictures for Following<'_> {
    fn count(&self) -> usize {
        self.shown.len()
    }

    fn look<T>(&self, index: usize, with: impl FnOnce(&Seen<'_>, &Status) -> T) -> T {
        let shown = &self.shown[index];
        let status = shown.status();
        let picture = shown.picture();
        let seen = Seen::new(&picture, status.offered.as_ref(), self.now_us);
        with(&seen, &status)
    }
}

/// Pictures as they were when the screen was frozen.
struct Frozen {
    kept: Vec<(Picture, Status)>,
    now_us: u64,
}

impl Frozen {
    fn of(shown: &[Shown]) -> Self {
        let kept = |shown: &Shown| (shown.picture().clone(), shown.status());
        Self {
            kept: shown.iter().map(kept).collect(),
            now_us: now_us(),
        }
    }
}

impl Pictures for Frozen {
    fn count(&self) -> usize {
        self.kept.len()
    }

    fn look<T>(&self, index: usize, with: impl FnOnce(&Seen<'_>, &Status) -> T) -> T {
        let (picture, status) = &self.kept[index];
        let seen = Seen::new(picture, status.offered.as_ref(), self.now_us);
        with(&seen, status)
    }
}

/// The live screen.
pub(crate) struct Live {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    events: Receiver<Event>,
    screen: Screen,
    stop: &'static Stop,
    controls: Controls,
    extent: Extent,
    findings: Vec<Findings>,
    findings_due: Instant,
    frozen: Option<Frozen>,
    colour: Colour,
    /// Drawn again for a key, then, and at the latest, then.
    soonest: Instant,
    due: Instant,
    stale: bool,
    notice: Option<(String, Instant)>,
    warnings: VecDeque<String>,
    left_out: usize,
}

impl Live {
    /// Takes the terminal. `stop` is raised by keys, and by a panic.
    pub(crate) fn start(sort: Sort, stop: &'static Stop) -> io::Result<Self> {
        give_back_on_panic(stop);
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let mut out = BufWriter::with_capacity(64 * 1024, io::stdout());
        let terminal = execute!(out, EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(out)));
        let terminal = match terminal {
            Ok(terminal) => terminal,
            Err(error) => {
                give_back();
                return Err(error);
            }
        };
        let now = Instant::now();
        Ok(Self {
            terminal,
            events: events(),
            screen: Screen::default(),
            stop,
            controls: Controls::new(sort),
            extent: Extent::default(),
            findings: Vec::new(),
            findings_due: now,
            frozen: None,
            colour: colour(),
            soonest: now,
            due: now,
            stale: true,
            notice: None,
            warnings: VecDeque::new(),
            left_out: 0,
        })
    }

    /// Shows a warning for a while, and keeps it for the end.
    pub(crate) fn warn(&mut self, text: &str) {
        self.notice = Some((text.to_owned(), Instant::now()));
        self.stale = true;
        if self.warnings.len() >= WARNINGS {
            self.warnings.pop_front();
            self.left_out += 1;
        }
        self.warnings.push_back(text.to_owned());
    }

    /// Takes what was typed, and draws when it is time to.
    pub(crate) fn refresh(&mut self, shown: &[Shown]) -> io::Result<()> {
        self.listen(shown)?;
        let now = Instant::now();
        if self
            .notice
            .as_ref()
            .is_some_and(|(_, since)| now - *since > NOTICE)
        {
            self.notice = None;
        }
        if now >= self.due || (self.stale && now >= self.soonest) {
            self.draw(shown)?;
        }
        Ok(())
    }

    fn listen(&mut self, shown: &[Shown]) -> io::Result<()> {
        loop {
            let event = match self.events.try_recv() {
                Ok(event) => event,
                Err(TryRecvError::Empty) => return Ok(()),
                // Nobody can say any more that it is to end, so it ends.
                Err(TryRecvError::Disconnected) => {
                    return Err(io::Error::other("the terminal's keys cannot be read"));
                }
            };
            let effect = match event {
                Event::Key(key) => self.controls.press(key, self.extent),
                Event::Resize(..) => Effect::Draw,
                _ => Effect::Nothing,
            };
            match effect {
                Effect::Nothing => continue,
                Effect::Draw => {}
                Effect::Repaint => self.terminal.clear()?,
                Effect::Freeze => {
                    self.frozen = self.controls.frozen.then(|| Frozen::of(shown));
                    self.findings_due = Instant::now();
                }
                Effect::End => {
                    self.stop.raise();
                    // What follows is worth seeing.
                    self.controls.frozen = false;
                    self.frozen = None;
                }
            }
            self.stale = true;
        }
    }

    fn draw(&mut self, shown: &[Shown]) -> io::Result<()> {
        let started = Instant::now();
        let area = self.terminal.size()?;
        let size = Size {
            columns: area.width.into(),
            rows: area.height.into(),
        };
        let scene = if let Some(frozen) = self.frozen.take() {
            let scene = self.scene(&frozen, size);
            self.frozen = Some(frozen);
            scene
        } else {
            let following = Following {
                shown,
                now_us: now_us(),
            };
            self.scene(&following, size)
        };
        self.extent = scene.extent;
        let last = scene.extent.lines.saturating_sub(scene.extent.room);
        self.controls.top = self.controls.top.min(last);
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        let colour = self.colour;
        self.terminal.draw(|frame| paint(&scene, colour, frame))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        // Sources wait while a picture is looked at: however many flows there
        // are, no more than a tenth of the time, or half of it for keys.
        let took = started.elapsed();
        self.soonest = started + took * 2;
        self.due = started + DRAW_EVERY.max(took * 10);
        self.stale = false;
        Ok(())
    }

    fn scene(&mut self, pictures: &impl Pictures, size: Size) -> Scene {
        let started = Instant::now();
        if started >= self.findings_due || self.findings.len() != pictures.count() {
            self.findings = (0..pictures.count())
                .map(|i| pictures.look(i, |seen, _| Findings::of(seen)))
                .collect();
            self.findings_due = started + FINDINGS_EVERY.max(started.elapsed() * 20);
        }
        let notice = self.notice.as_ref().map(|(text, _)| text.as_str());
        self.screen
            .scene(pictures, &self.findings, &self.controls, notice, size)
    }

    /// Gives the terminal back and tells the warnings again, below what stood
    /// there before.
    pub(crate) fn end(mut self) {
        let _ = self.terminal.backend_mut().flush();
        give_back();
        if self.left_out > 0 {
            say(&format!("{} earlier warnings are left out", self.left_out));
        }
        for warning in &self.warnings {
            say(warning);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        give_back();
    }
}
