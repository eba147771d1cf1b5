#!/usr/bin/env python3
"""Moves a running Linux from one accelerator to another and back, under load: docs/crossing.md.

usage: move.py MACHINE_RUN GUESTS [--moves N] [--route NAME,NAME] [--stay S] [--smp N] [--limit S] [--verbose]

Boots Debian's cloud kernel under the first accelerator, has it compute checksums, and then, N times: stop,
x-set-accelerator, cont, a stay. At the end: all checksums were right, the kernel has complained of nothing, and the
guest's clock has gone on by as much as the machine ran. Exit status 77: not possible here, the last line says why.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time

from guest import HEADLESS, Guest, Qmp, linux, usable_here

# How the accelerators are named: KVM's interrupt controllers must be in user space.
ACCELERATORS = {"jit": "jit", "kvm": "kvm,kernel-irqchip=off"}

# Warnings of the kernel that are right on a machine like this one.
ALLOWED = [
    r"fail to add MMCONFIG information",  # the i440FX has no memory-mapped configuration space
    r"hrtimer: interrupt took",  # where KVM emulates kernel mode, it does
    r"[Cc]ommand line:|Marking TSC unstable due to boot parameter",  # ours
    r"Marking TSC unstable due to TSCs unsynchronized",  # several CPUs of AMD without a constant TSC, which is qemu64
    r"hpet: Lost \d+ RTC interrupts",  # a host that is busy while the kernel boots
]

# Of the guest's clock: what a stop and a start cost between the machine's clocks and ours, and how far two clocks of a
# host drift apart (the machine's is steered, KVM's is not).
SLACK_A_MOVE = 0.002
SLACK_A_SECOND = 0.001
RESOLUTION = 0.02  # /proc/uptime has hundredths


def why_not(machine_run, route):
    for name in route:
        usable, what = usable_here(machine_run, name)
        if not usable:
            return f"{name}: {what}"
    return None


def model_for(machine_run, route):
    """A CPU model that all of them have: what one refuses says what to leave out, or to add."""
    model = "qemu64,+smap"
    for _ in range(2 * len(route)):
        with tempfile.TemporaryDirectory() as folder:
            socket = os.path.join(folder, "qmp")
            machine = subprocess.Popen([machine_run, "-M", "pc,firmware=none", "-accel", ACCELERATORS[route[0]], "-S",
                                        "-cpu", model, "-nodefaults", "-display", "none",
                                        "-qmp", f"unix:{socket},server=on,wait=off"])
            qmp = Qmp(socket)
            qmp.run("qmp_capabilities")
            answers = [qmp.command("x-set-accelerator", accelerator=ACCELERATORS[name]) for name in route[1:] + route[:1]]
            qmp.run("quit")
            machine.wait(60)
        refusals = [answer["error"]["desc"] for answer in answers if "error" in answer]
        if not refusals:
            return model
        change = re.search(r",tsc-frequency=\d+", refusals[0]) or re.search(r"(?<=add ),\S+(?= to its -cpu)", refusals[0])
        if not change:
            raise RuntimeError(refusals[0])
        model += change.group(0)
    raise RuntimeError(f"no CPU model for {route}: {refusals[0]}")


def travel(guest, options, route):
    """The moves. Returns how long the guest has run at least and at most meanwhile, in seconds."""
    first, earliest_1, latest_1 = guest.ask("clock", r"^== clock ([\d.]+)\n")
    least, most = 0.0, 0.0
    guest.drain(0.5)  # until nobody but the workers is busy
    # It runs since the answer at the latest, and since the question at the earliest.
    began_early, began_late = earliest_1, latest_1
    for move in range(options.moves):
        name = route[(move + 1) % len(route)]
        before = time.monotonic()
        guest.qmp.run("stop")
        stopped = time.monotonic()
        least, most = least + before - began_late, most + stopped - began_early
        guest.qmp.run("x-set-accelerator", accelerator=ACCELERATORS[name])
        moved = time.monotonic()
        began_early = time.monotonic()
        guest.qmp.run("cont")
        began_late = time.monotonic()
        if options.verbose:
            print(f"move {move + 1}: {name} after {1000 * (moved - stopped):.0f} ms", flush=True)
        guest.drain(options.stay)
        state = guest.qmp.run("query-status")["status"]
        if state != "running":
            raise TimeoutError(f"under {name} the machine is '{state}'")
    if len(route) > 1 and options.moves % len(route) != 0:
        print(f"it ends under {route[options.moves % len(route)]}", flush=True)
    second, earliest_2, latest_2 = guest.ask("clock", r"^== clock ([\d.]+)\n")
    least, most = least + earliest_2 - began_late, most + latest_2 - began_early
    return float(second.group(1)) - float(first.group(1)), least, most


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("machine_run")
    parser.add_argument("guests", help="folder that fetch-guests filled")
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--route", default="jit,kvm")
    parser.add_argument("--stay", type=float, default=0.4, help="seconds under each")
    parser.add_argument("--smp", default="1")
    parser.add_argument("--limit", type=float, default=600)
    parser.add_argument("--append", default="", help="more words for the kernel")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    route = options.route.split(",")
    reason = why_not(options.machine_run, route)
    if reason:
        print(reason)
        return 77
    model = model_for(options.machine_run, route)
    if "-smap" in model and "(emulated)" in usable_here(options.machine_run, "kvm")[1]:
        print("kvm: emulates kernel mode, and loses system calls of a guest without SMAP, which this host has not")
        return 77
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        # A KVM without hardware help shows the host's TSC: it jumps there, and back no more.
        words = ("tsc=unstable " if "kvm" in route else "") + options.append
        command = [options.machine_run, "-M", "pc", "-accel", ACCELERATORS[route[0]], "-cpu", model, "-m", "256"]
        command += ["-smp", options.smp, "-nodefaults", *HEADLESS]
        command += linux(options.guests, "cloud", "move", "nokaslr " + words)
        guest = Guest(command, options.limit, os.path.join(folder, "qmp"))
        try:
            sums = guest.wait_for(r"^== sums (\w+) (\w+)\n")
            with open(os.path.join(options.guests, "busybox-amd64"), "rb") as file:
                busybox = file.read()
            known = [hashlib.sha512(part).hexdigest() for part in (busybox[: 64 * 4096], busybox[: 8 * 4096])]
            if list(sums.groups()) != known:
                faults.append(f"the guest's checksums are {sums.groups()}, the host's {known}")
            guest.wait_for(r"^== ready\n")
            guest.drain(1)
            elapsed, least, most = travel(guest, options, route)
            slack = RESOLUTION + SLACK_A_MOVE * options.moves + SLACK_A_SECOND * most
            print(f"{options.moves} moves; the guest's clock went on by {elapsed:.2f} s, while it ran for "
                  f"{least:.3f} to {most:.3f} s")
            if not least - slack <= elapsed <= most + slack:
                faults.append(f"the guest's clock is off by more than {slack:.3f} s")
            done = guest.ask("done", r"^== done (\d+) (\d+)\n")[0]
            print(f"checked results: {done.group(1)} of the large file, {done.group(2)} of the small one")
            if 0 in map(int, done.groups()):
                faults.append("a worker has computed nothing at all")
            guest.ask("end", r"^== end\n")
            guest.process.wait(60)
        except (TimeoutError, AssertionError, EOFError, subprocess.TimeoutExpired) as error:
            faults.append(str(error))
            guest.process.kill()
            guest.process.wait()
    text = guest.text
    for pattern in (r"^== WRONG.*", r"Kernel panic.*", r".* stopped: .*", r"cannot go on.*"):
        faults += re.findall(pattern, text, re.M)
    for part in ("messages", "traces"):
        found = re.search(rf"^== {part}$\n(.*?)^== ", text, re.M | re.S)
        for line in (found.group(1).splitlines() if found else []):
            if not any(re.search(allowed, line) for allowed in ALLOWED):
                faults.append(f"the kernel says: {line}")
    if faults or options.verbose:
        print(text)
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
