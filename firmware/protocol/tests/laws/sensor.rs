//! Anything a sensor says of itself.

use magpie_protocol::{
    BootReason, BootReport, Capacities, ClockKind, CountEntry, Counts, Doubles, FilterRoom, Hello,
    Ledger, LinkState, Losses, NetState, Port, TableId, UplinkCounts,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::values::{census, known, number, numbers, sum, tally, text};

pub(crate) fn counts() -> impl Strategy<Value = Counts> {
    let entry = numbers::<3>().prop_map(|[key, frames, octets]| CountEntry {
        key,
        frames,
        octets,
    });
    (any::<u8>(), vec(entry, 0..=Counts::MAX_ENTRIES)).prop_map(|(table, entries)| Counts {
        table: TableId::from(table),
        entries: entries.into_iter().collect(),
    })
}

fn uplink() -> impl Strategy<Value = UplinkCounts> {
    (numbers::<4>(), numbers::<4>(), numbers::<4>()).prop_map(|(n, never_sent, unconfirmed)| {
        UplinkCounts {
            acked: n[0],
            never_sent: tally(never_sent),
            unconfirmed: tally(unconfirmed),
            batches: n[1],
            resent: n[2],
            bad_frames: n[3],
        }
    })
}

pub(crate) fn ledger() -> impl Strategy<Value = Ledger> {
    let losses = [known(), known(), known(), known(), known()].prop_map(
        |[fcs, oversize, mac_fifo, no_descriptor, ring]| Losses {
            fcs,
            oversize,
            mac_fifo,
            no_descriptor,
            ring,
        },
    );
    let sums = vec(numbers::<2>().prop_map(sum), 6);
    let tallies = (numbers::<4>(), numbers::<4>());
    let tables = (numbers::<5>(), numbers::<5>());
    (
        any::<u32>(),
        numbers::<7>(),
        sums,
        losses,
        tables,
        tallies,
        uplink(),
    )
        .prop_map(|(flush, n, sums, lost, tables, tallies, uplink)| Ledger {
            at_us: n[0],
            flush,
            counted: sums[0],
            in_flows: sums[1],
            arp: sums[2],
            other: sums[3],
            invalid: sums[4],
            lost,
            malformed: n[1],
            vlan_cut: n[2],
            own_tx: n[3],
            own_rx: n[4],
            forged: n[5],
            flows: census(tables.0),
            echoes: census(tables.1),
            echo_forgotten: n[6],
            exported: tally(tallies.0),
            never_sent: tally(tallies.1),
            uplink,
            doubles: Doubles {
                window_us: flush.rotate_left(9),
                sum: sums[1],
                unsure: n[3],
                forgotten: n[5],
            },
            filtered: sums[5],
        })
}

pub(crate) fn hello() -> impl Strategy<Value = Hello> {
    let texts = (text::<32>(), text::<32>(), text::<24>(), text::<24>());
    let kinds = (any::<[u8; 3]>(), any::<bool>(), any::<u32>(), number());
    let boot = (
        any::<u32>(),
        any::<u8>(),
        text::<96>(),
        any::<Option<u32>>(),
    );
    let boot = boot.prop_map(|(count, reason, last_word, watchdogs)| BootReport {
        count,
        reason: BootReason::from(reason),
        last_word,
        watchdogs,
    });
    (texts, kinds, any::<[u32; 6]>(), boot).prop_map(
        |(
            (name, board, firmware, git),
            ([major, minor, clock], zero_seed, boot_id, at_us),
            n,
            boot,
        )| {
            Hello {
                major,
                minor,
                boot_id,
                at_us,
                clock: ClockKind::from(clock),
                zero_seed,
                name,
                board,
                firmware,
                git,
                capacities: Capacities {
                    flows: n[0],
                    echoes: n[1],
                    echo_requests: n[2],
                    outbox_octets: n[3],
                    resend_octets: n[4],
                    max_frame: n[5],
                    doubles: n[0].rotate_left(7),
                    filters: FilterRoom {
                        slots: n[1].to_le_bytes()[0],
                        ring_octets: n[2].rotate_left(7),
                        payload: n[3] % 2 == 1,
                    },
                },
                boot,
            }
        },
    )
}

pub(crate) fn port() -> impl Strategy<Value = Port> {
    let link = prop_oneof![
        Just(LinkState::Unknown),
        Just(LinkState::Down),
        (any::<u32>(), any::<bool>())
            .prop_map(|(mbit, full_duplex)| LinkState::Up { mbit, full_duplex }),
    ];
    let net = prop_oneof![
        Just(NetState::Silent),
        Just(NetState::Asking),
        Just(NetState::NoLease),
        any::<[u8; 4]>().prop_map(NetState::Up),
        (4..=u8::MAX).prop_map(NetState::Unknown),
    ];
    (number(), link, net, option::of(any::<u16>()), any::<u32>()).prop_map(
        |(at_us, link, net, cpu_permille, refused)| Port {
            at_us,
            link,
            net,
            cpu_permille,
            refused,
        },
    )
}
