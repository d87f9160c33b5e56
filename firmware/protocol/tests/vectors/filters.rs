//! What a sensor says of its filters.

use magpie_protocol::{
    FilterAction, FilterReason, FilterReply, FilterState, FilterStatus, Outcome, Record, Sum,
};

pub(crate) fn filter_records() -> Vec<(&'static str, Record, &'static str)> {
    vec![
        (
            "a filter refused",
            Record::FilterReply(FilterReply {
                id: 300,
                command: 134,
                slot: 3,
                outcome: Outcome::BadValue,
                reason: FilterReason::JumpOutside,
                instruction: 255,
            }),
            "0e08ac028603020eff01",
        ),
        (
            "a filter refused to whoever may be anybody",
            Record::FilterReply(FilterReply {
                id: 1,
                command: 133,
                slot: 0,
                outcome: Outcome::Refused,
                reason: FilterReason::NotAuthenticated,
                instruction: 0,
            }),
            "0e06018500040400",
        ),
        (
            "a capture that ended",
            Record::FilterStatus(FilterStatus {
                slot: 1,
                run: 300,
                at_us: 128,
                state: FilterState::PacketLimit,
                action: FilterAction::Capture {
                    snap_len: 128,
                    max_packets: 10,
                    max_octets: 0,
                    wait: true,
                },
                matched: Sum {
                    frames: 12,
                    octets: 1200,
                },
                kept: Sum {
                    frames: 10,
                    octets: 1000,
                },
                dropped: Sum {
                    frames: 2,
                    octets: 200,
                },
                forwarded: Sum {
                    frames: 9,
                    octets: 900,
                },
            }),
            "0f1801ac028001030180010a00010cb0090ae80702c801098407",
        ),
        (
            "a filter that counts",
            Record::FilterStatus(FilterStatus {
                run: 7,
                state: FilterState::Running,
                ..FilterStatus::default()
            }),
            "0f110007000100000000000000000000000000",
        ),
    ]
}
