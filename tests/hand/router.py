"""A small router of ours, for what no kernel does: it quotes only 28 octets,
adds MPLS labels to its errors, answers for a destination with the code that
the destination names, or harms pings by their sequence numbers.

It has two cables, no routes and no ARP: what comes in at one goes out at the
other, to a neighbour whose MAC it was told."""

import heapq
import select
import struct
import time
from ipaddress import ip_address

from lab.cables import open_raw
from lab.frames import checksum

V4, V6 = b"\x08\x00", b"\x86\xdd"
ICMP, ICMP6 = 1, 58
ECHO, REPLY = {ICMP: 8, ICMP6: 128}, {ICMP: 0, ICMP6: 129}
EXCEEDED = {ICMP: 11, ICMP6: 3}
UNREACHABLE, PORT = {ICMP: 3, ICMP6: 1}, {V4: 3, V6: 4}
QUOTE = {V4: 548, V6: 1232}  # of the packet: what fits 576 (RFC 1812) and 1,280 octets (RFC 4443)
LABELLED = 128  # octets that come before an extension, RFC 4884 section 5


class Side:
    """One cable: its interface, our addresses there, and who is behind it."""

    def __init__(self, interface, mac, v4, v6, neighbour):
        self.interface, self.mac, self.neighbour = interface, mac, neighbour
        self.address = {V4: ip_address(v4).packed, V6: ip_address(v6).packed}


class Packet:
    """The fields that a router reads."""

    def __init__(self, kind, octets):
        self.kind, self.octets = kind, octets
        if kind == V4:
            self.head, self.ttl, self.protocol = (octets[0] & 15) * 4, octets[8], octets[9]
            self.octets = octets[: struct.unpack_from(">H", octets, 2)[0]]
            self.source, self.target = octets[12:16], octets[16:20]
        else:
            self.head, self.ttl, self.protocol = 40, octets[7], octets[6]
            self.octets = octets[: 40 + struct.unpack_from(">H", octets, 4)[0]]
            self.source, self.target = octets[8:24], octets[24:40]

    def echo(self):
        """The sequence number of an echo request, else None."""
        at = self.head
        if self.octets[at : at + 2] == bytes([ECHO.get(self.protocol, 255), 0]):
            return struct.unpack_from(">H", self.octets, at + 6)[0]
        return None

    def aged(self):
        """The packet one hop later."""
        octets = bytearray(self.octets)
        if self.kind == V6:
            octets[7] -= 1
            return bytes(octets)
        octets[8] -= 1
        octets[10:12] = b"\0\0"
        octets[10:12] = struct.pack(">H", checksum(bytes(octets[: self.head])))
        return bytes(octets)

    def changed(self):
        """An echo request with one octet of its payload inverted, and a
        checksum that is right again."""
        octets, at = bytearray(self.octets), self.head
        octets[at + 30] ^= 0xFF
        octets[at + 2 : at + 4] = b"\0\0"
        octets[at + 2 : at + 4] = struct.pack(">H", icmp_sum(self, bytes(octets[at:])))
        return bytes(octets)


def icmp_sum(packet, message):
    """ICMPv6 sums the addresses too (RFC 4443 section 2.3)."""
    if packet.kind == V4:
        return checksum(message)
    return checksum(packet.source + packet.target + struct.pack(">II", len(message), ICMP6) + message)


def answer(packet, address, message):
    """A packet with an ICMP message, whose checksum is still 0, back to whoever
    sent this one."""
    if packet.kind == V4:
        head = struct.pack(">BBHHHBBH", 0x45, 0xC0, 20 + len(message), 0, 0, 64, ICMP, 0) + address + packet.source
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    else:
        head = struct.pack(">IHBB", 6 << 28, len(message), ICMP6, 64) + address + packet.source
    value = icmp_sum(Packet(packet.kind, head + message), message)
    return head + message[:2] + struct.pack(">H", value) + message[4:]


def extension(labels):
    """RFC 4884's structure with one RFC 4950 object: (label, TC, TTL) each."""
    stack = b""
    for at, (label, tc, ttl) in enumerate(labels):
        stack += struct.pack(">I", label << 12 | tc << 9 | (at == len(labels) - 1) << 8 | ttl)
    whole = b"\x20\0\0\0" + struct.pack(">HBB", 4 + len(stack), 1, 1) + stack
    return whole[:2] + struct.pack(">H", checksum(whole)) + whole[4:]


class Router:
    """Forwards, and says so when a packet's time is over."""

    def __init__(self, argument=""):
        self.argument = argument

    def quote(self, packet):
        """What an error says of a packet: the words behind the checksum, and
        what follows them."""
        return b"\0\0\0\0", packet.octets[: QUOTE[packet.kind]]

    def error(self, packet, kinds, code, address):
        """An ICMP error about a packet, from one of our addresses."""
        words, quoted = self.quote(packet)
        return answer(packet, address, bytes([kinds[ICMP if packet.kind == V4 else ICMP6], code, 0, 0]) + words + quoted)

    def own(self, packet):
        """What we say to a packet that is for us."""
        if packet.echo() is None:
            return self.error(packet, UNREACHABLE, PORT[packet.kind], packet.target)
        kind = bytes([REPLY[packet.protocol], 0, 0, 0])
        return answer(packet, packet.target, kind + packet.octets[packet.head + 4 :])

    def refusal(self, _packet):
        """The code with which this destination cannot be reached, or None."""
        return None

    def copies(self, packet, _outward):
        """What goes on, with the seconds that it waits here. Outward is what
        comes from the left."""
        return [(0.0, packet.aged())]

    def lies(self, _packet, _address):
        """What else goes back at once to whoever sent this."""
        return []


class Terse(Router):
    """The least that RFC 792 asks for: the header and 8 octets. Of IPv6,
    48 octets, which RFC 4443 does not allow."""

    def quote(self, packet):
        return b"\0\0\0\0", packet.octets[: packet.head + 8]


class Label(Router):
    """Says under which labels the packet came: `LABEL[/TC[/TTL]],...`."""

    def quote(self, packet):
        stack = []
        for entry in self.argument.split(","):
            said = [int(field) for field in entry.split("/")]
            stack.append(said + [0, 1][len(said) - 1 :])
        # The length of the quote, in words of 32 or 64 bits.
        words = bytes([0, LABELLED // 4, 0, 0]) if packet.kind == V4 else bytes([LABELLED // 8, 0, 0, 0])
        return words, packet.octets[:LABELLED].ljust(LABELLED, b"\0") + extension(stack)


class Wall(Router):
    """Refuses 10.x.110.CODE and 2001:db8:x:110::CODE, CODE in decimal digits."""

    def refusal(self, packet):
        if packet.kind == V4:
            return packet.target[3] if packet.target[2] == 110 else None
        if packet.target[6:8] != b"\x01\x10":
            return None
        return int(packet.target[14:16].hex())


LATE = 0.6  # seconds that a ping is held so that others overtake it


class Harm(Router):
    """What happens to echo requests goes by the last digit of their sequence
    number, so that it happens to everybody's alike: 3 is lost, 5 arrives
    twice, 7 is overtaken, 9 arrives changed."""

    def copies(self, packet, _outward):
        digit = (packet.echo() or 0) % 10
        aged = Packet(packet.kind, packet.aged())
        match digit:
            case 3:
                return []
            case 5:
                return [(0.0, aged.octets), (0.001, aged.octets)]
            case 7:
                return [(LATE, aged.octets)]
            case 9:
                return [(0.0, aged.changed())]
        return [(0.0, aged.octets)]


class Drop(Router):
    """Loses every Nth packet of a family that it should pass on outward:
    `drop=N`."""

    def __init__(self, argument):
        super().__init__(argument)
        self.passed = {V4: 0, V6: 0}

    def copies(self, packet, outward):
        self.passed[packet.kind] += outward
        if outward and self.passed[packet.kind] % int(self.argument) == 0:
            return []
        return super().copies(packet, outward)


class Liar(Router):
    """Passes everything on. Before that it says of each packet what is not so:
    errors about packets that nobody sent, replies to others, octets that are
    too few for what they claim to be."""

    def lies(self, packet, address):
        at = packet.head
        turned = lambda *where: bytes(octet ^ 0xFF * (n in where) for n, octet in enumerate(packet.octets))
        mine = ICMP if packet.kind == V4 else ICMP6
        # Of another flow, of one to somebody else, of another protocol, cut.
        kinds = [Packet(packet.kind, turned(at, at + 1, at + 4, at + 5)), Packet(packet.kind, turned(at - 1)),
                 Packet(packet.kind, turned(9 if packet.kind == V4 else 6))]
        if packet.echo() is not None:
            # A request that is yet to come, of the right flow.
            kinds.append(Packet(packet.kind, turned(at + 6)))
        for other in kinds:
            quote = b"\0\0\0\0" + other.octets[: QUOTE[packet.kind]]
            yield answer(packet, address, bytes([EXCEEDED[mine], 0, 0, 0]) + quote)
            yield answer(packet, address, bytes([UNREACHABLE[mine], 1, 0, 0]) + quote)
        for length in (0, 3, 8, at, at + 3):
            yield answer(packet, address, bytes([EXCEEDED[mine], 0, 0, 0]) + bytes(4) + packet.octets[:length])
        yield answer(packet, address, bytes([EXCEEDED[mine], 0, 0, 0]))
        if packet.echo() is not None:
            reply = bytes([REPLY[mine], 0, 0, 0])
            for other in (turned(at + 4), turned(at + 6), packet.octets[: at + 6]):
                yield answer(packet, packet.target, reply + other[at + 4 :])


KINDS = {"drop": Drop, "liar": Liar, "terse": Terse, "label": Label, "wall": Wall, "harm": Harm}


def run(kind, argument, sides):
    """A router for ever."""
    router = KINDS[kind](argument)
    sockets = {open_raw(side.interface): side for side in sides}
    ends = list(sockets)
    queue, number = [], 0
    while True:
        wait = max(0.0, queue[0][0] - time.monotonic()) if queue else None
        for s in select.select(ends, [], [], wait)[0]:
            frame = s.recv(65536)
            here, other = sockets[s], ends[1 - ends.index(s)]
            if frame[:6] != here.mac or frame[12:14] not in (V4, V6):
                continue
            packet = Packet(frame[12:14], frame[14:])
            if any(packet.target == side.address[packet.kind] for side in sides):
                out, sent = s, [(0.0, router.own(packet))]
            elif packet.ttl <= 1:
                out, sent = s, [(0.0, router.error(packet, EXCEEDED, 0, here.address[packet.kind]))]
            elif (code := router.refusal(packet)) is not None:
                out, sent = s, [(0.0, router.error(packet, UNREACHABLE, code, here.address[packet.kind]))]
            else:
                out, sent = other, router.copies(packet, here is sides[0])
                for lie in router.lies(packet, here.address[packet.kind]) if here is sides[0] else ():
                    s.send(here.neighbour + here.mac + packet.kind + lie)
            head = sockets[out].neighbour + sockets[out].mac + packet.kind
            for delay, octets in sent:
                number += 1
                heapq.heappush(queue, (time.monotonic() + delay, number, out, head + octets))
        while queue and queue[0][0] <= time.monotonic():
            _, _, out, frame = heapq.heappop(queue)
            try:
                out.send(frame)
            except OSError:
                pass  # longer than the cable takes, or it is gone
