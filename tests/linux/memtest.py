#!/usr/bin/env python3
"""Runs memtest86+ until its first tests are done, and leaves it with the Escape key.

usage: memtest.py MACHINE_RUN MEMTEST [-accel NAME] [-smp N] [-m MIB] [-floppy] [--limit S]

MEMTEST is its kernel, which shows its screen on the serial line, a part every two seconds; or its ISO, which is started
from the CD drive and shows its screen as a PC does: that is read from the memory of the display adapter. Exit status 0: tests 0 to 5 (addresses, inversions of
fixed and random patterns) were done without an error, in all of the memory and with all processors; 77 as boot_linux.py.

With -floppy the firmware starts it from a floppy, and its screen is looked at through the monitor, up to its second test.
"""

import argparse
import os
import re
import sys
import tempfile
import time

from boot_linux import why_not
from guest import HEADLESS, Guest, report

AFTER = 6  # the number of the first test that need not be done


class Screen:
    """The program's screen, as the serial line tells of it."""

    def __init__(self, guest):
        self.guest = guest

    def look(self):
        """Once a second."""

    def leave(self):
        self.guest.type("\x1b")

    def text(self):
        # Cursor movements stand between fields.
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", self.guest.text)

    def tests(self):
        return [int(n) for n in re.findall(r"(?:^ ?|Test )#(\d+)\s+\[", self.text(), re.M)]

    def errors(self):
        return [int(n) for n in re.findall(r"Errors:\s+(\d+)", self.text())]


class Picture(Screen):
    """As the human monitor on the machine's standard input shows its memory: characters and attributes of 25 rows."""

    def look(self):
        self.guest.type("xp /2000xh 0xb8000\n")

    def leave(self):
        self.guest.type("quit\n")

    def text(self):
        cells, last = [], []
        for line in self.guest.text.split("\n"):
            row = re.match(r"[0-9a-f]{16}:((?: 0x[0-9a-f]{4})+)$", line)
            if row and line.startswith("00000000000b8000"):
                cells = []
            if row:
                cells += [int(cell, 16) & 0xFF for cell in row.group(1).split()]
            if len(cells) == 2000:
                last = cells
        text = "".join(chr(c) if 0x20 <= c < 0x7F else " " for c in last)
        return "\n".join(text[at : at + 80] for at in range(0, len(text), 80))

    def tests(self):
        return [int(n) for n in re.findall(r"#(\d+)\s+\[", self.text())]


class Display(Screen):
    """As QMP gives its memory; all that it has been, one below the other."""

    COLUMNS, TEXT = 80, 0xB8000

    def __init__(self, guest, folder):
        super().__init__(guest)
        self.file = os.path.join(folder, "screen")
        self.seen = ""

    def look(self):
        self.guest.qmp.run("pmemsave", val=self.TEXT, size=2 * 25 * self.COLUMNS, filename=self.file)
        with open(self.file, "rb") as file:
            characters = file.read()[::2].decode("cp437")
        for at in range(0, len(characters), self.COLUMNS):
            self.seen += characters[at : at + self.COLUMNS] + "\n"

    def leave(self):
        self.guest.qmp.run("send-key", keys=[{"type": "qcode", "data": "esc"}])

    def text(self):
        return self.seen


def watch(screen, until):
    """Leaves the program once it has begun this test, or found errors. The machine's exit status; None if the time was up
    before, or Escape did not end it."""
    guest, leaving = screen.guest, False
    try:
        while guest.in_time():
            guest.drain(1)
            screen.look()
            if not leaving and (max(screen.tests(), default=0) >= until or any(screen.errors())):
                leaving = True
                guest.ends = min(guest.ends, time.monotonic() + 20)
                screen.leave()
    except (EOFError, OSError, ValueError):
        pass  # it has ended
    return guest.process.returncode if guest.wait_end() else None


def check_picture(screen, status):
    text = screen.text()
    if "Memtest86+" not in text.split("\n")[0]:
        yield "its title is not on the screen"
    if max(screen.tests(), default=0) < 1:
        yield "its second test was not begun"
    if any(screen.errors()):
        yield f"memory errors: {max(screen.errors())}"
    if status != 0:
        yield f"machine-run ended with status {status}"


def check(screen, status, options):
    text = screen.text()
    tests = screen.tests()
    if not tests:
        yield "no test was begun"
        return
    if max(tests) < AFTER:
        yield f"not beyond test {max(tests)} after {options.limit:.0f} s"
    if any(screen.errors()):
        yield f"memory errors: {max(screen.errors())}"
    memory = re.search(r"Memory\s*:\s+(\d+)MB", text)
    if not memory or not options.m - 2 <= int(memory.group(1)) <= options.m:
        yield f"it found {memory.group(0) if memory else 'no memory'}, not {options.m} MiB"
    threads = re.search(r"CPU: .*?\b(\d+)(?:T| Threads)\b", text)  # "2S / 2C / 2T", or "2 Cores 2 Threads" in one package
    if not threads or int(threads.group(1)) != options.smp:
        yield f"it found {threads.group(0) if threads else 'no processors'}, not {options.smp}"
    if max(tests) >= AFTER and status != 0:
        yield "Escape did not end it" if status is None else f"machine-run ended with status {status}"


def main_floppy(options):
    with tempfile.TemporaryDirectory(prefix="memtest-") as folder:
        image = os.path.join(folder, "memtest.img")
        with open(options.memtest, "rb") as program, open(image, "wb") as file:
            file.write(program.read())
            file.truncate(1440 << 10)
        command = [options.machine_run, "-M", "pc", "-accel", options.accel, "-cpu", "max", "-m", str(options.m)]
        command += ["-display", "none", "-serial", "none", "-fda", image, "-boot", "a", "-monitor", "stdio"]
        with Guest(command, options.limit) as guest:
            screen = Picture(guest)
            status = watch(screen, 1)
    print(screen.text())
    print(f"memtest86+ from a floppy -accel {options.accel}: {time.monotonic() - guest.started:.1f} s")
    return report(list(check_picture(screen, status)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("machine_run")
    parser.add_argument("memtest")
    parser.add_argument("-accel", default="jit")
    parser.add_argument("-smp", type=int, default=2)
    parser.add_argument("-m", type=int, default=32)
    parser.add_argument("-floppy", action="store_true")
    parser.add_argument("--limit", type=float, default=150)
    options = parser.parse_args()
    reason = why_not(options.machine_run, options.accel)
    if reason:
        print(reason)
        return 77
    if options.floppy:
        return main_floppy(options)
    command = [options.machine_run, "-M", "pc", "-accel", options.accel, "-cpu", "max", "-m", str(options.m)]
    command += ["-smp", str(options.smp), *HEADLESS]
    with tempfile.TemporaryDirectory(prefix="memtest-") as folder:
        if options.memtest.endswith(".iso"):
            command += ["-cdrom", options.memtest, "-boot", "d", "-nic", "none"]
            guest = Guest(command, options.limit, os.path.join(folder, "qmp"))
            screen = Display(guest, folder)
        else:
            command += ["-kernel", options.memtest, "-append", "console=ttyS0,115200"]
            guest = Guest(command, options.limit)
            screen = Screen(guest)
        with guest:
            status = watch(screen, AFTER)
    print(screen.text()[-100 * 81:])
    print(f"memtest86+ -accel {options.accel}: {time.monotonic() - guest.started:.1f} s")
    return report(list(check(screen, status, options)))


if __name__ == "__main__":
    sys.exit(main())
