//! What other minor versions say: bodies end earlier, or later, or tell
//! what this one does not know.

use magpie_protocol::{
    BootReport, Capacities, Command, Configuration, DecodeError, Doubles, FilterRoom, Hello, Known,
    Ledger, LinkState, Losses, MAX_ITEM, NetState, Port, Record, Sum, decode_command,
    decode_record, encode_command, encode_record_for,
};

use super::commands::commands;
use super::{FIRST, one_item, records};

/// Octets of the boot report in the Hello of [`records`].
const BOOT_REPORT: usize = 12;

/// Octets of what 1.2 put behind it, and behind the ledger.
const DOUBLES: usize = 2;

/// Octets of what 1.3 put behind that.
const WATCHDOGS: usize = 2;

const LEDGER_DOUBLES: usize = 6;

/// Octets of what 1.4 put behind those of 1.3: in a Hello, a ledger, a port.
const FILTERS: usize = 4;

const FILTERED: usize = 3;

const REFUSED: [(&str, usize); 3] = [
    ("port without a lease", 1),
    ("port with an address", 2),
    ("port without a cable", 1),
];

/// A Hello of 1.0 ends before its boot report.
#[test]
fn a_hello_of_1_0_is_read() {
    let old = "012c0100effdb6f50d07010104746170310471656d7505302e312e3007386265653362388002\
               204080108020ee0b";
    let octets: Vec<u8> = (0..old.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&old[at..at + 2], 16).unwrap())
        .collect();
    let Some((_, Record::Hello(new), known)) = records().into_iter().next() else {
        panic!("Hello is the first");
    };
    let since = [BOOT_REPORT, DOUBLES, WATCHDOGS, FILTERS];
    assert_eq!(known.len(), old.len() + 2 * since.iter().sum::<usize>());
    let hello = Hello {
        minor: 0,
        boot: BootReport::default(),
        capacities: Capacities {
            doubles: 0,
            filters: FilterRoom::default(),
            ..new.capacities
        },
        ..new
    };
    let read = decode_record(one_item(&octets));
    assert_eq!(read, Ok(Record::Hello(hello)));
}

/// A Hello ends where its version did, and only there.
#[test]
fn a_hello_of_each_version_is_read() {
    let mut out = [0; MAX_ITEM];
    let Some((_, Record::Hello(hello), _)) = records().into_iter().next() else {
        panic!("Hello is the first");
    };
    let len = encode_record_for(FIRST, &Record::Hello(hello.clone()), &mut out).unwrap();
    let item = one_item(&out[..len]);
    let read = |less: usize| {
        let body = &item.body[..item.body.len() - less];
        decode_record(magpie_protocol::Item { body, ..item })
    };
    let mut of_1_3 = hello;
    of_1_3.capacities.filters = FilterRoom::default();
    assert_eq!(read(FILTERS), Ok(Record::Hello(of_1_3.clone())));
    let mut of_1_2 = of_1_3;
    of_1_2.boot.watchdogs = None;
    let less = FILTERS + WATCHDOGS;
    assert_eq!(read(less), Ok(Record::Hello(of_1_2.clone())));
    let mut of_1_1 = of_1_2;
    of_1_1.capacities.doubles = 0;
    assert_eq!(read(less + DOUBLES), Ok(Record::Hello(of_1_1)));
    for within in [1, FILTERS + 1, less + 1, less + DOUBLES + 1] {
        assert!(read(within).is_err(), "{within} less");
    }
}

/// What 1.1 said and heard: no word of doubles.
#[test]
fn bodies_of_1_1_end_before_the_doubles() {
    let mut out = [0; MAX_ITEM];
    for (name, record, _) in records() {
        let Record::Ledger(ledger) = record else {
            continue;
        };
        let len = encode_record_for(FIRST, &Record::Ledger(ledger), &mut out).unwrap();
        let item = one_item(&out[..len]);
        let body = &item.body[..item.body.len() - LEDGER_DOUBLES - FILTERED];
        let old = Ledger {
            doubles: Doubles::default(),
            filtered: Sum::default(),
            ..ledger
        };
        let read = decode_record(magpie_protocol::Item { body, ..item });
        assert_eq!(read, Ok(Record::Ledger(old)), "{name}");
        // Sent even where none are looked for: newer fields stand behind them.
        let nothing = [body, &[0; 7]].concat();
        let len = encode_record_for(FIRST, &Record::Ledger(old), &mut out).unwrap();
        assert_eq!(one_item(&out[..len]).body, nothing);
    }
    let set = Configuration {
        idle_us: Some(15_000_000),
        active_us: None,
        end_us: Some(0),
        live_us: Some(1),
        dedup_us: None,
    };
    let command = Command::Configure { id: 5, set };
    let len = encode_command(&command, &mut out).unwrap();
    let known = [132, 12, 5, 1, 0xc0, 0xc3, 0x93, 7, 0, 1, 0, 1, 1, 0];
    assert_eq!(out[..len], known);
    let item = one_item(&out[..len]);
    let body = &item.body[..item.body.len() - 1];
    let old = magpie_protocol::Item { body, ..item };
    for read in [item, old] {
        assert_eq!(decode_command(read), Ok(command));
    }
}

/// States of a newer version are no damage: of the link one knows nothing then,
/// of the network the number.
#[test]
fn newer_states_of_a_port_are_read() {
    let body = [7, 9, 100, 1, 4, 10, 0, 0, 1, 0];
    let read = decode_record(magpie_protocol::Item {
        kind: 12,
        body: &body,
    });
    let port = Port {
        at_us: 7,
        link: LinkState::Unknown,
        net: NetState::Unknown(4),
        cpu_permille: None,
        refused: 0,
    };
    assert_eq!(read, Ok(Record::Port(port)));
}

/// A newer minor version appends fields to the end of a body.
#[test]
fn appended_fields_are_ignored() {
    let mut out = [0; MAX_ITEM];
    for (name, record, _) in records() {
        let len = encode_record_for(FIRST, &record, &mut out).unwrap();
        let item = one_item(&out[..len]);
        let longer = [item.body, &[1, 2, 255, 255]].concat();
        let longer = magpie_protocol::Item {
            body: &longer,
            ..item
        };
        assert_eq!(decode_record(longer), Ok(record), "{name}");
    }
    for (name, command, _) in commands() {
        let len = encode_command(&command, &mut out).unwrap();
        let item = one_item(&out[..len]);
        let longer = [item.body, &[1, 2, 255, 255]].concat();
        let longer = magpie_protocol::Item {
            body: &longer,
            ..item
        };
        assert_eq!(decode_command(longer), Ok(command), "{name}");
    }
}

/// No prefix of a body is taken for the whole.
#[test]
fn shorter_bodies_are_refused() {
    let mut out = [0; MAX_ITEM];
    for (name, record, _) in records() {
        let len = encode_record_for(FIRST, &record, &mut out).unwrap();
        let item = one_item(&out[..len]);
        for cut in 0..item.body.len() {
            let missing = item.body.len() - cut;
            let of_1_2 = FILTERS + WATCHDOGS;
            let of_1_1 = of_1_2 + DOUBLES;
            let hellos = [FILTERS, of_1_2, of_1_1, of_1_1 + BOOT_REPORT];
            if name == "hello" && hellos.contains(&missing) {
                continue; // the whole of 1.3, of 1.2, of 1.1, of 1.0
            }
            if name == "ledger" && [FILTERED, LEDGER_DOUBLES + FILTERED].contains(&missing) {
                continue; // the whole of 1.3, of 1.1
            }
            if REFUSED.contains(&(name, missing)) {
                continue; // the whole of 1.3
            }
            let shorter = magpie_protocol::Item {
                body: &item.body[..cut],
                ..item
            };
            let refused = Err(DecodeError::BadBody(item.kind));
            assert_eq!(decode_record(shorter), refused, "{name} cut to {cut}");
        }
    }
}

/// A host of 1.3 knows no filtered frames: what no table was shown is lost to it.
#[test]
fn a_ledger_adds_up_for_an_older_host() {
    let sum = |frames| Sum {
        frames,
        octets: frames * 100,
    };
    let ledger = Ledger {
        counted: sum(10),
        in_flows: sum(4),
        arp: sum(1),
        filtered: sum(5),
        lost: Losses {
            ring: Known::Exact(2),
            ..Losses::default()
        },
        ..Ledger::default()
    };
    assert_eq!(ledger.told_to(4), ledger);
    let old = ledger.told_to(3);
    assert_eq!((old.counted, old.filtered), (sum(5), Sum::default()));
    assert_eq!(old.lost.ring, Known::Exact(7));
    let none = Ledger {
        filtered: Sum::default(),
        ..ledger
    };
    assert_eq!(none.told_to(3), none);
}
