#!/usr/bin/env python3
"""The session that docs/gdb.md shows, word by word.

    usage: example_session.py MACHINE-RUN ACCELERATOR FOLDER      where guests are built"""

import os
import re
import subprocess

from debugged import HERE, LIMIT, connect_hmp, machine, main


def test(program, accel, folder):
    page = os.path.join(os.path.dirname(os.path.dirname(HERE)), "docs", "gdb.md")
    with open(page, encoding="utf-8") as file:
        console = re.search(r"```console\n\$ machine-run (.*)\n\$ gdb -q kernel.elf\n(.*?)```", file.read(), re.S)
    options, shown = console.group(1).split(), console.group(2)
    options = [o.replace("kernel.elf", f"{folder}/kernel.elf").replace("unix:", "unix:{dir}/") for o in options]
    with machine(program, "-accel", accel, "-monitor", "unix:{dir}/hmp,server=on,wait=off", *options) as process:
        connect_hmp(process)
        command = ["gdb", "-nx", "-q", "-batch", "-ex", f"file {folder}/kernel.elf", "-ex", f"cd {process.folder}"]
        for line in re.findall(r"^\(gdb\) (.*)$", shown, re.M):
            command += ["-ex", f"echo (gdb) {line}\\n", "-ex", line]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=LIMIT, check=True)
    # Empty lines are where a terminal would not have them.
    said = done.stdout.decode()
    squeeze = lambda text: [line for line in text.splitlines() if line.strip()]  # noqa: E731
    assert squeeze(said) == squeeze(shown), f"{page} shows\n{shown}\nand gdb says\n{said}"
    print("docs/gdb.md shows what gdb says")


if __name__ == "__main__":
    main(test)
