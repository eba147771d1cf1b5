#!/usr/bin/env python3
"""Boots a Linux of fetch-guests to its init, reads what that sees, and waits for the power-off.

usage: boot_linux.py MACHINE_RUN GUESTS KERNEL [-accel NAME] [-smp N] [-M BOARD] [-cpu MODEL] [-m MIB]
                     [--clocksource NAME] [--limit S]

Exit status 0: all of it is right; the last lines say how long it took. Exit status 77: not possible here, the last line
says why. Else the faults, one a line, below the whole output of the guest.
"""

import argparse
import re
import sys
import time

from guest import HEADLESS, Guest, linux, report, usable_here

# Warnings of the kernel that are right on a machine like this one.
ALLOWED = {
    r"fail to add MMCONFIG information": "the i440FX has no memory-mapped configuration space",
    r"PCI: Fatal: No config space access function found|PCI: System does not support PCI": "microvm has no PCI",
    r"hpet: Lost \d+ RTC interrupts|hrtimer: interrupt took": "a host that is busy while the kernel boots",
    r"^\s*#\d+$": "one line, 'CPUs: #1 #2', that another processor's message cut in two",
}

# What every x86 processor of this century has, and what 64-bit code needs beside it.
FLAGS = "fpu pse tsc msr pae mce cx8 apic sep mtrr pge cmov pat mmx fxsr sse sse2 hypervisor".split()
FLAGS_64 = "syscall nx lm cx16 lahf_lm".split()


def parts_of(text):
    """What test.init says, by the names of its parts. A part that comes in pieces of other output stays one."""
    parts, name = {}, None
    for line in text.split("\n"):
        if line.startswith("== "):
            name = line[3:]
            parts[name] = []
        elif name is not None:
            parts[name].append(line)
    return parts


def processors(lines):
    """/proc/cpuinfo as a list of dictionaries."""
    blocks, block = [], {}
    for line in [*lines, ""]:
        if ":" in line:
            key, _, value = line.partition(":")
            block[key.strip()] = value.strip()
        elif block:
            blocks.append(block)
            block = {}
    return blocks


def interrupts(lines):
    """/proc/interrupts: {name: ([count of each CPU], description)}; the CPUs of its first line under ""."""
    table = {"": ([], "")}
    for line in lines:
        if re.match(r"\s+CPU0\b", line):
            table[""] = ([int(n) for n in re.findall(r"CPU(\d+)", line)], "")
            continue
        match = re.match(r"\s*(\w+):((?:\s+\d+)+)\s*(.*)", line)
        if match:
            counts = [int(n) for n in match.group(2).split()]
            table[match.group(1)] = (counts[: len(table[""][0])], match.group(3))
    return table


def check_processors(parts, cpus, bits_64):
    found = processors(parts.get("cpuinfo", []))
    numbers = [b.get("processor") for b in found]
    if numbers != [str(n) for n in range(cpus)]:
        yield f"/proc/cpuinfo lists the processors {numbers}, not {cpus} from 0 on"
        return
    for block in found:
        for key in ("vendor_id", "cpu family", "model name", "flags"):
            if not block.get(key):
                yield f"processor {block['processor']} has no {key}"
            elif block[key] != found[0][key]:
                yield f"processor {block['processor']} has another {key} than processor 0: {block[key]}"
    if found[0].get("vendor_id") not in ("GenuineIntel", "AuthenticAMD"):
        yield f"unknown vendor '{found[0].get('vendor_id')}'"
    flags = found[0].get("flags", "").split()
    for flag in FLAGS + (FLAGS_64 if bits_64 else []):
        if flag not in flags:
            yield f"flag {flag} is missing"
    if "tsc_deadline_timer" not in flags and "constant_tsc" not in flags:
        yield "the TSC is neither constant nor good for deadlines"


def check_interrupts(parts, cpus):
    before, after = interrupts(parts.get("interrupts before", [])), interrupts(parts.get("interrupts after", []))
    if after[""][0] != list(range(cpus)):
        yield f"/proc/interrupts has columns for the CPUs {after[''][0]}, not for {cpus}"
        return
    if "LOC" not in before or "LOC" not in after:
        yield "there is no line for local timer interrupts"
    else:
        grown = [b - a for a, b in zip(before["LOC"][0], after["LOC"][0])]
        # 250 a second, and each processor was busy for a second at least.
        if min(grown) < 50:
            yield f"local timer interrupts while all processors worked: {grown}"
    for name in ("SPU", "ERR", "MIS"):  # spurious; errors of the APIC; ends of interrupt that were missed
        if name in after and sum(after[name][0]) != 0:
            yield f"interrupts of kind {name}: {after[name][0]}"
    serial = [counts for counts, what in after.values() if what.endswith("ttyS0")]
    if not serial or sum(serial[0]) == 0:
        yield "the serial line had no interrupt"
    if not any(what.endswith("acpi") for _, what in after.values()):
        yield "nobody listens to ACPI's interrupt"
    if cpus > 1:
        for name in ("RES", "CAL"):
            if sum(after.get(name, ([0], ""))[0]) == 0:
                yield f"no interrupt from processor to processor of kind {name}"
    work = sorted(line for line in parts.get("work", []) if "worked" in line)
    if work != sorted(f"cpu {n} worked" for n in range(cpus)):
        yield f"these processors did their work: {work}"


def check_messages(parts, text):
    if "messages" not in parts or "traces" not in parts:
        yield "the kernel's messages were not listed"
        return
    for line in parts["messages"]:
        match = re.match(r"<\d>(?:\[[ \d.]+\] ?)?(.*)", line)
        if match and not any(re.search(pattern, match.group(1)) for pattern in ALLOWED):
            yield f"warning of the kernel: {line}"
    for line in parts["traces"]:
        if line.strip():
            yield f"trouble of the kernel: {line}"
    for trouble in ("Kernel panic", "Call Trace"):
        if trouble in text:
            yield f"'{trouble}' in the output"


def check_memory(parts, mib):
    total = re.search(r"MemTotal:\s+(\d+) kB", "\n".join(parts.get("memory", [])))
    if not total or int(total.group(1)) < (mib - 64) * 1024 * 0.85:
        yield f"of {mib} MiB the guest has {total.group(1) if total else 'no'} KiB"


def check_time(guest, parts):
    """The guest's clock and the host's, from the first thing that init says to the last of the kernel."""
    begin, end = parts.get("uptime", []), re.search(r"\[ *([\d.]+)\] reboot: ", guest.text)
    if not begin or not end:
        return
    inside = float(end.group(1)) - float(begin[0].split()[0])
    outside = guest.when(r"\] reboot: ") - guest.when(r"^== uptime")
    if abs(inside - outside) > 0.5 + 0.1 * outside:
        yield f"{outside:.1f} s of the host were {inside:.1f} s to the guest"


def check(guest, options):
    parts = parts_of(guest.text)
    if "cpuinfo" not in parts:
        yield "it did not reach its init"
    else:
        yield from check_processors(parts, options.smp, options.kernel != "i686")
        yield from check_interrupts(parts, options.smp)
        yield from check_messages(parts, guest.text)
        yield from check_memory(parts, options.m)
        yield from check_time(guest, parts)
        source = parts.get("clocksource", ["none"])[0]
        if options.clocksource and source != options.clocksource:
            yield f"it keeps time by {source}, not by {options.clocksource}"
    if "still there" in parts or guest.when("reboot: Power down") is None:
        yield "its last word was not 'Power down'"


def why_not(machine_run, accelerator):
    """Why this accelerator runs no Linux here; None when it should."""
    usable, what = usable_here(machine_run, accelerator)
    # No kernel gets along with the instructions that such an emulation lacks.
    return what if not usable or "(emulated)" in what else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("machine_run")
    parser.add_argument("guests", help="folder that fetch-guests filled")
    parser.add_argument("kernel", choices=("cloud", "generic", "i686"))
    parser.add_argument("-accel", default="jit")
    parser.add_argument("-smp", type=int, default=1)
    parser.add_argument("-M", default="pc")
    parser.add_argument("-cpu", default="max")
    parser.add_argument("-m", type=int, default=512)
    parser.add_argument("--clocksource", help="what the guest shall keep time by")
    parser.add_argument("--append", default="", help="more for the kernel's command line")
    parser.add_argument("--limit", type=float, default=120)
    options = parser.parse_args()

    reason = why_not(options.machine_run, options.accel)
    if reason:
        print(reason)
        return 77
    append = f"loglevel=4 {options.append}".strip()
    if options.clocksource:
        append += f" clocksource={options.clocksource}"
    command = [options.machine_run, "-M", options.M, "-accel", options.accel, "-cpu", options.cpu]
    command += ["-m", str(options.m), "-smp", str(options.smp), *HEADLESS]
    command += linux(options.guests, options.kernel, "test", append)
    with Guest(command, options.limit) as guest:
        faults = guest.attend()
        seconds = time.monotonic() - guest.started
    print(guest.text)
    status = report(faults + list(check(guest, options)))
    parts = parts_of(guest.text)
    init = guest.when(r"^== uptime")
    clock = parts.get("uptime", ["?"])[0].split()[0]
    source = parts.get("clocksource", ["?"])[0]
    print(f"{options.kernel} -accel {options.accel} -smp {options.smp}: init after "
          f"{'-' if init is None else format(init, '.1f')} s ({clock} s by the guest's clock, {source}), "
          f"end after {seconds:.1f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
