"""Machines with a gdb stub, Debian's gdb, and guests for it: shared by the tests of this folder."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "monitor"))

from machine import BOOT_LIMIT, LIMIT, Shell, connect, machine  # noqa: E402,F401


def run(*command):
    subprocess.run(command, check=True, cwd=HERE)


def build_guests(folder):
    """boot.img, a disk with a boot sector, and boot.elf, its symbols; kernel.elf."""
    def built(name):
        return os.path.join(os.path.abspath(folder), name)
    run("as", "--32", "-g", "-o", built("boot.o"), "boot_sector.S")
    run("ld", "-m", "elf_i386", "-Ttext", "0x7c00", "-o", built("boot.elf"), built("boot.o"))
    run("objcopy", "-O", "binary", "--only-section=.text", built("boot.elf"), built("boot.img"))
    os.truncate(built("boot.img"), 1 << 20)
    run("as", "--64", "-g", "-o", built("kernel.o"), "kernel.S")
    run("ld", "-m", "elf_x86_64", "-nostdlib", "--no-warn-rwx-segments", "--build-id=none", "-T", "kernel.ld",
        "-o", built("kernel.elf"), built("kernel.o"))


def symbols_of(file):
    lines = subprocess.run(["nm", file], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    return {name: int(address, 16) for address, _, name in (line.split() for line in lines)}


@contextlib.contextmanager
def debugged(program, accel, *arguments, stopped=True):
    """A machine whose stub is at {dir}/gdb, and that has not run yet if it is to be stopped."""
    command = ["-M", "pc", "-accel", accel, "-m", "64", "-display", "none", "-nic", "none", "-no-shutdown",
               "-gdb", "unix:{dir}/gdb", "-monitor", "unix:{dir}/hmp,server=on,wait=off"]
    with machine(program, *command, *(["-S"] if stopped else []), *arguments) as process:
        connect_hmp(process)
        yield process


def connect_hmp(process):
    """Returns once the machine is there."""
    process.hmp = connect(f"{process.folder}/hmp")
    monitor_prompt(process.hmp)


def monitor_prompt(client):
    text = ""
    while not text.endswith("(qemu) "):
        data = client.recv(65536)
        assert data, "the monitor has hung up"
        text += data.decode(errors="replace")
    return text.replace("\r", "")


def hmp(process, line):
    process.hmp.sendall(line.encode() + b"\n")
    return monitor_prompt(process.hmp)


def wait_status(process, wanted):
    end = time.monotonic() + LIMIT
    while wanted not in (text := hmp(process, "info status")):
        assert time.monotonic() < end, text
        time.sleep(0.01)


def command_line(process, *commands, files=(), before=()):
    arguments = ["gdb", "-nx", "-batch", "-ex", "set pagination off", "-ex", "set confirm off"]
    for file in files:
        arguments += ["-ex", f"file {file}"]
    for command in (*before, f"target remote {process.folder}/gdb", *commands):
        arguments += ["-ex", command]
    return arguments


def gdb(process, *commands, files=(), before=(), limit=LIMIT):
    """What gdb says when it connects and is told these commands."""
    child = subprocess.Popen(command_line(process, *commands, files=files, before=before), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        text = child.communicate(timeout=limit)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        child.kill()
        text = child.communicate()[0].decode(errors="replace")
        raise AssertionError("gdb does not come to its end:\n" + text) from None
    assert process.poll() is None or "kill" in commands, "the machine has ended:\n" + text
    return text


def expect(text, *patterns):
    """Each is found behind the one before."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.M).search(text, at)
        assert found, f"no {pattern!r} behind character {at} of:\n{text}"
        at = found.end()


class Packets:
    """A client that speaks packets by itself."""

    def __init__(self, process):
        self.socket = connect(f"{process.folder}/gdb")
        self.buffer = b""

    def raw(self, data):
        self.socket.sendall(data)

    def read(self):
        """The data of the next packet."""
        while True:
            found = re.search(rb"\$((?:[^#])*)#[0-9a-f]{2}", self.buffer)
            if found:
                self.buffer = self.buffer[found.end():]
                self.raw(b"+")
                return found.group(1).decode("latin-1")
            data = self.socket.recv(65536)
            assert data, "the stub has hung up"
            self.buffer += data

    def send(self, text):
        data = text.encode("latin-1")
        self.raw(b"$" + data + b"#%02x" % (sum(data) & 0xFF))

    def ask(self, text):
        self.send(text)
        return self.read()

    def close(self):
        self.socket.close()


def interrupted(process, before, *commands, files=()):
    """gdb with these commands: `before`, `continue`, ^C while the guest runs, and the others."""
    mark = f"{process.folder}/mark"  # what gdb writes to a pipe it keeps for long
    child = subprocess.Popen(command_line(process, *before, f"shell touch {mark}", "continue", *commands, files=files),
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + LIMIT
        while not os.path.exists(mark):
            assert time.monotonic() < end and child.poll() is None, "gdb does not come so far"
            time.sleep(0.01)
        wait_status(process, "running")
        child.send_signal(signal.SIGINT)
        return child.communicate(timeout=LIMIT)[0].decode(errors="replace")
    finally:
        child.kill()


def main(test):
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} MACHINE-RUN ACCELERATOR FOLDER")
    program, accel, folder = sys.argv[1:]
    if accel == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("KVM cannot be used here: no /dev/kvm that may be opened")
        sys.exit(77)
    os.makedirs(folder, exist_ok=True)
    build_guests(folder)
    test(os.path.abspath(program), accel, os.path.abspath(folder))
