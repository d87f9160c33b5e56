"""Mirror ports that are set wrongly, on purpose: what comes in at `in0` goes
out at `out0`, but not all of it, or not as it was. A tap remembers which TCP
octets it kept from the sensor, so that the sensor's `unseen` can be held
against it."""

import select
import struct

from lab.cables import SOL_PACKET, open_raw, receive

PACKET_STATISTICS, SO_RCVBUFFORCE = 6, 33
ROUTER = b"\x02\x00\x00\x00\x00\x01"
TAGS = (b"\x81\x00", b"\x88\xa8")
FIN, SYN, RST, ACK = 1, 2, 4, 16


def segment(frame):
    """(way, other way, flags, seq, ack, octets of sequence space) of a TCP
    frame; a way is (source, port, destination, port)."""
    at = 12
    while frame[at : at + 2] in TAGS:
        at += 4
    kind, ip = frame[at : at + 2], frame[at + 2 :]
    if kind == b"\x08\x00" and ip[9] == 6 and not struct.unpack_from(">H", ip, 6)[0] & 0x3FFF:
        head, size = (ip[0] & 15) * 4, struct.unpack_from(">H", ip, 2)[0]
        source, target = ip[12:16], ip[16:20]
    elif kind == b"\x86\xdd" and ip[6] == 6:
        head, size = 40, 40 + struct.unpack_from(">H", ip, 4)[0]
        source, target = ip[8:24], ip[24:40]
    else:
        return None
    sport, dport, seq, ack, offset, flags = struct.unpack_from(">HHIIBB", ip, head)
    space = size - head - (offset >> 4) * 4 + bool(flags & FIN) + bool(flags & SYN)
    return (source, sport, target, dport), (target, dport, source, sport), flags, seq, ack, space


class Way:
    """One direction of a connection, in octets since its SYN."""

    def __init__(self, isn):
        self.isn, self.acked, self.unseen = isn, 1, 0
        self.passed = bytearray(1)  # one for each octet of sequence space

    def data(self, seq, space):
        at = (seq - self.isn) & 0xFFFFFFFF
        if space and at < 1 << 24:
            self.passed.extend(bytes(max(0, at + space - len(self.passed))))
            self.passed[at : at + space] = b"\x01" * space

    def ack(self, ack):
        """What the other side has now is seen now or never."""
        end = (ack - self.isn) & 0xFFFFFFFF
        if self.acked < end < 1 << 24:
            self.passed.extend(bytes(max(0, end - len(self.passed))))
            self.unseen += self.passed.count(0, self.acked, end)
            self.acked = end


class Tap:
    """Passes everything, and counts."""

    def __init__(self):
        self.frames = self.octets = self.kept = 0
        self.ways = {}

    def out(self, frame, _tcp):
        """The frame as the sensor gets it, or None."""
        return frame

    def pass_on(self, frame):
        tcp = segment(frame)
        out = self.out(frame, tcp)
        if tcp:
            way, back, flags, seq, ack, space = tcp
            if flags & SYN and out is not None:
                self.ways[way] = Way(seq)
            if way in self.ways and out is not None:
                self.ways[way].data(seq, space)
            if back in self.ways and flags & (ACK | SYN | RST) == ACK:
                self.ways[back].ack(ack)
        if out is None:
            self.kept += 1
        else:
            self.frames += 1
            self.octets += len(out)
        return out

    def report(self):
        """What the sensor got, what it did not, and what of that was TCP
        that the other side acknowledged, by the lower port."""
        unseen = {}
        for (_, sport, _, dport), way in self.ways.items():
            if way.unseen:
                port = str(min(sport, dport))
                unseen[port] = unseen.get(port, 0) + way.unseen
        return {"frames": self.frames, "octets": self.octets, "kept": self.kept, "unseen": unseen}


class OneDirection(Tap):
    """The mirror is set for what the router's port sends, not for what it gets."""

    def out(self, frame, _tcp):
        return None if frame[6:12] == ROUTER else frame


class OneTagged(Tap):
    """The switch tags what comes from the router and nothing else."""

    def out(self, frame, _tcp):
        return frame[:12] + b"\x81\x00\x00\x4d" + frame[12:] if frame[6:12] == ROUTER else frame


def asks(frame):
    """An echo request, without tags or options."""
    if frame[12:14] == b"\x08\x00":
        return frame[23] == 1 and frame[34] == 8
    return frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 128


class Oversubscribed(Tap):
    """Every seventh frame finds no room. Handshakes are let through, and so
    is the frame after a dropped one of the same connection: what only these
    would tell, nobody behind the mirror can know (EXACT.md 8). So are echo
    requests: what nobody was seen to ask cannot be missed."""

    def __init__(self):
        super().__init__()
        self.due, self.last = 0, {}

    def out(self, frame, tcp):
        self.due += 1
        connection = frozenset(tcp[:2]) if tcp else None
        spare = tcp[2] & SYN or self.last.get(connection) if tcp else asks(frame)
        drop = self.due >= 7 and not spare
        if tcp:
            self.last[connection] = drop
        if drop:
            self.due = 0
            return None
        return frame


TAPS = {"none": None, "one-direction": OneDirection, "one-tagged": OneTagged, "oversubscribed": Oversubscribed}


def run(kind, orders):
    """A tap, until its end of the pipe `orders` is asked: then what is under
    way is passed on, and the report is the answer."""
    tap = TAPS[kind]()
    with open_raw("in0") as inside, open_raw("out0") as outside:
        inside.setsockopt(1, SO_RCVBUFFORCE, 1 << 26)
        orders.send("ready")
        while True:
            ready = select.select([inside, orders], [], [], 0.4)[0]
            if inside in ready:
                out = tap.pass_on(receive(inside))
                if out is not None:
                    outside.send(out)
            elif orders in ready:
                orders.recv()
                break
        lost = struct.unpack("II", inside.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
    orders.send({**tap.report(), "lost": lost})
