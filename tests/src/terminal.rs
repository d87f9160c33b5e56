//! A program behind a pseudo-terminal: what it writes is read by a terminal
//! emulator, keys are typed, and the terminal is looked at as it leaves it.

use std::ffi::OsStr;
use std::io::{Read as _, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use portable_pty::CommandBuilder;
use portable_pty::{Child, MasterPty, PtySize, native_pty_system};

/// Columns and rows of a usual terminal.
pub const SMALL: (u16, u16) = (80, 24);
/// And of a large one.
pub const LARGE: (u16, u16) = (200, 60);
/// Longest wait for anything: debug builds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn pty_size((cols, rows): (u16, u16)) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

/// Raw or not, echo or not.
fn settings(pty: &dyn MasterPty) -> String {
    format!("{:?}", pty.get_termios())
}

/// A call of a program on a terminal that knows colours.
pub fn command<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> CommandBuilder {
    let words = words.into_iter().map(|word| word.as_ref().to_owned());
    let mut command = CommandBuilder::from_argv(words.collect());
    command.env("TERM", "xterm-256color");
    command.env_remove("NO_COLOR");
    command
}

/// Looks at a screen again and again until it is as wished, twice in a row: it may
/// be looked at while it is drawn.
pub fn wait(what: &str, look: impl Fn() -> String, until: impl Fn(&str) -> bool) -> String {
    let started = Instant::now();
    let mut before = String::new();
    loop {
        let text = look();
        if until(&text) && text == before {
            return text;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: still\n{text}");
        before = text;
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A program on a terminal, and what stands on its screen. Dropping it ends it.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    closing: Arc<AtomicBool>,
    /// How the terminal was set before.
    before: String,
}

impl Terminal {
    /// Starts a program on a terminal of this size.
    pub fn start(command: CommandBuilder, size: (u16, u16)) -> Self {
        let pty = native_pty_system()
            .openpty(pty_size(size))
            .unwrap_or_else(|e| panic!("no pseudo-terminal: {e}"));
        let before = settings(pty.master.as_ref());
        let child = pty
            .slave
            .spawn_command(command)
            .unwrap_or_else(|e| panic!("the program cannot be run: {e}"));
        drop(pty.slave);
        let (columns, rows) = size;
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 10_000)));
        let closing = Arc::new(AtomicBool::new(false));
        let mut reader = pty.master.try_clone_reader().expect("a pty of ours");
        let (shown, closed) = (Arc::clone(&screen), Arc::clone(&closing));
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            // An error is the end: nobody holds the other side.
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                lock(&shown).process(&buffer[..n]);
                if closed.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        Self {
            keys: pty.master.take_writer().expect("a pty of ours"),
            master: pty.master,
            child,
            screen,
            closing,
            before,
        }
    }

    /// What stands on the screen, without blanks at the ends of lines.
    pub fn text(&self) -> String {
        lock(&self.screen).screen().contents()
    }

    /// Waits until the screen is as wished, and drawn to its end; what stands on it
    /// then.
    pub fn wait(&self, what: &str, until: impl Fn(&str) -> bool) -> String {
        wait(what, || self.text(), until)
    }

    /// Waits for a text on the screen.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait(text, |shown| shown.contains(text))
    }

    /// Types.
    pub fn press(&mut self, keys: &str) {
        let typed = self.keys.write_all(keys.as_bytes());
        typed
            .and_then(|()| self.keys.flush())
            .expect("a pty of ours");
    }

    /// Gives the terminal another size.
    pub fn resize(&mut self, to: (u16, u16)) {
        let mut screen = lock(&self.screen);
        screen.screen_mut().set_size(to.1, to.0);
        self.master.resize(pty_size(to)).expect("a pty of ours");
    }

    /// Whether the program draws on a screen of its own, without a cursor.
    pub fn is_drawn_on(&self) -> bool {
        let screen = lock(&self.screen);
        screen.screen().alternate_screen() && screen.screen().hide_cursor()
    }

    /// Whether the screen is the terminal's own, with its cursor.
    fn is_given_back(&self) -> bool {
        let screen = lock(&self.screen);
        !screen.screen().alternate_screen() && !screen.screen().hide_cursor()
    }

    /// Whether the program has taken the terminal: its own screen, and keys as they
    /// are typed.
    pub fn is_taken(&self) -> bool {
        self.is_drawn_on() && settings(self.master.as_ref()) != self.before
    }

    /// Whether anything on the screen has a colour.
    pub fn is_coloured(&self) -> bool {
        let screen = lock(&self.screen);
        let (rows, columns) = screen.screen().size();
        (0..rows)
            .flat_map(|row| (0..columns).map(move |column| (row, column)))
            .filter_map(|(row, column)| screen.screen().cell(row, column))
            .any(|cell| cell.fgcolor() != vt100::Color::Default)
    }

    /// Sends the program a signal, by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.process_id().expect("a child of ours");
        let sent = Command::new("kill").args([name, &id.to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {name}");
    }

    /// Closes the terminal under the program.
    pub fn close(&mut self) {
        // The reader lets go after the next octets.
        self.closing.store(true, Ordering::SeqCst);
        self.keys = Box::new(std::io::sink());
        let other = native_pty_system().openpty(pty_size(SMALL));
        self.master = other.expect("another pty").master;
    }

    /// Waits for the end.
    pub fn exit_code(&mut self) -> u32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.exit_code();
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The screen ends with this code, and the terminal is as it was; what stands
    /// on it.
    pub fn has_left(&mut self, code: u32) -> String {
        self.has_left_with(code, "books", |text| text.contains("books "))
    }

    /// Any program ends with this code, and leaves such a text and the terminal
    /// as it was; what stands on it.
    pub fn has_left_with(&mut self, code: u32, what: &str, until: impl Fn(&str) -> bool) -> String {
        assert_eq!(self.exit_code(), code, "{}", self.text());
        // What it wrote last may still be on its way.
        let text = self.wait(what, |text| self.is_given_back() && until(text));
        assert_eq!(settings(self.master.as_ref()), self.before);
        text
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(screen: &Mutex<vt100::Parser>) -> MutexGuard<'_, vt100::Parser> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}
