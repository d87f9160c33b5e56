"""The network: a switch, hosts, a router, a wide-area link, servers behind it.
What the switch forwards comes out of its port `mon0`, whose other end is the
interface `mirror` of the namespace `mon` (or of a tap's, where one is asked
for)."""

import os
import subprocess
import sys
import time

from . import traffic
from .cables import Cable, forward

# Host name: last part of its addresses and, with the same digits, of its MAC.
LAN = {"alice": 23, "bob": 42, "cam": 77, "hive": 40, "mallory": 66}
TAGGED = {"carol": (9, 20), "dave": (5, 20), "erin": (11, 30), "frank": (12, 30)}


def port(lab, name):
    """A switch port whose incoming frames go to the mirror port too."""
    lab.ip("sw", f"link set {name} master br0 up")
    if lab.hub:
        return
    lab.tc("sw", f"qdisc add dev {name} clsact")
    lab.tc("sw", f"filter add dev {name} ingress prio 10 protocol all u32 match u32 0 0 "
                 "action mirred egress mirror dev mon0")


def host(lab, name, number, net, cable, interface="eth0"):
    """Addresses and routes of a host; `net` is the third part of its address."""
    lab.ip(name, f"link set {interface} up")
    lab.ip(name, f"addr add 10.0.{net}.{number}/24 dev {interface}")
    lab.ip(name, f"addr add 2001:db8:{net}::{number}/64 dev {interface} nodad")
    if cable:
        lab.ip("cables", f"link set {cable}h up")
        lab.ip("cables", f"link set {cable}s up")
    if net == 10:
        lab.ip(name, "route add default via 10.0.10.1")
        lab.ip(name, "-6 route add default via 2001:db8:10::1")


def build(lab, hosts=None, hub=False, lossy_mirror=False, tap=None):
    """All links, still down at the hosts' ends, with these hosts (else all) on
    the near side. A hub sends every frame to every port and mirrors nothing;
    `tap` names a namespace that the mirrored frames shall reach first, at its
    interface `in0`."""
    lab.hub, lab.hosts = hub, set(hosts or [*LAN, *TAGGED])
    lab.ns("sw")
    lab.ns("cables")
    lab.sysctl("sw", "net.ipv6.conf.default.disable_ipv6", 1)
    lab.ip("sw", "link add name br0 type bridge")
    lab.ip("sw", "link set br0 mtu 1600 address 02:00:00:00:00:fe up")
    lab.sysctl("sw", "net.ipv6.conf.br0.disable_ipv6", 1)
    lab.ip("sw", "link set br0 type bridge mcast_snooping 0")
    end = (tap, "in0") if tap else ("mon", "mirror")
    lab.veth("sw", "mon0", *end, mtu=1600)
    lab.ip("sw", "link set mon0 up")
    lab.ip(end[0], f"link set {end[1]} up")
    if hub:
        lab.ip("sw", "link set br0 type bridge ageing_time 0")
        lab.ip("sw", "link set mon0 master br0")
    for name in [name for name in LAN if name in lab.hosts - {"bob"}] + ["router"]:
        number = LAN.get(name, 1)
        lab.veth(name, "eth0", "sw", f"p-{name}", f"02:00:00:00:00:{number:02d}", silent=(False, True))
        lab.ip("sw", f"link set p-{name} mtu 1600")
        port(lab, f"p-{name}")
    for name, number in [("bob", 42)] + [(n, t[0]) for n, t in TAGGED.items()]:
        if name not in lab.hosts:
            continue
        lab.veth(name, "eth0", "cables", f"{name}h", f"02:00:00:00:00:{number:02d}", silent=(False, True))
        lab.veth("cables", f"{name}s", "sw", f"p-{name}", mtu=1600)
        port(lab, f"p-{name}")
    if lossy_mirror:
        # The mirror itself loses a little of what alice is sent, as busy ones do.
        lab.tc("sw", "filter add dev p-router ingress prio 5 protocol ip u32 match ip dst 10.0.10.23/32 "
                     "match ip protocol 6 0xff match u16 0x0005 0x003f at 4 flowid 1:1")
    # A wide-area link with delay, and a narrow one behind it.
    lab.veth("router", "wan0", "cables", "wanh", "02:00:00:00:01:01", silent=(False, True))
    lab.veth("inet", "wan0", "cables", "wans", "02:00:00:00:01:02", silent=(False, True))
    lab.veth("inet", "far0", "far", "eth0", "02:00:00:00:02:01", mtu=1400, silent=(False, False))
    for name in ("router", "inet"):
        lab.sysctl(name, "net.ipv4.ip_forward", 1)
        lab.sysctl(name, "net.ipv6.conf.all.forwarding", 1)
    cables = {
        "bob": dict(loss=0.02, twice=0.015, late=0.02, delay=0.001, jitter=0.001),
        "carol": dict(tags=[(0x8100, 20)]),
        "dave": dict(tags=[(0x8100, 20)], delay=0.002),
        "erin": dict(tags=[(0x88A8, 100), (0x8100, 30)]),
        "frank": dict(tags=[(0x88A8, 100), (0x8100, 30)], delay=0.0005),
        "wan": dict(loss=0.012, twice=0.012, delay=0.004, jitter=0.004),
    }
    lab.run("cables", forward, [Cable(f"{name}h", f"{name}s", **how) for name, how in cables.items()
                                if name in lab.hosts | {"wan"}], 7)
    # The far side needs no part in what the mirror port sees at start.
    for name, tail in (("router", 1), ("inet", 2)):
        lab.ip(name, "link set wan0 up")
        lab.ip(name, f"addr add 203.0.113.{tail}/24 dev wan0")
        lab.ip(name, f"addr add 2001:db8:113::{tail}/64 dev wan0 nodad")
    for end in ("wanh", "wans"):
        lab.ip("cables", f"link set {end} up")
    for address in ("192.0.2.80/32", "192.0.2.53/32"):
        lab.ip("inet", f"addr add {address} dev lo")
    lab.ip("inet", "addr add 2001:db8:80::80/128 dev lo nodad")
    lab.ip("inet", "link set far0 up")
    lab.ip("inet", "addr add 198.51.100.1/24 dev far0")
    lab.ip("inet", "addr add 2001:db8:100::1/64 dev far0 nodad")
    lab.ip("far", "link set eth0 up")
    lab.ip("far", "addr add 198.51.100.10/24 dev eth0")
    lab.ip("far", "addr add 2001:db8:100::10/64 dev eth0 nodad")
    lab.ip("far", "route add default via 198.51.100.1")
    lab.ip("far", "-6 route add default via 2001:db8:100::1")
    for net in ("10.0.10.0/24",):
        lab.ip("inet", f"route add {net} via 203.0.113.1")
    lab.ip("inet", "-6 route add 2001:db8:10::/64 via 2001:db8:113::1")
    for net in ("192.0.2.0/24", "198.51.100.0/24"):
        lab.ip("router", f"route add {net} via 203.0.113.2")
    for net in ("2001:db8:80::/64", "2001:db8:100::/64"):
        lab.ip("router", f"-6 route add {net} via 2001:db8:113::2")
    lab.ip("router", "route add prohibit 203.0.113.200/32")
    lab.ip("router", "route add unreachable 198.18.0.0/15")


def plug_in(lab):
    """Hosts come up: duplicate address detection, router and group messages."""
    lab.ip("router", "link set eth0 up")
    lab.ip("router", "addr add 10.0.10.1/24 dev eth0")
    lab.ip("router", "addr add 2001:db8:10::1/64 dev eth0 nodad")
    for name in [name for name in LAN if name in lab.hosts]:
        host(lab, name, LAN[name], 10, "bob" if name == "bob" else None)
    for name in [name for name in TAGGED if name in lab.hosts]:
        host(lab, name, *TAGGED[name], name)
    lab.ip("hive", "route add local 10.0.40.0/24 dev lo")
    lab.ip("alice", "route add 10.0.40.0/23 via 10.0.10.40")
    lab.ip("hive", "route add blackhole 10.0.41.0/24")
    lab.sysctl("hive", "net.ipv4.ip_forward", 1)


def serve(lab, work):
    """Servers: HTTP, TLS, DNS, echo, and a sink for datagrams."""
    here = lab.hosts | {"inet", "far"}
    for function, names in (
        (traffic.web_server, ("inet", "far", "dave", "frank")),
        (traffic.echo_server, ("inet", "dave", "frank", "hive")),
        (traffic.udp_sink, ("inet", "far", "dave", "frank", "hive")),
    ):
        for name in names:
            if name in here:
                lab.run(name, function)
    key, cert = os.path.join(work, "key.pem"), os.path.join(work, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "1", "-subj", "/CN=www.example.test", "-keyout", key, "-out", cert],
                   check=True, stderr=subprocess.DEVNULL)
    silent = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lab.popen("inet", ["openssl", "s_server", "-accept", "443", "-www", "-quiet", "-key", key, "-cert", cert], **silent)
    lab.popen("inet", ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                       "--user=root", "--pid-file=", "--listen-address=192.0.2.53", "--bind-interfaces",
                       "--address=/www.example.test/192.0.2.80", "--address=/www.example.test/2001:db8:80::80",
                       "--local=/example.test/", "--log-facility=/dev/null"], **silent)


def together(*processes):
    for process in processes:
        process.join()
        if process.exitcode != 0:
            sys.exit("lab: a host of the lab failed, see above; the rest is void")


def everyday(lab, seconds):
    """What goes on for so long; the hosts' processes."""
    return [
        lab.run("alice", traffic.office, seconds),
        lab.run("bob", traffic.bad_cable, seconds),
        lab.run("cam", traffic.camera, seconds),
        lab.run("carol", traffic.tagged, "10.0.20.5", "2001:db8:20::5", seconds, 30000),
        lab.run("erin", traffic.tagged, "10.0.30.12", "2001:db8:30::12", seconds, 12000),
        lab.run("mallory", traffic.stranger, "eth0", seconds),
    ]
