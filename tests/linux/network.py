#!/usr/bin/env python3
"""Boots Debian's generic kernel with a network card, which gets an address by DHCP, fetches a file from this program and
gives it back through a forwarded port of the host's choice.

usage: network.py MACHINE_RUN GUESTS CARD

Exit status 0: all of it is right. Else the faults, one a line, below the output of the guest.
"""

import hashlib
import http.server
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time

LIMIT = 150  # seconds
MAC = "52:54:00:12:34:99"
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


def take_back(port):
    """All that the guest's port 7000 gives."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        received = b""
        while data := peer.recv(65536):
            received += data
        return received


def main():
    if len(sys.argv) != 4 or sys.argv[3] not in MODULES:
        sys.exit(__doc__)
    machine_run, guests, card = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    append = f"console=ttyS0,115200 loglevel=4 panic=-1 NET_MODULES={MODULES[card]} NET_PORT={server.server_port}"
    command = [machine_run, "-M", "pc", "-accel", "jit", "-cpu", "max", "-m", "512", "-display", "none", "-no-reboot"]
    command += ["-serial", "stdio", "-kernel", f"{guests}/generic.vmlinuz", "-initrd", f"{guests}/generic.net.cpio.gz"]
    command += ["-append", append, "-nic", f"user,model={card},mac={MAC},hostfwd=tcp:127.0.0.1:0-:7000"]
    print(" ".join(command), flush=True)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end, text, back, faults = time.monotonic() + LIMIT, "", None, []
    while time.monotonic() < end:
        if not select.select([process.stdout], [], [], 1)[0]:
            continue
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            break
        text += data.decode(errors="replace").replace("\r", "")
        port = re.search(r"TCP port 127\.0\.0\.1:(\d+) of the host leads to 10\.0\.2\.15:7000", text)
        if back is None and "== serving\n" in text:
            time.sleep(1)  # nc is about to listen
            try:
                back = take_back(int(port.group(1)) if port else 0)
            except OSError as error:
                back = b""
                faults.append(f"the forwarded port: {error}")
    else:
        faults.append(f"not done after {LIMIT} s")
        process.kill()
    process.wait()
    print(text)
    faults += re.findall(r"^FAULT: (.*)", text, re.M)
    expected = ["== address 10.0.2.15 router 10.0.2.2 dns 10.0.2.3", f"== mac {MAC}",
                f"== fetched {hashlib.sha256(Files.content).hexdigest()}", "== end"]
    faults += [f"it did not say '{line}'" for line in expected if line not in text]
    if back != Files.content:
        faults.append(f"it gave back {len(back or b'')} bytes, which are not those that it was given")
    if process.returncode != 0:
        faults.append(f"machine-run ended with status {process.returncode}")
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
