//! The Ethernet configuration testing protocol, which stations loop frames by.

use super::octets::{Cut, Octets};
use super::page::{Page, Told, put};

const REPLY: u16 = 1;
const FORWARD_DATA: u16 = 2;

/// Prints it up to the first of its messages.
pub(super) fn print(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    let octets = octets.of("loopback");
    put!(page, "Loopback");
    if octets.length() < 2 {
        return invalid(page, octets);
    }
    let skipped = lower_first(octets, 0)?;
    put!(page, ", skipCount {skipped}");
    if skipped % 8 != 0 {
        put!(page, " (bogus)");
    }
    let (rest, skipped) = (octets.after(2), usize::from(skipped));
    if skipped > rest.length() {
        return invalid(page, rest);
    }
    rest.slice(0, skipped)?;
    message(page, rest.after(skipped))
}

fn message(page: &mut Page<'_>, octets: Octets<'_>) -> Told {
    if octets.length() < 2 {
        return invalid(page, octets);
    }
    let function = lower_first(octets, 0)?;
    let rest = octets.after(2);
    let data = match function {
        REPLY => {
            put!(page, ", Reply");
            if rest.length() < 2 {
                return invalid(page, rest);
            }
            put!(page, ", receipt number {}", lower_first(rest, 0)?);
            rest.after(2)
        }
        FORWARD_DATA => {
            put!(page, ", Forward Data");
            if rest.length() < 6 {
                return invalid(page, rest);
            }
            let to: [u8; 6] = rest.array(0)?;
            let to = page.mac(&to);
            put!(page, ", forwarding address {to}");
            rest.after(6)
        }
        other => {
            put!(page, ",  invalid ({other})");
            return whole(rest);
        }
    };
    put!(page, ", data ({} octets)", data.length());
    whole(data)
}

/// Says so, and that the rest is cut where it is.
fn invalid(page: &mut Page<'_>, rest: Octets<'_>) -> Told {
    page.invalid();
    whole(rest)
}

fn whole(octets: Octets<'_>) -> Told {
    octets.slice(0, octets.length()).map(|_| ())
}

/// Two octets, the lower one first: here alone, on Ethernet.
fn lower_first(octets: Octets<'_>, at: usize) -> Result<u16, Cut> {
    octets.u16(at).map(u16::swap_bytes)
}
