"""machine-run with a Linux of fetch-guests in it, its serial line and its monitor. Standard library only."""

import os
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "monitor"))
from machine import Qmp  # noqa: E402

# The serial line is machine-run's standard input and output; a reset, as after a panic, ends the machine.
HEADLESS = ["-display", "none", "-serial", "stdio", "-no-reboot"]


def linux(guests, kernel, init, append=""):
    """The arguments for a kernel and an initial RAM file system of fetch-guests. A panic ends the machine at once, with
    the message of it on the console."""
    stem = os.path.join(guests, kernel)
    return ["-kernel", stem + ".vmlinuz", "-initrd", f"{stem}.{init}.cpio.gz",
            "-append", f"console=ttyS0,115200 panic=-1 {append}".strip()]


def usable_here(machine_run, accelerator):
    """Whether this host runs it, and what `-accel help` says of that."""
    said = subprocess.run([machine_run, "-accel", "help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    match = re.search(rf"^  {accelerator} .*\n +(usable|not usable) here: (.*)", said, re.M)
    if not match:
        return False, f"this machine-run has no accelerator '{accelerator}'"
    return match.group(1) == "usable", match.group(2)


class Guest:
    """machine-run, started, and all that its serial line has said. With `qmp`, a path for its socket, its monitor, too.

    What is waited for comes within `limit` seconds of the start, or is a TimeoutError."""

    def __init__(self, command, limit, qmp=None):
        if qmp:
            command = command + ["-qmp", f"unix:{qmp},server=on,wait=off"]
        print(" ".join(command), flush=True)
        self.started = time.monotonic()
        self.ends = self.started + limit
        self.text = ""
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.qmp = self.connect(qmp) if qmp else None

    def connect(self, path):
        while not os.path.exists(path):
            if self.process.poll() is not None:
                self.read(0)
                raise EOFError("the machine ended at once: " + self.text)
            time.sleep(0.01)
        qmp = Qmp(path)
        qmp.run("qmp_capabilities")
        return qmp

    def read(self, seconds):
        """What comes within this time; false once the machine has ended."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return True
        data = os.read(self.process.stdout.fileno(), 65536)
        self.text += data.decode(errors="replace").replace("\r", "")
        return bool(data)

    def wait_for(self, pattern, start=0):
        """The first match after `start` characters of output."""
        while True:
            match = re.search(pattern, self.text[start:], re.M)
            if match:
                return match
            if time.monotonic() > self.ends:
                raise TimeoutError(f"'{pattern}' did not come")
            if not self.read(1):
                raise TimeoutError(f"the machine ended before '{pattern}' came")

    def drain(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self.read(left):
                raise TimeoutError("the machine has ended")

    def ask(self, question, pattern):
        """The answer, and the times between which it was made."""
        start, before = len(self.text), time.monotonic()
        self.process.stdin.write(question.encode() + b"\n")
        self.process.stdin.flush()
        return self.wait_for(pattern, start), before, time.monotonic()
