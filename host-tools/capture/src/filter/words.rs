//! The words of an expression, as libpcap's scanner cuts them.

/// Whether this keyword is among them.
///
/// A word is a run of letters, digits, `-`, `_` and `.` that begins with a
/// letter or a digit and ends with one or a `.`; so `vlan-7.example` is one
/// word and a host's name. Behind a backslash everything up to a blank, `!` or
/// a parenthesis is a name, never a keyword. Case matters; there are no quotes.
/// In an expression that compiles, such a word is the keyword: to libpcap it
/// can be nothing else.
pub(super) fn say(expression: &str, keyword: &str) -> bool {
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let taken = if first == '\\' {
            let name = rest.find(|c| " !()\n\t".contains(c));
            name.unwrap_or(rest.len())
        } else if first.is_ascii_alphanumeric() {
            let run = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
            let word = &rest[..run.unwrap_or(rest.len())];
            let word = word.trim_end_matches(['-', '_']);
            if word == keyword {
                return true;
            }
            word.len()
        } else {
            first.len_utf8()
        };
        rest = &rest[taken..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::say;

    #[test]
    fn only_the_keyword_counts() {
        for (expression, says) in [
            ("", false),
            ("vlan", true),
            ("vlan 7 and tcp", true),
            ("not vlan", true),
            ("tcp or(vlan)", true),
            ("!vlan&&ip", true),
            ("tcp||vlan", true),
            ("vlan&&vlan", true),
            ("\tvlan\n", true),
            ("host a and\nvlan", true),
            ("vlan-", true),
            ("host vlan.example", false),
            ("host vlan-7", false),
            ("host my-vlan", false),
            ("host my.vlan", false),
            ("host vlan_a", false),
            ("host vlan7", false),
            ("host \\vlan", false),
            ("host \\vlan and vlan", true),
            ("host \\a|vlan", false),
            ("host \\a(vlan)", true),
            ("VLAN", false),
            ("host ü", false),
            ("ether proto 0x8100", false),
        ] {
            assert_eq!(say(expression, "vlan"), says, "{expression}");
        }
    }
}
