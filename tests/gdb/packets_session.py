#!/usr/bin/env python3
"""The stub's side of a connection: clients that send garbage, half packets, and what no gdb sends; a second client;
`gdbserver` of the monitor; options.

    usage: packets_session.py MACHINE-RUN ACCELERATOR FOLDER      where guests are built"""

import random
import re
import signal
import socket
import subprocess
import time

from debugged import LIMIT, Packets, connect, connect_hmp, debugged, expect, gdb, hmp, machine, main, wait_status


def garbage(process):
    """Whatever comes, the next client is served and the machine goes on."""
    seed = random.Random(20261122)
    for round_ in range(60):
        client = Packets(process)
        kind = round_ % 6
        if kind == 0:
            client.raw(bytes(seed.randrange(256) for _ in range(2000)))
        elif kind == 1:
            client.raw(b"$" + b"m" * 100000)  # never ends
        elif kind == 2:
            client.raw(b"$qSupported#00" * 20 + b"-" * 50 + b"+" * 50)
        elif kind == 3:
            client.raw(b"$vCont;c#a8$g#67\x03$m0,4#fd")
        elif kind == 4:
            client.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\x03\x03\x03")
        else:
            client.raw(b"$Z0,7c00,1#")
        client.close()
        wait_status(process, "running")  # before the next one comes: it would be sent away
    # Bytes one by one, a packet in the middle of another, a wrong sum, one that is too long.
    client = Packets(process)
    for byte in b"$?#3f":
        client.raw(bytes([byte]))
    assert re.match("T0[25]thread:0[12];", client.read())
    client.raw(b"$m12$qC#b4")
    assert client.read() == "QC01"
    client.raw(b"$qC#b5$qC#b4")
    assert client.read() == "QC01"
    assert client.ask("m0," + "0" * 20000 + "4") == "E22"
    assert client.ask("X0,3:}\x03}\x04}\x5d") in ("OK", "E14")
    assert client.ask("vNothing") == "" and client.ask("qNothing") == "" and client.ask("Y") == ""
    # Without acknowledgements, as gdb has it in most sessions.
    assert client.ask("QStartNoAckMode") == "OK"
    client.send("qC")
    data = b""
    while not data.endswith(b"#f5"):
        data += client.socket.recv(100)
        assert len(data) < 100, data
    assert data == b"$QC01#f5", data
    client.close()


def second(process):
    first = Packets(process)
    assert first.ask("qC") == "QC01"
    other = socket.socket(socket.AF_UNIX)
    other.settimeout(LIMIT)
    other.connect(f"{process.folder}/gdb")
    assert other.recv(100) == b"", "a second client is served"
    assert first.ask("qC") == "QC01"
    first.close()


def by_monitor(program, folder):
    with machine(program, "-M", "pc", "-accel", "jit", "-display", "none", "-nic", "none", "-serial", "null", "-monitor",
                 "unix:{dir}/hmp,server=on,wait=off") as process:
        connect_hmp(process)
        assert f"Waiting for gdb connection on device 'unix:{process.folder}/gdb'" in hmp(
            process, f"gdbserver unix:{process.folder}/gdb")
        client = Packets(process)
        assert client.ask("g") and "paused" in hmp(process, "info status")
        # `cont` of a person, while gdb believes that the machine stands still.
        hmp(process, "cont")
        wait_status(process, "running")
        assert client.ask("m0,4")
        wait_status(process, "running")
        client.raw(b"\x03")
        wait_status(process, "paused")
        client.send("vCont;c")
        wait_status(process, "running")
        hmp(process, "stop")
        assert client.read() == "T02thread:01;"
        client.send("vCont;c")
        wait_status(process, "running")
        hmp(process, "system_reset")
        assert "Disabled gdbserver" in hmp(process, "gdbserver none")
        wait_status(process, "running")
        assert client.socket.recv(100) in (b"", b"+")
        assert "no such character backend" in hmp(process, "gdbserver nothing")
        assert "Waiting" in hmp(process, f"gdbserver unix:{process.folder}/gdb")
        client = Packets(process)
        line = "gdbserver none".encode().hex()
        client.send(f"qRcmd,{line}")
        told = bytes.fromhex(client.read()[1:]).decode()
        assert "gdb cannot end its own connection" in told and client.read() == "OK", told
        client.send("vCont;c")
        process.send_signal(signal.SIGTERM)
        assert client.read() == "W00"
        assert process.wait(LIMIT) == 0


def options(program):
    """-s listens on this host only, and -S -s waits."""
    with machine(program, "-M", "pc", "-accel", "jit", "-display", "none", "-nic", "none", "-S", "-gdb", "tcp:127.0.0.1:0",
                 "-qmp", "unix:{dir}/q,server=on,wait=off", "-monitor", "unix:{dir}/hmp,server=on,wait=off") as process:
        connect_hmp(process)
        port = re.search(r"gdb: filename=disconnected:tcp:127.0.0.1:(\d+),server=on", hmp(process, "info chardev")).group(1)
        done = subprocess.run(["gdb", "-nx", "-batch", "-ex", f"target remote 127.0.0.1:{port}", "-ex", "p/x $pc", "-ex",
                               "monitor info status", "-ex", "detach"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, check=True)
        expect(done.stdout.decode(), r"= 0xfffffff0", r"prelaunch", r"detached")
        wait_status(process, "running")


def test(program, accel, folder):
    with debugged(program, accel, "-smp", "2", stopped=False) as process:
        garbage(process)
        wait_status(process, "running")
        second(process)
        wait_status(process, "running")
        expect(gdb(process, "p/x $cs", "info threads", "detach"), r"= 0x", r"Thread 2", r"detached")
        wait_status(process, "running")
    if accel == "jit":
        by_monitor(program, folder)
        options(program)
    print("packets: garbage, a second client, gdbserver of the monitor, options")


if __name__ == "__main__":
    main(test)
