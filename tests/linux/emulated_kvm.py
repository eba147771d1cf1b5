#!/usr/bin/env python3
"""Boots Debian's cloud kernel to its init under a KVM that emulates kernel mode, and tells what the software CPU did for it.

usage: emulated_kvm.py MACHINE_RUN GUESTS [--limit S] [--image FILE]

Takes many minutes: such a KVM executes about a million instructions of the kernel a second. So what the kernel calls a
lockup takes longer, and its self-tests of cryptography, which raise numbers of 8192 bits to the power of each other, are
left out. Such a KVM also shows guests AVX-512 where the host has it, whatever CPU model was asked for, and neither it nor
the software CPU knows it in kernel mode; the kernel is told so. Exit status 77: this host has no such KVM, the last line
says why.
"""

import argparse
import gzip
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "monitor"))
from machine import Qmp  # noqa: E402

# What the kernel says once it has got past an instruction that ends other machine monitors on such a host.
MILESTONES = [
    ("cmpxchg16b in the first slab allocations", r"SLUB: HWalign"),
    ("xrstor in the set-up of the FPU", r"x86/fpu: Enabled xstate|x86/fpu: x87 FPU will use FXSAVE"),
    ("int3 in the self-test of the alternatives", r"smpboot: CPU0|Performance Events"),
    ("user mode", r"Run /init as init process"),
    ("init", r"^== uptime"),
]

APPEND = ("console=ttyS0,115200 panic=-1 nokaslr watchdog_thresh=60 clearcpuid=avx512f cryptomgr.notests "
          "highres=off nohz=off lapic=notscdeadline tsc=reliable no-steal-acc")


def why_not(machine_run):
    said = subprocess.run([machine_run, "-accel", "help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    match = re.search(r"^  kvm .*\n +(usable|not usable) here: (.*)", said, re.M)
    if not match or match.group(1) == "not usable":
        return match.group(2) if match else "this machine-run has no KVM"
    return None if "(emulated)" in match.group(2) else "the KVM of this host has hardware help: " + match.group(2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("machine_run")
    parser.add_argument("guests", help="folder that fetch-guests filled")
    parser.add_argument("--limit", type=float, default=3600)
    parser.add_argument("--image", help="another kernel")
    options = parser.parse_args()
    reason = why_not(options.machine_run)
    if reason:
        print(reason)
        return 77

    with tempfile.TemporaryDirectory() as folder:
        socket = os.path.join(folder, "qmp")
        stem = os.path.join(options.guests, "cloud")
        initrd = os.path.join(folder, "initrd")  # inflated: that alone would take the guest minutes
        with gzip.open(stem + ".test.cpio.gz") as packed, open(initrd, "wb") as file:
            shutil.copyfileobj(packed, file)
        command = [options.machine_run, "-M", "pc", "-accel", "kvm", "-cpu", "host", "-m", "192", "-nodefaults"]
        command += ["-display", "none", "-serial", "stdio", "-no-reboot", "-qmp", f"unix:{socket},server=on,wait=off"]
        command += ["-kernel", options.image or stem + ".vmlinuz", "-initrd", initrd]
        command += ["-append", APPEND]
        print(" ".join(command), flush=True)
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        reached, output, ended = {}, b"", False
        while time.monotonic() - started < options.limit and len(reached) < len(MILESTONES) and not ended:
            if not select.select([process.stdout], [], [], 1)[0]:
                continue
            data = os.read(process.stdout.fileno(), 65536)
            ended = not data
            output += data
            sys.stdout.write(data.decode(errors="replace").replace("\r", ""))
            sys.stdout.flush()
            text = output.decode(errors="replace").replace("\r", "")
            for name, pattern in MILESTONES:
                if name not in reached and re.search(pattern, text, re.M):
                    reached[name] = time.monotonic() - started
        text = output.decode(errors="replace")
        kvm = "?"
        if process.poll() is None:
            qmp = Qmp(socket)
            qmp.run("qmp_capabilities")
            kvm = qmp.run("human-monitor-command", command_line="info kvm").replace("\r", "")
            qmp.run("quit")
        process.wait(30)

    print("\n" + kvm)
    faults = [f"it did not get to: {name}" for name, _ in MILESTONES if name not in reached]
    for trouble in ("Kernel panic", "Call Trace", "WARNING: CPU", "BUG:", "cannot go on", " stopped: "):
        if trouble in text:
            faults.append(f"'{trouble}' in the output")
    for name, _ in MILESTONES:
        if name in reached:
            print(f"{reached[name]:8.1f} s  {name}")
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
