#!/usr/bin/env python3
"""Boots Debian's generic kernel with a network card, which gets an address by DHCP, fetches a file from this program and
gives it back through a forwarded port of the host's choice. With "tap" it does so over a TAP interface that root has made
for it, with addresses of its own.

usage: network.py MACHINE_RUN GUESTS CARD [tap]

Exit status 0: all of it is right. Else the faults, one a line, below the output of the guest. 77: there can be no TAP.
"""

import hashlib
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

from guest import HEADLESS, Guest, linux, report

LIMIT = 150  # seconds
MAC = "52:54:00:12:34:99"
HOST, ADDRESS = "198.18.77.1", "198.18.77.2"  # of the range for tests between networks, RFC 2544 appendix C.2.2
MODULES = {"e1000": "e1000", "rtl8139": "mii,8139cp", "ne2k_pci": "8390,ne2k-pci"}


class Files(http.server.BaseHTTPRequestHandler):
    content = os.urandom(1 << 20)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_):
        pass


def take_back(host, port):
    """All that the guest's port 7000 gives."""
    with socket.create_connection((host, port), timeout=30) as peer:
        received = b""
        while data := peer.recv(65536):
            received += data
        return received


def make_tap():
    """The interface's name, or why there is none."""
    name = f"machina{os.getpid()}"
    try:
        for step in ["tuntap add dev {} mode tap", f"address add {HOST}/24 dev {{}}", "link set {} up"]:
            subprocess.run(["ip"] + step.format(name).split(), check=True, stderr=subprocess.PIPE)
    except (OSError, subprocess.CalledProcessError) as error:
        remove_tap(name)
        return None, f"{error} {getattr(error, 'stderr', b'').decode().strip()}"
    return name, None


def remove_tap(name):
    subprocess.run(["ip", "link", "delete", name], check=False, stderr=subprocess.DEVNULL)


def main():
    if len(sys.argv) not in (4, 5) or sys.argv[3] not in MODULES or sys.argv[4:] not in ([], ["tap"]):
        sys.exit(__doc__)
    if not sys.argv[4:]:
        return run(*sys.argv[1:], "127.0.0.1", "NET_HOST=10.0.2.2", "user,hostfwd=tcp:127.0.0.1:0-:7000",
                   "== address 10.0.2.15 router 10.0.2.2 dns 10.0.2.3")
    if not shutil.which("ip"):
        print("there is no program ip")
        return 77
    tap, why = make_tap()
    if not tap:
        print(f"no TAP interface can be made here: {why}")
        return 77
    try:
        return run(*sys.argv[1:4], HOST, f"NET_HOST={HOST} NET_ADDRESS={ADDRESS}", f"tap,ifname={tap}",
                   f"== address {ADDRESS}")
    finally:
        remove_tap(tap)


def run(machine_run, guests, card, host, settings, backend, address):
    server = http.server.ThreadingHTTPServer((host, 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    append = f"loglevel=4 NET_MODULES={MODULES[card]} NET_PORT={server.server_port} {settings}"
    command = [machine_run, "-M", "pc", "-accel", "jit", "-cpu", "max", "-m", "512", *HEADLESS]
    command += [*linux(guests, "generic", "net", append), "-nic", f"{backend},model={card},mac={MAC}"]
    back = b""

    def visit():
        nonlocal back
        guest.wait_for("== serving\n")
        port = re.search(r"TCP port 127\.0\.0\.1:(\d+) of the host leads to 10\.0\.2\.15:7000", guest.text)
        time.sleep(1)  # nc is about to listen
        back = take_back("127.0.0.1", int(port.group(1))) if port else take_back(ADDRESS, 7000)

    with Guest(command, LIMIT) as guest:
        faults = guest.attend(visit)
    print(guest.text)
    expected = [address, f"== mac {MAC}",
                f"== fetched {hashlib.sha256(Files.content).hexdigest()}", "== end"]
    faults += [f"it did not say '{line}'" for line in expected if line not in guest.text]
    if back != Files.content:
        faults.append(f"it gave back {len(back)} bytes, which are not those that it was given")
    return report(faults)


if __name__ == "__main__":
    sys.exit(main())
