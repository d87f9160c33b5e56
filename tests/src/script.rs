//! A lab of network namespaces: a script of ours that builds it, does what it
//! is told on stdin, and takes everything down when stdin ends, however the
//! test ended.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;

/// Held by a lab that has the machine alone: hosts that starve behave unlike any
/// network.
static MACHINE: Mutex<()> = Mutex::new(());
/// Labs that mostly wait, and so stand beside each other. Counted while
/// [`MACHINE`] is held.
static BESIDE: AtomicUsize = AtomicUsize::new(0);
/// One of them has gone.
static GONE: Condvar = Condvar::new();

/// The machine alone, for whoever builds a lab by other means.
pub fn alone() -> MutexGuard<'static, ()> {
    let machine = GONE.wait_while(lock(), |()| BESIDE.load(Ordering::SeqCst) > 0);
    machine.unwrap_or_else(PoisonError::into_inner)
}

fn lock() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place beside others, given back when it is dropped.
pub(crate) struct Place(());

impl Place {
    /// Waits until nobody has the machine alone.
    pub(crate) fn take() -> Self {
        let _machine = lock();
        BESIDE.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _machine = lock();
        BESIDE.fetch_sub(1, Ordering::SeqCst);
        GONE.notify_all();
    }
}

/// A lab's share of the machine, for as long as it stands.
pub(crate) enum Share {
    /// All of it.
    Alone(#[allow(dead_code)] MutexGuard<'static, ()>), // held
    /// With others that have this, too.
    Beside(#[allow(dead_code)] Place), // held
}

/// The script, running.
pub(crate) struct Script {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _share: Share,
}

impl Script {
    /// Starts a script, named from this package's folder.
    pub(crate) fn start(script: &str, arguments: &[&str], share: Share) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let mut child = Command::new("python3")
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("python3, which the lab is written in: {e}"));
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        Self {
            child,
            orders,
            answers,
            _share: share,
        }
    }

    /// Gives an order and waits until it is done.
    pub(crate) fn order<T: DeserializeOwned>(&mut self, order: &str) -> T {
        let orders = self.orders.as_mut().expect("open until it is dropped");
        writeln!(orders, "{order}").unwrap_or_else(|e| panic!("the lab is gone: {e}"));
        self.answer(order)
    }

    /// The next answer, to `what`.
    pub(crate) fn answer<T: DeserializeOwned>(&mut self, what: &str) -> T {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("a pipe");
        serde_json::from_str(&line)
            .unwrap_or_else(|e| panic!("{what}: {e} in {line:?}; what went wrong stands above"))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It ends with its orders, and only it can take down what it made.
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}
