#!/usr/bin/env python3
"""Runs memtest86+ until its first tests are done, and leaves it with the Escape key.

usage: memtest.py MACHINE_RUN MEMTEST [-accel NAME] [-smp N] [-m MIB] [-floppy] [--limit S]

MEMTEST is its kernel, which shows its screen on the serial line, a part every two seconds; or its ISO, which is started
from the CD drive and shows its screen as a PC does: that is read from the memory of the display adapter. Exit status 0: tests 0 to 5 (addresses, inversions of
fixed and random patterns) were done without an error, in all of the memory and with all processors; 77 as boot_linux.py.

With -floppy the firmware starts it from a floppy, and its screen is looked at through the monitor, up to its second test.
"""

import argparse
import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import time

from boot_linux import why_not

AFTER = 6  # the number of the first test that need not be done


class Screen:
    """What the serial line says of the program's screen."""

    def __init__(self):
        self.raw = b""

    def text(self):
        # Cursor movements stand between fields.
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", self.raw.decode(errors="replace"))

    def tests(self):
        return [int(n) for n in re.findall(r"(?:^ ?|Test )#(\d+)\s+\[", self.text(), re.M)]

    def errors(self):
        return [int(n) for n in re.findall(r"Errors:\s+(\d+)", self.text())]


class Picture(Screen):
    """The screen as the monitor shows its memory: characters and attributes of 25 rows."""

    ASK = b"xp /2000xh 0xb8000\n"

    def text(self):
        cells, last = [], []
        for line in self.raw.decode(errors="replace").replace("\r", "").split("\n"):
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


def look(command, limit):
    """As run(), through the monitor."""
    screen = Picture()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end, asked = time.monotonic() + limit, 0
    try:
        while time.monotonic() < end:
            if time.monotonic() - asked > 1:
                asked = time.monotonic()
                process.stdin.write(Picture.ASK)
                process.stdin.flush()
            if select.select([process.stdout], [], [], 0.2)[0]:
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    break
                screen.raw += data
            if max(screen.tests(), default=0) >= 1 or any(screen.errors()):
                process.stdin.write(b"quit\n")
                process.stdin.flush()
                return screen, process.wait(timeout=20)
        return screen, None
    finally:
        process.kill()
        process.wait()


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


def run(command, limit):
    """The screen, and the exit status or None when the time was up."""
    screen = Screen()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end, leaving = time.monotonic() + limit, False
    try:
        while (left := end - time.monotonic()) > 0:
            if select.select([process.stdout], [], [], min(left, 1))[0]:
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    return screen, process.wait()
                screen.raw += data
            if not leaving and (max(screen.tests(), default=0) >= AFTER or any(screen.errors())):
                leaving = True
                end = min(end, time.monotonic() + 20)
                process.stdin.write(b"\x1b")
                process.stdin.flush()
        return screen, None
    finally:
        process.kill()
        process.wait()


class Monitor:
    """What is needed of QMP to sit before the machine's screen and keyboard."""

    COLUMNS, TEXT = 80, 0xb8000

    def __init__(self, folder):
        self.folder = folder
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(f"{folder}/qmp")
        self.file = self.socket.makefile("rw", encoding="utf-8")
        self.file.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.file.flush()
        while "event" in (answer := json.loads(self.file.readline())):
            pass
        return answer["return"]

    def screen(self):
        picture = f"{self.folder}/screen"
        self.command("pmemsave", val=self.TEXT, size=2 * 25 * self.COLUMNS, filename=picture)
        with open(picture, "rb") as file:
            characters = file.read()[::2]
        rows = [characters[at:at + self.COLUMNS] for at in range(0, len(characters), self.COLUMNS)]
        return b"\n".join(rows) + b"\n"


def run_disc(command, limit):
    """As run(), of a machine that shows its screen on none but its display adapter."""
    with tempfile.TemporaryDirectory() as folder:
        screen, leaving = Screen(), False
        process = subprocess.Popen(command + ["-qmp", f"unix:{folder}/qmp,server=on,wait=off"], stdin=subprocess.DEVNULL)
        end = time.monotonic() + limit
        try:
            while not os.path.exists(f"{folder}/qmp") and process.poll() is None:
                time.sleep(0.02)
            monitor = Monitor(folder)
            while time.monotonic() < end and process.poll() is None:
                time.sleep(1)
                try:
                    screen.raw += monitor.screen()
                    if not leaving and (max(screen.tests(), default=0) >= AFTER or any(screen.errors())):
                        leaving = True
                        end = min(end, time.monotonic() + 20)
                        monitor.command("send-key", keys=[{"type": "qcode", "data": "esc"}])
                except (OSError, ValueError):
                    break  # it has ended
            return screen, process.wait(20) if leaving else process.poll()
        except subprocess.TimeoutExpired:
            return screen, None
        finally:
            process.kill()
            process.wait()


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
        print(" ".join(command), flush=True)
        started = time.monotonic()
        screen, status = look(command, options.limit)
    print(screen.text())
    faults = list(check_picture(screen, status))
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"memtest86+ from a floppy -accel {options.accel}: {time.monotonic() - started:.1f} s")
    return 1 if faults else 0


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
    command += ["-smp", str(options.smp), "-display", "none", "-no-reboot"]
    disc = options.memtest.endswith(".iso")
    if disc:
        command += ["-cdrom", options.memtest, "-boot", "d", "-nic", "none"]
    else:
        command += ["-serial", "stdio", "-kernel", options.memtest, "-append", "console=ttyS0,115200"]
    print(" ".join(command), flush=True)
    started = time.monotonic()
    screen, status = (run_disc if disc else run)(command, options.limit)
    print(screen.text()[-100 * 81:])
    faults = list(check(screen, status, options))
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"memtest86+ -accel {options.accel}: {time.monotonic() - started:.1f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
