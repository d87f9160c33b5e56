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
from lab.netns import Lab
from lab.topology import build, everyday, plug_in, serve, together

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 22


def record(lab, path, scene):
    """Runs a scene with tcpdump at the mirror port; nothing may be lost."""
    log = open(path + ".log", "w+")
    dump = lab.popen("mon", ["tcpdump", "-i", "mirror", "-n", "-Z", "root", "--time-stamp-precision=nano",
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


def morning(lab):
    """Everybody switches on, and then to work."""
    plug_in(lab)
    time.sleep(1.5)
    together(*everyday(lab, SECONDS))


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
            build(lab, lossy_mirror=True)
            serve(lab, work)
            take = lambda name, scene: record(lab, os.path.join(work, name), scene)
            lab_frames = take("lab", lambda: morning(lab))
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
