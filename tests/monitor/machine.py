"""A machine-run process under test, with QMP and qtest clients. Standard library only."""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time

# Seconds until a step counts as failed, and the start of a system; generous, since only a failing test reaches them.
LIMIT = 60
BOOT_LIMIT = 150


class Qmp:
    """Speaks QMP as the clients of QEMU do: greeting, capabilities, one line an answer."""

    def __init__(self, path):
        self.socket = connect(path)
        self.file = self.socket.makefile("rw", encoding="utf-8", newline="\n")
        self.greeting = self.receive()
        self.events = []

    def receive(self):
        line = self.file.readline()
        if not line:
            raise EOFError("the monitor has hung up")
        return json.loads(line)

    def send(self, text):
        self.file.write(text)
        self.file.flush()

    def answer(self):
        while True:
            message = self.receive()
            if "event" not in message:
                return message
            self.events.append(message)

    def command(self, name, **arguments):
        request = {"execute": name}
        if arguments:
            request["arguments"] = {key.replace("_", "-"): value for key, value in arguments.items()}
        self.send(json.dumps(request) + "\n")
        return self.answer()

    def run(self, name, **arguments):
        answer = self.command(name, **arguments)
        assert "return" in answer, (name, answer)
        return answer["return"]

    def wait_event(self, name):
        while not any(e["event"] == name for e in self.events):
            message = self.receive()
            assert "event" in message, message
            self.events.append(message)


class Qtest:
    """Speaks the qtest protocol."""

    def __init__(self, path):
        self.file = connect(path).makefile("rw", encoding="ascii", newline="\n")
        self.irqs = []

    def command(self, line):
        self.file.write(line + "\n")
        self.file.flush()
        while True:
            answer = self.file.readline().rstrip("\n")
            if not answer.startswith("IRQ "):
                return answer
            self.irqs.append(answer[4:])

    def outb(self, port, value):
        answer = self.command(f"outb {port:#x} {value:#x}")
        assert answer == "OK", answer

    def inb(self, port):
        answer = self.command(f"inb {port:#x}")
        assert answer.startswith("OK "), answer
        return int(answer.split()[1], 0)


class SerialLine:
    """What the guest's serial line says, and what is typed there, where it is the machine's standard input and output."""

    def __init__(self, process):
        self.process = process
        self.text = ""

    def read(self, seconds):
        """What comes within this time; false once the machine has ended."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return True
        data = os.read(self.process.stdout.fileno(), 65536)
        self.text += data.decode(errors="replace").replace("\r", "")
        return bool(data)

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()


class Shell(SerialLine):
    """The shell of the RAM file systems cloud.shell and the like of tests/linux."""

    PROMPT = "guest# "

    def read_to_prompt(self):
        """What was said since the last prompt."""
        start, end = len(self.text), time.monotonic() + BOOT_LIMIT
        while not self.text[start:].replace("\x1b[6n", "").endswith(self.PROMPT):  # with which it asks where the cursor is
            assert time.monotonic() < end, self.text
            assert self.read(1), "the machine has ended:\n" + self.text
        return self.text[start:]

    def run(self, command):
        self.type(command + "\n")
        return self.read_to_prompt()


def connect(path):
    end = time.monotonic() + LIMIT
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(LIMIT)
        try:
            client.connect(path)
            return client
        except OSError:
            client.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.001)


@contextlib.contextmanager
def machine(program, *arguments, stdin=subprocess.DEVNULL, stdout=None, prepare=None):
    """Starts `program` in a temporary folder, which is "{dir}" in the arguments; kills it at the end. `prepare` gets the
    folder before."""
    with tempfile.TemporaryDirectory(prefix="machina-") as folder:
        if prepare:
            prepare(folder)
        command = [program] + [a.replace("{dir}", folder) for a in arguments]
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout)
        process.folder = folder
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def program():
    """machine-run as the command line of the test names it."""
    if len(sys.argv) != 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit(f"usage: {sys.argv[0]} MACHINE-RUN")
    return os.path.abspath(sys.argv[1])
