//! Interfaces of this machine: their numbers, and all of them at once.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use magpie_os::Interface;
use magpie_sources::Spec;

use crate::cli::capture::{ANY, Request};
use crate::exit::Exit;
use crate::output::{say, stdout};
use crate::views::interfaces::{Seen, write_list};
use crate::views::text::plain;

/// How often it is looked whether there are new ones.
const LOOK: Duration = Duration::from_secs(1);

fn can_be_captured(interface: &Interface) -> bool {
    interface.cannot_be_captured().is_none()
}

/// `-D`: a numbered line for each, and one for all of them.
pub(super) fn list() -> anyhow::Result<Exit> {
    let found = magpie_os::interfaces()?;
    let seen: Vec<_> = found
        .iter()
        .map(|interface| Seen {
            interface,
            before: None,
        })
        .collect();
    let mut out = stdout();
    write_list(&seen, &mut out).context("stdout")?;
    let number = found.iter().filter(|one| can_be_captured(one)).count() + 1;
    writeln!(out, "{number}.{ANY} (all of them that are up) [-]").context("stdout")?;
    out.flush().context("stdout")?;
    Ok(Exit::Success)
}

/// Puts names in the place of the numbers that [`list`] has; an interface that
/// has the digits for a name goes first.
pub(super) fn name_numbers(request: &mut Request) -> anyhow::Result<()> {
    if !request.sources.iter().any(|spec| number(spec).is_some()) {
        return Ok(());
    }
    let found = magpie_os::interfaces()?;
    let names: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
    let listed = found.iter().filter(|one| can_be_captured(one));
    let listed: Vec<_> = listed.map(|one| one.name.as_str()).collect();
    name_of_numbers(request, &names, &listed)
}

/// What a source names that is nothing but digits.
fn number(spec: &Spec) -> Option<usize> {
    match spec {
        Spec::Interface(name) if name.bytes().all(|octet| octet.is_ascii_digit()) => {
            name.parse().ok()
        }
        _ => None,
    }
}

fn name_of_numbers(request: &mut Request, all: &[&str], listed: &[&str]) -> anyhow::Result<()> {
    let mut sources = Vec::new();
    for spec in std::mem::take(&mut request.sources) {
        let number = number(&spec);
        match (spec, number) {
            (Spec::Interface(name), Some(n)) if !all.contains(&name.as_str()) => {
                match n.checked_sub(1).map(|at| listed.get(at)) {
                    Some(Some(name)) => sources.push(Spec::Interface((*name).to_owned())),
                    Some(None) if n == listed.len() + 1 => request.any = true,
                    _ => bail!(
                        "{name}: no interface has this name or number; `magpie capture -D` lists \
                         them from 1 to {}",
                        listed.len() + 1
                    ),
                }
            }
            (spec, _) => sources.push(spec),
        }
    }
    request.sources = sources;
    request.check()
}

/// Those that `any` listens to: what can be, and is up.
pub(super) fn every() -> anyhow::Result<Vec<Interface>> {
    let found = magpie_os::interfaces()?.into_iter();
    Ok(found
        .filter(|interface| interface.is_up() && can_be_captured(interface))
        .collect())
}

/// Tells of interfaces that are not among these, and so are not listened to:
/// the rights to do that are given up by now.
pub(super) fn tell_of_others(mut known: Vec<u32>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(LOOK);
            for other in every().unwrap_or_default() {
                if !known.contains(&other.index) {
                    known.push(other.index);
                    say(&format!(
                        "{}: came up after the start, and so is not listened to",
                        plain(&other.name)
                    ));
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(sources: &[&str]) -> Result<(Vec<String>, bool), String> {
        let all = ["lo", "3", "tun", "eth0"];
        let listed = ["lo", "3", "eth0"];
        let sources = sources.iter().map(|text| text.parse().unwrap()).collect();
        let mut request = Request {
            sources,
            any: false,
            expression: String::new(),
        };
        name_of_numbers(&mut request, &all, &listed).map_err(|e| e.to_string())?;
        let names = request.sources.iter().map(Spec::to_string).collect();
        Ok((names, request.any))
    }

    #[test]
    fn numbers_are_those_of_the_list() {
        let one = |name: &str| Ok((vec![name.to_owned()], false));
        assert_eq!(named(&["if:1"]), one("if:lo"));
        assert_eq!(named(&["if:eth0"]), one("if:eth0"));
        // Its name, although eth0 has the number.
        assert_eq!(named(&["if:3"]), one("if:3"));
        assert_eq!(named(&["if:4"]), Ok((Vec::new(), true)));
        let both = vec!["if:lo".to_owned(), "if:3".to_owned()];
        assert_eq!(named(&["if:1", "if:2"]), Ok((both, false)));
        for wrong in ["if:0", "if:5", "if:999999999999999"] {
            let words = named(&[wrong]).unwrap_err();
            assert!(words.contains("from 1 to 4"), "{words}");
        }
        assert!(named(&["if:4", "if:1"]).unwrap_err().starts_with("any: "));
    }
}
