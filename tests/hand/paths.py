#!/usr/bin/env python3
"""Paths through routers, in namespaces, for the tests of the hand tools.

  paths.py PATH...      builds them, says so on stdout, takes them down when stdin ends

Every path starts at the host `me` and is drawn in PATHS below. Needs root,
iproute2 and python3. No frame leaves the namespaces."""

import json
import os
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(HERE, "../captures"))
sys.dont_write_bytecode = True  # root's cache files do not belong here

import router
from lab.cables import Cable, forward
from lab.netns import standing


def chain(**kinds):
    """Thirty routers, some of them of a kind."""
    routers = (f"r{n}:{kinds[f'r{n}']}" if f"r{n}" in kinds else f"r{n}" for n in range(1, 31))
    return "me - " + " - ".join(routers) + " - end"


# A path's drawing. Its cables are numbered as they are drawn; cable C of path P
# is the networks 10.P.C.0/24 and 2001:db8:P:C::/64, with 1 at its left end and
# 2 at its right end. So a router answers what comes from `me` as 10.P.C.2.
#
#   NAME:KIND    a router of a kind (KINDS below, or router.KINDS with `=ARGUMENT`)
#   -            a cable
#   -1300-       one that takes packets of up to 1,300 octets
#   ~20~         one that takes 20 ms each way
PATHS = {
    "chain": (1, chain()),
    "hushed": (2, chain(r9="silent", r20="silent")),
    "diamond": (3, """
        me - split - left  - join - end
             split - right - join
    """),
    "quiet": (4, "me - r1 - r2:silent - r3:limited - r4 - end"),
    "terse": (5, "me - r1 - r2:terse - r3 - end"),
    "labels": (6, "me - r1 - r2:label=16002 - r3:label=16003/5,24017/0/7 - r4 - end"),
    "walls": (7, "me - gate:gate - wall:wall - end"),
    "narrow": (8, "me - r1 - r2 -1300- r3 - end"),
    "slow": (9, "me - r1 ~10~ r2 - end"),
    "harm": (10, "me - r1 - r2:harm - end"),
    # Two hops behind it, so that a round of probes takes two of five.
    "liar": (12, "me - r1 - r2:liar - r3 - end"),
    "lossy": (11, "me - r1 - r2:drop=5 - r3 - end"),
}

# Kinds that are a kernel's routers with something set: sysctl, routes. P is
# the path's number. A limit is the time for one error, in milliseconds.
SILENT, LIMITED = 1_000_000_000, 1_000
KINDS = {
    "silent": {"limit": SILENT},
    "limited": {"limit": LIMITED},
    # What is beyond the gate: prohibited, unreachable, and (103) no route at all;
    # 110 is the wall's (router.Wall).
    "gate": {"routes": [
        "prohibit 10.P.101.0/24", "prohibit 2001:db8:P:101::/64",
        "unreachable 10.P.102.0/24", "unreachable 2001:db8:P:102::/64",
        "10.P.110.0/24 via 10.P.2.2", "2001:db8:P:110::/64 via 2001:db8:P:2::2",
    ]},
}


class Link:
    """A cable of a path, and who is at its ends."""

    def __init__(self, path, number, left, right, drawn):
        self.path, self.number, self.ends = path, number, (left, right)
        self.mtu = int(drawn.strip("-") or 1500) if "-" in drawn else 1500
        self.delay = int(drawn.strip("~")) / 1000 if "~" in drawn else None

    def net(self, family):
        return f"10.{self.path}.{self.number}.0/24" if family == 4 else f"2001:db8:{self.path}:{self.number}::/64"

    def address(self, node, family):
        host = self.ends.index(node) + 1
        return f"10.{self.path}.{self.number}.{host}" if family == 4 else f"2001:db8:{self.path}:{self.number}::{host}"

    def mac(self, node):
        return f"02:00:{self.path:02x}:{self.number:02x}:00:{self.ends.index(node) + 1:02x}"

    def interface(self, node):
        """At `me` all paths come together."""
        return f"p{self.path}c{self.number}{'lr'[self.ends.index(node)]}"

    def other(self, node):
        return self.ends[1 - self.ends.index(node)]


class Path:
    """A drawing, read."""

    def __init__(self, name, number, drawing):
        self.name, self.number, self.links, self.kinds = name, number, [], {}
        for line in drawing.strip().splitlines():
            words = line.split()
            nodes = [word.partition(":") for word in words[::2]]
            self.kinds |= {node: kind for node, _, kind in nodes if kind}
            for at, drawn in enumerate(words[1::2]):
                left, right = nodes[at][0], nodes[at + 1][0]
                self.links.append(Link(number, len(self.links) + 1, left, right, drawn))
        self.nodes = list(dict.fromkeys(node for link in self.links for node in link.ends))

    def of(self, node):
        return [link for link in self.links if node in link.ends]

    def namespace(self, node):
        return node if node == "me" else f"{self.name}-{node}"

    def far(self, node, link):
        """Cables between a node and a cable, on the shortest way."""
        seen, edge, far = {node}, {node}, 0
        while not edge & set(link.ends):
            edge = {l.other(n) for n in edge for l in self.of(n)} - seen
            seen, far = seen | edge, far + 1
        return far

    def routes(self, node, family):
        """To every other cable of the path, by all shortest ways."""
        for link in self.links:
            far = self.far(node, link)
            ways = [way.address(way.other(node), family) for way in self.of(node)
                    if self.far(way.other(node), link) < far]
            if ways:
                yield f"{link.net(family)} " + " ".join(f"nexthop via {way}" for way in ways)

    def is_ours(self, node):
        """Whether a node is a router of ours, not the kernel's."""
        return self.kinds.get(node, "").partition("=")[0] in router.KINDS


def batch(lab, name, lines):
    """Many orders of `ip` at once."""
    command = ["ip", "-n", f"{lab.prefix}-{name}", "-batch", "-"]
    subprocess.run(command, input="\n".join(lines), text=True, check=True)


def lay(lab, path, link):
    """A cable, or a slow one, which is two with a forwarder between them."""
    (left, right), names = link.ends, [link.interface(node) for node in link.ends]
    spaces = [path.namespace(node) for node in link.ends]
    silent = [path.is_ours(node) for node in link.ends]
    if link.delay is None:
        lab.veth(spaces[0], names[0], spaces[1], names[1], mtu=link.mtu, silent=silent)
    else:
        between = f"{path.name}-cable{link.number}"
        lab.veth(spaces[0], names[0], between, "left", silent=(silent[0], True))
        lab.veth(spaces[1], names[1], between, "right", silent=(silent[1], True))
        batch(lab, between, ["link set left up", "link set right up"])
        lab.run(between, forward, [Cable("left", "right", delay=link.delay)], link.number)
    for space, node, name in zip(spaces, link.ends, names):
        batch(lab, space, [f"link set {name} address {link.mac(node)} up"])


def settle(lab, path, node):
    """Addresses, routes and what a kind asks for."""
    kind, _, argument = path.kinds.get(node, "").partition("=")
    mac = lambda link, node: bytes.fromhex(link.mac(node).replace(":", ""))
    space, ends = path.namespace(node), path.of(node)
    if path.is_ours(node):
        lab.run(space, router.run, kind, argument, [
            router.Side(end.interface(node), mac(end, node), end.address(node, 4), end.address(node, 6),
                        mac(end, end.other(node))) for end in ends])
        return
    orders = []
    for end in ends:
        name, other = end.interface(node), end.other(node)
        for family, length, more in ((4, 24, ""), (6, 64, " nodad")):
            orders.append(f"addr add {end.address(node, family)}/{length} dev {name}{more}")
            if path.is_ours(other):  # they know no ARP
                orders.append(f"neigh add {end.address(other, family)} lladdr {end.mac(other)} dev {name}")
    if node == "me":
        # All that a path may be asked for, in it or not.
        first = ends[0].other(node)
        orders += [f"route add 10.{path.number}.0.0/16 via {ends[0].address(first, 4)}",
                   f"route add 2001:db8:{path.number}::/48 via {ends[0].address(first, 6)}"]
    else:
        orders += [f"route add {route}" for family in (4, 6) for route in path.routes(node, family)]
    more = KINDS.get(kind, {})
    orders += [f"route add {route}".replace("P", str(path.number)) for route in more.get("routes", [])]
    batch(lab, space, orders)
    settings = {
        "net.ipv4.ip_forward": int(node != "me"), "net.ipv6.conf.all.forwarding": int(node != "me"),
        # By the ports, so that a flow keeps its way.
        "net.ipv4.fib_multipath_hash_policy": 1, "net.ipv6.fib_multipath_hash_policy": 1,
        # No limit for all errors together, which is not the one that is meant here.
        "net.ipv4.icmp_ratemask": 0, "net.ipv6.icmp.ratemask": 255,
    }
    if "limit" in more:
        settings |= {"net.ipv4.icmp_ratemask": 1 << 11, "net.ipv4.icmp_ratelimit": more["limit"],
                     "net.ipv6.icmp.ratemask": 3, "net.ipv6.icmp.ratelimit": more["limit"]}
    words = [f"{key}={value}" for key, value in settings.items()]
    subprocess.run(["ip", "netns", "exec", f"{lab.prefix}-{space}", "sysctl", "-q", "-w", *words], check=True)


def ask(target):
    """Waits until a host says that nobody listens at one of its ports: what
    ping would take for an answer, a router that lies may give, too."""
    with socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((target, 9))
        s.settimeout(0.5)
        for _ in range(40):
            try:
                s.send(b"")
                s.recv(1)
            except ConnectionRefusedError:
                return
            except OSError:  # no answer in time, or no way yet
                time.sleep(0.05)
    sys.exit(f"lab: {target} does not answer")


def reach(lab, path):
    """Waits until the path's end answers, so that all on the way are awake and
    neighbours know each other."""
    end = next(link for link in path.links if link.ends[1] == "end")
    asked = [lab.run("me", ask, end.address("end", family)) for family in (4, 6)]
    for process in asked:
        process.join()
        if process.exitcode != 0:
            sys.exit(f"lab: {path.name} has no end, see above")


def build(lab, paths):
    """All of it; what a test must know."""
    for path in paths:
        for link in path.links:
            lay(lab, path, link)
        for node in path.nodes:
            settle(lab, path, node)
    for path in paths:
        reach(lab, path)
    return {
        "prefix": lab.prefix,
        "paths": {path.name: [
            {"node": link.ends[1], "v4": link.address(link.ends[1], 4), "v6": link.address(link.ends[1], 6)}
            for link in path.links] for path in paths},
    }


def main():
    if os.geteuid() != 0:
        sys.exit("lab: network namespaces need root; run it with sudo")
    paths = [Path(name, *PATHS[name]) for name in sys.argv[1:] or PATHS]
    with standing() as lab:
        print(json.dumps(build(lab, paths)), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
