mod model;
mod random;

use std::cell::RefCell;
use std::rc::Rc;

use embassy_futures::block_on;
use model::{Model, Plugged, Wires, number};

use super::*;
use crate::registers::*;

type Chip = W6100<Wires, Wires, Wires>;

fn chip(model: &Rc<RefCell<Model>>) -> Chip {
    let wires = || Wires(model.clone());
    W6100::new(wires(), wires(), wires())
}

/// One call; the numbers of the frames that came.
fn receive(chip: &mut Chip) -> Result<Vec<u32>, Fault> {
    let mut room = [0; BUFFER];
    let octets = block_on(chip.receive(&mut room))?;
    let mut numbers = Vec::new();
    let mut at = 0;
    while let Some((frame, next)) = frame_at(&room[..octets], at) {
        numbers.push(number(frame));
        at = next;
    }
    assert_eq!(at, octets);
    Ok(numbers)
}

const UP: Link = Link::Up {
    hundred: true,
    full_duplex: true,
};

const NOTHING: Missed = Missed {
    certain: 0,
    occasions: 0,
};

fn started() -> (Rc<RefCell<Model>>, Chip) {
    let model = Model::new();
    let mut chip = chip(&model);
    assert_eq!(receive(&mut chip), Ok(vec![]));
    assert!(chip.is_running());
    (model, chip)
}

#[test]
fn starts_promiscuous_and_silent() {
    let (model, mut chip) = started();
    let model_now = model.borrow();
    let register = |place: Place| model_now.registers.get(&(place.block, place.offset));
    // The MAC filter is bit 7, blocks are bits 4 to 6.
    assert_eq!(register(S0_MR), Some(&0x07));
    assert_eq!(register(NET4MR), Some(&0b1011));
    assert_eq!(register(NET6MR), Some(&0b1011));
    assert_eq!(register(NETMR), Some(&0b11_0000));
    assert_eq!(register(ICMP6BLKR), Some(&0b1_1111));
    for number in 0..8 {
        assert_eq!(register(tx_bsr(number)), Some(&0), "{number}");
        let kb = if number == 0 { 16 } else { 0 };
        assert_eq!(register(rx_bsr(number)), Some(&kb), "{number}");
    }
    // SHAR, GAR, SUBR, SIPR, LLAR, GUAR, SUB6R, GA6R: never written; nor a
    // command without a socket (SLCR).
    let addresses = 0x4120..0x4180;
    let written = model_now.registers.keys();
    assert!(
        written
            .filter(|(block, _)| *block == 0)
            .all(|(_, offset)| !addresses.contains(offset) && *offset != 0x2130)
    );
    assert_eq!(model_now.commands, [OPEN]);
    assert!(model_now.waited_ns >= 100_000_000);
    drop(model_now);
    model.borrow_mut().arrive(60);
    assert_eq!(receive(&mut chip), Ok(vec![0]));
    assert!(!model.borrow().transmit_touched);
    assert!(!model.borrow().commands.iter().any(|c| c & 0x20 != 0));
    assert_eq!(chip.missed(), NOTHING);
}

type Break = fn(&mut Model);

#[test]
fn says_why_it_does_not_start_and_stays_in_reset() {
    let setting = |place: Place, is| Fault::Setting {
        offset: place.offset,
        is,
    };
    let cases: [(Break, Fault); 9] = [
        (
            |m| m.identity = [0x61, 0, 0x46, 0x62],
            Fault::NotThere([0x61, 0, 0x46, 0x62]),
        ),
        (
            |m| m.identity = [0x63, 0, 0x46, 0x61],
            Fault::NotThere([0x63, 0, 0x46, 0x61]),
        ),
        (|m| m.plugged = Plugged::Ones, Fault::NotThere([0xff; 4])),
        (|m| m.plugged = Plugged::Zeros, Fault::NotThere([0; 4])),
        (|m| m.stubborn = Some(0x4000), setting(NET4MR, 0)),
        (|m| m.stubborn = Some(0x41f0), setting(ICMP6BLKR, 0)),
        (|m| m.stuck = true, Fault::Stuck(OPEN)),
        (|m| m.never_opens = true, Fault::Closed(0)),
        (|m| m.bus_errors = 3, Fault::Bus),
    ];
    for (number, (spoil, fault)) in cases.into_iter().enumerate() {
        let model = Model::new();
        spoil(&mut model.borrow_mut());
        let mut chip = chip(&model);
        assert_eq!(receive(&mut chip), Err(fault), "{number}");
        assert!(model.borrow().in_reset, "{number}");
        assert!(!chip.is_running());
        // What came meanwhile is unknown; and it goes on when it can.
        assert!(chip.missed().occasions > 0);
        let healed = Model::new();
        model.swap(&healed);
        assert_eq!(receive(&mut chip), Ok(vec![]), "{number}");
        model.borrow_mut().arrive(100);
        assert_eq!(receive(&mut chip), Ok(vec![0]), "{number}");
    }
}

#[test]
fn frames_of_every_length_come_out_whole_and_in_order() {
    let (model, mut chip) = started();
    let lengths = [14, 15, 60, 61, 62, 63, 64, 1513, 1514, 1518, MAX_FRAME];
    let mut sent = 0;
    // The buffer, and its pointers of 16 bits, wrap several times.
    for round in 0..200 {
        for at in 0..lengths.len() {
            model
                .borrow_mut()
                .arrive(lengths[(at + round) % lengths.len()]);
        }
        let expected: Vec<u32> = (sent..).take(lengths.len()).collect();
        assert_eq!(receive(&mut chip), Ok(expected));
        assert_eq!(receive(&mut chip), Ok(vec![]));
        sent += u32::try_from(lengths.len()).unwrap();
    }
    assert_eq!(chip.missed(), NOTHING);
    assert_eq!(model.borrow().held(), 0);
}

/// Fills the buffer up to this level, at least.
fn fill(model: &Rc<RefCell<Model>>, level: usize) {
    let mut model = model.borrow_mut();
    while usize::from(model.level()) < level {
        let rest = level - usize::from(model.level());
        model.arrive(rest.saturating_sub(2).clamp(60, 1514));
    }
}

#[test]
fn nothing_missed_is_said_exactly_as_long_as_it_is_sure() {
    let (model, mut chip) = started();
    let sure = BUFFER - MAX_FRAME - 4;
    fill(&model, sure);
    assert_eq!(usize::from(model.borrow().level()), sure);
    assert!(!receive(&mut chip).unwrap().is_empty());
    assert_eq!(chip.missed(), NOTHING);
    fill(&model, sure + 1);
    assert!(!receive(&mut chip).unwrap().is_empty());
    let maybe = chip.missed();
    assert!(maybe.certain == 0 && maybe.occasions > 0);
    // That was then.
    assert_eq!(receive(&mut chip), Ok(vec![]));
    assert_eq!(chip.missed(), maybe);
}

#[test]
fn a_full_buffer_comes_out_whole_and_what_it_dropped_is_possible() {
    let (model, mut chip) = started();
    for _ in 0..100 {
        model.borrow_mut().arrive(500);
    }
    let kept: Vec<u32> = (0..32).collect();
    assert_eq!(model.borrow().no_room.len(), 68);
    assert_eq!(receive(&mut chip), Ok(kept));
    assert!(chip.missed().occasions > 0);
}

#[test]
fn a_length_that_cannot_be_costs_what_waits_and_no_more() {
    for word in [0, 1, 2, 15, 61, 63, 0x4000, 0x8000, u16::MAX] {
        let (model, mut chip) = started();
        model.borrow_mut().arrive(100);
        model.borrow_mut().arrive_with(60, Some(word));
        model.borrow_mut().arrive(200);
        assert_eq!(receive(&mut chip), Ok(vec![]), "{word}");
        let missed = chip.missed();
        assert!(missed.certain == 1 && missed.occasions > 0, "{word}");
        assert_eq!(model.borrow().commands, [OPEN, RECV, CLOSE, OPEN]);
        model.borrow_mut().arrive(300);
        assert_eq!(receive(&mut chip), Ok(vec![3]), "{word}");
        assert_eq!(chip.missed(), missed);
    }
}

#[test]
fn an_spi_error_now_and_then_costs_nothing() {
    let (model, mut chip) = started();
    for round in 0..200 {
        model.borrow_mut().arrive(1000);
        model.borrow_mut().bus_errors = 1 + round % 2;
        assert_eq!(receive(&mut chip), Ok(vec![round]));
    }
    assert_eq!(chip.missed(), NOTHING);
    model.borrow_mut().bus_errors = 3;
    assert_eq!(receive(&mut chip), Err(Fault::Bus));
    assert!(model.borrow().in_reset);
    assert_eq!(receive(&mut chip), Ok(vec![]));
    model.borrow_mut().arrive(60);
    assert_eq!(receive(&mut chip), Ok(vec![200]));
    assert!(chip.missed().occasions > 0);
}

#[test]
fn an_unplugged_chip_is_found_out_and_found_again() {
    for plugged in [Plugged::Ones, Plugged::Zeros] {
        // Also where the pointers happen to be what the bus reads.
        for before in [0, 1] {
            let (model, mut chip) = started();
            for _ in 0..before {
                model.borrow_mut().arrive(60);
                assert!(receive(&mut chip).is_ok());
            }
            model.borrow_mut().plugged = plugged;
            let seen = receive(&mut chip).err();
            if seen.is_none() {
                // As quiet as a quiet wire.
                assert!(plugged == Plugged::Zeros && before == 0);
                assert_eq!(block_on(chip.look()), Err(Fault::NotThere([0; 4])));
            }
            assert!(matches!(receive(&mut chip), Err(Fault::NotThere(_))));
            model.borrow_mut().plugged = Plugged::Yes;
            assert_eq!(receive(&mut chip), Ok(vec![]));
            assert_eq!(block_on(chip.look()), Ok(UP));
            assert!(chip.missed().occasions > 0);
        }
    }
}

#[test]
fn a_chip_that_resets_itself_is_found_out() {
    let (model, mut chip) = started();
    model.borrow_mut().arrive(60);
    assert_eq!(receive(&mut chip), Ok(vec![0]));
    model.borrow_mut().reset();
    assert_eq!(receive(&mut chip), Err(Fault::Pointer(0)));
    let (model, mut chip) = started();
    model.borrow_mut().reset();
    // Its pointers are right: it is no longer silent, which is worse.
    assert!(matches!(
        block_on(chip.look()),
        Err(Fault::Setting { offset: 0x4000, .. })
    ));
    assert!(model.borrow().in_reset);
}

#[test]
fn the_link_goes_down_and_comes_up() {
    let (model, mut chip) = started();
    assert_eq!(block_on(chip.look()), Ok(UP));
    model.borrow_mut().arrive(60);
    model.borrow_mut().link = false;
    assert_eq!(block_on(chip.look()), Ok(Link::Down));
    // What came before is still there, and nothing was missed.
    assert_eq!(receive(&mut chip), Ok(vec![0]));
    model.borrow_mut().link = true;
    assert_eq!(block_on(chip.look()), Ok(UP));
    model.borrow_mut().arrive(60);
    assert_eq!(receive(&mut chip), Ok(vec![1]));
    assert_eq!(chip.missed(), NOTHING);
}

#[test]
fn speed_and_duplex_are_told() {
    let (model, mut chip) = started();
    for (speed, hundred, full_duplex) in [
        (0b000, true, true),
        (0b100, true, false),
        (0b010, false, true),
        (0b110, false, false),
    ] {
        model.borrow_mut().speed = speed;
        let up = Link::Up {
            hundred,
            full_duplex,
        };
        assert_eq!(block_on(chip.look()), Ok(up));
        model.borrow_mut().link = false;
        assert_eq!(block_on(chip.look()), Ok(Link::Down));
        model.borrow_mut().link = true;
    }
}

#[test]
fn the_interrupt_is_cleared() {
    let (model, mut chip) = started();
    assert_eq!(block_on(chip.acknowledge()), Ok(()));
    let cleared = model.borrow().registers.get(&(1, 0x28)).copied();
    assert_eq!(cleared, Some(0x1f));
}

#[test]
fn no_octets_make_it_read_outside() {
    let mut random = model::Random(7);
    for _ in 0..20_000 {
        let len = usize::try_from(random.below(200)).unwrap();
        let octets: Vec<u8> = (0..len)
            .map(|_| match random.below(3) {
                0 => 0,
                1 => random.next().to_le_bytes()[0],
                _ => 16,
            })
            .collect();
        let mut at = usize::try_from(random.below(250)).unwrap();
        while let Some((frame, next)) = frame_at(&octets, at) {
            assert!(frame.len() >= 14 && next == at + 2 + frame.len() && next <= len);
            at = next;
        }
    }
    assert_eq!(frame_at(&[0; 4], usize::MAX), None);
}
