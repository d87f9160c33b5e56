//! How much this board holds.

use magpie_stm32h7_eth::MAX_FRAME;

magpie_node::storage! {
    flow_sets: 256, // 2,048 flows
    echo_sets: 32, // 256 pairs
    request_sets: 256, // 2,048 requests
    ethertypes: 128,
    protocols: 128,
    vlans: 128,
    icmp: 128,
    arp_operations: 128,
    outbox: 120, // 16 KB
    unsent_sets: 8, // 64 lines
    resend: if cfg!(magpie_speak) { 32 * 1024 } else { 48 * 1024 },
    scratch: MAX_FRAME,
    doubled_sets: 128, // 512 frames: 3 ms of 100 Mbit/s
    network: 4,
}
