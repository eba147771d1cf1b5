#!/usr/bin/env python3
"""Boots Debian's generic kernel with all four IDE drives: three disks and a CD drive, each with content of its own, which
the guest reads and writes, while the disc is exchanged by QMP and by the guest itself.

usage: disks.py MACHINE_RUN GUESTS [-append TEXT]

TEXT goes to the kernel's command line; "libata=dma=0" makes it use no DMA.

Exit status 0: all of it is right; 77: xorriso is missing. Else the faults, one a line, below the output of the guest.
"""

import hashlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

LIMIT = 150  # seconds; a busy host may need many
DISK = 2 << 20  # bytes


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Disc:
    """An ISO 9660 file system with a file of random content, and one with a name."""

    def __init__(self, folder, name, size):
        self.name, self.data = name, os.urandom(size)
        self.path = f"{folder}/{name}.iso"
        tree = f"{folder}/{name}"
        os.mkdir(tree)
        with open(f"{tree}/data.bin", "wb") as file:
            file.write(self.data)
        with open(f"{tree}/name.txt", "w", encoding="ascii") as file:
            file.write(name)
        subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", self.path, tree], check=True,
                       stderr=subprocess.DEVNULL)

    def line(self):
        return f"== file {sha256(self.data)}  - {self.name}"


class Qmp:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw", encoding="utf-8")
        self.events = []
        self.file.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.file.flush()
        while "event" in (answer := json.loads(self.file.readline())):
            self.events.append(answer)
        return answer

    def trays(self):
        """What the drive's tray has done, as far as it is known after another command."""
        self.command("query-status")
        return [e["data"]["tray-open"] for e in self.events if e["event"] == "DEVICE_TRAY_MOVED"]


class Guest:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.end, self.text = time.monotonic() + LIMIT, ""

    def read_until(self, pattern):
        """Whether the guest says it; None waits for its end."""
        while pattern is None or not re.search(pattern, self.text):
            left = self.end - time.monotonic()
            if left <= 0:
                self.process.kill()
                return False
            if not select.select([self.process.stdout], [], [], left)[0]:
                continue
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return pattern is None
            self.text += data.decode(errors="replace").replace("\r", "")
        return True

    def say(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()


class Failed(Exception):
    pass


def exchange(guest, qmp, discs):
    """The CD drive while the guest uses it. Raises Failed."""
    def drive():
        return [d for d in qmp.command("query-block")["return"] if d["device"] == "ide1-cd0"][0]

    def run(name, **arguments):
        answer = qmp.command(name, **arguments)
        if answer != {"return": {}}:
            raise Failed(f"{name}: {answer}")

    def expect(what, found, wanted):
        if found != wanted:
            raise Failed(f"{what}: {found}, not {wanted}")

    def step(word, pattern):
        if word:
            guest.say(word)
        if not guest.read_until(pattern):
            raise Failed(f"the guest did not get to '{pattern}'")

    place = drive()["qdev"]
    expect("removable", drive()["removable"], True)
    step(None, "== mounted\n")
    expect("locked while mounted", drive()["locked"], True)
    refusal = qmp.command("blockdev-change-medium", id=place, filename=discs[1].path, format="raw")
    if "is locked" not in refusal.get("error", {}).get("desc", ""):
        raise Failed(f"a locked tray: {refusal}")
    step("locked", "== unmounted\n")
    run("blockdev-change-medium", id=place, filename=discs[1].path, format="raw")
    expect("trays", qmp.trays(), [True, False])
    step("changed", "== read on\n")
    run("blockdev-open-tray", id=place)
    expect("trays", qmp.trays(), [True, False, True])
    expect("still in the tray", drive()["inserted"]["file"], discs[1].path)
    step("opened", "== closed\n")
    expect("trays after the guest has closed one", qmp.trays(), [True, False, True, False])
    run("eject", device="ide1-cd0")
    expect("empty", "inserted" in drive(), False)
    step("ejected", "== empty\n")
    run("blockdev-change-medium", device="ide1-cd0", filename=discs[2].path)
    step("filled", "== end\n")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    machine_run, guests = sys.argv[1:3]
    more = " ".join(sys.argv[4:]) if sys.argv[3:4] == ["-append"] else ""
    if not shutil.which("xorriso"):
        print("there is no xorriso to make discs with")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        disks = [os.urandom(DISK) for _ in range(3)]
        paths = [f"{folder}/disk{n}.img" for n in range(3)]
        for path, content in zip(paths, disks):
            with open(path, "wb") as file:
                file.write(content)
        discs = [Disc(folder, name, size) for name, size in (("red", 2 << 20), ("green", 3 << 19), ("blue", 1 << 19))]
        append = f"console=ttyS0,115200 loglevel=4 panic=-1 {more}"
        command = [machine_run, "-M", "pc", "-accel", "jit", "-cpu", "max", "-m", "512", "-display", "none"]
        command += ["-no-reboot", "-nic", "none", "-serial", "stdio", "-qmp", f"unix:{folder}/qmp,server=on,wait=off"]
        command += ["-drive", f"file={paths[0]},format=raw", "-hdb", paths[1], "-cdrom", discs[0].path]
        command += ["-drive", f"file={paths[2]},format=raw,index=3"]
        command += ["-kernel", f"{guests}/generic.vmlinuz", "-initrd", f"{guests}/generic.disks.cpio.gz"]
        print(" ".join(command + ["-append", append]), flush=True)
        guest = Guest(command + ["-append", append])
        while not os.path.exists(f"{folder}/qmp") and guest.process.poll() is None:
            time.sleep(0.02)
        faults = []
        try:
            exchange(guest, Qmp(f"{folder}/qmp"), discs)
        except (Failed, OSError, ValueError, LookupError) as failure:
            faults.append(f"{type(failure).__name__}: {failure}")
            guest.end = min(guest.end, time.monotonic() + 5)
        if not guest.read_until(None):
            faults.append(f"not done after {LIMIT} s")
        guest.process.wait()
        print(guest.text)
        faults += re.findall(r"^FAULT: (.*)", guest.text, re.M)
        with open(discs[0].path, "rb") as file:
            disc = file.read()
        lines = [f"== disk {place} {len(content) // 512} {sha256(content)}" for place, content in
                 (("ata1 0:0:0", disks[0]), ("ata1 0:0:1", disks[1]), ("ata2 1:0:1", disks[2]), ("ata2 1:0:0", disc))]
        lines += [d.line() for d in discs] + ["== empty", "== end"]
        faults += [f"it did not say '{line}'" for line in lines if line not in guest.text]
        with open(paths[1], "rb") as file:
            if file.read() != disks[0][-65536:] + disks[1][65536:]:
                faults.append("the second disk holds something else than what the guest wrote")
        if guest.process.returncode != 0:
            faults.append(f"machine-run ended with status {guest.process.returncode}")
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
