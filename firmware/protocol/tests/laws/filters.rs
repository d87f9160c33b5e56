//! Anything that is said to and by filters.

use magpie_protocol::{
    BpfInstruction, FilterAction, FilterReason, FilterReply, FilterState, FilterStatus,
    Instructions, Outcome,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::values::{number, numbers, sum};

pub(crate) fn action() -> impl Strategy<Value = FilterAction> {
    prop_oneof![
        Just(FilterAction::Count),
        (any::<u32>(), numbers::<2>(), any::<bool>()).prop_map(
            |(snap_len, [packets, octets], wait)| {
                FilterAction::Capture {
                    snap_len,
                    max_packets: packets,
                    max_octets: octets,
                    wait,
                }
            }
        ),
        Just(FilterAction::Only),
        (3..=u8::MAX).prop_map(FilterAction::Unknown),
    ]
}

pub(crate) fn filter_reply() -> impl Strategy<Value = FilterReply> {
    (any::<u32>(), any::<[u8; 4]>(), any::<u16>()).prop_map(|(id, octets, instruction)| {
        let [command, slot, outcome, reason] = octets;
        FilterReply {
            id,
            command,
            slot,
            outcome: Outcome::from(outcome),
            reason: FilterReason::from(reason),
            instruction,
        }
    })
}

pub(crate) fn filter_status() -> impl Strategy<Value = FilterStatus> {
    let sums = (
        numbers::<2>(),
        numbers::<2>(),
        numbers::<2>(),
        numbers::<2>(),
    );
    (any::<(u8, u8, u32)>(), number(), action(), sums).prop_map(
        |((slot, state, run), at_us, action, sums)| FilterStatus {
            slot,
            run,
            at_us,
            state: FilterState::from(state),
            action,
            matched: sum(sums.0),
            kept: sum(sums.1),
            dropped: sum(sums.2),
            forwarded: sum(sums.3),
        },
    )
}

pub(crate) fn instructions() -> impl Strategy<Value = Instructions> {
    vec(any::<[u8; 8]>(), 0..=Instructions::MAX).prop_map(|octets| {
        let all: Vec<_> = octets
            .into_iter()
            .map(BpfInstruction::from_octets)
            .collect();
        let (taken, rest) = Instructions::take(&all);
        assert_eq!((taken.as_slice(), rest), (&all[..], &[][..]));
        taken
    })
}
