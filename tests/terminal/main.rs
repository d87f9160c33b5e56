//! The live screen on a terminal: the program itself behind a pty, what it
//! writes read by a terminal emulator, keys typed, the terminal as it leaves
//! it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 60);
/// Longest wait for anything: debug builds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn size((cols, rows): (u16, u16)) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

/// One frame of UDP over IPv4, of the n-th of many flows.
fn frame(n: u32) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let [_, x, y, z] = n.to_be_bytes();
    let mut ip = vec![
        0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, x, y, z, 192, 0, 2, 80,
    ];
    let sum: u32 = ip
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let checksum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    ip[10..12].copy_from_slice(&(!checksum).to_be_bytes());
    frame.extend(ip);
    frame.extend([0x10, 0x92, 1, 0xbb, 0, 26, 0, 0]);
    frame.resize(60, 0);
    frame
}

/// A capture of so many flows.
fn capture(flows: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1] {
        out.extend_from_slice(&u32::to_le_bytes(word));
    }
    for n in 1..=flows {
        let frame = frame(n);
        let octets = u32::try_from(frame.len()).unwrap();
        for word in [
            1_700_000_000 + n / 100_000,
            n % 100_000 * 10,
            octets,
            octets,
        ] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&frame);
    }
    out
}

/// A capture that does not end: a named pipe.
struct Feed {
    folder: TempDir,
    /// Held open; nothing more comes.
    writer: JoinHandle<Option<File>>,
}

impl Feed {
    fn new(flows: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feed.pcap");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let writer = std::thread::spawn(move || {
            let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
            // It may end before it read all.
            pipe.write_all(&capture(flows)).ok()?;
            Some(pipe)
        });
        Self { folder, writer }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("feed.pcap")
    }
}

/// The program behind a pty, and what stands on its screen.
struct Session {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    terminal: Arc<Mutex<vt100::Parser>>,
    closing: Arc<AtomicBool>,
    /// How the terminal was set before.
    before: String,
}

impl Session {
    fn start(source: &Path, environment: &[(&str, &str)]) -> Self {
        let pty = native_pty_system().openpty(size(SMALL)).unwrap();
        let before = settings(pty.master.as_ref());
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_magpie"));
        command.arg("watch");
        command.arg(source);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let (columns, rows) = SMALL;
        let terminal = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 10_000)));
        let closing = Arc::new(AtomicBool::new(false));
        let mut reader = pty.master.try_clone_reader().unwrap();
        let (shown, closed) = (Arc::clone(&terminal), Arc::clone(&closing));
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            // An error is the end: nobody holds the other side.
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                shown.lock().unwrap().process(&buffer[..n]);
                if closed.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        Self {
            keys: pty.master.take_writer().unwrap(),
            master: pty.master,
            child,
            terminal,
            closing,
            before,
        }
    }

    fn text(&self) -> String {
        self.terminal.lock().unwrap().screen().contents()
    }

    fn wait(&self, what: &str, until: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let text = self.text();
            if until(&text) {
                return text;
            }
            assert!(started.elapsed() < PATIENCE, "{what}: still\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for(&self, text: &str) -> String {
        self.wait(text, |shown| shown.contains(text))
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn resize(&mut self, to: (u16, u16)) {
        let mut terminal = self.terminal.lock().unwrap();
        terminal.screen_mut().set_size(to.1, to.0);
        self.master.resize(size(to)).unwrap();
    }

    fn is_on_its_own_screen(&self) -> bool {
        let terminal = self.terminal.lock().unwrap();
        terminal.screen().alternate_screen() && terminal.screen().hide_cursor()
    }

    fn exit_code(&mut self) -> u32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// It has ended, and the terminal is as it was.
    fn has_left(&mut self, code: u32) -> String {
        assert_eq!(self.exit_code(), code, "{}", self.text());
        let text = self.wait_for("books ");
        let terminal = self.terminal.lock().unwrap();
        assert!(!terminal.screen().alternate_screen() && !terminal.screen().hide_cursor());
        assert_eq!(settings(self.master.as_ref()), self.before);
        text
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
    }
}

/// Raw or not, echo or not.
fn settings(pty: &dyn MasterPty) -> String {
    format!("{:?}", pty.get_termios())
}

fn thousands(n: u32) -> String {
    magpie::views::text::thousands(n.into())
}

fn few_and_many(flows: u32) {
    let feed = Feed::new(flows);
    let mut session = Session::start(&feed.path(), &[]);
    let live = format!("FLOWS  {} live", thousands(flows));
    let text = session.wait_for(&live);
    assert!(session.is_on_its_own_screen());
    assert_ne!(settings(session.master.as_ref()), session.before);
    assert!(text.starts_with("magpie "), "{text}");
    assert_eq!(text.lines().count(), 24, "{text}");
    assert!(
        text.lines().last().unwrap().starts_with("-- q quit"),
        "{text}"
    );
    assert!(!text.contains("<PACKETS"), "{text}");
    let shown = |text: &str| text.matches("192.0.2.80:443").count();
    let few = usize::try_from(flows).unwrap().min(10);
    assert!(shown(&text) >= few, "{text}");
    session.resize(LARGE);
    let text = session.wait("200x60", |text| {
        text.contains("<PACKETS") && text.lines().count() == 60 && text.contains(&live)
    });
    let many = usize::try_from(flows).unwrap().min(45);
    assert!(shown(&text) >= many, "{text}");
    session.resize(SMALL);
    session.wait("80x24", |text| {
        !text.contains("<PACKETS") && text.lines().count() == 24 && text.contains(&live)
    });
    session.press("q");
    let text = session.has_left(0);
    assert!(text.contains("books CLOSED"), "{text}");
    drop(session);
    drop(feed.writer.join());
}

#[test]
fn three_flows() {
    few_and_many(3);
}

#[test]
fn three_hundred_flows() {
    few_and_many(300);
}

#[test]
fn thirty_thousand_flows() {
    few_and_many(30_000);
}

#[test]
fn keys_reach_it() {
    let feed = Feed::new(300);
    let mut session = Session::start(&feed.path(), &[]);
    session.wait_for("FLOWS  300 live");
    session.press("/10.0.1.2");
    session.wait_for("/10.0.1.2_");
    session.press("\r");
    // .2 and .20 to .29
    session.wait_for("1-11 of 11");
    session.press("\x1b");
    session.wait("no filter", |text| !text.contains(" of 11"));
    session.press("s");
    session.wait_for("by octets");
    session.press("\x1b[6~");
    session.wait("the next page", |text| {
        text.contains(" of 300") && !text.contains(" 1-")
    });
    session.press("f");
    session.wait_for("FROZEN");
    session.press("l");
    session.wait_for("among them malformed");
    session.press("?");
    session.wait_for("again: at once");
    session.press("?f");
    session.wait("it goes on", |text| {
        text.contains("FLOWS") && !text.contains("FROZEN")
    });
    // Ctrl-C is a key here.
    session.press("\x03");
    session.has_left(0);
}

fn signal(session: &Session, name: &str) {
    let id = session.child.process_id().unwrap().to_string();
    let sent = Command::new("kill").args([name, &id]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn sigterm_gives_the_terminal_back() {
    let feed = Feed::new(3);
    let mut session = Session::start(&feed.path(), &[]);
    session.wait_for("FLOWS  3 live");
    signal(&session, "-TERM");
    session.has_left(0);
}

#[test]
fn a_closed_terminal_ends_it() {
    let feed = Feed::new(3);
    let mut session = Session::start(&feed.path(), &[]);
    session.wait_for("FLOWS  3 live");
    // The reader lets go after the next drawing; the clock is drawn each second.
    session.closing.store(true, Ordering::SeqCst);
    let pty = native_pty_system().openpty(size(SMALL)).unwrap();
    session.keys = Box::new(std::io::sink());
    session.master = pty.master;
    session.exit_code();
}

#[test]
fn no_colours_where_none_are_wanted_and_no_screen_where_none_is_possible() {
    for (wanted, coloured) in [("1", false), ("", true)] {
        let feed = Feed::new(3);
        let session = Session::start(&feed.path(), &[("NO_COLOR", wanted)]);
        session.wait_for("PARTIAL(running)");
        let terminal = session.terminal.lock().unwrap();
        let screen = terminal.screen();
        let any = (0..24)
            .flat_map(|row| (0..80).map(move |column| (row, column)))
            .filter_map(|(row, column)| screen.cell(row, column))
            .any(|cell| cell.fgcolor() != vt100::Color::Default);
        assert_eq!(any, coloured);
    }
    let feed = Feed::new(3);
    let session = Session::start(&feed.path(), &[("TERM", "dumb")]);
    session.wait_for("sensor feed.pcap on in-process");
    assert!(!session.is_on_its_own_screen());
}
