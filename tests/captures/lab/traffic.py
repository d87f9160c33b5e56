"""What the hosts do. Every function runs inside one host's namespace."""

import concurrent.futures
import http.server
import random
import socket
import struct
import subprocess
import threading
import time

from . import frames
from .cables import open_raw

WEB, DNS, FAR = "192.0.2.80", "192.0.2.53", "198.51.100.10"
WEB6 = "2001:db8:80::80"


def quiet(*command):
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=False)


def curl(*arguments):
    quiet("curl", "-q", "-s", "-k", "--noproxy", "*", "--max-time", "12", *arguments)


def in_parallel(*tasks):
    with concurrent.futures.ThreadPoolExecutor(len(tasks)) as pool:
        for future in [pool.submit(task) for task in tasks]:
            future.result()


# ---- servers

class Pages(http.server.BaseHTTPRequestHandler):
    """/N answers with N octets."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Lab", ""

    def do_GET(self):
        size = int(self.path.strip("/") or "600")
        body = random.Random(size).randbytes(size)
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class DualServer(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


def web_server():
    DualServer(("::", 80), Pages).serve_forever()


def echo_server():
    """TCP port 7: sends back what comes."""
    listener = socket.create_server(("::", 7), family=socket.AF_INET6, dualstack_ipv6=True)

    def serve(c):
        with c:
            while data := c.recv(65536):
                c.sendall(data)

    while True:
        c, _ = listener.accept()
        threading.Thread(target=serve, args=(c,), daemon=True).start()


def udp_sink():
    """UDP port 5005: takes everything, says nothing."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", 5005))
    while True:
        s.recv(65536)


# ---- clients

def lookup(name, kind, ident):
    """One DNS question; the answer is not read further."""
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
    question = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1.0)
        s.sendto(question, (DNS, 53))
        try:
            s.recv(2048)
        except TimeoutError:
            pass


def talk(address, total, piece, pause):
    """Sends `total` octets to the echo server and reads them back."""
    with socket.create_connection((address, 7), timeout=15) as c:
        sent = got = 0
        while got < total:
            if sent < total:
                sent += c.send(bytes(min(piece, total - sent)))
            got += len(c.recv(65536))
            time.sleep(pause)


def knock(address, ports, kind=socket.SOCK_STREAM):
    """Tries ports where nobody listens."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in ports:
        with socket.socket(family, kind) as s:
            s.settimeout(0.3)
            try:
                s.connect((address, port))
                if kind == socket.SOCK_DGRAM:
                    s.send(b"anybody there?")
                    time.sleep(0.002)
            except OSError:
                pass


def datagrams(address, count, size, pause, hops=None):
    """UDP to port 5005, larger than a frame where size says so."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        if hops:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
        if family == socket.AF_INET:  # IP_MTU_DISCOVER = DONT: fragment, do not refuse
            s.setsockopt(socket.IPPROTO_IP, 10, 0)
        for n in range(count):
            try:
                s.sendto(bytes([n & 0xFF]) * size, (address, 5005))
            except OSError:
                pass
            time.sleep(pause)


def office(seconds):
    """A work place: names, pages, pings, and things that do not work."""
    end = time.monotonic() + seconds

    def names():
        n = 0
        while time.monotonic() < end:
            for name, kind in (("www.example.test", 1), ("www.example.test", 28), ("nobody.example.test", 1)):
                n += 1
                lookup(name, kind, 0x4D00 + n)
            time.sleep(1.1)

    def pages():
        while time.monotonic() < end:
            curl("--resolve", f"www.example.test:80:{WEB}", "http://www.example.test/2400")
            curl("--resolve", f"www.example.test:443:{WEB}", "https://www.example.test/")
            curl("--resolve", f"www.example.test:80:[{WEB6}]", "http://www.example.test/9000")
            time.sleep(2.5)

    def pictures():
        time.sleep(2)
        curl(f"http://{WEB}/160000")
        time.sleep(2)
        curl(f"http://{FAR}/60000")  # behind a link with MTU 1400

    def pings():
        quiet("ping", "-n", "-i", "0.2", "-c", str(int(seconds * 4.5)), WEB)

    def pings6():
        quiet("ping", "-6", "-n", "-i", "0.35", "-c", str(int(seconds * 2.5)), WEB6)

    def trouble():
        time.sleep(1)
        quiet("ping", "-n", "-t", "1", "-c", "3", "-i", "0.2", WEB)
        for hops in (1, 2, 3):
            datagrams(FAR, 3, 32, 0.05, hops)
        time.sleep(2)
        quiet("ping", "-n", "-M", "do", "-s", "1460", "-c", "2", "-W", "1", FAR)
        quiet("ping", "-6", "-n", "-s", "1440", "-c", "2", "-W", "1", "2001:db8:100::10")
        knock(WEB, [8080, 8443, 23])
        knock(WEB6, [8080, 22])
        knock(WEB, [33434, 33435, 33436], socket.SOCK_DGRAM)
        knock(WEB6, [33434], socket.SOCK_DGRAM)
        time.sleep(1)
        knock("203.0.113.200", [9], socket.SOCK_DGRAM)  # prohibited by the router
        knock("198.18.0.7", [9, 10], socket.SOCK_DGRAM)  # no route
        quiet("ping", "-n", "-c", "2", "-W", "1", "10.0.10.99")  # nobody has it
        datagrams(WEB, 6, 4000, 0.1)
        datagrams(WEB6, 6, 4000, 0.1)

    in_parallel(names, pages, pictures, pings, pings6, trouble)


def bad_cable(seconds):
    """The host whose cable loses, repeats and reorders."""
    in_parallel(
        lambda: curl(f"http://{WEB}/200000"),
        lambda: (time.sleep(3), talk(WEB, 40_000, 1200, 0.0)),
        lambda: talk(WEB, 64 * int(seconds * 4), 64, 0.2),
        lambda: quiet("ping", "-n", "-i", "0.25", "-c", str(int(seconds * 3.5)), "10.0.10.23"),
        lambda: quiet("ping", "-6", "-n", "-i", "0.5", "-c", str(int(seconds * 1.5)), "2001:db8:10::1"),
    )


def camera(seconds):
    """A one-way stream to a group nobody answers for."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
        for n in range(int(seconds * 12)):
            s.sendto(struct.pack(">BBHII", 0x80, 96, n, n * 3000, 7) + bytes(180 + n % 7 * 60), ("239.1.1.1", 5004))
            time.sleep(0.08)


def tagged(peer, peer6, seconds, size):
    """A host in a VLAN: ping, pages, echo, fragments."""
    in_parallel(
        lambda: quiet("ping", "-n", "-i", "0.5", "-c", str(int(seconds * 1.7)), peer),
        lambda: quiet("ping", "-6", "-n", "-i", "1", "-c", str(int(seconds * 0.8)), peer6),
        lambda: (time.sleep(1), curl(f"http://{peer}/{size}"), curl(f"http://[{peer6}]/3000")),
        lambda: (time.sleep(2), talk(peer, 8000, 500, 0.05)),
        lambda: (time.sleep(3), datagrams(peer, 3, 3000, 0.2), datagrams(peer6, 3, 3000, 0.2)),
    )


def raw(interface, list_of_frames, pause):
    """Sends frames as they are; what the kernel refuses is reported."""
    with open_raw(interface) as s:
        for frame in list_of_frames:
            try:
                s.send(frame)
            except OSError as error:
                print(f"not sent, {len(frame)} octets: {error}")
            time.sleep(pause)


def stranger(interface, seconds):
    """ARP of all kinds, a scan, malformed frames, what switches say."""
    me, nobody = frames.mac(0x66), b"\0" * 6
    arps = [frames.arp(1, me, "0.0.0.0", nobody, "10.0.10.66")] * 3
    arps += [frames.arp(1, me, "10.0.10.66", nobody, "10.0.10.66")]
    arps += [frames.arp(2, me, "10.0.10.66", frames.BROADCAST, "10.0.10.66")]
    arps += [frames.arp(1, me, "10.0.10.66", nobody, f"10.0.10.{n}") for n in range(100, 140)]
    hello = [frames.eth(0x88CC, frames.lldp(), src=0xFE), frames.eth(0x26, frames.spanning_tree(), src=0xFE)]
    raw(interface, [frames.eth(0x0806, a) for a in arps], 0.02)
    in_parallel(
        lambda: raw(interface, hello * int(seconds / 2.4), 1.0),
        lambda: (time.sleep(seconds * 0.2), knock("10.0.10.40", range(1000, 1120))),
        lambda: (time.sleep(seconds * 0.4), knock("10.0.10.40", range(2000, 2060), socket.SOCK_DGRAM)),
        lambda: (time.sleep(seconds * 0.6), raw(interface, frames.broken(), 0.03)),
        lambda: (time.sleep(seconds * 0.5), raw(interface, [frames.eth(0x0800, frames.ip4(
            1, frames.echo(0, 77, n), dst="10.0.10.42"), dst=0x42) for n in range(4)], 0.3)),
    )


def many(interface):
    """More flows and more echo pairs than any table here holds."""

    def scan():
        # Half of it is answered by RST, half goes where a route eats it.
        for n in range(2100):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
                s.setblocking(False)
                try:
                    s.connect((f"10.0.40.{1 + n % 200}", 1 + n))
                except OSError:
                    pass
            if n % 8 == 0:
                time.sleep(0.001)

    def flood():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for n in range(2400):
                s.sendto(b"?", (f"10.0.41.{1 + n % 200}", 9000 + n))
                if n % 16 == 0:
                    time.sleep(0.001)

    def sweep():
        with open_raw(interface) as s:
            for n in range(1300):
                packet = frames.ip4(1, frames.echo(8, n // 200 + 1, n), src="10.0.10.23",
                                    dst=f"10.0.40.{1 + n % 200}")
                s.send(frames.eth(0x0800, packet, src=0x23, dst=0x40))
                if n % 8 == 0:
                    time.sleep(0.001)

    scan()
    flood()
    sweep()


def fragments():
    """Datagrams and echoes larger than a frame, v4 and v6, extension headers."""
    peer, peer6 = "10.0.10.40", "2001:db8:10::40"
    quiet("ping", "-n", "-s", "4000", "-c", "8", "-i", "0.2", peer)
    quiet("ping", "-6", "-n", "-s", "4000", "-c", "8", "-i", "0.2", peer6)
    datagrams(peer, 8, 9000, 0.05)
    datagrams(peer6, 8, 9000, 0.05)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        padding = bytes([0, 0, 1, 4, 0, 0, 0, 0])
        for option in (54, 59):  # IPV6_HOPOPTS, IPV6_DSTOPTS
            s.setsockopt(socket.IPPROTO_IPV6, option, padding)
            s.sendto(b"with options", (peer6, 5005))
            s.sendto(bytes(2500), (peer6, 5005))
    talk(peer, 3000, 700, 0.0)


def vlan_extra(interface):
    """Tags a host does not send by itself: priority, three deep, five deep."""
    q = frames.udp(4000, 4001, b"tagged")
    packet = frames.ip4(17, q, dst="10.0.10.40")
    packet6 = frames.ip6h(17, q, dst=0x40)
    tag = lambda *ids: b"".join(struct.pack(">HH", 0x8100, i)[2:] + b"\x81\x00" for i in ids[:-1]) + struct.pack(">H", ids[-1])
    out = []
    for ids in ((0,), (0x6000,), (10, 20, 30), (1, 2, 3, 4), (1, 2, 3, 4, 5), (4095,)):
        out.append(frames.eth(0x8100, tag(*ids) + b"\x08\x00" + packet, dst=0x40))
        out.append(frames.eth(0x88A8, tag(*ids) + b"\x86\xdd" + packet6, dst=0x40))
        out.append(frames.eth(0x9100, tag(*ids) + b"\x08\x06" + frames.arp(
            1, frames.mac(0x66), "10.0.10.66", bytes(6), "10.0.10.40")))
    raw(interface, out, 0.01)
