"""machine-run with a Linux of fetch-guests in it, its serial line and its monitor. Standard library only."""

import bisect
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "monitor"))
from machine import Qmp, SerialLine  # noqa: E402

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


def report(faults):
    """Prints them; the exit status."""
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


class Guest(SerialLine):
    """machine-run, started, and all that its serial line has said. With `qmp`, a path for its socket, its monitor, too.

    What is waited for comes within `limit` seconds of the start, or is a TimeoutError."""

    def __init__(self, command, limit, qmp=None):
        if qmp:
            command = command + ["-qmp", f"unix:{qmp},server=on,wait=off"]
        print(" ".join(command), flush=True)
        self.started = time.monotonic()
        self.limit = limit
        self.ends = self.started + limit
        self.arrivals = []  # of output: characters up to there, seconds since the start
        super().__init__(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        self.qmp = self.connect(qmp) if qmp else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

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
        before = len(self.text)
        running = super().read(seconds)
        if len(self.text) > before:
            self.arrivals.append((len(self.text), time.monotonic() - self.started))
        return running

    def in_time(self):
        return time.monotonic() < self.ends

    def when(self, pattern):
        """Seconds from the start until the first match was there; None without one."""
        match = re.search(pattern, self.text, re.M)
        return self.arrivals[bisect.bisect_left(self.arrivals, (match.end(),))][1] if match else None

    def wait_for(self, pattern, start=0):
        """The first match after `start` characters of output."""
        while True:
            match = re.search(pattern, self.text[start:], re.M)
            if match:
                return match
            if not self.in_time():
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
        self.type(question + "\n")
        return self.wait_for(pattern, start), before, time.monotonic()

    def order(self, command, **arguments):
        """A command of the monitor that has nothing to answer."""
        answer = self.qmp.run(command, **arguments)
        assert answer == {}, (command, answer)

    def wait_end(self):
        """False if the time was up before the machine had ended; then it is killed."""
        while (in_time := self.in_time()) and self.read(1):
            pass
        if not in_time:
            self.process.kill()
        self.process.wait()
        return in_time

    def attend(self, visit=None):
        """Does what is to be done meanwhile, `visit`, and waits for the machine's end. Returns what was wrong, as far as
        exceptions, the guest's own words and the exit status tell."""
        faults = []
        try:
            if visit:
                visit()
        except (AssertionError, EOFError, OSError, LookupError, ValueError) as failure:
            faults.append(f"{type(failure).__name__}: {failure}")
            self.ends = min(self.ends, time.monotonic() + 5)
        if not self.wait_end():
            faults.append(f"not done after {self.limit:.0f} s")
        elif self.process.returncode != 0:
            faults.append(f"machine-run ended with status {self.process.returncode}")
        return faults + re.findall(r"^FAULT: (.*)", self.text, re.M)
