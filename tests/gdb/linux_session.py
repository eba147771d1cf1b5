#!/usr/bin/env python3
"""gdb and Debian's kernel: stopped at start_kernel by the names of its own kallsyms, since packages of its symbols are
large; by the software CPU also in the system that runs then. Those names are told by a system that the software CPU
ran, so that each accelerator has them at once.

    usage: linux_session.py MACHINE-RUN ACCELERATOR FOLDER GUESTS      what tests/linux/fetch-guests has made: cloud.*"""

import os
import re
import subprocess
import sys

from debugged import Shell, expect, gdb, hmp, connect_hmp, machine, run

NAMES = ("start_kernel", "rest_init", "linux_banner", "jiffies_64", "do_idle")
TEXT = 0xFFFFFFFF81000000
START_LIMIT = 900  # seconds: a KVM that emulates kernel mode unpacks the kernel for a minute and starts it for two


def linux(program, accel, guests, *arguments):
    return machine(program, "-M", "pc", "-accel", accel, "-m", "128", "-smp", "2", "-nic", "none", "-display", "none",
                   "-no-reboot", "-serial", "stdio", "-kernel", f"{guests}/cloud.vmlinuz", "-initrd",
                   f"{guests}/cloud.shell.cpio.gz", "-append", "console=ttyS0 loglevel=3 nokaslr",
                   "-gdb", "unix:{dir}/gdb", "-monitor", "unix:{dir}/hmp,server=on,wait=off", *arguments,
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def make_symbols(shell, folder):
    """An ELF file that has the kernel's names where its own list says, and nothing else."""
    seen = shell.run("grep -wE '" + "|".join(NAMES) + "' /proc/kallsyms")
    found = {name: int(at, 16) for at, name in re.findall(r"^([0-9a-f]{16}) \w (\w+)$", seen, re.M)}
    assert set(NAMES) <= set(found), seen
    source, built = os.path.join(folder, "vmlinux.S"), os.path.join(folder, "vmlinux")
    with open(source, "w", encoding="utf-8") as text:
        # Code without content: gdb takes a name for a function's only where a section of code is.
        print('.section .kernel, "ax", @nobits\n.globl _text\n_text:\n.skip 0x8000000', file=text)
        for name in NAMES:
            print(f".globl {name}\n.type {name}, @function\n.set {name}, _text + {found[name] - TEXT:#x}", file=text)
    run("as", "--64", "-o", built + ".o", source)
    run("ld", "-m", "elf_x86_64", "-e", "_text", f"--section-start=.kernel={TEXT:#x}", "-o", built, built + ".o")
    return built


def stop_at_start_kernel(process, command, vmlinux):
    """And then in rest_init, the last that it calls: as far as the kernel gets while it has one process."""
    connect_hmp(process)
    seen = gdb(process, f"{command} start_kernel", "continue", "x/s &linux_banner", "p $rip == start_kernel", "p $efer",
               "stepi", "nexti", "x/2i $pc", "delete", "tbreak rest_init", "continue", "stepi", "nexti", "x/2i $pc",
               "detach", files=(vmlinux,), limit=START_LIMIT)
    expect(seen, r"reakpoint 1, .*start_kernel", r"\"Linux version ", r"= 1$", r"LMA", r"=> 0xffffffff8",
           r"reakpoint 2, .*rest_init", r"=> 0xffffffff8")


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    program, accel, folder, guests = sys.argv[1:]
    program, folder, guests = (os.path.abspath(p) for p in (program, folder, guests))
    os.makedirs(folder, exist_ok=True)
    with linux(program, "jit", guests) as process:
        shell = Shell(process)
        shell.read_to_prompt()
        vmlinux = make_symbols(shell, folder)
        # In a system that runs: memory by its names, an idle CPU, and a step of one.
        seen = gdb(process, "x/s &linux_banner", "info threads", "stepi", "stepi", "p $cs & 3", "tbreak do_idle", "detach",
                   files=(vmlinux,))
        expect(seen, r"\"Linux version ", r"Thread 2 ", r"= [03]$", r"detached")
        assert "still here" in shell.run("echo still $((1))here | tr -d 1")
    for command in ("break", "hbreak"):
        with linux(program, accel, guests, "-S") as process:
            stop_at_start_kernel(process, command, vmlinux)
            if command == "break" and accel == "jit":
                Shell(process).read_to_prompt()
                hmp(process, "quit")
    print(f"Debian's kernel in the software CPU; under {accel} break and hbreak at start_kernel and rest_init")
    return 0


if __name__ == "__main__":
    sys.exit(main())
