//! Every expression over every frame there is.
//!
//! All frames are put into one file, so that tcpdump runs once an expression
//! and each pair of expression and frame is compared all the same.

use std::sync::atomic::{AtomicUsize, Ordering};

use magpie_capture::filter::DEFAULT_SNAP_LEN;

use crate::share::{Frame, all_frames, compile, expressions, for_each, without_tags};
use crate::tcpdump;

/// Shows the first frames on which both disagree.
fn compare(what: &str, frames: &[Frame], ours: &[usize], theirs: &[usize]) {
    if ours == theirs {
        return;
    }
    let odd = |numbers: &[usize], others: &[usize]| {
        let odd = numbers.iter().filter(|n| others.binary_search(n).is_err());
        odd.take(3).copied().collect::<Vec<_>>()
    };
    let (only_ours, only_theirs) = (odd(ours, theirs), odd(theirs, ours));
    let first = only_ours.first().or(only_theirs.first());
    panic!(
        "`{what}`: {} frames are ours, {} tcpdump's; only ours {only_ours:?}, only tcpdump's \
         {only_theirs:?}; the first is {:x?}",
        ours.len(),
        theirs.len(),
        first.and_then(|n| frames.get(*n))
    );
}

#[test]
fn literal_frames_are_selected_as_by_tcpdump() {
    let frames = all_frames();
    let file = tcpdump::file(&frames);
    let (expressions, telling) = (expressions(), AtomicUsize::new(0));
    for_each(&expressions, |expression| {
        let filter = compile(expression);
        let ours: Vec<_> = (0..frames.len())
            .filter(|n| {
                let Frame { data, wire_len } = &frames[*n];
                let kept = filter.run(data, *wire_len, true);
                assert!(kept == 0 || kept == DEFAULT_SNAP_LEN, "`{expression}`");
                kept > 0
            })
            .collect();
        let theirs = tcpdump::numbers(file.path(), expression);
        compare(expression, &frames, &ours, &theirs);
        if !ours.is_empty() && ours.len() < frames.len() {
            telling.fetch_add(1, Ordering::Relaxed);
        }
    });
    // One that selects nothing, or everything, shows little.
    let telling = telling.into_inner();
    println!(
        "{} frames; {telling} of {} expressions tell them apart",
        frames.len(),
        expressions.len()
    );
    assert!(telling * 2 > expressions.len(), "only {telling}");
}

#[test]
fn without_tags_frames_are_selected_as_by_tcpdump_from_an_untagged_copy() {
    let frames = all_frames();
    let is_tagged = |frame: &Frame| without_tags(frame) != *frame;
    let (tagged, plain): (Vec<_>, Vec<_>) = frames.into_iter().partition(is_tagged);
    assert!(tagged.len() >= 200, "few tags: {}", tagged.len());
    let copies: Vec<_> = tagged.iter().map(without_tags).collect();
    let file = tcpdump::file(&copies);
    let expressions = expressions();
    for_each(&expressions, |expression| {
        let filter = compile(expression);
        if filter.says_vlan() {
            return; // it sees the literal frame
        }
        let ours: Vec<_> = (0..tagged.len())
            .filter(|n| {
                let Frame { data, wire_len } = &tagged[*n];
                filter.run(data, *wire_len, false) > 0
            })
            .collect();
        let theirs = tcpdump::numbers(file.path(), expression);
        compare(expression, &copies, &ours, &theirs);
    });
    // The others are shown as they are; a few expressions do to see it.
    let some: Vec<_> = expressions.into_iter().step_by(50).collect();
    for_each(&some, |expression| {
        let filter = compile(expression);
        for Frame { data, wire_len } in &plain {
            assert_eq!(
                filter.run(data, *wire_len, false),
                filter.run(data, *wire_len, true),
                "`{expression}`"
            );
        }
    });
}
