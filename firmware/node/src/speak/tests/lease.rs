//! Without a lease or a cable: it is told on the line.

use magpie_protocol::{LinkState, NetState, Record};

use super::{Bench, HELLO, OURS, host, rest_until, say_by_line};

#[test]
fn ten_seconds_without_a_lease_are_told_on_the_line() {
    let mut bench = Bench::new(None);
    let asking = (LinkState::Unknown, NetState::Asking);
    // Hosts before 1.3 would not know what to do with it.
    say_by_line(&mut bench, &[HELLO]);
    rest_until(&mut bench, 9_900_000);
    let told = bench.ports();
    assert!(told.len() >= 9, "with every ledger: {told:?}");
    assert!(told.iter().all(|port| *port == asking), "{told:?}");
    rest_until(&mut bench, 10_000_000);
    bench.rest();
    let no_lease = (LinkState::Unknown, NetState::NoLease);
    assert_eq!(bench.ports().last(), Some(&no_lease));
    // It goes on asking, and may get one yet.
    bench.stack().up = true;
    bench.rest();
    let up = NetState::Up(OURS.octets());
    assert_eq!(bench.ports().last(), Some(&(LinkState::Unknown, up)));
    // A lease that is lost has ten seconds again.
    bench.now_us += 60_000_000;
    bench.rest();
    bench.stack().up = false;
    bench.rest();
    let lost_us = bench.now_us;
    assert_eq!(bench.ports().last(), Some(&asking));
    rest_until(&mut bench, lost_us + 9_900_000);
    assert!(!bench.ports().contains(&no_lease));
    rest_until(&mut bench, lost_us + 10_300_000);
    assert!(bench.ports().contains(&no_lease));
}

#[test]
fn a_pulled_cable_is_told_and_the_stack_hears_of_it() {
    let mut bench = Bench::new(Some(host(7)));
    bench.stack().up = true;
    let up = LinkState::Up {
        mbit: 100,
        full_duplex: true,
    };
    bench.port.link = up;
    bench.say(host(7), &[HELLO]);
    bench.rest();
    let told = |bench: &mut Bench| {
        let (records, _) = bench.heard();
        records.iter().rev().find_map(|record| match record {
            Record::Port(port) => Some(port.link),
            _ => None,
        })
    };
    assert_eq!(told(&mut bench), Some(up));
    bench.port.link = LinkState::Down;
    bench.now_us += 500_000;
    bench.rest();
    // Datagrams would go nowhere: the line it is.
    assert_eq!(told(&mut bench), None);
    let net = NetState::Up(OURS.octets());
    assert_eq!(bench.ports().last(), Some(&(LinkState::Down, net)));
    bench.port.link = up;
    bench.now_us += 500_000;
    bench.rest();
    assert_eq!(told(&mut bench), Some(up));
    assert_eq!(bench.stack().links, [true, false, true]);
}
