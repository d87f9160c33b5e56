#!/usr/bin/env python3
"""Records the captures of this folder in a lab of our own.

  sudo ./record.py [--out DIR] [--truth ../../../shared/tools/truth.py]

The lab is a switch (a bridge) with a mirror port (tc mirred), hosts, a router
and servers behind it, all in network namespaces of this process's own; no
frame leaves them. Needs root, iproute2, tcpdump, ping, curl, openssl and
dnsmasq. README.md says what each capture holds."""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # root's cache files do not belong here

from lab import files, frames, traffic
from lab.cables import Cable, forward
from lab.netns import Lab, sh

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 22
# Host name: last part of its addresses and, with the same digits, of its MAC.
LAN = {"alice": 23, "bob": 42, "cam": 77, "hive": 40, "mallory": 66}
TAGGED = {"carol": (9, 20), "dave": (5, 20), "erin": (11, 30), "frank": (12, 30)}


def port(lab, name):
    """A switch port whose incoming frames go to the mirror port too."""
    lab.ip("sw", f"link set {name} master br0 up")
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


def build(lab):
    """All links, still down at the hosts' ends."""
    lab.ns("sw")
    lab.ns("cables")
    lab.sysctl("sw", "net.ipv6.conf.default.disable_ipv6", 1)
    lab.ip("sw", "link add name br0 type bridge")
    lab.ip("sw", "link set br0 mtu 1600 address 02:00:00:00:00:fe up")
    lab.sysctl("sw", "net.ipv6.conf.br0.disable_ipv6", 1)
    lab.ip("sw", "link set br0 type bridge mcast_snooping 0")
    lab.veth("sw", "mon0", "mon", "mon1", mtu=1600)
    lab.ip("sw", "link set mon0 up")
    lab.ip("mon", "link set mon1 up")
    direct = ["alice", "cam", "hive", "mallory", "router"]
    for name in direct:
        number = LAN.get(name, 1)
        lab.veth(name, "eth0", "sw", f"p-{name}", f"02:00:00:00:00:{number:02d}", silent=(False, True))
        lab.ip("sw", f"link set p-{name} mtu 1600")
        port(lab, f"p-{name}")
    for name, number in [("bob", 42)] + [(n, t[0]) for n, t in TAGGED.items()]:
        lab.veth(name, "eth0", "cables", f"{name}h", f"02:00:00:00:00:{number:02d}", silent=(False, True))
        lab.veth("cables", f"{name}s", "sw", f"p-{name}", mtu=1600)
        port(lab, f"p-{name}")
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
    lab.run("cables", forward, [
        Cable("bobh", "bobs", loss=0.02, twice=0.015, late=0.02, delay=0.001, jitter=0.001),
        Cable("carolh", "carols", tags=[(0x8100, 20)]),
        Cable("daveh", "daves", tags=[(0x8100, 20)], delay=0.002),
        Cable("erinh", "erins", tags=[(0x88A8, 100), (0x8100, 30)]),
        Cable("frankh", "franks", tags=[(0x88A8, 100), (0x8100, 30)], delay=0.0005),
        Cable("wanh", "wans", loss=0.012, twice=0.012, delay=0.004, jitter=0.004),
    ], 7)
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
    for name, number in LAN.items():
        host(lab, name, number, 10, "bob" if name == "bob" else None)
    for name, (number, net) in TAGGED.items():
        host(lab, name, number, net, name)
    lab.ip("hive", "route add local 10.0.40.0/24 dev lo")
    lab.ip("alice", "route add 10.0.40.0/23 via 10.0.10.40")
    lab.ip("hive", "route add blackhole 10.0.41.0/24")
    lab.sysctl("hive", "net.ipv4.ip_forward", 1)


def serve(lab, work):
    """Servers: HTTP, TLS, DNS, echo, and a sink for datagrams."""
    for name in ("inet", "far", "dave", "frank"):
        lab.run(name, traffic.web_server)
    for name in ("inet", "dave", "frank", "hive"):
        lab.run(name, traffic.echo_server)
    for name in ("inet", "far", "dave", "frank", "hive"):
        lab.run(name, traffic.udp_sink)
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


def record(lab, path, scene):
    """Runs a scene with tcpdump at the mirror port; nothing may be lost."""
    log = open(path + ".log", "w+")
    dump = lab.popen("mon", ["tcpdump", "-i", "mon1", "-n", "-Z", "root", "--time-stamp-precision=nano",
                             "-s", "0", "-B", "32768", "-U", "-w", path], stderr=log)
    for _ in range(100):
        time.sleep(0.05)
        log.seek(0)
        if "listening on" in log.read():
            break
    scene()
    time.sleep(0.6)
    pids = subprocess.run(["ip", "netns", "pids", f"{lab.prefix}-mon"], capture_output=True, text=True, check=True)
    for pid in pids.stdout.split():
        os.kill(int(pid), 2)
    dump.wait()
    log.seek(0)
    said = log.read()
    log.close()
    os.unlink(path + ".log")
    if "\n0 packets dropped by kernel" not in said:
        sys.exit(f"record: tcpdump lost packets, nothing was kept:\n{said}")
    return list(files.read_pcap(path))


def together(*processes):
    for process in processes:
        process.join()
        if process.exitcode != 0:
            sys.exit("record: a host of the lab failed, see above; nothing was kept")


def everyday(lab):
    plug_in(lab)
    time.sleep(1.5)
    together(
        lab.run("alice", traffic.office, SECONDS),
        lab.run("bob", traffic.bad_cable, SECONDS),
        lab.run("cam", traffic.camera, SECONDS),
        lab.run("carol", traffic.tagged, "10.0.20.5", "2001:db8:20::5", SECONDS, 30000),
        lab.run("erin", traffic.tagged, "10.0.30.12", "2001:db8:30::12", SECONDS, 12000),
        lab.run("mallory", traffic.stranger, "eth0", SECONDS),
    )


def vlans(lab):
    together(
        lab.run("carol", traffic.tagged, "10.0.20.5", "2001:db8:20::5", 4, 8000),
        lab.run("erin", traffic.tagged, "10.0.30.12", "2001:db8:30::12", 4, 8000),
        lab.run("mallory", traffic.vlan_extra, "eth0"),
    )


def hand_made(start):
    """Frames no lab delivers, one a millisecond."""
    made = frames.broken() + frames.awkward() + list(frames.noise(400, 5))
    for n, frame in enumerate(made):
        yield start + n * 10**6, len(frame), frame


def clock_back(recorded):
    """The clock steps back two seconds at every 97th frame, and an hour once."""
    shift = 0
    for n, (ns, wire, data) in enumerate(recorded[400:1600]):
        if n % 97 == 96:
            shift -= 2 * 10**9
        if n == 600:
            shift -= 3600 * 10**9
        yield ns + shift, wire, data


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=HERE, help="folder for the captures")
    p.add_argument("--truth", default=os.path.join(HERE, "../../../shared/tools/truth.py"))
    o = p.parse_args()
    if os.geteuid() != 0:
        sys.exit("record: network namespaces need root; run it with sudo")
    before = open("/proc/net/dev").read().count("\n")
    lab = Lab()
    random.seed(1)
    with tempfile.TemporaryDirectory(prefix="magpie-lab") as work:
        try:
            build(lab)
            serve(lab, work)
            take = lambda name, scene: record(lab, os.path.join(work, name), scene)
            lab_frames = take("lab", lambda: everyday(lab))
            vlan_frames = take("vlan", lambda: vlans(lab))
            fragment_frames = take("fragments", lambda: together(lab.run("alice", traffic.fragments)))
            many_frames = take("many", lambda: together(lab.run("alice", traffic.many, "eth0")))
        finally:
            lab.close()
    if open("/proc/net/dev").read().count("\n") != before:
        sys.exit("record: interfaces were left behind or appeared outside the lab")
    path = lambda name: os.path.join(o.out, name)
    files.write_pcap(path("lab.pcap"), lab_frames)
    files.write_pcap(path("vlan.pcap"), vlan_frames, order=">")
    files.write_pcapng(path("fragments.pcapng"), fragment_frames)
    files.write_pcap(path("many-flows.pcap"), many_frames)
    files.write_pcap(path("malformed.pcap"), hand_made(lab_frames[0][0] // 10**9 * 10**9))
    files.write_pcap(path("clock-back.pcap"), clock_back(lab_frames))
    for name in sorted(os.listdir(o.out)):
        if name.endswith((".pcap", ".pcapng")):
            with open(path(name + ".json"), "w") as out:
                subprocess.run([sys.executable, o.truth, "--engine", "raw", "--compact", path(name)],
                               stdout=out, check=True)
            print(f"{name}: {os.path.getsize(path(name))} octets")


if __name__ == "__main__":
    main()
