//! libpcap's compiler of filters, loaded when a filter is compiled.
//!
//! Linked in the ordinary way, libpcap and the libraries that it needs itself
//! (twelve on Debian 12: dbus, systemd, RDMA and what those need) are loaded
//! at each start of the program, which is 2 ms of a ping's time; and a program
//! could not start at all where they are missing.
#![allow(unsafe_code)] // each call says why it is sound

use std::error::Error as _;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::slice;
use std::sync::{Mutex, PoisonError};

use libloading::{Library, Symbol};

/// Where systems have libpcap; all have the same binary interface
/// (`pcap/pcap.h` and `pcap/bpf.h` of libpcap 1.0 and newer).
const NAMES: &[&str] = if cfg!(target_os = "macos") {
    &["libpcap.A.dylib"]
} else {
    // Debian's own name, everybody else's, and what a compiler would find.
    &["libpcap.so.0.8", "libpcap.so.1", "libpcap.so"]
};

/// `DLT_EN10MB` of `pcap/dlt.h`.
const ETHERNET: c_int = 1;

/// An instruction of classic BPF as libpcap makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct BpfInstruction {
    /// Class, size and mode.
    pub code: u16,
    /// Instructions to skip if the test holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

/// Why libpcap made no program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibpcapError {
    /// The library is not there.
    #[error("{reason}")]
    Missing {
        /// In the loader's words.
        reason: String,
    },
    /// The expression is wrong, or a name in it is not known.
    #[error("{why}")]
    Expression {
        /// In libpcap's words.
        why: String,
    },
}

/// `struct bpf_program` of `pcap/bpf.h`.
#[repr(C)]
struct BpfProgram {
    len: c_uint,
    instructions: *mut BpfInstruction,
}

/// `pcap_t`, of which nothing is known.
type Handle = *mut c_void;

type OpenDead = unsafe extern "C" fn(c_int, c_int) -> Handle;
type Close = unsafe extern "C" fn(Handle);
type Compile = unsafe extern "C" fn(Handle, *mut BpfProgram, *const c_char, c_int, c_uint) -> c_int;
type FreeCode = unsafe extern "C" fn(*mut BpfProgram);
type GetError = unsafe extern "C" fn(Handle) -> *const c_char;

/// Once loaded it stays: what it loads itself does not like to go. One call at
/// a time: the look-up of names in it is not made for threads.
static LOADED: Mutex<Option<Library>> = Mutex::new(None);

/// Compiles a filter for Ethernet; names of hosts and networks are looked up.
///
/// A packet that is selected returns `snap_len` (at least 1), any other 0. The
/// netmask of `ip broadcast` is taken as 0, as by `tcpdump -r`.
pub fn compile_filter(
    expression: &str,
    snap_len: u32,
    optimize: bool,
) -> Result<Vec<BpfInstruction>, LibpcapError> {
    let expression = CString::new(expression).map_err(|_| LibpcapError::Expression {
        why: "it has a null octet".into(),
    })?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let library = match &mut *loaded {
        Some(library) => library,
        none => none.insert(load()?),
    };
    compile(library, &expression, snap_len, optimize)
}

fn load() -> Result<Library, LibpcapError> {
    let mut reason = None;
    for name in NAMES {
        // SAFETY: it runs what libpcap runs as it is loaded, which asks nothing
        // of its user; the loader looks where the system keeps its libraries.
        match unsafe { Library::new(*name) } {
            Ok(library) => return Ok(library),
            // The first name is what the others are read beside.
            Err(error) => reason = reason.or_else(|| Some(words(&error))),
        }
    }
    Err(LibpcapError::Missing {
        reason: reason.unwrap_or_default(),
    })
}

/// What the loader says; the error itself only says that it did.
fn words(error: &libloading::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// A handle that is closed in the end.
struct Dead<'a> {
    handle: Handle,
    close: Symbol<'a, Close>,
}

impl Drop for Dead<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is from `pcap_open_dead` and used nowhere after this.
        unsafe { (self.close)(self.handle) }
    }
}

fn compile(
    library: &Library,
    expression: &CStr,
    snap_len: u32,
    optimize: bool,
) -> Result<Vec<BpfInstruction>, LibpcapError> {
    // SAFETY: the types are those of the declarations in `pcap/pcap.h`.
    let found = unsafe {
        (|| {
            Ok::<_, libloading::Error>((
                library.get::<OpenDead>("pcap_open_dead")?,
                library.get::<Close>("pcap_close")?,
                library.get::<Compile>("pcap_compile")?,
                library.get::<FreeCode>("pcap_freecode")?,
                library.get::<GetError>("pcap_geterr")?,
            ))
        })()
    };
    let (open_dead, close, compile, free_code, get_error) =
        found.map_err(|error| LibpcapError::Missing {
            reason: words(&error),
        })?;

    let snap_len = c_int::try_from(snap_len.max(1)).unwrap_or(c_int::MAX);
    // SAFETY: two numbers.
    let handle = unsafe { open_dead(ETHERNET, snap_len) };
    if handle.is_null() {
        return Err(LibpcapError::Expression {
            why: "libpcap has no memory".into(),
        });
    }
    let dead = Dead { handle, close };
    let mut program = BpfProgram {
        len: 0,
        instructions: std::ptr::null_mut(),
    };
    // SAFETY: the handle is open; the program is ours to be written; the
    // expression ends with a null and outlives the call.
    let result = unsafe {
        compile(
            dead.handle,
            &raw mut program,
            expression.as_ptr(),
            c_int::from(optimize),
            0,
        )
    };
    if result != 0 {
        // SAFETY: the handle is open; it keeps the text, which is copied here.
        let why = unsafe { CStr::from_ptr(get_error(dead.handle)) };
        return Err(LibpcapError::Expression {
            why: why.to_string_lossy().into_owned(),
        });
    }
    let len = usize::try_from(program.len).unwrap_or(0);
    let instructions = if program.instructions.is_null() {
        Vec::new()
    } else {
        // SAFETY: libpcap made this many there, and they stay until they are freed below.
        unsafe { slice::from_raw_parts(program.instructions, len) }.to_vec()
    };
    // SAFETY: the program is what `pcap_compile` made, and is not used again.
    unsafe { free_code(&raw mut program) };
    Ok(instructions)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{BpfInstruction, LibpcapError, compile_filter};

    #[test]
    #[ignore = "needs libpcap's library: cargo verify runs it"]
    fn arp_is_four_instructions() {
        let i = |code, jt, jf, k| BpfInstruction { code, jt, jf, k };
        assert_eq!(
            compile_filter("arp", 96, true).expect("an expression"),
            [
                i(0x28, 0, 0, 12),
                i(0x15, 0, 1, 0x0806),
                i(0x06, 0, 0, 96),
                i(0x06, 0, 0, 0),
            ]
        );
    }

    #[test]
    #[ignore = "needs libpcap's library: cargo verify runs it"]
    fn errors_are_in_its_words() {
        for (expression, says) in [
            ("tcp port 80 an udp", "syntax error"),
            ("ip and arp", "rejects all packets"),
            ("tcp\0", "null octet"),
        ] {
            match compile_filter(expression, 96, true) {
                Err(LibpcapError::Expression { why }) => assert!(why.contains(says), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    #[ignore = "needs libpcap's library: cargo verify runs it"]
    fn many_may_ask_at_once() {
        thread::scope(|scope| {
            for n in 1..=4 {
                scope.spawn(move || {
                    for _ in 0..50 {
                        let text = format!("tcp port {n}");
                        let program = compile_filter(&text, 96, true).expect("an expression");
                        assert!(program.iter().any(|i| i.k == n), "{program:?}");
                    }
                });
            }
        });
    }
}
