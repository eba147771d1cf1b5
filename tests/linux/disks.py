#!/usr/bin/env python3
"""Boots Debian's generic kernel with all four IDE drives: three disks and a CD drive, each with content of its own, which
the guest reads and writes, while the disc is exchanged by QMP and by the guest itself.

usage: disks.py MACHINE_RUN GUESTS [-append TEXT]

TEXT goes to the kernel's command line; "libata=dma=0" makes it use no DMA.

Exit status 0: all of it is right; 77: xorriso is missing. Else the faults, one a line, below the output of the guest.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

from guest import HEADLESS, Guest, linux, report

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


def exchange(guest, discs):
    """The CD drive while the guest uses it."""
    def drive():
        return [d for d in guest.qmp.run("query-block") if d["device"] == "ide1-cd0"][0]

    def trays():
        """What the drive's tray has done."""
        guest.qmp.run("query-status")  # events come before the answer
        return [e["data"]["tray-open"] for e in guest.qmp.events if e["event"] == "DEVICE_TRAY_MOVED"]

    def expect(what, found, wanted):
        assert found == wanted, f"{what}: {found}, not {wanted}"

    place = drive()["qdev"]
    expect("removable", drive()["removable"], True)
    guest.wait_for("== mounted\n")
    expect("locked while mounted", drive()["locked"], True)
    refusal = guest.qmp.command("blockdev-change-medium", id=place, filename=discs[1].path, format="raw")
    assert "is locked" in refusal.get("error", {}).get("desc", ""), f"a locked tray: {refusal}"
    guest.ask("locked", "== unmounted\n")
    guest.order("blockdev-change-medium", id=place, filename=discs[1].path, format="raw")
    expect("trays", trays(), [True, False])
    guest.ask("changed", "== read on\n")
    guest.order("blockdev-open-tray", id=place)
    expect("trays", trays(), [True, False, True])
    expect("still in the tray", drive()["inserted"]["file"], discs[1].path)
    guest.ask("opened", "== closed\n")
    expect("trays after the guest has closed one", trays(), [True, False, True, False])
    guest.order("eject", device="ide1-cd0")
    expect("empty", "inserted" in drive(), False)
    guest.ask("ejected", "== empty\n")
    guest.order("blockdev-change-medium", device="ide1-cd0", filename=discs[2].path)
    guest.ask("filled", "== end\n")


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
        command = [machine_run, "-M", "pc", "-accel", "jit", "-cpu", "max", "-m", "512", "-nic", "none", *HEADLESS]
        command += ["-drive", f"file={paths[0]},format=raw", "-hdb", paths[1], "-cdrom", discs[0].path]
        command += ["-drive", f"file={paths[2]},format=raw,index=3"]
        command += linux(guests, "generic", "disks", f"loglevel=4 {more}")
        with Guest(command, LIMIT, f"{folder}/qmp") as guest:
            faults = guest.attend(lambda: exchange(guest, discs))
        print(guest.text)
        with open(discs[0].path, "rb") as file:
            disc = file.read()
        lines = [f"== disk {place} {len(content) // 512} {sha256(content)}" for place, content in
                 (("ata1 0:0:0", disks[0]), ("ata1 0:0:1", disks[1]), ("ata2 1:0:1", disks[2]), ("ata2 1:0:0", disc))]
        lines += [d.line() for d in discs] + ["== empty", "== end"]
        faults += [f"it did not say '{line}'" for line in lines if line not in guest.text]
        with open(paths[1], "rb") as file:
            if file.read() != disks[0][-65536:] + disks[1][65536:]:
                faults.append("the second disk holds something else than what the guest wrote")
    return report(faults)


if __name__ == "__main__":
    sys.exit(main())
