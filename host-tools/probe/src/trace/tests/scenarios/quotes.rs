//! Hops that quote no more than 28 octets.

use std::time::Duration;

use super::{HOUR, THERE_IS, table};
use crate::trace::tests::network::{
    ANSWERS, Does, Ears, KEY, Network, Path, QUOTES_LITTLE, address, plan, walk,
};
use crate::trace::{Event, Machine as _, Method, Note, Once};

pub(super) const QUOTES_28: Path = &[
    &[(1, ANSWERS)],
    &[(2, QUOTES_LITTLE)],
    &[(3, Does::Nothing)],
    &[(4, QUOTES_LITTLE)],
    &[(5, ANSWERS)],
    &[THERE_IS],
];

#[test]
fn who_quotes_28_octets_is_asked_from_another_port() {
    let plan = plan(true, Method::Udp, Ears::Queue);
    let mut network = Network::new(QUOTES_28, plan.clone(), Ears::Queue);
    let mut once = Once::new(plan, KEY).unwrap();
    let (events, took) = walk(&mut once, &mut network, HOUR);
    assert_eq!(
        table(&events),
        "1: 1 1 1 | 2: 2 2 2 | 3: * * * | 4: 4 4 4 | 5: 5 5 5 | 6: 250 250 250"
    );
    let notes: Vec<&Event> = events
        .iter()
        .filter(|e| matches!(e, Event::Note(_)))
        .collect();
    assert_eq!(notes, [&Event::Note(Note::ShortQuotes(address(true, 2)))]);
    let mut other_flows = 0;
    for event in &events {
        if let Event::Place(place) = event {
            assert_eq!(place.probe.flow != 0, [2, 3, 4].contains(&place.hop));
            other_flows += u32::from(place.probe.flow != 0);
        }
    }
    assert_eq!(other_flows, 9);
    assert!(took < Duration::from_millis(300), "{took:?}");
    assert_eq!(once.counts().unnamed, 6);
}

#[test]
fn others_are_known_by_28_octets() {
    for (method, ears) in [
        (Method::Icmp, Ears::Queue),
        (Method::Icmp, Ears::Raw),
        (Method::Tcp, Ears::Raw),
    ] {
        let plan = plan(true, method, ears);
        let mut network = Network::new(QUOTES_28, plan.clone(), ears);
        let (events, _) = walk(&mut Once::new(plan, KEY).unwrap(), &mut network, HOUR);
        assert_eq!(
            table(&events),
            "1: 1 1 1 | 2: 2 2 2 | 3: * * * | 4: 4 4 4 | 5: 5 5 5 | 6: 250 250 250"
        );
        let other = |e: &Event| matches!(e, Event::Place(p) if p.probe.flow != 0);
        assert!(!events.iter().any(other));
    }
}
