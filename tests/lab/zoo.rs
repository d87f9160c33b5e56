//! Sockets of every kind and in most states, for others to list.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tempfile::TempDir;

use crate::beside::ip;

/// The sockets; held until the test ends.
pub(crate) struct Zoo {
    _kept: Vec<Box<dyn std::any::Any>>,
    folder: TempDir,
}

impl Zoo {
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn bound(domain: Domain, kind: Type, at: &str) -> Socket {
    let socket = Socket::new(domain, kind, None).expect("a socket");
    socket.set_reuse_address(true).expect("an option");
    socket.bind(&address(at).into()).expect(at);
    socket
}

/// Opens them. Nobody answers at 10.9.0.2, and there is a way to it.
pub(crate) fn zoo() -> Zoo {
    ip("link add left type veth peer name right");
    ip("link set left up");
    ip("link set right up");
    ip("address add 10.9.0.1/24 dev left");
    ip("neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev left");
    let folder = tempfile::tempdir().expect("a folder");
    let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
    tcp(&mut kept);
    udp_and_raw(&mut kept);
    unix(folder.path(), &mut kept);
    settle();
    Zoo {
        _kept: kept,
        folder,
    }
}

/// Waits until what was closed is where it stays: an acknowledgement of an end
/// takes its time.
fn settle() {
    const STATE: usize = 3;
    for _ in 0..100 {
        // Of this thread's network.
        let table = std::fs::read_to_string("/proc/thread-self/net/tcp").expect("a table");
        let states = || {
            let lines = table.lines().skip(1);
            lines.filter_map(|line| line.split_whitespace().nth(STATE))
        };
        // FIN-WAIT-2 and TIME-WAIT, and nothing on the way there.
        let has = |wanted: &str| states().any(|state| state == wanted);
        if has("05") && has("06") && !has("04") && !has("09") {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("a connection does not end");
}

fn tcp(kept: &mut Vec<Box<dyn std::any::Any>>) {
    // Both versions of IP, IPv6 alone, one interface alone.
    let both = bound(Domain::IPV6, Type::STREAM, "[::]:443");
    both.listen(7).expect("it listens");
    let six = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
    six.set_only_v6(true).expect("an option");
    six.bind(&address("[::]:22").into()).expect("[::]:22");
    six.listen(9).expect("it listens");
    let device = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    device.bind_device(Some(b"lo")).expect("lo");
    device.bind(&address("127.0.0.1:22").into()).expect("22");
    device.listen(5).expect("it listens");
    let listener = TcpListener::bind("127.0.0.1:8080").expect("8080");
    // What is not read stays in the queue, with a timer that keeps it alive.
    let client = TcpStream::connect("127.0.0.1:8080").expect("a connection");
    let keep = socket2::TcpKeepalive::new().with_time(Duration::from_hours(1));
    socket2::SockRef::from(&client)
        .set_tcp_keepalive(&keep)
        .expect("an option");
    let (mut server, _) = listener.accept().expect("a connection");
    server.write_all(b"not read").expect("a connection");
    // Not accepted: it stands in the listener's queue.
    let waiting = TcpStream::connect("127.0.0.1:8080").expect("a connection");
    // IPv4 on a socket of both, and IPv6.
    let mapped = TcpStream::connect("127.0.0.1:443").expect("a connection");
    let plain = TcpStream::connect("[::1]:443").expect("a connection");
    // FIN-WAIT-2 and CLOSE-WAIT.
    let half = TcpListener::bind("127.0.0.1:8081").expect("8081");
    let closing = TcpStream::connect("127.0.0.1:8081").expect("a connection");
    let (left_open, _) = half.accept().expect("a connection");
    closing
        .shutdown(std::net::Shutdown::Write)
        .expect("a connection");
    // TIME-WAIT: who closes first waits.
    let short = TcpListener::bind("127.0.0.1:8082").expect("8082");
    let first = TcpStream::connect("127.0.0.1:8082").expect("a connection");
    let (mut last, _) = short.accept().expect("a connection");
    drop(first);
    let mut rest = Vec::new();
    last.read_to_end(&mut rest).expect("an end");
    drop(last);
    // SYN-SENT.
    let nobody = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    nobody.set_nonblocking(true).expect("an option");
    let _ = nobody.connect(&address("10.9.0.2:443").into());
    // Bound and no more.
    let idle = bound(Domain::IPV4, Type::STREAM, "127.0.0.1:8083");
    kept.extend([
        Box::new((both, six, device, listener)) as Box<dyn std::any::Any>,
        Box::new((client, server, waiting, mapped, plain)),
        Box::new((half, closing, left_open, short, nobody, idle)),
    ]);
}

fn udp_and_raw(kept: &mut Vec<Box<dyn std::any::Any>>) {
    let unread = UdpSocket::bind("127.0.0.1:5353").expect("5353");
    let connected = UdpSocket::bind("127.0.0.1:5354").expect("5354");
    connected.connect("127.0.0.1:5353").expect("a peer");
    connected.send(b"not read").expect("sent");
    let six = UdpSocket::bind("[::]:5355").expect("5355");
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("root");
    let raw6 = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).expect("root");
    let other = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(89))).expect("root");
    other
        .connect(&address("127.0.0.1:0").into())
        .expect("a peer");
    kept.push(Box::new((unread, connected, six, raw, raw6, other)));
}

fn unix(folder: &Path, kept: &mut Vec<Box<dyn std::any::Any>>) {
    let at = folder.join("stream");
    let listener = UnixListener::bind(&at).expect("a path");
    let client = UnixStream::connect(&at).expect("a connection");
    let (mut server, _) = listener.accept().expect("a connection");
    server.write_all(b"not read").expect("a connection");
    let waiting = UnixStream::connect(&at).expect("a connection");
    let pair = UnixStream::pair().expect("a pair");
    pair.0
        .shutdown(std::net::Shutdown::Write)
        .expect("a connection");
    let datagram = UnixDatagram::bind(folder.join("datagram")).expect("a path");
    let connected = UnixDatagram::unbound().expect("a socket");
    connected.connect(folder.join("datagram")).expect("a peer");
    let named = |name: &[u8], kind| {
        use std::os::unix::ffi::OsStrExt as _;
        let socket = Socket::new(Domain::UNIX, kind, None).expect("a socket");
        let path = Path::new(std::ffi::OsStr::from_bytes(name));
        let address = SockAddr::unix(path).expect("a name");
        socket.bind(&address).expect("a name");
        socket
    };
    let without_file = named(b"\0magpie-zoo\0x", Type::DGRAM);
    let sequence = named(b"\0magpie-seq", Type::SEQPACKET);
    sequence.listen(3).expect("it listens");
    let octets = [folder.as_os_str().as_encoded_bytes(), b"/\xff\xfe"].concat();
    let no_text = named(&octets, Type::STREAM);
    kept.push(Box::new((listener, client, server, waiting, pair)));
    kept.push(Box::new((
        datagram,
        connected,
        without_file,
        sequence,
        no_text,
    )));
}
