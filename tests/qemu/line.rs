//! The serial line itself: a proxy between board and host that damages,
//! drops and repeats octets, pulls the plug, and hears when nobody is there.

use magpie_collector::State;
use magpie_emulator::Board;
use magpie_tests::answer;
use magpie_tests::corpus::own_named;
use magpie_tests::line::{Harm, Line};

use crate::faults::unharmed;

on_each_board!(
    garbage_cuts_and_repetitions_on_the_line,
    a_plug_that_is_pulled_and_put_back,
    a_host_that_comes_late,
    a_host_that_is_started_again
);

fn garbage_cuts_and_repetitions_on_the_line(board: &'static Board) {
    let capture = own_named("lab.pcap");
    let truth = capture.truth();
    let harm = Harm {
        damaged: 15,
        cut: 15,
        twice: 15,
        garbage: 15,
        seed: 3,
    };
    let line = Line::start(board, &capture, harm);
    let outcome = line.listen().sound(board.name);
    let harmed = line.harmed();
    assert!(
        harmed > 10,
        "{}: the line did only {harmed} times what it was told",
        board.name
    );
    unharmed(board.name, &outcome, &truth);
    assert!(
        outcome
            .warnings
            .iter()
            .any(|w| w.contains("damaged frames")),
        "{}: the user was not told: {:?}",
        board.name,
        outcome.warnings
    );
}

fn a_plug_that_is_pulled_and_put_back(board: &'static Board) {
    let capture = own_named("lab.pcap");
    let truth = capture.truth();
    let line = Line::start(board, &capture, Harm::default());
    line.pull_after(8_000);
    let outcome = line.listen().sound(board.name);
    assert_eq!(line.pulls(), 1, "{}: the plug was never pulled", board.name);
    unharmed(board.name, &outcome, &truth);
    assert!(
        outcome
            .warnings
            .iter()
            .any(|w| w.contains("connected again")),
        "{:?}",
        outcome.warnings
    );
}

/// The wire ends in the air for a while: what the board says is gone, and all
/// of it that matters comes again.
fn a_host_that_comes_late(board: &'static Board) {
    let capture = own_named("lab.pcap");
    let truth = capture.truth();
    let line = Line::start(board, &capture, Harm::default());
    std::thread::sleep(std::time::Duration::from_secs(3));
    let outcome = line.listen().sound(board.name);
    assert!(
        line.unheard() > 0,
        "{}: the board said nothing while nobody listened",
        board.name
    );
    unharmed(board.name, &outcome, &truth);
}

/// The host's program ends in mid-run and another one begins: totals and
/// counter tables are whole, for they are since boot; what the first one
/// acknowledged is the first one's, and the books say so.
fn a_host_that_is_started_again(board: &'static Board) {
    let capture = own_named("lab.pcap");
    let truth = capture.truth();
    let line = Line::start(board, &capture, Harm::default());
    let first = line.listen_until(|picture| {
        picture
            .boots()
            .first()
            .is_some_and(|b| b.received().tally.flows > 20)
    });
    let acked = first.picture.boots()[0].received().tally.flows;
    let outcome = line.listen().sound(board.name);
    let books = outcome.books();
    assert!(
        !matches!(books.state, State::Open { .. }),
        "{}: {books} {:?}",
        board.name,
        books.broken
    );
    let got = answer::of(&outcome.picture);
    assert_eq!(
        (got.frames, got.frame_bytes),
        (truth.frames, truth.frame_bytes),
        "{}",
        board.name
    );
    assert_eq!(
        (&got.ethertype, &got.icmp4),
        (&truth.ethertype, &truth.icmp4),
        "{}",
        board.name
    );
    let boot = &outcome.picture.boots()[0];
    assert!(
        acked > 20 && boot.joined_at() > 0,
        "{}: {acked} flows, joined at {}",
        board.name,
        boot.joined_at()
    );
}
