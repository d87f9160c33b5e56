//! Known octets of commands.

use magpie_protocol::{
    BpfInstruction, Command, Configuration, FilterAction, Instructions, MAX_ITEM, decode_command,
    encode_command,
};

use super::{hex, one_item};

pub(crate) fn commands() -> Vec<(&'static str, Command, &'static str)> {
    let set = Configuration {
        idle_us: Some(15_000_000),
        active_us: None,
        end_us: Some(0),
        live_us: Some(1),
        dedup_us: Some(500),
    };
    vec![
        ("hello", Command::Hello { major: 1, minor: 0 }, "80020100"),
        (
            "ack",
            Command::Ack {
                boot_id: 0xdead_beef,
                next: 1000,
            },
            "8107effdb6f50de807",
        ),
        ("flush", Command::Flush { id: 3 }, "820103"),
        (
            "time sync",
            Command::TimeSync {
                id: 4,
                host_us: 1 << 56,
            },
            "830a04808080808080808001",
        ),
        (
            "configure",
            Command::Configure { id: 5, set },
            "840e0501c0c39307000100010101f403",
        ),
        (
            "load filter",
            Command::LoadFilter {
                id: 6,
                slot: 1,
                of: 300,
                at: 2,
                instructions: Instructions::take(&[
                    BpfInstruction {
                        code: 0x28,
                        jt: 0,
                        jf: 0,
                        k: 12,
                    },
                    BpfInstruction {
                        code: 0x0115,
                        jt: 2,
                        jf: 255,
                        k: 0x8100_0806,
                    },
                ])
                .0,
            },
            "85160601ac020202280000000c000000150102ff06080081",
        ),
        (
            "start filter",
            Command::StartFilter {
                id: 7,
                slot: 0,
                literal: true,
                action: FilterAction::Capture {
                    snap_len: 256,
                    max_packets: 0,
                    max_octets: 128,
                    wait: false,
                },
                of: 4,
                check: 0xdead_beef,
            },
            "86100700010180020080010004effdb6f50d",
        ),
        (
            "stop filter",
            Command::StopFilter {
                id: 8,
                slot: 3,
                discard: true,
            },
            "8703080301",
        ),
    ]
}

#[test]
fn commands_have_their_known_octets() {
    let mut out = [0; MAX_ITEM];
    for (name, command, known) in commands() {
        let len = encode_command(&command, &mut out).unwrap();
        assert_eq!(hex(&out[..len]), known, "{name}");
        assert_eq!(decode_command(one_item(&out[..len])), Ok(command), "{name}");
    }
}
