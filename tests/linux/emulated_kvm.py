#!/usr/bin/env python3
"""Boots Debian's cloud kernel to its init under a KVM that emulates kernel mode, and tells what the software CPU did for it.

usage: emulated_kvm.py MACHINE_RUN GUESTS [--limit S] [--image FILE]

Takes many minutes: such a KVM executes about a million instructions of the kernel a second. So what the kernel calls a
lockup takes longer, and its self-tests of cryptography, which raise numbers of 8192 bits to the power of each other, are
left out. Exit status 77: this host has no such KVM, the last line says why.
"""

import argparse
import gzip
import os
import shutil
import sys
import tempfile

from guest import HEADLESS, Guest, report, usable_here

# What the kernel says once it has got past an instruction that ends other machine monitors on such a host.
MILESTONES = [
    ("cmpxchg16b in the first slab allocations", r"SLUB: HWalign"),
    ("xrstor in the set-up of the FPU", r"x86/fpu: Enabled xstate|x86/fpu: x87 FPU will use FXSAVE"),
    ("int3 in the self-test of the alternatives", r"smpboot: CPU0|Performance Events"),
    ("user mode", r"Run /init as init process"),
    ("init", r"^== uptime"),
]

APPEND = ("console=ttyS0,115200 panic=-1 nokaslr watchdog_thresh=60 cryptomgr.notests "
          "highres=off nohz=off lapic=notscdeadline tsc=reliable no-steal-acc")


def why_not(machine_run):
    usable, what = usable_here(machine_run, "kvm")
    if not usable:
        return what
    return None if "(emulated)" in what else "the KVM of this host has hardware help: " + what


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
        stem = os.path.join(options.guests, "cloud")
        initrd = os.path.join(folder, "initrd")  # inflated: that alone would take the guest minutes
        with gzip.open(stem + ".test.cpio.gz") as packed, open(initrd, "wb") as file:
            shutil.copyfileobj(packed, file)
        command = [options.machine_run, "-M", "pc", "-accel", "kvm", "-cpu", "host", "-m", "192", "-nodefaults"]
        command += [*HEADLESS, "-kernel", options.image or stem + ".vmlinuz", "-initrd", initrd, "-append", APPEND]
        with Guest(command, options.limit, os.path.join(folder, "qmp")) as guest:
            shown = 0
            while guest.in_time() and not all(guest.when(pattern) for _, pattern in MILESTONES) and guest.read(1):
                sys.stdout.write(guest.text[shown:])
                sys.stdout.flush()
                shown = len(guest.text)
            kvm = "?"
            if guest.process.poll() is None:
                kvm = guest.qmp.run("human-monitor-command", command_line="info kvm").replace("\r", "")
                guest.qmp.run("quit")
            guest.process.wait(30)

    print("\n" + kvm)
    reached = {name: guest.when(pattern) for name, pattern in MILESTONES}
    faults = [f"it did not get to: {name}" for name, seconds in reached.items() if seconds is None]
    for trouble in ("Kernel panic", "Call Trace", "WARNING: CPU", "BUG:", "cannot go on", " stopped: "):
        if trouble in guest.text:
            faults.append(f"'{trouble}' in the output")
    for name, seconds in reached.items():
        if seconds is not None:
            print(f"{seconds:8.1f} s  {name}")
    return report(faults)


if __name__ == "__main__":
    sys.exit(main())
