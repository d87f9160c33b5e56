//! Every capture itself, as it is on the disk: packets are those of
//! `tcpdump -r FILE -w OUT EXPRESSION`, byte for byte. Which expressions are
//! tried on a file is a matter of its place in the list, a few each, so that
//! all are tried.

use magpie_tests::corpus;

use crate::share::{compile, expressions, for_each, frames};
use crate::tcpdump;

#[test]
fn packets_of_each_file_are_those_that_tcpdump_writes() {
    let expressions = expressions();
    let captures = corpus::all();
    let each = expressions.len().div_ceil(captures.len()).clamp(3, 40);
    let numbered: Vec<_> = captures.iter().enumerate().collect();
    for_each(&numbered, |(number, capture)| {
        let frames = frames(capture);
        for step in 0..each {
            let expression = expressions[(number + step * captures.len()) % expressions.len()];
            let filter = compile(expression);
            let selected = |frame: &&_| {
                let crate::share::Frame { data, wire_len } = frame;
                filter.run(data, *wire_len, true) > 0
            };
            let ours: Vec<_> = frames.iter().filter(selected).cloned().collect();
            let theirs = tcpdump::frames(&capture.path, expression);
            assert!(
                ours == theirs,
                "{}: `{expression}`: {} packets are ours, {} tcpdump's",
                capture.name,
                ours.len(),
                theirs.len()
            );
        }
    });
}
