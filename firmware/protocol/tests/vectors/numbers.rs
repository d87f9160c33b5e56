//! Numbers that stand in records, and what they mean.

use magpie_protocol::{EndReason, FilterReason, FilterState, Known, Malformed, Outcome, TableId};

/// Numbers that stand in records: fixed for ever, new ones only at the end.
#[test]
fn enumerations_keep_their_numbers() {
    let reasons = [
        EndReason::Live,
        EndReason::Idle,
        EndReason::Active,
        EndReason::End,
        EndReason::Reuse,
        EndReason::Evicted,
        EndReason::Flush,
        EndReason::Split,
        EndReason::Unknown(8),
    ];
    let tables = [
        TableId::Ethertype,
        TableId::IpProtocol,
        TableId::Vlan,
        TableId::Fragment,
        TableId::Icmp,
        TableId::ArpOperation,
        TableId::ArpKind,
        TableId::Malformed,
        TableId::Unknown(8),
    ];
    for (number, (reason, table)) in (0_u8..).zip(reasons.into_iter().zip(tables)) {
        assert_eq!(
            (u8::from(reason), EndReason::from(number)),
            (number, reason)
        );
        assert_eq!((u8::from(table), TableId::from(number)), (number, table));
    }
    for (number, class) in (0_u8..).zip(Malformed::ALL) {
        assert_eq!(class as u8, number);
    }
    let names = Malformed::ALL.map(Malformed::name).join(" ");
    // The list of EXACT.md 10, in its order.
    assert_eq!(
        names,
        "eth_short vlan_short vlan_deep pppoe_short mpls_short mpls_deep arp_short ip4_short \
         ip4_version ip4_ihl ip4_len ip4_len0 ip4_len_gt_frame ip4_cksum ip6_short ip6_version \
         ip6_len_gt_frame ip6_ext_short ip6_ext_deep l4_short tcp_off udp_len"
    );
}

#[test]
fn a_record_is_final_unless_live() {
    let finals: Vec<_> = (0..=255)
        .filter(|code| EndReason::from(*code).is_final())
        .collect();
    assert!(finals.into_iter().eq(1..=255));
}

/// An unknown counter never looks like a count of zero.
#[test]
fn unknown_plus_some_is_at_least_some() {
    let mut unknown = Known::Unknown;
    let mut exact = Known::Exact(1);
    let mut at_least = Known::AtLeast(u64::MAX);
    for counter in [&mut unknown, &mut exact, &mut at_least] {
        counter.add(2);
    }
    assert_eq!(unknown, Known::AtLeast(2));
    assert_eq!(exact, Known::Exact(3));
    assert_eq!(at_least, Known::AtLeast(u64::MAX));
}

/// Numbers of reasons and states are fixed for ever.
#[test]
fn reasons_and_states_keep_their_numbers() {
    for code in 0..=u8::MAX {
        let reason = FilterReason::from(code);
        assert_eq!(u8::from(reason), code);
        assert_eq!(matches!(reason, FilterReason::Unknown(_)), code > 18);
        let state = FilterState::from(code);
        assert_eq!(u8::from(state), code);
        assert_eq!(matches!(state, FilterState::Unknown(_)), code > 5);
    }
    assert_eq!(FilterReason::from(4), FilterReason::NotAuthenticated);
    assert_eq!(FilterReason::from(12), FilterReason::UnknownCode);
    assert_eq!(FilterReason::from(18), FilterReason::DivisionByZero);
    assert_eq!(FilterState::from(4), FilterState::OctetLimit);
    assert_eq!(FilterState::from(5), FilterState::Unheard);
    assert_eq!(u8::from(Outcome::Refused), 4);
}
