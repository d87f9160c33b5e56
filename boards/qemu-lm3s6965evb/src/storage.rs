//! How much this board holds.

magpie_node::storage! {
    flow_sets: if cfg!(magpie_speak) { 16 } else { 32 }, // 128 or 256 flows
    echo_sets: 2, // 16 pairs
    request_sets: 8, // 64 requests
    ethertypes: 16,
    protocols: 32,
    vlans: 16,
    icmp: 32,
    arp_operations: 8,
    outbox: 16, // 2,176 octets
    unsent_sets: 1, // 8 lines
    resend: if cfg!(magpie_speak) { 4096 } else { 2560 },
    scratch: 2048,
    doubled_sets: 32, // 128 frames: 860 us of 100 Mbit/s
    filter_slots: 0, // one alone takes 3 KB
    packets: 0,
    network: 2,
}
