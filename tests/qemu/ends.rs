//! A board that ends in a panic, in a fault, by using up its stack: the next boot
//! says so in its Hello, and which boot it is. (An image built for it,
//! `magpie_cortex_m::ends`.)

use std::process::{Command, Stdio};

use magpie_emulator::{BoardClock, Options};
use magpie_protocol::{BootReason, BootReport};
use magpie_tests::boards;
use magpie_tests::line::{Harm, Line};
use magpie_tests::program::{self, stderr};

use crate::host::Host;
use crate::soak::reset;
use crate::traffic::{Gate, Traffic};

/// Frames that a boot reads before it ends.
const FRAMES: usize = 3;

/// Where the first boot panics.
fn place_of_the_panic() -> String {
    let source = include_str!("../../firmware/drivers/cortex-m/src/ends.rs");
    let line = source.lines().position(|line| line.contains("panic!("));
    format!("ends.rs:{}", line.expect("it panics") + 1)
}

/// What this boot's Hello says of how it came about.
fn report(host: &mut Host, boot: u32) -> BootReport {
    let counted = |host: &Host| host.picture.hello().map_or(0, |hello| hello.boot.count);
    host.until("another boot", |host| counted(host) >= boot);
    let hello = host.picture.hello().expect("just seen");
    assert_eq!(hello.boot.count, boot, "{hello:?}");
    // Whoever resets it, it has its parameters.
    assert!(!hello.zero_seed, "{hello:?}");
    hello.boot.clone()
}

#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn the_last_words_of_a_boot_are_heard_in_the_next() {
    let board = boards::ready("mps2-an386");
    let options = Options {
        image: Some(boards::image_that_ends(board)),
        clock: BoardClock::Own,
        ..Options::default()
    };
    let mut traffic = Traffic::default();
    for port in 1..=4 {
        for _ in 0..FRAMES {
            traffic.udp(0, port, false);
        }
    }
    let gate = Gate::default();
    let frames = traffic.behind(&gate, 1_000_000);
    let line = Line::start_with(board, &options, frames, Harm::default());
    let mut host = Host::on(&line);
    let first = report(&mut host, 1);
    assert_eq!(first.reason, BootReason::PowerOn);
    assert_eq!(first.last_word, "");
    let words = [
        format!("{}: boot 1 was built to end here", place_of_the_panic()),
        "fault: pc ".to_owned(),
        "stack overflow: sp ".to_owned(),
    ];
    for (boot, words) in (1..).zip(words) {
        let fed = boot * FRAMES;
        gate.up_to(fed);
        host.until("its frames", |_| {
            line.feeder().progress().read == fed as u64
        });
        line.feeder().hold();
        host.until("a feed that stands", |_| line.feeder().held());
        let report = report(&mut host, u32::try_from(boot).expect("few") + 1);
        assert_eq!(report.reason, BootReason::Software, "{report:?}");
        assert!(report.last_word.starts_with(&words), "{report:?}");
        if boot == 2 {
            // The protection unit says which address it refused.
            assert!(report.last_word.contains("mmfar 1fff0000"), "{report:?}");
        }
        println!("boot {}: {}", report.count, report.last_word);
        if boot == 1 {
            drop(host);
            info_says(&line, &report);
            host = Host::on(&line);
        }
        line.feeder().release_after_reset();
    }
    // It lives, and counts.
    gate.up_to(usize::MAX);
    host.until("the feed", |_| line.feeder().progress().done);
    host.flush();
    let boots = host.picture.boots();
    let ledger = boots.last().and_then(|boot| boot.ledger());
    assert_eq!(ledger.expect("flushed").counted.frames, FRAMES as u64);
    // Whoever presses the button leaves no words.
    reset(&line, &mut host);
    let report = report(&mut host, 5);
    assert_eq!(report.reason, BootReason::Pin);
    assert_eq!(report.last_word, "");
}

/// And so does `magpie sensor info`.
fn info_says(line: &Line, report: &BootReport) {
    let source = format!("serial:{}", line.path().display());
    let output = Command::new(program::path())
        .args(["sensor", "info", &source])
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("the program cannot be run: {e}"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    let value = |name: &str| {
        let found = said.lines().find_map(|line| line.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {said}"))
            .trim()
    };
    assert_eq!(value("boots"), "2 since power came (panic or fault)");
    assert_eq!(value("last word"), report.last_word.as_str());
}
