//! The host at the other end of the cable: ARP, one UDP socket, and a DHCP
//! server if wished.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::udp;
use smoltcp::time::Instant as Time;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, HardwareAddress, IpAddress, IpCidr, IpEndpoint, IpProtocol, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};

/// Where the host listens.
pub const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 99, 0, 1), 4739);
/// The address that the board is given, by setting or by DHCP.
pub const BOARD: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// The network they share.
pub const PREFIX: u8 = 24;
/// The host's Ethernet address.
pub const ETHERNET: EthernetAddress = EthernetAddress([0x02, 0x4d, 0x61, 0x67, 0, 1]);

/// A stack over queues of frames.
pub struct Host {
    nic: Nic,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    start: Instant,
    dhcp: bool,
    /// Leases given.
    pub leases: u32,
}

#[derive(Default)]
struct Nic {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Host {
    /// Nobody spoke yet; with `dhcp` it gives the board its address.
    pub fn new(dhcp: bool) -> Self {
        let start = Instant::now();
        let mut nic = Nic::default();
        let config = Config::new(HardwareAddress::Ethernet(ETHERNET));
        let mut interface = Interface::new(config, &mut nic, Time::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(IpAddress::Ipv4(*HOST.ip()), PREFIX))
                .expect("room for one address");
        });
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 256], vec![0; 256 * 1024]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(HOST.port()).expect("a port of our own stack");
        let mut sockets = SocketSet::new(vec![]);
        let socket = sockets.add(socket);
        Self {
            nic,
            interface,
            sockets,
            socket,
            start,
            dhcp,
            leases: 0,
        }
    }

    /// A frame that the board sent.
    pub fn take(&mut self, frame: Vec<u8>) {
        if self.dhcp
            && let Some(answer) = dhcp_answer(&frame, &mut self.leases)
        {
            self.nic.outgoing.push_back(answer);
        }
        self.nic.incoming.push_back(frame);
    }

    /// Works through what came; the frames to send.
    pub fn poll(&mut self) -> Vec<Vec<u8>> {
        let micros = i64::try_from(self.start.elapsed().as_micros()).expect("a test's time");
        self.interface
            .poll(Time::from_micros(micros), &mut self.nic, &mut self.sockets);
        self.nic.outgoing.drain(..).collect()
    }

    /// Sends a datagram to the board.
    pub fn send(&mut self, datagram: &[u8], port: u16) {
        let to = IpEndpoint::new(IpAddress::Ipv4(BOARD), port);
        let socket = self.sockets.get_mut::<udp::Socket>(self.socket);
        socket.send_slice(datagram, to).expect("room for a command");
    }

    /// The next datagram of the board.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let socket = self.sockets.get_mut::<udp::Socket>(self.socket);
        let (datagram, from) = socket.recv().ok()?;
        assert_eq!(from.endpoint.addr, IpAddress::Ipv4(BOARD), "a stranger");
        Some(datagram.to_vec())
    }
}

impl Device for Nic {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Time) -> Option<(Received, Sending<'_>)> {
        let frame = self.incoming.pop_front()?;
        Some((Received(frame), Sending(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: Time) -> Option<Sending<'_>> {
        Some(Sending(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// A frame for the stack.
pub struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Room for a frame of the stack.
pub struct Sending<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        // As a network card does.
        frame.resize(frame.len().max(60), 0);
        self.0.push_back(frame);
        result
    }
}

/// What a DHCP server says to this frame, if it is for one.
fn dhcp_answer(frame: &[u8], leases: &mut u32) -> Option<Vec<u8>> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    if ip.next_header() != IpProtocol::Udp {
        return None;
    }
    let datagram = UdpPacket::new_checked(ip.payload()).ok()?;
    if datagram.dst_port() != 67 {
        return None;
    }
    let packet = DhcpPacket::new_checked(datagram.payload()).ok()?;
    let asked = DhcpRepr::parse(&packet).ok()?;
    let message_type = match asked.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request => {
            *leases += 1;
            DhcpMessageType::Ack
        }
        _ => return None,
    };
    let answer = DhcpRepr {
        message_type,
        transaction_id: asked.transaction_id,
        secs: 0,
        client_hardware_address: asked.client_hardware_address,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: BOARD,
        server_ip: *HOST.ip(),
        router: None,
        subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: true,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(*HOST.ip()),
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: Some(3600),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    };
    let udp = UdpRepr {
        src_port: 67,
        dst_port: 68,
    };
    let ip = Ipv4Repr {
        src_addr: *HOST.ip(),
        dst_addr: Ipv4Addr::BROADCAST,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + answer.buffer_len(),
        hop_limit: 64,
    };
    let ethernet = EthernetRepr {
        src_addr: ETHERNET,
        dst_addr: EthernetAddress::BROADCAST,
        ethertype: EthernetProtocol::Ipv4,
    };
    let mut out = vec![0; ethernet.buffer_len() + ip.buffer_len() + ip.payload_len];
    let mut frame = EthernetFrame::new_unchecked(&mut out[..]);
    ethernet.emit(&mut frame);
    let sums = ChecksumCapabilities::default();
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &sums);
    udp.emit(
        &mut UdpPacket::new_unchecked(packet.payload_mut()),
        &ip.src_addr.into(),
        &ip.dst_addr.into(),
        answer.buffer_len(),
        |octets| {
            answer
                .emit(&mut DhcpPacket::new_unchecked(octets))
                .expect("room for its options");
        },
        &sums,
    );
    Some(out)
}
