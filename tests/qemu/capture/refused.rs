//! Captures that a board refuses.

use magpie_collector::{FilterPacket, FilterRefusal, State};
use magpie_protocol::{FilterAction, FilterReason, Outcome};
use magpie_sources::{QemuOptions, SensorCapture};
use magpie_tests::boards;
use magpie_tests::corpus::own_named;
use magpie_tests::udp::{SpeakingBoard, Wiring};

use super::{board_fed, capture_action, compiled, request, run, through};

/// The small board says what it lacks, and does all else as ever.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn a_board_without_room_says_so() {
    let board = boards::ready("lm3s6965evb");
    let capture = own_named("vlan.pcap");
    let program = compiled("tcp", &capture.path);
    let ran = through(
        board,
        &capture.path,
        request(program, true, capture_action(true)),
    );
    let why = ran.refusal();
    let FilterRefusal::Answered {
        outcome: Outcome::Unsupported,
        reason: FilterReason::NoSlot,
        ..
    } = why
    else {
        panic!("{why:?}");
    };
    assert_eq!(why.to_string(), "the sensor has no memory for this filter");
    let hello = ran.capture.picture().hello().expect("it said who it is");
    assert_eq!(hello.capacities.filters.slots, 0);
    let books = ran.capture.picture().books(ran.capture.offered().as_ref());
    assert_eq!(books.state, State::Closed, "{books}");
}

/// An image without packets: they are refused, counting is not.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn an_image_without_payload_hands_out_none() {
    let board = boards::ready("mps2-an386");
    let capture = own_named("lab.pcap");
    let mut options = QemuOptions::default();
    options.emulator.image = Some(boards::image_without_payload(board));
    for (action, refused) in [(capture_action(true), true), (FilterAction::Count, false)] {
        let source = board_fed(board, capture.path.clone(), &options);
        let program = compiled("tcp", &capture.path);
        let ran = run(
            SensorCapture::new(source, request(program, true, action)),
            |_| {},
        );
        let hello = ran.capture.picture().hello().expect("it said who it is");
        let room = hello.capacities.filters;
        assert_eq!((room.payload, room.ring_octets), (false, 0));
        if refused {
            let why = ran.refusal();
            assert!(
                matches!(
                    why,
                    FilterRefusal::Answered {
                        reason: FilterReason::NoPayload,
                        ..
                    }
                ),
                "{why:?}"
            );
        } else {
            ran.assert_closed("counting");
            assert!(ran.account().matched.frames > 0);
        }
    }
}

/// By UDP anybody may ask: refused, counted, and shown.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn a_capture_asked_for_by_udp_is_refused_and_counted() {
    let board = boards::ready("mps2-an386");
    let capture = own_named("vlan.pcap");
    let source = SpeakingBoard::start(board, &capture, Wiring::default());
    let program = compiled("tcp", &capture.path);
    let request = request(program, true, capture_action(false));
    let ran = run(SensorCapture::new(Box::new(source), request), |_| {});
    let why = ran.refusal();
    let FilterRefusal::Answered {
        outcome: Outcome::Refused,
        reason: FilterReason::NotAuthenticated,
        ..
    } = why
    else {
        panic!("{why:?}");
    };
    assert_eq!(ran.packets(), [] as [&FilterPacket; 0]);
    let port = ran.capture.picture().port().expect("a board has one");
    assert!(port.refused >= 1, "{port:?}");
}
