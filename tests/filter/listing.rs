//! `-d`, `-dd` and `-ddd`, with and without libpcap's optimizer.

use magpie_capture::filter::{Compile, Filter, Listing};

use crate::share::{expressions, for_each};
use crate::tcpdump;

#[test]
fn programs_are_listed_as_by_tcpdump() {
    // One with jumps so far that they take instructions of their own.
    let far: Vec<_> = (1..40).map(|n| format!("port {n}")).collect();
    let far = far.join(" or ");
    let mut expressions = expressions();
    expressions.extend(["", &far]);
    for_each(&expressions, |expression| {
        for (options, listing, optimize) in [
            (&["-d"][..], Listing::Readable, true),
            (&["-O", "-d"], Listing::Readable, false),
            (&["-dd"], Listing::C, true),
            (&["-ddd"], Listing::Decimal, true),
        ] {
            let how = Compile {
                optimize,
                ..Compile::default()
            };
            let filter = Filter::compile(expression, how).unwrap_or_else(|e| panic!("{e}"));
            let theirs = tcpdump::listing(options, expression);
            assert_eq!(filter.listing(listing), theirs, "`{expression}`");
        }
    });
}
