use proptest::prelude::*;

use super::*;
use crate::sockets::State;

fn services() -> Services {
    Services::from_texts(
        "ssh 22/tcp\nhttps 443/tcp\nhttps 443/udp\nodd 1/tcp\nodd 2/udp\n",
        "",
        "32768 60999",
    )
}

fn parse(text: &str) -> Result<Filter, FilterError> {
    let names = Names {
        services: &services(),
        kinds: &SocketKind::ALL,
        resolve: &|name| match name {
            "here" => vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            _ => Vec::new(),
        },
    };
    Filter::parse(&[text.to_owned()], &names)
}

fn socket(local: End, peer: End) -> SocketInfo {
    SocketInfo::new(SocketKind::Tcp, State::Established, local, peer)
}

fn inet(address: &str, port: u16) -> End {
    End::Inet {
        address: address.parse().unwrap(),
        port,
    }
}

fn unix(name: &[u8], inode: u32) -> End {
    End::Unix {
        name: (!name.is_empty()).then(|| name.to_vec()),
        inode,
    }
}

#[test]
fn conditions_hold_or_do_not() {
    let ssh = socket(inet("10.0.0.1", 22), inet("10.9.0.2", 50_000));
    let web = socket(inet("2001:db8::1", 40_000), inet("2001:db8::2", 443));
    let mapped = socket(inet("::ffff:10.0.0.1", 8_080), inet("::ffff:10.9.0.3", 1));
    let file = socket(unix(b"/run/Bus", 77), unix(b"", 78));
    let own = socket(unix(b"\0magpie", 79), unix(b"", 0));
    let chosen = socket(unix(b"\x0001af2", 80), unix(b"", 0));
    let mut marked = socket(inet("127.0.0.1", 1), inet("127.0.0.1", 2));
    marked.mark = Some(0x10);
    marked.interface_index = 3;
    marked.interface = Some("eth0".into());
    let all = [&ssh, &web, &mapped, &file, &own, &chosen, &marked];
    for (text, holds) in [
        ("", "1111111"),
        ("sport = :ssh", "1000000"),
        ("sport 22", "1000000"),
        ("sport == 22", "1000000"),
        ("sport = 0x16", "1000000"),
        ("dport != :https", "1011111"),
        ("( dport = :https or sport = :22 )", "1100000"),
        ("(dport = :https or sport = :22)", "1100000"),
        ("dport ge 443 sport > 22", "0100000"),
        ("sport < 22", "0000001"),
        ("sport <= 22 and sport >= 22", "1000000"),
        ("dst 10.9.0.0/16", "1010000"),
        ("not dst 10.9.0.0/16", "0101111"),
        ("! dst 10.9.0.0/16", "0101111"),
        ("dst != 10.9.0.0/16", "0101111"),
        ("src 10.0.0.1:22", "1000000"),
        ("src 10.0.0.0/8:8080", "0010000"),
        ("src [2001:db8::1]:40000", "0100000"),
        ("src [2001:db8::]/32", "0100000"),
        ("src 2001:db8::/32", "0100000"),
        ("src 2001:db8::1", "0100000"),
        ("src :22", "1000000"),
        ("src *:22", "1000000"),
        ("src *", "1111111"),
        ("src here", "0000001"),
        ("src inet:*", "1000001"),
        ("src inet6:*", "0110000"),
        ("src unix:*", "0001110"),
        ("src unix:/run/b*", "0001000"),
        ("src unix:@magpie", "0000100"),
        // The family of a prefix holds for the whole filter.
        ("not src unix:@magpie", "0001010"),
        ("sport = 77", "0001000"),
        ("autobound", "0100010"),
        ("dev eth0", "0000001"),
        ("dev = 3", "0000001"),
        ("dev != eth0", "1111110"),
        ("fwmark = 0x10", "0000001"),
        ("fwmark 0x10/0xf0", "0000001"),
        ("fwmark != 16", "1111110"),
        // From left to right, as in ss.
        ("sport = 22 or dport = 443 and dport = 443", "0100000"),
        ("sport = 22 or ( dport = 443 and dport = 443 )", "1100000"),
        ("dport = 443 | ( sport = 22 & sport != 22 )", "0100000"),
        ("not not sport = 22", "1000000"),
    ] {
        let filter = parse(text).unwrap_or_else(|e| panic!("{e}"));
        let got: String = all
            .iter()
            .map(|socket| if filter.matches(socket) { '1' } else { '0' })
            .collect();
        assert_eq!(got, holds, "{text}");
    }
}

#[test]
fn marks_are_noticed() {
    assert!(
        parse("sport = 1 or ! ( fwmark = 1 )")
            .unwrap()
            .asks_for_marks()
    );
    assert!(!parse("sport = 1").unwrap().asks_for_marks());
}

#[test]
fn states_come_first() {
    let states = |text| parse(text).unwrap().states();
    assert_eq!(states("sport = 1"), None);
    assert_eq!(
        states("state established"),
        Some(States::of(State::Established))
    );
    let both = States::of(State::Established).and(States::of(State::TimeWait));
    assert_eq!(
        states("state time-wait state ESTABLISHED dport = 1"),
        Some(both)
    );
    assert_eq!(
        states("exclude listening"),
        Some(States::ALL.without(States::of(State::Listen)))
    );
    assert_eq!(
        states("state connected exclude time-wait"),
        States::named("connected").map(|all| all.without(States::of(State::TimeWait)))
    );
}

#[test]
fn what_is_wrong_is_pointed_at() {
    for (text, at, what) in [
        ("state", 5, "a state is missing"),
        ("state up", 6, "`up` is no state"),
        ("sport = 1 state established", 10, "comes before"),
        ("dport =", 7, "a port is missing"),
        ("dport = :nonsense", 8, "is no port"),
        ("sport = odd", 8, "port 1 of TCP and 2 of UDP"),
        ("( dport = 1", 0, "not closed"),
        ("dport = 1 )", 10, "not opened"),
        ("dport = 1 or", 12, "a condition is missing"),
        ("or dport = 1", 0, "before `or`"),
        ("dport=1", 0, "separated by spaces"),
        ("dst 10.0.0.0/40", 4, "neither an address"),
        ("dst 300.1.2.3", 4, "neither an address"),
        ("dst nowhere.example", 4, "nor a host"),
        ("dst [::1", 4, "a bracket is not closed"),
        ("dst > 10.0.0.1", 4, "only ports have an order"),
        ("fwmark = x", 9, "is no mark"),
        ("dev", 3, "is missing"),
        ("cgroup /", 0, "not supported"),
        ("größe = 1", 0, "is no condition"),
        ("( größe = 1 )", 2, "is no condition"),
        ("(()", 2, "a condition is missing"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.what.contains(what), "{text}: {error}");
        assert_eq!(error.at, at, "{text}: {error}");
    }
    let shown = parse("( dprt = 1 )").unwrap_err().to_string();
    let lines: Vec<_> = shown.lines().skip(1).collect();
    assert_eq!(lines, ["  ( dprt = 1 )", "    ^"]);
}

#[test]
fn depth_is_bounded_and_length_is_not() {
    let deep = format!("{} sport = 1 {}", "( ".repeat(5_000), ") ".repeat(5_000));
    assert!(parse(&deep).unwrap_err().what.contains("too many"));
    assert!(
        parse(&"not ".repeat(5_000))
            .unwrap_err()
            .what
            .contains("too many")
    );
    let long = vec!["sport = 1"; 100_000].join(" or ");
    let filter = parse(&long).unwrap();
    assert!(filter.matches(&socket(inet("::", 1), inet("::", 0))));
    assert!(!filter.matches(&socket(inet("::", 2), inet("::", 0))));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_words_make_it_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "(", ")", "not", "and", "or", "src", "dst", "sport", "dport", "=", "!=", ">", ":22",
            "10.0.0.0/8", "[::1]:1", "unix:*", "state", "established", "dev", "fwmark", "[", "/",
            "autobound", "((", "))", "(sport", "1)",
        ]), 0..24)) {
        let text = words.join(" ");
        let own = socket(inet("10.0.0.1", 22), inet("::", 1));
        match parse(&text) {
            Ok(filter) => {
                // What a filter says is what its negation does not say.
                if filter.states().is_none() && filter.families.is_empty() && !words.is_empty() {
                    let not = parse(&format!("not ( {text} )")).unwrap();
                    prop_assert_ne!(filter.matches(&own), not.matches(&own));
                }
            }
            Err(error) => prop_assert!(error.at <= text.chars().count()),
        }
    }
}
