//! Every capture, every section of EXACT.md.

use magpie_tests::answer;
use magpie_tests::bench::{Bench, Setup};
use magpie_tests::corpus::{self, Capture};
use magpie_tests::truth::{Difference, Level, compare};

/// Fails with the first differences of each capture that differs.
pub(crate) fn report(results: &[(String, Vec<Difference>)]) {
    let all = results.len();
    let wrong: Vec<String> = results
        .iter()
        .filter_map(|(name, all)| Some((name, all.len(), all.first()?)))
        .map(|(name, n, first)| format!("\n{name}: {n} differences; first: {first}"))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {all} captures differ from their truth:{}",
        wrong.len(),
        wrong.concat()
    );
    println!("{all} captures equal their truth");
}

fn core_and_records(capture: &Capture) -> Vec<Difference> {
    let mut bench = Bench::new(Setup::exact());
    bench.feed(capture, 0, usize::MAX);
    assert!(bench.flush(), "{}: no answer to the flush", capture.name);
    let books = bench.books();
    assert!(
        books.to_string().starts_with("books CLOSED"),
        "{}: {books}",
        capture.name
    );
    compare(&capture.truth(), &answer::of(bench.picture()), Level::Whole)
}

#[test]
fn core_link_and_picture_equal_the_truth() {
    let all = corpus::all();
    let results: Vec<_> = all
        .iter()
        .map(|c| (c.name.clone(), core_and_records(c)))
        .collect();
    report(&results);
}
