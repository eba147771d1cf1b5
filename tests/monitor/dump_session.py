#!/usr/bin/env python3
"""dump-guest-memory of a Linux guest, read by gdb: its CPUs are threads, its kernel is at its addresses, and it goes on
afterwards as if nothing had happened.

    usage: dump_session.py MACHINE-RUN GUESTS      what tests/linux/fetch-guests has made: cloud.*"""

import os
import re
import shutil
import subprocess
import sys

from machine import LIMIT, Qmp, Shell, machine

KERNEL_MAP = 0xFFFFFFFF80000000  # where the kernel has physical memory from 0 on: Documentation/arch/x86/x86_64/mm.rst


def gdb(dump, *commands):
    arguments = ["gdb", "-batch", "-nx", "-ex", f"target core {dump}"]
    for command in commands:
        arguments += ["-ex", command]
    return subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=LIMIT, check=True).stdout.decode(errors="replace")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if not shutil.which("gdb"):
        print("there is no gdb")
        return 77
    program, guests = (os.path.abspath(a) for a in sys.argv[1:])
    with machine(program, "-M", "pc", "-accel", "jit", "-m", "128", "-smp", "2", "-nic", "none", "-display", "none",
                 "-no-reboot", "-serial", "stdio", "-kernel", f"{guests}/cloud.vmlinuz",
                 "-initrd", f"{guests}/cloud.shell.cpio.gz", "-append", "console=ttyS0 loglevel=3 nokaslr",
                 "-qmp", "unix:{dir}/q,server=on,wait=off", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        shell = Shell(process)
        greeting = shell.read_to_prompt()
        symbols = shell.run("grep -w linux_banner /proc/kallsyms")
        banner = int(re.search(r"^([0-9a-f]{16}) \w linux_banner$", symbols, re.M).group(1), 16)
        assert banner > KERNEL_MAP, symbols
        version = "Linux version " + re.search(r"This is Linux (\S+) with 2 CPUs", greeting).group(1)

        client = Qmp(f"{process.folder}/q")
        client.run("qmp_capabilities")
        # As the CPUs see it: page tables are walked, and the kernel's addresses are those of the dump.
        linear = f"{process.folder}/linear"
        client.run("dump-guest-memory", paging=True, protocol=f"file:{linear}")
        assert client.run("query-dump")["status"] == "completed"
        seen = gdb(linear, "info threads", f"x/s {banner:#x}", "print/x $cs", "x/i $pc", "thread 2", "x/i $pc")
        assert version in seen, seen
        assert re.search(r"^\* 1 .*\n  2 ", seen, re.M), seen
        code = re.findall(r"^=> 0x[0-9a-f]+:\s+\w+", seen, re.M)
        assert len(code) == 2, seen  # both CPUs' instructions are in it, wherever they were
        os.remove(linear)
        # Without: physical addresses, and memory from 0 to its end.
        physical = f"{process.folder}/physical"
        client.run("dump-guest-memory", paging=False, protocol=f"file:{physical}")
        seen = gdb(physical, f"x/s {banner - KERNEL_MAP:#x}", "x/1bx 0", f"x/1bx {(128 << 20) - 1:#x}")
        assert version in seen and "Cannot access" not in seen, seen
        os.remove(physical)

        assert "still here" in shell.run("echo still $((1))here | tr -d 1")
        client.run("quit")
        assert process.wait(LIMIT) == 0
    print(f"dump-guest-memory: gdb finds {version} at {banner:#x}, and an instruction for each CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
