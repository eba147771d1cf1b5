#!/usr/bin/env python3
"""Boots Debian's generic kernel with two floppy disks; the guest copies the first to the second. Then the first is
exchanged by QMP: for one of another format, one that is protected, none, and back.

usage: floppy.py MACHINE_RUN GUESTS

Exit status 0: all of it is right. Else the faults, one a line, below the output of the guest.
"""

import hashlib
import os
import sys
import tempfile
import time

from guest import HEADLESS, Guest, linux, report

LIMIT = 150  # seconds; a busy host may need many
K1440, K720 = 1440 << 10, 720 << 10


def line(word, content):
    return f"== {word} {hashlib.sha256(content).hexdigest()}"


def exchange(guest, disks):
    """Drive A, while the guest uses it."""
    guest.wait_for("== copied\n")
    guest.order("blockdev-change-medium", device="floppy0", filename=disks["b"], format="raw")
    guest.ask("exchanged", "== read on .*\n")
    guest.order("blockdev-change-medium", device="floppy0", filename=disks["b"], format="raw", read_only_mode="read-only")
    guest.ask("protected", "== kept .*\n")
    guest.order("eject", device="floppy0")
    guest.ask("ejected", "== empty\n")
    guest.order("blockdev-change-medium", device="floppy0", filename=disks["a"], format="raw")
    guest.ask("back", "== end\n")


def faults_of(text, contents):
    wanted = [line("read", contents["a"]), line("read on", contents["b"]), line("kept", contents["b"]), "== empty\n",
              line("back", contents["a"]), "== end"]
    yield from (f"the guest did not say '{w}'" for w in wanted if w not in text)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    machine_run, guests = sys.argv[1:]
    contents = {"a": os.urandom(K1440), "b": os.urandom(K720), "target": bytes(K1440)}
    with tempfile.TemporaryDirectory(prefix="floppy-") as folder:
        disks = {name: os.path.join(folder, name + ".img") for name in contents}
        for name, content in contents.items():
            with open(disks[name], "wb") as file:
                file.write(content)
        command = [machine_run, "-M", "pc", "-accel", "jit", "-cpu", "max", "-m", "512", "-nic", "none", *HEADLESS]
        command += ["-fda", disks["a"], "-fdb", disks["target"], *linux(guests, "generic", "floppy", "loglevel=4")]
        with Guest(command, LIMIT, f"{folder}/qmp") as guest:
            faults = guest.attend(lambda: exchange(guest, disks))
        print(guest.text)
        faults += faults_of(guest.text, contents)
        with open(disks["target"], "rb") as file:
            copy = file.read()
        same = sum(contents["a"][at : at + 512] == copy[at : at + 512] for at in range(0, K1440, 512))
        if copy != contents["a"]:
            faults.append(f"the second disk differs from the first: {same} of {K1440 // 512} sectors are the same")
        for name in ("a", "b"):
            with open(disks[name], "rb") as file:
                if file.read() != contents[name]:
                    faults.append(f"disk '{name}' was written to")
    print(f"Linux copies a floppy: {time.monotonic() - guest.started:.1f} s")
    return report(faults)


if __name__ == "__main__":
    sys.exit(main())
