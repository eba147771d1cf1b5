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

from disks import Failed, Guest, LIMIT, Qmp

K1440, K720 = 1440 << 10, 720 << 10


def line(word, content):
    return f"== {word} {hashlib.sha256(content).hexdigest()}"


def exchange(guest, qmp, disks):
    """Drive A, while the guest uses it. Raises Failed."""
    def step(word, pattern):
        guest.say(word)
        if not guest.read_until(pattern):
            raise Failed(f"the guest did not get to '{pattern}'")

    def run(name, **arguments):
        answer = qmp.command(name, **arguments)
        if answer != {"return": {}}:
            raise Failed(f"{name}: {answer}")

    if not guest.read_until("== copied\n"):
        raise Failed("the guest has not copied the disk")
    run("blockdev-change-medium", device="floppy0", filename=disks["b"], format="raw")
    step("exchanged", "== read on .*\n")
    run("blockdev-change-medium", device="floppy0", filename=disks["b"], format="raw", **{"read-only-mode": "read-only"})
    step("protected", "== kept .*\n")
    run("eject", device="floppy0")
    step("ejected", "== empty\n")
    run("blockdev-change-medium", device="floppy0", filename=disks["a"], format="raw")
    step("back", "== end\n")


def faults_of(text, contents):
    wanted = [line("read", contents["a"]), line("read on", contents["b"]), line("kept", contents["b"]), "== empty\n",
              line("back", contents["a"]), "== end"]
    yield from (f"the guest did not say '{w}'" for w in wanted if w not in text)
    yield from (found for found in text.splitlines() if "FAULT" in found)


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
        command = [machine_run, "-M", "pc", "-accel", "jit", "-cpu", "max", "-m", "512", "-display", "none"]
        command += ["-no-reboot", "-serial", "stdio", "-qmp", f"unix:{folder}/qmp,server=on,wait=off", "-nic", "none"]
        command += ["-kernel", f"{guests}/generic.vmlinuz", "-initrd", f"{guests}/generic.floppy.cpio.gz"]
        command += ["-fda", disks["a"], "-fdb", disks["target"]]
        command += ["-append", "console=ttyS0,115200 loglevel=4 panic=-1"]
        print(" ".join(command), flush=True)
        started, faults = time.monotonic(), []
        guest = Guest(command)
        while not os.path.exists(f"{folder}/qmp") and guest.process.poll() is None:
            time.sleep(0.02)
        try:
            exchange(guest, Qmp(f"{folder}/qmp"), disks)
        except (Failed, OSError, ValueError, LookupError) as failure:
            faults.append(f"{type(failure).__name__}: {failure}")
            guest.end = min(guest.end, time.monotonic() + 5)
        if not guest.read_until(None):
            faults.append(f"not done after {LIMIT} s")
        guest.process.wait()
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
        if guest.process.returncode != 0:
            faults.append(f"machine-run ended with status {guest.process.returncode}")
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"Linux copies a floppy: {time.monotonic() - started:.1f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
