//! Tables that adapt to the width: columns in order of importance, end points
//! shortened by whole groups, nothing cut in the middle of a number.

use super::line::{Line, Tone, width};

/// An end point gets at least so much where it is longer: an IPv4 address with
/// its port always fits.
const LEAST_END: usize = 21;

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Numbers stand to the right.
    pub(super) right: bool,
    /// Never narrower, so that columns stand still while numbers change.
    pub(super) least: usize,
    /// End points may be shortened.
    pub(super) ends: bool,
    /// The smallest is shown in the narrowest table.
    pub(super) rank: u8,
}

impl Column {
    /// A column of numbers.
    pub(super) const fn number(title: &'static str, least: usize, rank: u8) -> Self {
        Self {
            title,
            right: true,
            least,
            ends: false,
            rank,
        }
    }

    /// A column of words.
    pub(super) const fn words(title: &'static str, least: usize, rank: u8) -> Self {
        Self {
            right: false,
            ..Self::number(title, least, rank)
        }
    }

    /// A column of end points.
    pub(super) const fn ends(title: &'static str, least: usize, rank: u8) -> Self {
        Self {
            ends: true,
            ..Self::words(title, least, rank)
        }
    }
}

/// From this rank on a column is for wide screens: whole addresses first.
pub(super) const EXTRA: u8 = 20;

/// One cell.
pub(super) type Cell = (Tone, String);

/// A cell without a tone.
pub(super) fn cell(text: impl Into<String>) -> Cell {
    (Tone::Plain, text.into())
}

/// Lays out rows under a heading; each row has one cell for each column.
pub(super) fn lines(columns: &[Column], rows: &[Vec<Cell>], room: usize) -> Vec<Line> {
    let widths = widths(columns, rows, room);
    let used: usize = widths.iter().flatten().sum();
    let gaps = widths.iter().flatten().count().saturating_sub(1);
    let gap = if used + 2 * gaps <= room { 2 } else { 1 };
    let shown = |cells: &mut dyn Iterator<Item = (Tone, &str)>| {
        let mut line = Line::default();
        let mut at = 0;
        for ((column, given), (tone, text)) in columns.iter().zip(&widths).zip(cells) {
            let Some(given) = *given else { continue };
            let text = if column.ends {
                shorten(text, given)
            } else {
                text.to_owned()
            };
            let blank = if column.right {
                given.saturating_sub(width(&text))
            } else {
                0
            };
            line.pad(at + blank);
            line.push(tone, text);
            at += given + gap;
        }
        line
    };
    let mut out = vec![shown(
        &mut columns.iter().map(|column| (Tone::Heading, column.title)),
    )];
    for row in rows {
        out.push(shown(
            &mut row.iter().map(|(tone, text)| (*tone, text.as_str())),
        ));
    }
    out
}

/// What each column gets; `None` for those that do not fit.
fn widths(columns: &[Column], rows: &[Vec<Cell>], room: usize) -> Vec<Option<usize>> {
    let wants: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let cells = rows.iter().filter_map(|row| row.get(i));
            let widest = cells.map(|(_, text)| width(text)).max().unwrap_or(0);
            widest.max(column.least).max(width(column.title))
        })
        .collect();
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|i| columns[*i].rank);
    let mut given = vec![None; columns.len()];
    let mut left = room;
    let mut grown = false;
    for i in order {
        if columns[i].rank >= EXTRA && !grown {
            grow(columns, &wants, &mut given, &mut left);
            grown = true;
        }
        let need = if columns[i].ends {
            wants[i].min(LEAST_END)
        } else {
            wants[i]
        };
        let gap = usize::from(given.iter().any(Option::is_some));
        if need + gap > left {
            break;
        }
        left -= need + gap;
        given[i] = Some(need);
    }
    if !grown {
        grow(columns, &wants, &mut given, &mut left);
    }
    given
}

/// Spreads what is left over the end points, evenly, up to what they want.
fn grow(columns: &[Column], wants: &[usize], given: &mut [Option<usize>], left: &mut usize) {
    loop {
        let mut any = false;
        for (i, column) in columns.iter().enumerate() {
            if let Some(has) = &mut given[i]
                && column.ends
                && *has < wants[i]
                && *left > 0
            {
                *has += 1;
                *left -= 1;
                any = true;
            }
        }
        if !any {
            return;
        }
    }
}

/// Shortens an end point to so many characters by leaving out whole groups of
/// an IPv6 address, from the middle; `~` stands for them.
pub(super) fn shorten(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    let (open, inside, close) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((inside, port)) => ("[", inside, format!("]{port}")),
        None => ("", text, String::new()),
    };
    let groups: Vec<&str> = inside.split(':').collect();
    let last = groups.last().copied().unwrap_or_default();
    for kept in (0..groups.len().saturating_sub(1)).rev() {
        let head = groups[..kept].join(":");
        let colon = if kept > 0 { ":" } else { "" };
        let short = format!("{open}{head}{colon}~:{last}{close}");
        if short.len() <= room {
            return short;
        }
    }
    if room > 0 {
        "~".to_owned()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_whole_groups() {
        for (text, room, short) in [
            ("10.0.0.1:80", 21, "10.0.0.1:80"),
            ("[2001:db8:10::23]:48066", 21, "[2001:db8:~:23]:48066"),
            ("[2001:db8:1:2:3:4:5:6]:65535", 21, "[2001:db8:~:6]:65535"),
            ("2001:db8:1:2:3:4:5:6", 11, "2001:~:6"),
            ("[ffff:ffff:ffff::1]:1", 9, "[~:1]:1"),
            ("255.255.255.255:65535", 15, "~:65535"),
            ("255.255.255.255", 10, "~"),
        ] {
            assert_eq!(shorten(text, room), short);
        }
    }

    const COLUMNS: [Column; 5] = [
        Column::number("VLAN", 4, 3),
        Column::ends("FROM", 10, 0),
        Column::ends("TO", 10, 1),
        Column::number("N", 6, 2),
        Column::number("MORE", 6, EXTRA),
    ];

    fn rows() -> Vec<Vec<Cell>> {
        let v6 = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535";
        let texts = ["100.30", v6, "10.0.0.1:80", "12,345,678", "5"];
        vec![texts.map(cell).into()]
    }

    #[test]
    fn the_least_important_column_goes_first() {
        let titles = |room| {
            let lines = lines(&COLUMNS, &rows(), room);
            assert!(lines.iter().all(|line| line.width() <= room), "{lines:?}");
            lines[0].text().split_whitespace().count()
        };
        assert_eq!(titles(200), 5);
        assert_eq!(titles(80), 5 - 1);
        assert_eq!(titles(51), 4);
        assert_eq!(titles(48), 3);
        assert_eq!(titles(40), 2);
        assert_eq!(titles(5), 0);
    }

    #[test]
    fn numbers_are_whole_at_any_width() {
        for room in 0..120 {
            for line in lines(&COLUMNS, &rows(), room) {
                for word in line.text().split_whitespace() {
                    let whole = ["100.30", "10.0.0.1:80", "12,345,678", "5"];
                    let title = COLUMNS.iter().any(|column| column.title == word);
                    assert!(
                        title || whole.contains(&word) || word.ends_with("6666]:65535"),
                        "{word} at {room}"
                    );
                }
            }
        }
    }
}
