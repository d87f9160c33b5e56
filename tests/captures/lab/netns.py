"""Network namespaces, veth pairs and processes inside them. Nothing is ever
made in the namespace this script was started in, and everything made is
removed again, by name and by process id."""

import contextlib
import ctypes
import fcntl
import multiprocessing
import os
import re
import signal
import socket
import struct
import subprocess
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SIOCETHTOOL = 0x8946
# rx checksum, tx checksum, TSO, GSO, GRO: ETHTOOL_S... in linux/ethtool.h
OFFLOADS = (0x15, 0x17, 0x1F, 0x24, 0x2C)

libc = ctypes.CDLL(None, use_errno=True)


def sh(command):
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)


def enter(name):
    """Moves this thread into a namespace."""
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {name}")
    finally:
        os.close(fd)


def offloads_off(interface):
    """Frames shall be on the wire as they are sent: no TSO, real checksums."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for command in OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
            try:
                fcntl.ioctl(s, SIOCETHTOOL, request)
            except OSError:
                pass  # this device never had that offload


def outlive_nobody():
    """This process dies with the one that started it, and Ctrl-C at the
    terminal is not for it."""
    os.setsid()
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def remove(name):
    """A namespace, and whatever still runs in it."""
    left = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    for pid in left.stdout.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has just ended
    subprocess.run(["ip", "netns", "del", name], check=False)


def sweep():
    """Removes what labs left that were killed and could not."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        owner = re.fullmatch(r"magpie(\d+)-.*", name)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            remove(name)


class Lab:
    """Namespaces with a common prefix, and the processes started in them."""

    def __init__(self):
        sweep()
        self.prefix = f"magpie{os.getpid()}"
        self.names = []
        self.processes = []
        self.is_quiet = False  # for hosts behind somebody's screen

    def ns(self, name):
        full = f"{self.prefix}-{name}"
        if full not in self.names:
            sh(f"ip netns add {full}")
            self.names.append(full)
            self.ip(name, "link set lo up")
            sh(f"ip netns exec {full} sysctl -q -w net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 "
               "net.ipv4.ping_group_range='0 0' net.ipv4.tcp_timestamps=1")
        return full

    def ip(self, name, command):
        sh(f"ip -n {self.prefix}-{name} {command}")

    def tc(self, name, command):
        sh(f"tc -n {self.prefix}-{name} {command}")

    def sysctl(self, name, key, value):
        sh(f"ip netns exec {self.prefix}-{name} sysctl -q -w {key}='{value}'")

    def veth(self, ns_a, if_a, ns_b, if_b, mac_a=None, mtu=1500, silent=(True, True)):
        """A cable between two namespaces; a silent end has no IPv6 of its own."""
        a, b = self.ns(ns_a), self.ns(ns_b)
        sh(f"ip -n {a} link add name {if_a} type veth peer name {if_b} netns {b}")
        for name, interface, quiet in ((ns_a, if_a, silent[0]), (ns_b, if_b, silent[1])):
            if quiet:
                self.sysctl(name, f"net.ipv6.conf.{interface}.disable_ipv6", 1)
            self.run(name, offloads_off, interface).join()
            self.ip(name, f"link set dev {interface} mtu {mtu}")
        if mac_a:
            self.ip(ns_a, f"link set dev {if_a} address {mac_a}")

    def run(self, name, function, *arguments):
        """Starts a Python function inside a namespace, in its own process."""

        def body():
            outlive_nobody()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)  # the parent's handlers are its own
            if self.is_quiet:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 1)
                os.dup2(nowhere, 2)
            enter(f"{self.prefix}-{name}")
            function(*arguments)

        process = multiprocessing.get_context("fork").Process(target=body, daemon=True)
        process.start()
        self.processes.append(process)
        return process

    def popen(self, name, command, **options):
        """Starts a program inside a namespace."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", f"{self.prefix}-{name}", *command],
            stdin=subprocess.DEVNULL,
            preexec_fn=outlive_nobody,
            **options,
        )
        self.processes.append(process)
        return process

    def close(self):
        """Ends what was started, by process id, and removes what was made, by name."""
        is_alive = lambda p: p.poll() is None if isinstance(p, subprocess.Popen) else p.is_alive()
        for process in filter(is_alive, self.processes):
            process.terminate()
        end = time.monotonic() + 2.0
        while any(map(is_alive, self.processes)) and time.monotonic() < end:
            time.sleep(0.02)
        for name in self.names:
            remove(name)
        for process in self.processes:
            process.wait() if isinstance(process, subprocess.Popen) else process.join()
        self.processes, self.names = [], []


@contextlib.contextmanager
def standing():
    """A lab that is taken down however its user ends: well, by an error, by
    Ctrl-C or SIGTERM."""

    def leave(number, _frame):
        raise SystemExit(128 + number)

    endings = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in endings:
        signal.signal(number, leave)
    lab = Lab()
    try:
        yield lab
    finally:
        for number in endings:  # taking down is not to be interrupted
            signal.signal(number, signal.SIG_IGN)
        lab.close()
