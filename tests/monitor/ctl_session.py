#!/usr/bin/env python3
"""machine-ctl: the life of machines from the shell."""

import json
import os
import socket
import subprocess
import sys
import time

from machine import LIMIT, Qmp, machine, program

CTL = os.path.join(os.path.dirname(program()), "machine-ctl")


def ctl(folder, *arguments, check=True, **keywords):
    return subprocess.run([CTL, "--dir", folder] + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=LIMIT, check=check, **keywords)


def main():
    with machine(program(), "-M", "pc", "-accel", "jit", "-S", "-m", "16", "-smp", "2", "-display", "none", "-name", "one",
                 "-run-dir", "{dir}/run", "-serial", "unix:{dir}/serial,server=on,wait=off") as process:
        run = f"{process.folder}/run"
        end = time.monotonic() + LIMIT
        while not os.path.exists(f"{run}/one.sock"):
            assert time.monotonic() < end
            time.sleep(0.01)
        assert os.stat(run).st_mode & 0o777 == 0o700

        # What a machine that was killed left behind is not shown, and goes.
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(f"{run}/dead.sock")
        dead.close()
        listed = ctl(run, "list").stdout.splitlines()
        assert listed[1].split() == [str(process.pid), "one", "prelaunch"] and len(listed) == 2, listed
        assert not os.path.exists(f"{run}/dead.sock")

        ctl(run, "resume", "one")
        assert "running" in ctl(run, "list").stdout
        ctl(run, "pause", "--all")
        assert json.loads(ctl(run, "qmp", "one", "query-status").stdout)["status"] == "paused"
        stat = ctl(run, "stat", "one").stdout
        assert "cpus:        2" in stat and "memory:      16M" in stat and "accelerator: jit-accel" in stat, stat
        debug = ctl(run, "debug", "one").stdout
        assert debug.count("CPU#") == 2 and debug.count("Stack:") == 2 and "Code:" in debug, debug
        assert ctl(run, "hmp", "one", "info", "name").stdout == "one\n"
        answer = ctl(run, "qmp", "one", "qom-get", '{"path": "/machine/rtc", "property": "type"}').stdout
        assert json.loads(answer) == "mc146818rtc", answer
        talk = ctl(run, "qmp", "one", input='{"execute": "query-kvm", "id": 5}\n').stdout
        assert any(json.loads(line).get("id") == 5 for line in talk.splitlines()), talk

        # The last answer is not lost, however long it is and whoever reads it.
        talk = ctl(run, "qmp", "one", input='{"execute": "query-qmp-schema", "id": 6}\n' * 20).stdout
        assert sum(json.loads(line).get("id") == 6 for line in talk.splitlines()) == 20

        # While somebody has the connection and others wait for it, machine-ctl gives up after a while.
        holder = Qmp(f"{run}/one.sock")
        waiting = []
        for _ in range(20):
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            try:
                waiting[-1].connect(f"{run}/one.sock")
            except BlockingIOError:
                break
        else:
            raise AssertionError("the queue has no end")
        assert "does not answer" in ctl(run, "list").stdout
        both = ctl(run, "pause", "one", "one", check=False)
        assert both.returncode == 1 and both.stderr.count("does not answer") == 2 and "2 of 2" in both.stderr, both
        for client in waiting:
            client.close()
        holder.file.close()
        holder.socket.close()
        ctl(run, "resume", "one")
        ctl(run, "debug", "one")
        assert json.loads(ctl(run, "qmp", "one", "query-status").stdout)["status"] == "running", "debug lets it go on"

        # The console is the serial line: a client of its socket.
        with subprocess.Popen([CTL, "--dir", run, "console", "one"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as c:
            end = time.monotonic() + LIMIT
            while "frontend-open" not in (shown := ctl(run, "qmp", "one", "query-chardev").stdout) or \
                    '"disconnected:unix:' in shown:
                assert time.monotonic() < end, shown
                time.sleep(0.02)
            c.stdin.close()
            assert c.wait(LIMIT) == 0

        wrong = ctl(run, "pause", "on", check=False)
        assert wrong.returncode == 1 and "did you mean 'one'?" in wrong.stderr, wrong
        assert "no such verb" in ctl(run, "puase", "one", check=False).stderr
        assert "Class" not in ctl(run, "qmp", "one", "nonsense", check=False).stdout
        ctl(run, "stop", "one")
        assert process.wait(LIMIT) == 0
        assert not os.path.exists(f"{run}/one.sock")
    print("machine-ctl: list, stat, pause, resume, debug, qmp, hmp, console, stop")


if __name__ == "__main__":
    sys.exit(main())
