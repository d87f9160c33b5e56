"""What hosts do in the tests, and what they themselves say came of it."""

import re
import subprocess
import time

from lab import frames, traffic
from lab.cables import open_raw

HOSTS = ("alice", "cam", "hive")


def ping(target, count, interval):
    """Round trips as ping counts them."""
    command = ["ping", "-n", "-q", "-i", str(interval), "-c", str(count), "-W", "1", target]
    if ":" in target:
        command.insert(1, "-6")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    sent, back = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", done.stdout).groups())
    return {"target": target, "sent": sent, "back": back}


def page(url, octets):
    """Whether the page came whole."""
    done = subprocess.run(["curl", "-q", "-s", "-k", "--noproxy", "*", "--max-time", "20", url],
                          capture_output=True, check=False)
    if done.returncode != 0 or len(done.stdout) < octets:
        raise SystemExit(f"lab: {url}: curl ended with {done.returncode} and {len(done.stdout)} octets")


def workday(seconds):
    """Names, pages, TLS, conversations, a scan, and pings that are counted."""
    end, pings = time.monotonic() + seconds, []

    def names():
        n = 0
        while time.monotonic() < end:
            for name, kind in (("www.example.test", 1), ("www.example.test", 28), ("nobody.example.test", 1)):
                n += 1
                traffic.lookup(name, kind, 0x4D00 + n)
            time.sleep(0.4)

    def pages():
        page(f"http://{traffic.WEB}/24000", 24000)
        page(f"https://{traffic.WEB}/", 100)
        page(f"http://[{traffic.WEB6}]/9000", 9000)
        page(f"http://{traffic.WEB}/60000", 60000)

    def count(*what):
        pings.append(ping(*what))

    traffic.in_parallel(
        names, pages,
        lambda: count(traffic.WEB, int(seconds * 5), 0.2),
        lambda: count(traffic.WEB6, int(seconds * 4), 0.25),
        lambda: count("10.0.10.40", int(seconds * 5), 0.2),
        lambda: traffic.talk("10.0.10.40", 24_000, 700, 0.02),
        lambda: traffic.talk(traffic.WEB, 9_000, 300, 0.02),
        lambda: traffic.knock("10.0.10.40", range(1000, 1120)),
    )
    return {"pings": pings}


def flood(count, octets):
    """So many frames to the hive as fast as they go; how many went."""
    packet = frames.ip4(17, frames.udp(4000, 5005, bytes(octets - 42)), src="10.0.10.23", dst="10.0.10.40")
    frame = frames.eth(0x0800, packet, src=0x23, dst=0x40)
    with open_raw("eth0") as s:
        for _ in range(count):
            while True:
                try:
                    s.send(frame)
                    break
                except OSError as error:
                    if error.errno != 105:  # ENOBUFS: the queue is full
                        raise
                    time.sleep(0.001)
    return {"sent": count, "octets": count * len(frame)}


def camera(seconds):
    """A stream that nobody answers."""
    traffic.camera(seconds)
    return {}
