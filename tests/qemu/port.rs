//! What a board says of its own port and processor.

use magpie_emulator::{Board, BoardClock, Options};
use magpie_protocol::{LinkState, NetState, Port};
use magpie_tests::line::{Harm, Line};

use crate::host::Host;

on_each_board!(a_port_tells_its_link_and_a_processor_its_load);

/// A board without anything to do sleeps most of its time: of 1,000.
const IDLE: u16 = 300;

fn port(host: &Host) -> Port {
    host.picture.port().copied().unwrap_or_default()
}

/// The cable is pulled and plugged in again. (The emulated LM3S6965 has no PHY
/// that could tell.)
fn a_port_tells_its_link_and_a_processor_its_load(board: &'static Board) {
    let options = Options {
        // Instructions take time, and nothing else does: how busy the machine is
        // that runs this does not matter.
        icount: Some("shift=7,sleep=off".into()),
        clock: BoardClock::Own,
        ..Options::default()
    };
    let line = Line::start_with(board, &options, std::iter::empty(), Harm::default());
    let mut host = Host::on(&line);
    // A second in which nothing was to be done may round to a load of none.
    host.until("a load", |host| {
        let load = port(host).cpu_permille;
        load.is_some_and(|load| (1..IDLE).contains(&load))
    });
    let told = port(&host);
    assert_eq!(told.net, NetState::Silent, "{}", board.name);
    let up = LinkState::Up {
        mbit: 100,
        full_duplex: true,
    };
    let (down, up) = if board.name.contains("lm3s") {
        (LinkState::Unknown, LinkState::Unknown)
    } else {
        (LinkState::Down, up)
    };
    assert_eq!(told.link, up, "{}", board.name);
    for (plugged, link) in [(false, down), (true, up)] {
        line.emulator().plug(plugged).expect("a card of QEMU's");
        let since = port(&host).at_us;
        host.until("a look at the cable", |host| {
            let told = port(host);
            // Live updates come every second, looks every half.
            told.link == link && told.at_us > since + 2_000_000
        });
    }
}
