"""Capture files: pcap in, pcap and pcapng out."""

import struct


def read_pcap(path):
    """(time in ns, wire length, data) of each record of a little-endian pcap."""
    with open(path, "rb") as f:
        data = f.read()
    scale = {b"\xd4\xc3\xb2\xa1": 1000, b"\x4d\x3c\xb2\xa1": 1}[data[:4]]
    at = 24
    while at + 16 <= len(data):
        seconds, part, held, wire = struct.unpack_from("<IIII", data, at)
        yield seconds * 10**9 + part * scale, wire, data[at + 16 : at + 16 + held]
        at += 16 + held


def write_pcap(path, frames, order="<"):
    """Microseconds; `order` is the byte order."""
    with open(path, "wb") as f:
        f.write(struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for ns, wire, data in frames:
            seconds, rest = divmod(ns, 10**9)
            f.write(struct.pack(order + "IIII", seconds, rest // 1000, len(data), wire) + data)


def write_pcapng(path, frames):
    """One Ethernet interface, nanoseconds."""

    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        size = struct.pack("<I", len(body) + 12)
        return struct.pack("<I", kind) + size + body + size

    with open(path, "wb") as f:
        f.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        f.write(block(1, struct.pack("<HHI", 1, 0, 262144) + struct.pack("<HHB3x", 9, 1, 9) + bytes(4)))
        for ns, wire, data in frames:
            head = struct.pack("<IIIII", 0, ns >> 32, ns & 0xFFFFFFFF, len(data), wire)
            f.write(block(6, head + data))
