//! Every capture, every section of EXACT.md.

use magpie_tests::answer;
use magpie_tests::bench::{Bench, Setup};
use magpie_tests::corpus::{self, Capture};
use magpie_tests::truth::{Difference, Level, compare};

/// Fails with the first differences of each capture that differs.
pub(crate) fn report(results: Vec<(String, Vec<Difference>)>) {
    let all = results.len();
    let mut text = String::new();
    let mut wrong = 0;
    for (name, differences) in results {
        if let Some(first) = differences.first() {
            wrong += 1;
            text += &format!(
                "\n{name}: {} differences; first: {first}",
                differences.len()
            );
        }
    }
    assert_eq!(
        wrong, 0,
        "{wrong} of {all} captures differ from their truth:{text}"
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
    report(
        corpus::all()
            .iter()
            .map(|c| (c.name.clone(), core_and_records(c)))
            .collect(),
    );
}
