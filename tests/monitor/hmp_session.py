#!/usr/bin/env python3
"""A person's sessions: the human monitor on a socket, on a pipe, and beside a serial line; monitors by -mon; a machine
in the background; descriptors that are inherited or sent along."""

import array
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

from machine import LIMIT, Qmp, connect, machine, program

SERVER = "server=on,wait=off"
PROMPT = b"(qemu) "


class Person:
    def __init__(self, sock):
        self.socket = sock
        self.text = b""

    def read_to_prompt(self):
        while not self.text.endswith(PROMPT):
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.text)
            self.text += data
        text, self.text = self.text, b""
        return text.decode()

    def type(self, line):
        """What is printed between the line's echo and the next prompt."""
        self.socket.sendall(line.encode() + b"\n")
        text = self.read_to_prompt()
        assert text.startswith(line + "\r\n"), (line, text)
        return text[len(line) + 2:-len(PROMPT)].replace("\r\n", "\n")


def on_a_socket():
    with machine(program(), "-M", "pc", "-accel", "jit", "-S", "-display", "none", "-name", "box", "-run-dir", "none",
                 "-m", "16", "-monitor", f"unix:{{dir}}/m,{SERVER}", "-qmp", f"unix:{{dir}}/q,{SERVER}") as process:
        person = Person(connect(f"{process.folder}/m"))
        assert "monitor - type 'help'" in person.read_to_prompt()
        assert person.type("info name") == "box\n"
        assert person.type("info status") == "VM status: paused (prelaunch)\n"
        # The first instruction of the firmware, as QEMU's monitor finds it.
        assert person.type("p/x $pc") == "0xfffffff0\n"
        assert "jmp far 0xF000:0xE05B" in person.type("x /1i $pc")
        assert person.type("xp /4xb 0xfffffff0") == "00000000fffffff0: 0xea 0x5b 0xe0 0x00\n"
        assert person.type("x /2dh 0") == "0000000000000000:      0      0\n"
        assert "CS =f000 ffff0000 0000ffff 00009b00" in person.type("info registers")
        # A port has effects: the index of the CMOS and its data.
        person.type("o /b 0x70 0x0f")
        person.type("o /b 0x71 0x5a")
        assert person.type("i /b 0x71") == "portb[0x0071] = 0x5a\n"
        flat = person.type("info mtree -f")
        assert "(prio 0, ram): pc.ram" in flat or "ram): ram-below-4g" in flat, flat
        assert "0000000000000070-0000000000000071" in flat or "0000000000000070-0000000000000070" in flat
        assert "address-space: memory" in person.type("info mtree")
        tree = person.type("info qtree")
        assert "dev: mc146818rtc" in tree and "bus: isa.0" in tree and "bus: pci.0" in tree, tree
        assert "Host bridge: PCI device 8086:1237" in person.type("info pci")
        assert "pic0: irr=" in person.type("info pic")
        assert "LVT0" in person.type("info lapic")
        lines = person.type("info irq")
        assert "IRQ statistics for i8259:\n" in lines and "pic.ir" in lines, lines
        assert "Hotpluggable CPUs" in person.type("info hotpluggable-cpus")
        assert person.type("gpa2hva 0x1000").startswith("Host virtual address for 0x1000")
        assert person.type("gva2gpa 0xf0000") == "gpa: 0xf0000\n"
        assert person.type("sum 0 16") == "00000\n"
        # What the guest's firmware would do: a port of the PCI host bridge.
        assert person.type("trace-event -m pci_cfg_read on") == ""
        assert person.type("info trace-events pci_cfg_*") == "pci_cfg_read : state 1\npci_cfg_write : state 0\n"
        person.type("o /w 0xcf8 0x80000000")
        person.socket.sendall(b"i /w 0xcfc\n")
        seen = b""
        while b"pci_cfg_read dev=i440FX at=00.0 offset=0x00 value=0x12378086 size=4" not in seen or \
                not seen.endswith(PROMPT):
            seen += person.socket.recv(65536)
        assert person.type("trace-event pci_* off") == ""
        assert "unknown command" in person.type("nonsense")

        qmp = Qmp(f"{process.folder}/q")
        qmp.run("qmp_capabilities")
        assert qmp.run("human-monitor-command", command_line="info name") == "box\r\n"
        features = qmp.run("query-cpu-model-expansion", type="full", model={"name": "qemu64", "props": {"sse3": False}})
        assert features["model"]["props"]["sse2"] is True, features
        assert features["model"]["props"]["pni"] is False, features

        person.socket.sendall(b"quit\n")
        assert process.wait(LIMIT) == 0


def on_a_pipe():
    for lines, expected in ((b"info status\nq\n", b"info status\r\nVM status: paused (prelaunch)\r\n"),):
        result = subprocess.run([program(), "-M", "none", "-accel", "qtest", "-S", "-monitor", "stdio"], input=lines,
                                stdout=subprocess.PIPE, timeout=LIMIT, check=True)
        assert expected in result.stdout, result.stdout


def beside_a_serial_line():
    """-nographic: the serial line has the terminal, and Ctrl-A C reaches the monitor."""
    command = [program(), "-M", "pc", "-accel", "qtest", "-nographic"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        def send(text):
            process.stdin.write(text)
            process.stdin.flush()
        try:
            send(b"guest\x01c")
            seen = b""
            while not seen.endswith(PROMPT):
                seen += os.read(process.stdout.fileno(), 4096)
            assert b"monitor - type 'help'" in seen, seen
            send(b"info chardev\n")
            seen = b""
            while not seen.endswith(PROMPT):
                seen += os.read(process.stdout.fileno(), 4096)
            assert b"serial0: filename=stdio" in seen, seen
            send(b"\x01c\x01x")
            assert process.wait(LIMIT) == 0
        finally:
            process.kill()


def by_mon():
    with machine(program(), "-M", "pc", "-accel", "qtest", "-S", "-display", "none",
                 "-chardev", f"socket,id=a,path={{dir}}/a,{SERVER}", "-mon", "chardev=a",
                 "-chardev", f"socket,id=b,path={{dir}}/b,{SERVER}", "-mon", "chardev=b,mode=control,pretty=on",
                 "-chardev", f"socket,id=c,path={{dir}}/c,mux=on,{SERVER}", "-serial", "chardev:c",
                 "-mon", "chardev=c,mode=readline") as process:
        person = Person(connect(f"{process.folder}/a"))
        person.read_to_prompt()
        assert person.type("p 1+1") == "2\n"
        program_end = connect(f"{process.folder}/b").makefile("rw", encoding="utf-8", newline="\n")
        greeting = ""
        while not greeting.endswith("}\r\n") or greeting.count("{") != greeting.count("}"):
            greeting += program_end.readline()
        assert greeting.startswith('{\r\n    "QMP": {'.replace("\r", "")), greeting
        assert "capabilities" in json.loads(greeting)["QMP"]
        shared = connect(f"{process.folder}/c")
        shared.sendall(b"\x01c")
        third = Person(shared)
        assert "monitor - type 'help'" in third.read_to_prompt()
        assert third.type("p 2") == "2\n"
        person.socket.sendall(b"q\n")
        assert process.wait(LIMIT) == 0


def in_the_background():
    with tempfile.TemporaryDirectory(prefix="machina-") as folder:
        pidfile, path = f"{folder}/pid", f"{folder}/q"
        command = [program(), "-M", "none", "-accel", "qtest", "-S", "-daemonize", "-pidfile", pidfile, "-qmp",
                   f"unix:{path},{SERVER}"]
        started = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 timeout=LIMIT, check=True)  # waits for the end of its output, too
        assert started.stdout == b"", started.stdout
        with open(pidfile, encoding="ascii") as file:
            pid = int(file.read())
        try:
            client = Qmp(path)  # it is there: the command has ended
            client.run("qmp_capabilities")
            assert os.getsid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
            assert os.readlink(f"/proc/{pid}/fd/2") == "/dev/null"
            # Another one with the same file cannot start, and says so with the status of the command.
            again = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT, check=False)
            assert again.returncode == 1 and b"pid file" in again.stderr or b"listen" in again.stderr, again
            client.run("quit")
            end = time.monotonic() + LIMIT
            while os.path.exists(pidfile) and time.monotonic() < end:
                time.sleep(0.01)
            assert not os.path.exists(pidfile)
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise


def descriptors():
    ours, theirs = socket.socketpair()
    ours.settimeout(LIMIT)
    with tempfile.TemporaryDirectory(prefix="machina-") as folder:
        disk = os.open(f"{folder}/disk", os.O_RDWR | os.O_CREAT)
        os.write(disk, b"\0" * 4096)
        command = [program(), "-M", "pc", "-accel", "qtest", "-S", "-display", "none", "-chardev",
                   f"socket,id=c,fd={theirs.fileno()}", "-mon", "chardev=c,mode=control", "-add-fd",
                   f"fd={disk},set=2,opaque=disk", "-drive", "file=/dev/fdset/2,format=raw,if=none,id=d0"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno(), disk]) as process:
            try:
                theirs.close()
                client = ours.makefile("rw", encoding="utf-8", newline="\n")
                assert "QMP" in json.loads(client.readline())

                def command_with(name, fd=None, **arguments):
                    text = json.dumps({"execute": name, "arguments": arguments}).encode()
                    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd else []
                    ours.sendmsg([text], rights)
                    while True:
                        message = json.loads(client.readline())
                        if "event" not in message:
                            return message

                command_with("qmp_capabilities")
                assert command_with("query-block")["return"][0]["inserted"]["image"]["virtual-size"] == 4096
                sets = command_with("query-fdsets")["return"]
                assert [s["fdset-id"] for s in sets] == [2] and sets[0]["fds"][0]["opaque"] == "disk", sets

                # A socket that is sent along becomes a character backend.
                one, other = socket.socketpair()
                assert command_with("getfd", one.fileno(), fdname="line") == {"return": {}}
                added = command_with("chardev-add", id="line", backend={"type": "socket", "data": {
                    "server": False, "addr": {"type": "fd", "data": {"str": "line"}}}})
                assert added == {"return": {}}, added
                assert command_with("closefd", fdname="line")["error"]["class"] == "GenericError"
                one.close()
                assert command_with("chardev-remove", id="line") == {"return": {}}
                other.settimeout(LIMIT)
                assert other.recv(1) == b"", "it is closed with the backend"

                # A dump into a descriptor.
                dump = os.open(f"{folder}/dump", os.O_RDWR | os.O_CREAT)
                command_with("getfd", dump, fdname="dump")
                answer = command_with("dump-guest-memory", paging=False, protocol="fd:dump")
                assert answer == {"return": {}}, answer
                headers = subprocess.run(["readelf", "-nlW", f"{folder}/dump"], stdout=subprocess.PIPE, check=True).stdout
                assert b"NT_PRSTATUS" in headers and b"LOAD" in headers, headers
                command_with("quit")
                assert process.wait(LIMIT) == 0
            finally:
                process.kill()


def cpus_come():
    """A CPU plugged into a machine; its place is taken then."""
    with machine(program(), "-M", "pc", "-accel", "jit", "-S", "-display", "none", "-m", "16", "-smp", "1,maxcpus=3",
                 "-qmp", f"unix:{{dir}}/q,{SERVER}") as process:
        client = Qmp(f"{process.folder}/q")
        client.run("qmp_capabilities")
        places = client.run("query-hotpluggable-cpus")
        free = [p for p in places if "qom-path" not in p]
        assert len(places) == 3 and len(free) == 2, places
        client.run("device_add", driver=free[-1]["type"], id="second", **free[-1]["props"])
        assert [c["cpu-index"] for c in client.run("query-cpus-fast")] == [0, 1]
        assert len([p for p in client.run("query-hotpluggable-cpus") if "qom-path" not in p]) == 1
        again = client.command("device_add", driver=free[-1]["type"], id="third", **free[-1]["props"])
        assert "exists" in again["error"]["desc"], again
        assert "CPU#1" in client.run("human-monitor-command", command_line="info registers -a")
        client.run("cont")
        client.run("device_add", driver=free[0]["type"], **free[0]["props"])
        assert all(c["thread-id"] > 0 for c in client.run("query-cpus-fast"))
        client.run("device_del", id="second")
        client.run("system_reset")
        client.wait_event("RESET")
        client.run("quit")
        assert process.wait(LIMIT) == 0


if __name__ == "__main__":
    on_a_socket()
    on_a_pipe()
    beside_a_serial_line()
    by_mon()
    in_the_background()
    descriptors()
    cpus_come()
    print("human monitor: socket, pipe, beside a serial line, -mon, background, descriptors, CPUs")
