//! The greatest packet that a path carries, by its routers and by this host's link.

use std::time::Duration;

use super::{HOUR, THERE_IS, table};
use crate::trace::tests::network::{ANSWERS, Does, Ears, KEY, Network, Path, plan, walk};
use crate::trace::{Machine as _, Method, Once};

#[test]
fn the_path_mtu_is_found() {
    let path: Path = &[
        &[(1, ANSWERS)],
        &[(2, Does::Carries(1_400))],
        &[(3, ANSWERS)],
        &[(4, Does::Carries(1_300))],
        &[THERE_IS],
    ];
    for (is_v4, method, ears) in [
        (true, Method::Udp, Ears::Queue),
        (false, Method::Udp, Ears::Queue),
        (true, Method::Icmp, Ears::Raw),
        (false, Method::Icmp, Ears::Queue),
    ] {
        let mut plan = plan(is_v4, method, ears);
        plan.find_mtu = true;
        plan.packet_octets = 1_500;
        let mut network = Network::new(path, plan.clone(), ears);
        let mut once = Once::new(plan, KEY).unwrap();
        let (events, _) = walk(&mut once, &mut network, HOUR);
        assert_eq!(
            table(&events),
            "1: 1 1 1 | 2: F=1400 2 2 2 | 3: 3 3 3 | 4: F=1300 4 4 4 | 5: 250 250 250"
        );
        assert_eq!(once.mtu(), 1_300);
    }
}

#[test]
fn a_router_that_does_not_say_its_mtu_is_asked_by_plateaus() {
    let path: Path = &[&[(1, ANSWERS)], &[(2, Does::Refuses(3, 4))]];
    let mut plan = plan(true, Method::Udp, Ears::Queue);
    plan.find_mtu = true;
    plan.packet_octets = 1_500;
    let mut network = Network::new(path, plan.clone(), Ears::Queue);
    let mut once = Once::new(plan, KEY).unwrap();
    let (events, _) = walk(&mut once, &mut network, HOUR);
    // It refuses everything: the search ends all the same.
    assert_eq!(table(&events), "1: 1 1 1 | 2: F=296 2!F-0 2!F-0 2!F-0");
}

#[test]
fn this_hosts_own_link_is_the_first_to_refuse() {
    let mut plan = plan(true, Method::Udp, Ears::Queue);
    plan.find_mtu = true;
    plan.packet_octets = 65_000;
    let mut once = Once::new(plan.clone(), KEY).unwrap();
    let long = once.poll_transmit(Duration::ZERO).unwrap();
    assert_eq!(long.octets.len(), 65_000 - 28);
    assert!(once.poll_transmit(Duration::ZERO).is_none());
    assert!(once.handle_too_long(long.probe.serial, Some(1_500)));
    let next = once.poll_transmit(Duration::ZERO).unwrap();
    assert_eq!((next.octets.len(), next.probe.hop), (1_500 - 28, 1));
    assert_eq!(once.counts().sent, 1);
    // What cannot be is not believed.
    assert!(!once.handle_too_long(next.probe.serial, Some(60)));
    // Without --mtu nothing else can be done.
    plan.find_mtu = false;
    let mut once = Once::new(plan, KEY).unwrap();
    let long = once.poll_transmit(Duration::ZERO).unwrap();
    assert!(!once.handle_too_long(long.probe.serial, Some(1_500)));
}
