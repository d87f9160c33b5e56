"""Cables with properties. This kernel has no VLAN devices and no netem, so
frames pass through two packet sockets, where tags are added and taken off,
and frames are dropped, repeated, delayed and overtaken."""

import heapq
import random
import select
import socket
import struct
import time

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6


def open_raw(interface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.bind((interface, ETH_P_ALL))
    # Frames for other hosts shall come too: PACKET_ADD_MEMBERSHIP, PROMISC.
    s.setsockopt(SOL_PACKET, 1, struct.pack("iHH8s", socket.if_nametoindex(interface), 1, 0, b""))
    return s


def receive(s):
    """A frame as it was on the wire: the kernel keeps the outer tag apart."""
    data, ancillary, _, _ = s.recvmsg(65536, 256)
    for level, kind, value in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA) and len(value) >= 20:
            status, _, _, _, _, tci, tpid = struct.unpack_from("IIIHHHH", value)
            if status & TP_STATUS_VLAN_VALID:
                if not status & TP_STATUS_VLAN_TPID_VALID:
                    tpid = 0x8100
                data = data[:12] + struct.pack(">HH", tpid, tci) + data[12:]
    return data


class Cable:
    """From `host` to `switch` and back. `tags` = [(TPID, id), ...] outermost
    first, added towards the switch and taken off towards the host. The rest
    are shares of frames (0..1) and seconds."""

    def __init__(self, host, switch, tags=(), loss=0.0, twice=0.0, late=0.0, delay=0.0, jitter=0.0):
        self.host, self.switch = host, switch
        self.tags = b"".join(struct.pack(">HH", tpid, vid) for tpid, vid in tags)
        self.loss, self.twice, self.late = loss, twice, late
        self.delay, self.jitter = delay, jitter


def forward(cables, seed):
    """Runs the cables of one namespace for ever."""
    rng = random.Random(seed)
    ends = {}
    for cable in cables:
        host, switch = open_raw(cable.host), open_raw(cable.switch)
        ends[host] = (cable, switch, True)
        ends[switch] = (cable, host, False)
    queue, number, floor = [], 0, {}
    while True:
        wait = max(0.0, queue[0][0] - time.monotonic()) if queue else None
        for s in select.select(list(ends), [], [], wait)[0]:
            cable, out, up = ends[s]
            try:
                frame = receive(s)
            except OSError:
                continue  # that end went down for a moment
            n = len(cable.tags)
            if up:
                frame = frame[:12] + cable.tags + frame[12:]
            elif frame[12 : 12 + n] == cable.tags:
                frame = frame[:12] + frame[12 + n :]
            else:
                continue  # another VLAN
            # ARP is spared: a lab that finds nobody shows nothing.
            if rng.random() < cable.loss and frame[12:14] != b"\x08\x06":
                continue
            for _ in range(2 if rng.random() < cable.twice else 1):
                due = time.monotonic() + cable.delay + rng.random() * cable.jitter
                if rng.random() < cable.late:
                    due += 0.004
                else:  # otherwise frames do not overtake each other
                    due = max(due, floor.get(out, 0.0))
                    floor[out] = due
                number += 1
                heapq.heappush(queue, (due, number, out, frame))
        now = time.monotonic()
        while queue and queue[0][0] <= now:
            _, _, out, frame = heapq.heappop(queue)
            try:
                out.send(frame)
            except OSError:
                pass  # the far end is down or gone
