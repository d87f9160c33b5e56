#!/usr/bin/env python3
"""A small network in namespaces of its own, for the tests and for the demo.

  network.py serve [--hub] [--tap KIND]            orders on stdin, answers on stdout
  network.py demo SECONDS -- PROGRAM ARGUMENT...   runs PROGRAM at the mirror port

It is the lab of ../captures: hosts, a router and servers behind a switch with
a mirror port (tc mirred) or a hub. The sensor's place is the interface
`mirror` of the namespace that is printed first. Everything is taken down
again, by process id and by name, when stdin ends, PROGRAM ends, or at SIGTERM.
Needs root, iproute2, python3, ping, curl, openssl and dnsmasq. No frame
leaves the namespaces."""

import argparse
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(HERE, "../captures"))
sys.dont_write_bytecode = True  # root's cache files do not belong here

import scenes
import taps
from lab import topology
from lab.netns import standing

ROUND = 20


def answer(lab, host, function, *arguments):
    """Runs a function in a host; what it returns."""
    ours, theirs = multiprocessing.Pipe()
    process = lab.run(host, lambda: theirs.send(function(*arguments)))
    theirs.close()  # so that the end of the process is the end of the pipe
    try:
        return ours.recv()
    except EOFError:
        raise SystemExit(f"lab: {function.__name__} in {host} failed, see above") from None
    finally:
        process.join()


def put_tap(lab, kind):
    """A tap between the mirror port and the sensor; its end of the pipe."""
    lab.veth("tap", "out0", "mon", "mirror", mtu=1600)
    lab.ip("tap", "link set out0 up")
    lab.ip("mon", "link set mirror up")
    ours, theirs = multiprocessing.Pipe()
    lab.run("tap", taps.run, kind, theirs)
    theirs.close()
    ours.recv()
    return ours


def connect(lab):
    """The mirror port's cable, pulled out until somebody listens: a switch
    that starts has things to say."""
    lab.ip("sw", "link set mon0 up")
    show = ["ip", "-n", f"{lab.prefix}-sw", "link", "show", "dev", "mon0"]
    while " state UP " not in subprocess.run(show, capture_output=True, text=True, check=True).stdout:
        time.sleep(0.05)
    time.sleep(0.2)


def obey(lab, tap, order):
    """One order of the test; the answer."""
    match order.split():
        case ["plug-in"]:
            connect(lab)
            topology.plug_in(lab)
        case ["workday", seconds]:
            camera = lab.run("cam", scenes.camera, float(seconds))
            said = answer(lab, "alice", scenes.workday, float(seconds))
            topology.together(camera)
            return said
        case ["flood", frames, octets]:
            return answer(lab, "alice", scenes.flood, int(frames), int(octets))
        case ["unplug"]:
            # What is under way arrives first; then nothing comes any more.
            lab.ip("sw", "link set mon0 down")
            time.sleep(0.3)
            if tap:
                tap.send("report")
                return tap.recv()
        case _:
            raise SystemExit(f"lab: no such order: {order!r}")
    return {}


def serve(lab, tap):
    """Orders, one a line, until there are no more."""
    print(json.dumps({"namespace": f"{lab.prefix}-mon"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(lab, tap, line)), flush=True)


def demo(lab, seconds, program):
    """Everyday life around a program at the mirror port; its exit code."""
    lab.is_quiet = True
    command = ["ip", "netns", "exec", f"{lab.prefix}-mon", *program]
    # Ctrl-C is for the program: it ends with its summary, and so do we.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    default = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, preexec_fn=default) as watch:
        try:
            time.sleep(1)
            topology.plug_in(lab)
            hosts, began = [], time.monotonic()
            while watch.poll() is None:
                left = seconds - (time.monotonic() - began)
                if not any(host.is_alive() for host in hosts) and left > 2:
                    hosts = topology.everyday(lab, min(ROUND, left))
                time.sleep(0.1)
        finally:
            if watch.poll() is None:
                watch.terminate()
    # 128 + the signal's number, as a shell says it.
    return watch.returncode if watch.returncode >= 0 else 128 - watch.returncode


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = p.add_subparsers(dest="what", required=True)
    server = what.add_parser("serve", help="orders on stdin, answers on stdout")
    server.add_argument("--hub", action="store_true", help="a hub instead of a switch with a mirror port")
    server.add_argument("--tap", choices=taps.TAPS, default="none", help="what is wrong with the mirror")
    show = what.add_parser("demo", help="runs a program at the mirror port")
    show.add_argument("seconds", type=float)
    show.add_argument("program", nargs="+")
    o = p.parse_args()
    if os.geteuid() != 0:
        sys.exit("lab: network namespaces need root; run it with sudo")

    code = 0
    with tempfile.TemporaryDirectory(prefix="magpie-lab") as work, standing() as lab:
        if o.what == "demo":
            print("lab: hosts, a switch with a mirror port, a router, servers: a few seconds", file=sys.stderr)
            topology.build(lab)
            topology.serve(lab, work)
            code = demo(lab, o.seconds, o.program)
        else:
            topology.build(lab, scenes.HOSTS, hub=o.hub, tap="tap" if o.tap != "none" else None)
            tap = put_tap(lab, o.tap) if o.tap != "none" else None
            topology.serve(lab, work)
            lab.ip("sw", "link set mon0 down")
            time.sleep(0.2)
            serve(lab, tap)
    sys.exit(code)


if __name__ == "__main__":
    main()
