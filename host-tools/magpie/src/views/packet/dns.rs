//! DNS and multicast DNS (RFC 1035, RFC 6762) in tcpdump's shorthand:
//! `12345+ A? example.com. (29)`.

use super::octets::{Cut, Octets};
use super::page::{Page, Told, printable, put};
use super::records;

const HEADER: usize = 12;

/// Longest name that is shown, in characters (RFC 1035 allows 255 octets).
const MAX_NAME: usize = 255;

/// Labels that a name of that length can have, and so pointers of use in it.
const MAX_POINTERS: usize = 127;

/// Top bits of a length octet that say that it is none but half an offset.
const POINTER: u8 = 0xc0;

const INVERSE_QUERY: u16 = 1;

/// A message, its names and where one is in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) octets: Octets<'a>,
    pub(super) multicast: bool,
}

/// Prints a message that stands behind its length, as in a TCP segment.
pub(super) fn over_tcp(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let octets = octets.of("domain").checked();
    let length = octets.length();
    if length < 2 {
        put!(page, " [DNS over TCP: length {length} < 2]");
        page.invalid();
        return Ok(());
    }
    let (said, length) = (octets.u16(0)?, length - 2);
    if usize::from(said) != length {
        put!(page, " [prefix length({said}) != length({length})]");
        page.invalid();
        return Ok(());
    }
    put!(page, " ");
    print(page, octets.after(2), false)
}

/// Prints a message.
pub(super) fn print(page: &mut Page<'_>, octets: Octets<'_>, multicast: bool) -> Told {
    let octets = octets.of("domain").checked();
    let length = octets.length();
    if length < HEADER {
        put!(page, "domain [length {length} < {HEADER}]");
        page.invalid();
        return Ok(());
    }
    octets.slice(0, HEADER)?;
    let message = Message { octets, multicast };
    if octets.u16(2)? & 0x8000 == 0 {
        query(page, message)?;
    } else {
        response(page, message)?;
    }
    put!(page, " ({length})");
    Ok(())
}

fn query(page: &mut Page<'_>, message: Message<'_>) -> Told {
    let header = message.octets;
    let flags = header.u16(2)?;
    let operation = flags >> 11 & 0xf;
    put!(page, "{}{}", header.u16(0)?, operation_name(operation));
    for (bit, sign) in [(0x0100, "+"), (0x0010, "%")] {
        if flags & bit != 0 {
            put!(page, "{sign}");
        }
    }
    // What no query should have set.
    if flags & 0x06cf != 0 {
        put!(page, " [b2&3=0x{flags:x}]");
    }
    let [questions, answers, authorities, others] = counts(header)?;
    if operation == INVERSE_QUERY {
        if questions > 0 {
            put!(page, " [{questions}q]");
        }
        if answers != 1 {
            put!(page, " [{answers}a]");
        }
    } else {
        if answers > 0 {
            put!(page, " [{answers}a]");
        }
        if questions != 1 {
            put!(page, " [{questions}q]");
        }
    }
    if authorities > 0 {
        put!(page, " [{authorities}n]");
    }
    if others > 0 {
        put!(page, " [{others}au]");
    }
    let mut at = HEADER;
    for _ in 0..questions {
        at = question(page, message, at)?;
    }
    if page.style.verbose > 1 {
        at = records::section(page, message, at, "", answers)?;
        at = records::section(page, message, at, " ns:", authorities)?;
        records::section(page, message, at, " ar:", others)?;
    }
    Ok(())
}

fn response(page: &mut Page<'_>, message: Message<'_>) -> Told {
    let header = message.octets;
    let flags = header.u16(2)?;
    let code = (flags & 0xf) | records::extended_code(message).unwrap_or(0) << 4;
    put!(
        page,
        "{}{}{}",
        header.u16(0)?,
        operation_name(flags >> 11 & 0xf),
        code_name(code)
    );
    let signs = [
        (flags & 0x0400 != 0, "*"),
        (flags & 0x0080 == 0, "-"),
        (flags & 0x0200 != 0, "|"),
        (flags & 0x0020 != 0, "$"),
    ];
    for (_, sign) in signs.iter().filter(|(is_set, _)| *is_set) {
        put!(page, "{sign}");
    }
    let [questions, answers, authorities, others] = counts(header)?;
    if questions != 1 {
        put!(page, " [{questions}q]");
    }
    let mut at = HEADER;
    for n in 0..questions {
        if n > 0 {
            put!(page, ",");
        }
        if page.style.verbose > 1 {
            put!(page, " q:");
            at = question(page, message, at)?;
        } else {
            at = message.skip_name(at)? + 4;
        }
    }
    put!(page, " {answers}/{authorities}/{others}");
    at = records::section(page, message, at, "", answers)?;
    if page.style.verbose > 1 {
        at = records::section(page, message, at, " ns:", authorities)?;
        records::section(page, message, at, " ar:", others)?;
    }
    Ok(())
}

/// Questions, answers, authorities, additional records.
fn counts(header: Octets<'_>) -> Result<[u16; 4], Cut> {
    Ok([
        header.u16(4)?,
        header.u16(6)?,
        header.u16(8)?,
        header.u16(10)?,
    ])
}

/// ` A? example.com.`; gives where the next one begins.
fn question(page: &mut Page<'_>, message: Message<'_>, at: usize) -> Result<usize, Cut> {
    let end = message.skip_name(at)?;
    let (kind, class) = (message.octets.u16(end)?, message.octets.u16(end + 2)?);
    put!(page, " {}", records::kind_name(kind));
    // Of multicast, whether the answer may come to the asker alone.
    let unicast = class & 0x8000 != 0;
    let class = if message.multicast {
        class & 0x7fff
    } else {
        class
    };
    records::tell_class(page, class);
    if message.multicast {
        put!(page, " ({})", if unicast { "QU" } else { "QM" });
    }
    put!(page, "? ");
    message.tell_name(page, at)?;
    Ok(end + 4)
}

impl Message<'_> {
    /// Where the name at `at` ends.
    pub(super) fn skip_name(&self, at: usize) -> Result<usize, Cut> {
        let mut at = at;
        loop {
            let length = self.octets.u8(at)?;
            at += 1;
            match length {
                0 => return Ok(at),
                _ if length & POINTER == POINTER => return Ok(at + 1),
                _ if length & POINTER != 0 => return Err(self.octets.cut()),
                _ => at += usize::from(length),
            }
        }
    }

    /// Prints the name at `at`; gives where it ends. A pointer leads back, so
    /// that no name is endless.
    pub(super) fn tell_name(&self, page: &mut Page<'_>, at: usize) -> Result<usize, Cut> {
        let mut end = None;
        let (mut at, mut bound, mut shown, mut pointers) = (at, at, 0, 0);
        if self.octets.u8(at)? == 0 {
            put!(page, ".");
            return Ok(at + 1);
        }
        loop {
            let length = self.octets.u8(at)?;
            if length == 0 {
                break;
            }
            if length & POINTER == POINTER {
                let offset = usize::from(self.octets.u16(at)? & 0x3fff);
                end = end.or(Some(at + 2));
                pointers += 1;
                if offset >= bound || pointers > MAX_POINTERS {
                    put!(page, "<BAD PTR>");
                    return Err(self.octets.cut());
                }
                (at, bound) = (offset, offset);
                continue;
            }
            if length & POINTER != 0 {
                put!(page, "<BAD LABEL TYPE>");
                return Err(self.octets.cut());
            }
            let label = self.octets.slice(at + 1, length.into())?;
            let room = MAX_NAME.saturating_sub(shown);
            put!(page, "{}", printable(label.get(..room).unwrap_or(label)));
            shown += label.len();
            if shown <= MAX_NAME {
                put!(page, ".");
            }
            shown += 1;
            at += 1 + label.len();
            // What is not shown need not be read, again and again by whoever
            // points at it.
            if shown > MAX_NAME {
                put!(page, "<DOMAIN NAME TOO LONG>");
                return match end {
                    Some(end) => Ok(end),
                    None => self.skip_name(at),
                };
            }
        }
        Ok(end.unwrap_or(at + 1))
    }
}

/// Operations but the plain query.
fn operation_name(number: u16) -> &'static str {
    match number {
        0 => "",
        1 => " inv_q",
        2 => " stat",
        3 => " op3",
        4 => " notify",
        5 => " update",
        6 => " op6",
        7 => " op7",
        8 => " op8",
        9 => " updateA",
        10 => " updateD",
        11 => " updateDA",
        12 => " updateM",
        13 => " updateMA",
        14 => " zoneInit",
        _ => " zoneRef",
    }
}

/// Response codes but success (RFC 6895, section 2.3).
fn code_name(number: u16) -> String {
    let name = match number {
        0 => return String::new(),
        1 => "FormErr",
        2 => "ServFail",
        3 => "NXDomain",
        4 => "NotImp",
        5 => "Refused",
        6 => "YXDomain",
        7 => "YXRRSet",
        8 => "NXRRSet",
        9 => "NotAuth",
        10 => "NotZone",
        15 => "NoChange",
        16 => "BadVers",
        23 => "BadCookie",
        other => return format!(" Resp{other}"),
    };
    format!(" {name}")
}
