//! Sequences of frames that a search found (`tests/worst`): a record without
//! octets stands before each.
//!
//! Each is shown to a new sensor that speaks under an address of its own and has one set of each table, so that few frames bring about
//! whatever state a frame can meet. The counter tables alone go on from sequence
//! to sequence: the first one fills them.

use cortex_m_semihosting::{hprintln, syscall};

use super::captures::Capture;
use super::run::Bench;
use super::sum::Sum;

/// What is kept of the searches.
const KEPT: &str = "tests/bench/worst.pcap\0";
/// The address that `tests/worst` has the sensor speak under.
const OWN: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// The cases `worst` and `worst_dedup`, where there is a file for them.
pub(crate) fn case(bench: &mut Bench) {
    for (name, doubles) in [("worst", false), ("worst_dedup", true)] {
        if let Some(mut capture) = Capture::open(KEPT) {
            play(bench, &mut capture, doubles, |_| {}).print(name);
        }
    }
}

/// Plays the file that QEMU was given as second word of the command line, and
/// says of each sequence what its last frame took; false where there is none.
pub(crate) fn asked_for(bench: &mut Bench) -> bool {
    let mut line = [0; 256];
    let Some(name) = file(&mut line) else {
        return false;
    };
    let mut capture = Capture::open(name).expect("the file of the command line");
    let sum = play(bench, &mut capture, false, |last| {
        hprintln!("sequence {}", last);
    });
    sum.print("worst");
    true
}

/// The second word, up to the zero behind it.
fn file(line: &mut [u8; 256]) -> Option<&str> {
    // SAFETY: the host writes at most so many octets there, a zero behind them.
    #[allow(unsafe_code)]
    let failed = unsafe { syscall!(GET_CMDLINE, line.as_mut_ptr(), line.len()) };
    if failed != 0 {
        return None;
    }
    let end = line.iter().position(|octet| *octet == 0)?;
    let line = core::str::from_utf8(line.get(..=end)?).ok()?;
    line.split_once(' ').map(|(_, name)| name)
}

/// Counts every frame but those of the first sequence.
#[inline(never)]
fn play(bench: &mut Bench, capture: &mut Capture, doubles: bool, tell: impl Fn(u32)) -> Sum {
    let mut all = Sum::NONE;
    bench.forget_counts();
    let (mut first, mut more) = (true, true);
    while more {
        let mut last = 0;
        let sum = bench.play_on(1, &mut |run, buffer| {
            run.speak_as(OWN);
            if doubles {
                run.look_for_doubles();
            }
            loop {
                let Some((at_us, frame)) = capture.next(buffer) else {
                    more = false;
                    break;
                };
                if frame.is_empty() {
                    break;
                }
                run.at(at_us);
                last = run.count(frame);
            }
        });
        // Before the first sequence there is nothing.
        if last > 0 {
            if !first {
                tell(last);
                all.join(&sum);
            }
            first = false;
        }
    }
    all
}
