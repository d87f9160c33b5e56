//! Any octets as a frame, with any length on the wire.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie_fuzz::input::Input;
use magpie_protocol::Malformed;
use magpie_sensor::dissect::{Network, Transport, View, dissect};

// An octet that says the wire length, two that say where to cut, a frame.
magpie_fuzz::seeds!(
    magpie_fuzz::frames::all()
        .iter()
        .map(|f| [&[0, 0xff, 0xff][..], f].concat())
        .collect()
);

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (mode, cut) = (input.u8(), usize::from(input.u16()));
    let len = u32::try_from(input.rest().len()).expect("inputs are short");
    let wire_len = match mode {
        0..=0xbf => len,
        0xc0..=0xdf => len.saturating_add(u32::from(mode & 0x1f)),
        0xe0..=0xfd => input.u32(),
        0xfe => 0,
        0xff => u32::MAX,
    };
    let frame = input.rest();
    let view = check(frame, wire_len);

    let part = check(&frame[..cut.min(frame.len())], wire_len);
    for class in part.malformed.iter() {
        let known = class.name().ends_with("_short") || view.malformed.contains(class);
        assert!(known, "a cut raised {}", class.name());
    }
});

fn check(frame: &[u8], wire_len: u32) -> View {
    let view = dissect(frame, wire_len);
    assert!(view.vlan.depth() == 4 || !view.vlan_cut);
    match view.network {
        Network::Ip(ip) => {
            assert!(ip.ip_octets <= wire_len);
            if let Transport::Tcp(tcp) = ip.transport {
                assert!(tcp.payload.unwrap_or(0) <= ip.ip_octets);
            }
            assert!(!view.malformed.contains(Malformed::EthShort));
        }
        Network::Invalid => assert!(!view.malformed.is_empty(), "invalid without a reason"),
        Network::Arp(_) | Network::Other => {}
    }
    view
}
