#!/usr/bin/env python3
"""Boots Debian's generic kernel with two floppy disks; the guest copies the first to the second.

usage: floppy.py MACHINE_RUN GUESTS

Exit status 0: all of it is right. Else the faults, one a line, below the output of the guest.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time

LIMIT = 150  # seconds
SIZE = 1440 << 10


def faults_of(text, first, second):
    if f"== read {hashlib.sha256(first).hexdigest()}" not in text:
        yield "the guest has read something else than the disk holds"
    if "== end" not in text:
        yield "the guest did not come to its end"
    if second != first:
        same = sum(first[at : at + 512] == second[at : at + 512] for at in range(0, SIZE, 512))
        yield f"the second disk differs from the first: {same} of {SIZE // 512} sectors are the same"
    for line in text.splitlines():
        if "FAULT" in line or "I/O error" in line:
            yield line


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    machine_run, guests = sys.argv[1:]
    first = os.urandom(SIZE)
    with tempfile.TemporaryDirectory(prefix="floppy-") as folder:
        a, b = os.path.join(folder, "a.img"), os.path.join(folder, "b.img")
        for path, content in ((a, first), (b, bytes(SIZE))):
            with open(path, "wb") as file:
                file.write(content)
        command = [machine_run, "-M", "pc", "-accel", "jit", "-cpu", "max", "-m", "512", "-display", "none"]
        command += ["-no-reboot", "-serial", "stdio", "-kernel", f"{guests}/generic.vmlinuz"]
        command += ["-initrd", f"{guests}/generic.floppy.cpio.gz", "-fda", a, "-fdb", b]
        command += ["-append", "console=ttyS0,115200 loglevel=4 panic=-1"]
        print(" ".join(command), flush=True)
        started, faults = time.monotonic(), []
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=LIMIT, check=False)
            text = done.stdout.decode(errors="replace").replace("\r", "")
        except subprocess.TimeoutExpired as expired:
            text = (expired.stdout or b"").decode(errors="replace").replace("\r", "")
            faults.append(f"not done after {LIMIT} s")
        with open(b, "rb") as file:
            second = file.read()
    print(text)
    faults += faults_of(text, first, second)
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"Linux copies a floppy: {time.monotonic() - started:.1f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
