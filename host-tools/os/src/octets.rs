//! Numbers in octets of the kernel, in the machine's own order. What comes
//! may be shorter than it should be: then there is no number.

fn at<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(crate) fn u8(octets: &[u8], at: usize) -> Option<u8> {
    octets.get(at).copied()
}

#[cfg(target_os = "linux")]
pub(crate) fn u16(octets: &[u8], from: usize) -> Option<u16> {
    at(octets, from).map(u16::from_ne_bytes)
}

pub(crate) fn u32(octets: &[u8], from: usize) -> Option<u32> {
    at(octets, from).map(u32::from_ne_bytes)
}

pub(crate) fn u64(octets: &[u8], from: usize) -> Option<u64> {
    at(octets, from).map(u64::from_ne_bytes)
}

/// In network order.
#[cfg(target_os = "linux")]
pub(crate) fn be16(octets: &[u8], from: usize) -> Option<u16> {
    at(octets, from).map(u16::from_be_bytes)
}

/// An address at the beginning: 4 octets of IPv4, or 16 of IPv6.
#[cfg(target_os = "linux")]
pub(crate) fn address(octets: &[u8], ipv6: bool) -> Option<std::net::IpAddr> {
    Some(if ipv6 {
        at::<16>(octets, 0)?.into()
    } else {
        at::<4>(octets, 0)?.into()
    })
}
