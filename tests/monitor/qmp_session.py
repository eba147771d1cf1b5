#!/usr/bin/env python3
"""A client's session over a real socket: negotiate, ask, change, leave, come back, quit."""

import json
import time

from machine import LIMIT, Qmp, connect, machine, program

SERVER = "server=on,wait=off"


def session():
    with machine(program(), "-M", "none", "-accel", "qtest", "-S", "-name", "box",
                 "-qmp", f"unix:{{dir}}/a,{SERVER}", "-qmp", f"unix:{{dir}}/b,{SERVER}") as process:
        first, second = Qmp(f"{process.folder}/a"), Qmp(f"{process.folder}/b")
        assert first.greeting["QMP"]["capabilities"] == [], first.greeting
        assert first.command("query-status")["error"]["class"] == "CommandNotFound"
        first.run("qmp_capabilities")
        second.run("qmp_capabilities")
        assert first.run("query-status") == {"running": False, "singlestep": False, "status": "prelaunch"}
        assert first.run("query-name") == {"name": "box"}
        assert {"name": "machine", "type": "child<machine>"} in first.run("qom-list", path="/")

        first.run("cont")
        assert second.run("query-status")["status"] == "running"
        first.run("stop")
        assert [e["event"] for e in first.events] == ["RESUME", "STOP"], first.events
        second.run("query-status")
        assert [e["event"] for e in second.events] == ["RESUME", "STOP"], second.events
        first.run("system_reset")
        first.wait_event("RESET")

        # Several at once, cut anywhere, with a mistake among them.
        text = '{"execute": "query-kvm", "id": 1}{"execute": "nonsense", "id": 2}\nrubbish\n{"execute": "query-kvm", "id": 3}'
        for c in text:
            first.send(c)
        answers = [first.answer() for _ in range(4)]
        assert [a.get("id") for a in answers] == [1, 2, None, 3], answers
        assert answers[2]["error"]["class"] == "GenericError"

        # A client that leaves in the middle of a message, and the next one.
        second.send('{"execute": "qui')
        second.file.close()
        second.socket.close()
        second = Qmp(f"{process.folder}/b")
        assert second.command("query-kvm")["error"]["class"] == "CommandNotFound", "negotiated by the one before"

        first.run("quit")
        first.wait_event("SHUTDOWN")
        assert first.events[-1]["data"] == {"guest": False, "reason": "host-qmp-quit"}
        assert process.wait(LIMIT) == 0


def hostile():
    """A client that sends and never reads harms nobody else."""
    with machine(program(), "-M", "none", "-accel", "qtest", "-S",
                 "-qmp", f"unix:{{dir}}/a,{SERVER}", "-qmp", f"unix:{{dir}}/b,{SERVER}") as process:
        good = Qmp(f"{process.folder}/a")
        good.run("qmp_capabilities")
        bad = connect(f"{process.folder}/b")
        bad.setblocking(False)
        flood = b'{"execute": "qmp_capabilities"}' + b'{"execute": "qom-list-types"}' * 2000 + b"{" * 100000
        sent, quiet_since = 0, time.monotonic()
        while time.monotonic() - quiet_since < 0.5 and sent < 64 << 20:
            try:
                sent += bad.send(flood)
                quiet_since = time.monotonic()
            except BlockingIOError:
                good.run("query-status")
        assert sent < 64 << 20, "the flood is held back"
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            memory = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        assert memory < 100 << 10, f"{memory} KiB"
        bad.close()
        good.run("quit")
        assert process.wait(LIMIT) == 0


def worked_example():
    """The session that docs/qmp.md shows, word by word."""
    with open("docs/qmp.md", encoding="utf-8") as page:
        block = page.read().split("```console\n")[1].split("```")[0]
    lines = block.strip().split("\n")
    arguments = lines[0].removeprefix("$ machine-run ").split()
    arguments = [a.replace("/tmp/qmp", "{dir}/qmp") for a in arguments]
    with machine(program(), *arguments) as process:
        client = Qmp(f"{process.folder}/qmp")
        pending = [client.greeting]
        for line in lines[2:]:
            if line.startswith("-> "):
                assert not pending, pending
                client.send(line[3:] + "\n")
                continue
            assert line.startswith("<- "), line
            expected = json.loads(line[3:])
            got = pending.pop() if pending else client.receive()
            if "timestamp" in got:
                got["timestamp"] = expected["timestamp"]
            if "QMP" in got:
                got["QMP"]["version"] = expected["QMP"]["version"]
            assert got == expected, (got, expected)
        assert process.wait(LIMIT) == 0


if __name__ == "__main__":
    session()
    hostile()
    worked_example()
    print("QMP: session, hostile client and the example of docs/qmp.md")
