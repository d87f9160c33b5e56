//! How much this board holds.

magpie_node::storage! {
    flow_sets: 512, // 4,096 flows
    echo_sets: 32, // 256 pairs
    request_sets: 256, // 2,048 requests
    ethertypes: 128,
    protocols: 128,
    vlans: 128,
    icmp: 128,
    arp_operations: 128,
    outbox: 120, // 16 KB
    unsent_sets: 8, // 64 lines
    resend: 64 * 1024,
    scratch: 2048,
    doubled_sets: 256, // 1,024 frames: 500 us of gigabit
    filter_slots: 4,
    packets: 2 * 1024 * 1024,
    network: 8,
}
