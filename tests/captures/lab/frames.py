"""Frames made by hand: what a host's stack does not send by itself."""

import random
import struct

BROADCAST = b"\xff" * 6


def mac(n):
    return bytes([2, 0, 0, 0, n >> 8, n & 0xFF])


def ip(text):
    return bytes(int(part) for part in text.split("."))


def ip6(tail):
    return bytes.fromhex("20010db8001000000000000000000000")[:14] + struct.pack(">H", tail)


def checksum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(kind, payload, src=0x66, dst=None, pad=True):
    frame = (mac(dst) if dst else BROADCAST) + mac(src) + struct.pack(">H", kind) + payload
    return frame + b"\0" * (60 - len(frame) if pad and len(frame) < 60 else 0)


def arp(op, sha, spa, tha, tpa):
    return struct.pack(">HHBBH", 1, 0x0800, 6, 4, op) + sha + ip(spa) + tha + ip(tpa)


def ip4(proto, payload, src="10.0.10.66", dst="10.0.10.23", ident=0, frag=0, ttl=64,
        length=None, ihl=5, version=4, good=True, options=b""):
    total = 20 + len(options) + len(payload) if length is None else length
    head = struct.pack(">BBHHHBBH", version << 4 | ihl, 0, total, ident, frag, ttl, proto, 0)
    head += ip(src) + ip(dst) + options
    value = checksum(head) ^ (0 if good else 0x5555)
    return head[:10] + struct.pack(">H", value) + head[12:] + payload


def ip6h(nxt, payload, src=0x66, dst=0x23, length=None, version=6, hops=64):
    size = len(payload) if length is None else length
    return struct.pack(">IHBB", version << 28, size, nxt, hops) + ip6(src) + ip6(dst) + payload


def udp(sport, dport, data, length=None):
    return struct.pack(">HHHH", sport, dport, 8 + len(data) if length is None else length, 0) + data


def tcp(sport, dport, seq=1, ack=0, flags=2, offset=5, data=b""):
    return struct.pack(">HHIIBBHHH", sport, dport, seq, ack, offset << 4, flags, 1024, 0, 0) + data


def icmp(kind, code, rest):
    body = struct.pack(">BBH", kind, code, 0) + rest
    return body[:2] + struct.pack(">H", checksum(body)) + body[4:]


def echo(kind, ident, seq, data=b"magpie"):
    return icmp(kind, 0, struct.pack(">HH", ident, seq) + data)


def lldp():
    tlv = lambda t, v: struct.pack(">H", t << 9 | len(v)) + v
    return tlv(1, b"\x04" + mac(0xFE)) + tlv(2, b"\x05port7") + tlv(3, b"\0\x78") + tlv(0, b"")


def spanning_tree():
    """802.3 frame, LLC 42-42-03, a configuration BPDU."""
    root = b"\x80\0" + mac(0xFE)
    bpdu = b"\x42\x42\x03" + b"\0\0\0\0\0" + root + struct.pack(">I", 0) + root + b"\x80\x07"
    return bpdu + struct.pack(">HHHH", 0, 0x1400, 0x0200, 0x0F00)


def broken():
    """Malformed frames that any NIC delivers: sent through the lab."""
    q = udp(4000, 4001, b"q" * 20)
    v6 = 0x86DD
    return [
        eth(0x0800, ip4(17, q, good=False)),
        eth(0x0800, ip4(17, q, version=5)),
        eth(0x0800, ip4(17, q, ihl=4)),
        eth(0x0800, ip4(17, q, length=12)),
        eth(0x0800, ip4(17, q, length=0)),
        eth(0x0800, ip4(17, q, length=900)),
        eth(0x0800, ip4(17, udp(4000, 4001, b"", length=5))),
        eth(0x0800, ip4(17, udp(4000, 4001, b"", length=700))),
        eth(0x0800, ip4(6, tcp(4000, 80, offset=4))),
        eth(0x0800, ip4(6, tcp(4000, 80, offset=15))),
        eth(0x0800, ip4(6, tcp(4000, 80)[:10]), pad=False),
        eth(0x0800, ip4(17, q[:3]), pad=False),
        eth(0x0800, ip4(1, b"\x08"), pad=False),
        eth(0x0800, ip4(1, echo(8, 1, 1)[:6]), pad=False),
        eth(0x0800, ip4(17, q)[:18], pad=False),
        eth(0x0800, ip4(17, q, options=b"\x44\x04\x05\0", ihl=6)),
        eth(0x0800, b"\x45", pad=False),
        eth(v6, ip6h(17, q, length=1200)),
        eth(v6, ip6h(17, q, version=4)),
        eth(v6, ip6h(17, q)[:30], pad=False),
        eth(v6, ip6h(0, b"\x11\x05\0\0\0\0\0\0")),
        eth(v6, ip6h(44, b"\x11\0\0"), pad=False),
        eth(v6, ip6h(60, b"\x11\0\x01\x04\0\0\0\0" + q)),
        eth(v6, ip6h(59, b"")),
        eth(0x0806, arp(1, mac(0x66), "10.0.10.66", b"\0" * 6, "10.0.10.1")[:20], pad=False),
        eth(0x0806, b"\0\x01\x08\0", pad=False),
        eth(0x8864, b"\x11\0\0\x01\0\x16\0\x21" + ip4(17, q)),
        eth(0x8864, b"\x11\0\0\x01", pad=False),
        eth(0x8847, b"\0\x01\x01\x40" + ip4(17, q)),
        eth(0x8847, b"\0\x01\x00\x40\0\x02", pad=False),
        eth(0x88CC, lldp()),
        eth(0x0027, spanning_tree()),
        eth(0x9000, b"\0\0\x01\0" + b"\0" * 40),
        eth(0x0800, b"", pad=False),
    ]


def awkward():
    """Frames no NIC of ours delivers, or no stack sends: only for a file."""
    q = udp(4000, 4001, b"q" * 20)
    tag = struct.pack(">HH", 0x8100, 7)
    bare = lambda kind, rest: mac(0x23) + mac(0x66) + struct.pack(">H", kind) + rest
    stack = lambda n, kind: mac(0x23) + mac(0x66) + tag * n + struct.pack(">H", kind)
    option = lambda nxt: bytes([nxt, 0, 1, 4, 0, 0, 0, 0])
    snap = b"\xaa\xaa\x03\0\0\0\x08\0" + ip4(17, q)
    return [
        b"", b"\x02", mac(0x23) + mac(0x66), (mac(0x23) + mac(0x66) + b"\x08")[:13], bare(0x0800, b""),
        stack(1, 0x0800)[:16], stack(4, 0x0800) + ip4(17, q), stack(5, 0x0800) + ip4(17, q),
        stack(32, 0x0800) + ip4(17, q), stack(33, 0x0800) + ip4(17, q),
        bare(len(snap), snap), bare(3, b"\xe0\xe0\x03"), bare(0x8847, b"\0\x01\0\x40" * 33),
        bare(0x8847, b"\0\x01\0\x40" * 31 + b"\0\x02\x01\x40" + ip4(17, q)),
        bare(0x8847, b"\0\x01\x01\x40"), bare(0x8848, b"\0\x01\x01\x40" + ip6h(17, q)),
        bare(0x8864, b"\x11\0\0\x01\0\x31\x57" + ip6h(17, q)), bare(0x8864, b"\x21\0\0\x01\0\x04\0\x21"),
        bare(0x86DD, ip6h(60, option(60) * 127 + option(17) + q)),
        bare(0x86DD, ip6h(60, option(60) * 128 + option(17) + q)),
        bare(0x86DD, ip6h(0, b"\x11\0\xc2\x04" + struct.pack(">I", 3008) + udp(9, 9, b"j" * 2992), length=0)),
        bare(0x86DD, ip6h(44, b"\x3a\0\0\x01\0\0\0\x09" + b"\x80\0\0\0\0\x07\0\x01" + b"f" * 40)),
        bare(0x86DD, ip6h(44, b"\x3a\0\0\x30\0\0\0\x09" + b"f" * 24)),
        bare(0x0800, ip4(17, udp(5000, 5001, b"J" * 8950))),
        bare(0x0800, ip4(6, tcp(5000, 5001, flags=24, data=b"J" * 8960))),
        bare(0x0800, ip4(17, udp(5000, 5001, b"J" * 2000))),
        bare(0x0800, ip4(6, tcp(6000, 80, offset=6), length=44) + b"\0\0\0\0"),
        bare(0x0800, ip4(132, struct.pack(">HHII", 2905, 2905, 1, 0))), bare(0x0800, ip4(132, b"\x0b\x59\x0b\x59")),
        bare(0x0800, ip4(51, b"\x06\x04\0\0" + b"\0" * 20)), bare(0x0800, ip4(47, b"\0\0\x08\0" + ip4(17, q))),
        bare(0x0806, struct.pack(">HHBBH", 6, 0x0800, 8, 4, 1) + b"\0" * 24),
        bare(0x0806, struct.pack(">HHBBH", 1, 0x86DD, 6, 16, 9) + b"\0" * 44),
    ]


def noise(count, seed):
    """Octets with a plausible beginning and anything behind it."""
    rng = random.Random(seed)
    kinds = (0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8, 0x8847, 0x8864, 0x0040)
    for _ in range(count):
        body = bytearray(rng.randbytes(rng.randrange(120)))
        kind = rng.choice(kinds)
        if body and kind in (0x0800, 0x86DD):
            body[0] = rng.choice((0x45, 0x46, 0x60, 0x4F, 0x44))
        if kind in (0x8100, 0x88A8) and len(body) > 4:
            body[2:4] = struct.pack(">H", rng.choice(kinds))
        yield mac(0x23) + mac(0x66) + struct.pack(">H", kind) + bytes(body)
