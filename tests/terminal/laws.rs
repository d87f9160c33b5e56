//! What holds of every screen, whoever the terminal is.

use std::path::Path;

/// Rows that are no flows: five above with the heading, two below.
const OTHER_ROWS: usize = 8;

/// A drawing kept beside the screen's own tests.
fn golden(flows: u32, (columns, rows): (u16, u16)) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../host-tools/magpie/tests/golden")
        .join(format!("screen-{flows}-{columns}x{rows}.txt"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The heading of the flows, as words.
fn heading(text: &str) -> Vec<&str> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("FLOWS"));
    let heading = lines.nth(1).unwrap_or_default();
    heading.split_whitespace().collect()
}

/// A screen of so many flows of [`crate::feed`] fills a terminal of this size as
/// the drawing of as many flows does, and shows as many of them as there is room
/// for.
pub(crate) fn fills(text: &str, flows: u32, size: (u16, u16)) {
    let (columns, rows) = size;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), usize::from(rows), "{text}");
    for line in &lines {
        assert!(line.chars().count() <= columns.into(), "{line}");
    }
    let drawn = golden(flows, size);
    assert_eq!(lines.last(), drawn.lines().last().as_ref(), "{text}");
    assert_eq!(heading(text), heading(&drawn), "{text}");
    let label = |line: &str| line.get(..7).unwrap_or_default().to_owned();
    let above = drawn.lines().take(5).map(label);
    assert!(
        above.eq(lines[..5].iter().map(|line| label(line))),
        "{text}"
    );
    let before = lines[lines.len() - 2];
    assert!(before.starts_with("SENSOR boot 1 "), "{text}");
    // Each flow on a row, with both its ends whole.
    let shown = lines[6..lines.len() - 2].iter();
    let shown = shown.filter(|line| !line.is_empty()).inspect(|line| {
        let mut words = line.split_whitespace().skip(2);
        let originator = words.next().unwrap_or_default();
        assert!(
            originator.starts_with("10.0.") && originator.ends_with(":4242"),
            "{line}"
        );
        assert_eq!(words.next(), Some("192.0.2.80:443"), "{line}");
    });
    let room = usize::from(rows) - OTHER_ROWS;
    assert_eq!(shown.count(), room.min(flows as usize), "{text}");
}
