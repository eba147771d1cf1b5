#!/usr/bin/env python3
"""-daemonize, -pidfile, -mon and the folder of machine-ctl, from a folder that the machine leaves."""

import json
import os
import subprocess
import sys
import tempfile
import time

from machine import LIMIT, Qmp, program

QUIET = ["-M", "none", "-accel", "qtest", "-display", "none"]


def start(folder, *arguments, closed=False, status=0):
    """Runs machine-run, whose first process must end with this status, in a folder that its paths start from."""
    command = [program()] + QUIET + list(arguments)
    if closed:
        command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"] + command
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=LIMIT,
                          check=False)
    assert done.returncode == status, done
    return done.stderr


def gone(pid):
    end = time.monotonic() + LIMIT
    while os.path.exists(f"/proc/{pid}/exe"):
        assert time.monotonic() < end, "the machine does not end"
        time.sleep(0.01)


def relative_paths(closed):
    with tempfile.TemporaryDirectory(prefix="machina-") as folder:
        start(folder, "-daemonize", "-name", "box", "-pidfile", "pid", "-run-dir", "run", "-qmp", "unix:q,server=on,wait=off",
              closed=closed)
        with open(f"{folder}/pid", encoding="ascii") as file:
            pid = int(file.read())
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
        assert os.path.exists(f"{folder}/run/box.sock")
        qmp = Qmp(f"{folder}/q")
        qmp.run("qmp_capabilities")
        assert qmp.run("query-status")["status"] == "running"
        qmp.run("quit")
        gone(pid)
        assert os.listdir(folder) == ["run"] and not os.listdir(f"{folder}/run"), "all that it made is gone"


def parent_tells_of_failure():
    with tempfile.TemporaryDirectory(prefix="machina-") as folder:
        says = start(folder, "-daemonize", "-pidfile", "nosuch/pid", status=1)
        assert "cannot write the pid file 'nosuch/pid'" in says, says


def names():
    """Ids as libvirt gives them, and one that machine-ctl's socket would have had."""
    with tempfile.TemporaryDirectory(prefix="machina-") as folder:
        start(folder, "-daemonize", "-name", "box", "-pidfile", "pid", "-run-dir", "run",
              "-chardev", "null,id=control",
              "-chardev", "socket,id=charmonitor,path=q,server=on,wait=off",
              "-mon", "chardev=charmonitor,id=monitor,mode=control")
        qmp = Qmp(f"{folder}/q")
        qmp.run("qmp_capabilities")
        assert qmp.run("qom-get", path="/objects/monitor", property="type") == "qmp"
        labels = {c["label"] for c in qmp.run("query-chardev")}
        assert {"control", "control-", "charmonitor"} <= labels, labels
        ctl = os.path.join(os.path.dirname(program()), "machine-ctl")
        answer = subprocess.run([ctl, "--dir", f"{folder}/run", "qmp", "box", "query-name"], stdout=subprocess.PIPE, check=True,
                                timeout=LIMIT)
        assert json.loads(answer.stdout) == {"name": "box"}
        with open(f"{folder}/pid", encoding="ascii") as file:
            pid = int(file.read())
        qmp.run("quit")
        gone(pid)


if __name__ == "__main__":
    relative_paths(closed=False)
    relative_paths(closed=True)
    parent_tells_of_failure()
    names()
    print("in the background: files and sockets come and go, with and without a terminal; ids")
