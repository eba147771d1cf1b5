#!/usr/bin/env python3
"""The same session with this program and with the QEMU that is installed: every command, right and wrong. Answers must be
of one kind with members of one type, errors of one class and in the same words, events the same in the same order.
Without QEMU the commands run all the same, and each must be answered as its place in the list says.

Every command that query-commands lists must be in it, but for those with x-, which are not QEMU's."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

from machine import LIMIT, Qmp, program

SERVER = "server=on,wait=off"
ARGUMENTS = ["-M", "pc", "-m", "64", "-smp", "1,maxcpus=2", "-S", "-display", "none", "-name", "box", "-uuid",
             "01234567-89ab-cdef-0123-456789abcdef", "-netdev", "user,id=n0", "-device", "e1000,netdev=n0,id=c0",
             "-chardev", "null,id=nothing", "-chardev", "ringbuf,id=ring,size=16", "-chardev", "null,id=line",
             "-serial", "chardev:line", "-drive", "file={dir}/disk,format=raw,if=ide", "-vnc", "unix:{dir}/vnc,password=on"]

OK, ERROR = "ok", "error"
# (kind, command, arguments, words: whether those of the error are QEMU's)
SESSION = [
    (ERROR, "qmp_capabilities", {}, True),
    (ERROR, "nonsense", {}, True),
    # what the machine is
    (OK, "query-version", {}, True),
    (OK, "query-commands", {}, True),
    (OK, "query-qmp-schema", {}, True),
    (OK, "query-name", {}, True),
    (OK, "query-uuid", {}, True),
    (OK, "query-kvm", {}, True),
    (OK, "query-target", {}, True),
    (OK, "query-machines", {}, True),
    (OK, "query-current-machine", {}, True),
    (OK, "query-memory-size-summary", {}, True),
    (OK, "query-memory-devices", {}, True),
    (OK, "query-memdev", {}, True),
    (OK, "query-iothreads", {}, True),
    (ERROR, "query-balloon", {}, True),
    (ERROR, "query-vm-generation-id", {}, True),
    (OK, "query-command-line-options", {}, True),
    (OK, "query-command-line-options", {"option": "drive"}, True),
    (ERROR, "query-command-line-options", {"option": "nonsense"}, True),
    (OK, "human-monitor-command", {"command-line": "info status"}, True),
    (ERROR, "human-monitor-command", {}, True),
    (ERROR, "human-monitor-command", {"command-line": "info status", "cpu-index": 9}, True),
    # VNC
    (OK, "query-vnc", {}, True),
    (OK, "query-vnc-servers", {}, True),
    (OK, "change-vnc-password", {"password": "secret"}, True),
    (ERROR, "change-vnc-password", {}, True),
    (OK, "set_password", {"protocol": "vnc", "password": "secret"}, True),
    (OK, "set_password", {"protocol": "vnc", "password": "secret", "connected": "keep"}, True),
    (ERROR, "set_password", {"protocol": "vnc", "password": "secret", "connected": "fail"}, True),
    (ERROR, "set_password", {"protocol": "vnc", "password": "secret", "connected": "nonsense"}, True),
    (ERROR, "set_password", {"protocol": "nonsense", "password": "secret"}, True),
    (ERROR, "set_password", {"protocol": "vnc", "password": "secret", "display": "nonsense"}, False),
    (OK, "expire_password", {"protocol": "vnc", "time": "never"}, True),
    (OK, "expire_password", {"protocol": "vnc", "time": "+60"}, True),
    (ERROR, "expire_password", {"protocol": "nonsense", "time": "now"}, True),
    (ERROR, "expire_password", {"protocol": "vnc"}, True),
    # objects
    (OK, "qom-list", {"path": "/"}, True),
    (OK, "qom-list", {"path": "/machine"}, True),
    (ERROR, "qom-list", {"path": "/nonsense"}, True),
    (OK, "qom-get", {"path": "/machine", "property": "type"}, True),
    (ERROR, "qom-get", {"path": "/nonsense", "property": "type"}, True),
    (ERROR, "qom-get", {"path": "/machine"}, True),
    (ERROR, "qom-get", {"path": "/machine", "property": 1}, True),
    (ERROR, "qom-get", {"path": "/machine", "property": "type", "extra": 1}, True),
    (ERROR, "qom-get", {"path": "/machine/peripheral/c0", "property": "nonsense"}, True),
    (ERROR, "qom-set", {"path": "/nonsense", "property": "type", "value": 1}, True),
    (ERROR, "qom-set", {"path": "/machine/peripheral/c0", "property": "nonsense", "value": 1}, True),
    (OK, "qom-list-types", {"implements": "device"}, True),
    (OK, "qom-list-properties", {"typename": "e1000"}, True),
    (ERROR, "qom-list-properties", {"typename": "nonsense"}, True),
    (OK, "device-list-properties", {"typename": "e1000"}, True),
    (ERROR, "device-list-properties", {"typename": "nonsense"}, True),
    # processors
    (OK, "query-cpus-fast", {}, True),
    (OK, "query-hotpluggable-cpus", {}, True),
    (OK, "query-cpu-definitions", {}, True),
    (OK, "query-cpu-model-expansion", {"type": "full", "model": {"name": "qemu64"}}, True),
    (ERROR, "query-cpu-model-expansion", {"type": "full", "model": {"name": "nonsense"}}, False),
    (ERROR, "query-cpu-model-expansion", {"type": "all", "model": {"name": "qemu64"}}, True),
    (OK, "inject-nmi", {}, True),
    # devices
    (OK, "query-pci", {}, True),
    (OK, "device_add", {"driver": "e1000", "id": "c1", "addr": "9"}, True),
    (ERROR, "device_add", {"driver": "e1000", "id": "c1"}, False),
    (ERROR, "device_add", {"driver": "nonsense"}, True),
    (ERROR, "device_add", {}, True),
    (ERROR, "device_add", {"driver": "e1000", "bus": "nonsense"}, True),
    (ERROR, "device_add", {"driver": "e1000", "nonsense": "1"}, True),
    (OK, "device_del", {"id": "c1"}, True),
    (ERROR, "device_del", {"id": "nobody"}, True),
    (OK, "object-add", {"qom-type": "filter-dump", "id": "d0", "netdev": "n0", "file": "{dir}/pcap"}, True),
    (ERROR, "object-add", {"qom-type": "filter-dump", "id": "d0", "netdev": "n0", "file": "{dir}/pcap"}, True),
    (ERROR, "object-add", {"qom-type": "nonsense", "id": "d1"}, True),
    (OK, "object-del", {"id": "d0"}, True),
    (ERROR, "object-del", {"id": "d0"}, True),
    # networks
    (OK, "netdev_add", {"type": "user", "id": "n1"}, True),
    (ERROR, "netdev_add", {"type": "user", "id": "n1"}, True),
    (ERROR, "netdev_add", {"type": "nonsense", "id": "n2"}, True),
    (OK, "netdev_del", {"id": "n1"}, True),
    (ERROR, "netdev_del", {"id": "n1"}, True),
    (OK, "set_link", {"name": "c0", "up": False}, True),
    (OK, "set_link", {"name": "c0", "up": True}, True),
    (ERROR, "set_link", {"name": "nobody", "up": True}, True),
    (ERROR, "query-rx-filter", {"name": "nobody"}, True),
    (ERROR, "query-rx-filter", {"name": "n0"}, True),
    # character backends
    (OK, "query-chardev", {}, True),
    (OK, "query-chardev-backends", {}, True),
    (OK, "chardev-add", {"id": "x", "backend": {"type": "null", "data": {}}}, True),
    (ERROR, "chardev-add", {"id": "x", "backend": {"type": "null", "data": {}}}, True),
    (ERROR, "chardev-add", {"id": "y", "backend": {"type": "nonsense", "data": {}}}, True),
    (ERROR, "chardev-add", {"id": "y", "backend": {"type": "file", "data": {}}}, True),
    (OK, "chardev-change", {"id": "x", "backend": {"type": "ringbuf", "data": {"size": 32}}}, True),
    (OK, "chardev-remove", {"id": "x"}, True),
    (ERROR, "chardev-remove", {"id": "x"}, True),
    (ERROR, "chardev-remove", {"id": "line"}, True),
    (OK, "chardev-send-break", {"id": "line"}, True),
    (ERROR, "chardev-send-break", {"id": "nobody"}, True),
    (OK, "ringbuf-write", {"device": "ring", "data": "hello"}, True),
    (OK, "ringbuf-read", {"device": "ring", "size": 100}, True),
    (ERROR, "ringbuf-read", {"device": "nobody", "size": 100}, True),
    (ERROR, "ringbuf-read", {"device": "nothing", "size": 100}, True),
    (ERROR, "ringbuf-read", {"device": "ring", "size": 0}, True),
    # descriptors
    (ERROR, "getfd", {"fdname": "x"}, True),
    (ERROR, "closefd", {"fdname": "x"}, True),
    (ERROR, "add-fd", {}, True),
    (ERROR, "remove-fd", {"fdset-id": 7}, True),
    (OK, "query-fdsets", {}, True),
    # disks
    (OK, "query-block", {}, True),
    (OK, "query-blockstats", {}, True),
    (OK, "query-named-block-nodes", {}, True),
    (ERROR, "eject", {"device": "nobody"}, True),
    (ERROR, "eject", {}, False),
    (ERROR, "blockdev-change-medium", {"device": "nobody", "filename": "x"}, True),
    (ERROR, "blockdev-change-medium", {"device": "nobody"}, True),
    (ERROR, "blockdev-open-tray", {"id": "nobody"}, True),
    (ERROR, "blockdev-open-tray", {}, True),
    (ERROR, "blockdev-open-tray", {"device": "ide0-hd0"}, True),
    (ERROR, "blockdev-close-tray", {"id": "nobody"}, True),
    (ERROR, "blockdev-remove-medium", {"id": "nobody"}, True),
    (ERROR, "blockdev-remove-medium", {"device": "ide0-hd0"}, True),
    # memory
    (OK, "memsave", {"val": 0, "size": 16, "filename": "{dir}/linear"}, True),
    (ERROR, "memsave", {"val": 0, "size": 16, "filename": "{dir}/no/linear"}, True),
    (ERROR, "memsave", {"val": 0, "size": 16, "filename": "{dir}/linear", "cpu-index": 9}, True),
    (OK, "pmemsave", {"val": 0, "size": 16, "filename": "{dir}/physical"}, True),
    (ERROR, "pmemsave", {"val": 0, "size": 16, "filename": "{dir}/no/physical"}, True),
    (OK, "query-dump", {}, True),
    (OK, "query-dump-guest-memory-capability", {}, True),
    (OK, "dump-guest-memory", {"paging": False, "protocol": "file:{dir}/dump", "begin": 0, "length": 4096}, True),
    (OK, "query-dump", {}, True),
    (ERROR, "dump-guest-memory", {"paging": False, "protocol": "nonsense"}, True),
    (ERROR, "dump-guest-memory", {"paging": False, "protocol": "fd:nobody"}, True),
    (ERROR, "dump-guest-memory", {"paging": False, "protocol": "file:{dir}/dump", "begin": 0}, True),
    # trace events
    (OK, "trace-event-get-state", {"name": "pci_cfg_read"}, True),
    (OK, "trace-event-get-state", {"name": "pci_cfg_*"}, True),
    (OK, "trace-event-get-state", {"name": "nonsense*"}, True),
    (ERROR, "trace-event-get-state", {"name": "nonsense"}, True),
    (ERROR, "trace-event-get-state", {}, True),
    (OK, "trace-event-get-state", {"name": "pci_cfg_*", "vcpu": 0}, True),
    (ERROR, "trace-event-get-state", {"name": "pci_cfg_read", "vcpu": 0}, True),
    (ERROR, "trace-event-get-state", {"name": "pci_cfg_read", "vcpu": 9}, True),
    (OK, "trace-event-set-state", {"name": "pci_cfg_read", "enable": True}, True),
    (OK, "trace-event-get-state", {"name": "pci_cfg_read"}, True),
    (OK, "trace-event-set-state", {"name": "pci_cfg_*", "enable": False, "ignore-unavailable": True}, True),
    (OK, "trace-event-set-state", {"name": "nonsense*", "enable": True}, True),
    (ERROR, "trace-event-set-state", {"name": "nonsense", "enable": True}, True),
    (ERROR, "trace-event-set-state", {"name": "pci_cfg_read"}, True),
    (ERROR, "trace-event-set-state", {"name": "pci_cfg_read", "enable": True, "vcpu": 0}, True),
    # screen, keyboard, mouse
    (OK, "screendump", {"filename": "{dir}/screen.ppm"}, True),
    (ERROR, "screendump", {"filename": "{dir}/no/screen.ppm"}, False),
    (ERROR, "screendump", {"filename": "{dir}/screen.ppm", "device": "nobody"}, True),
    (OK, "send-key", {"keys": [{"type": "qcode", "data": "a"}]}, True),
    (ERROR, "send-key", {"keys": [{"type": "qcode", "data": "nonsense"}]}, True),
    (OK, "query-mice", {}, True),
    # run control, and its events
    (OK, "query-status", {}, True),
    (OK, "set-action", {"panic": "pause"}, True),
    (ERROR, "set-action", {"panic": "nonsense"}, True),
    (OK, "watchdog-set-action", {"action": "none"}, True),
    (ERROR, "watchdog-set-action", {}, True),
    (ERROR, "system_wakeup", {}, True),
    (OK, "cont", {}, True),
    (OK, "query-status", {}, True),
    (OK, "input-send-event", {"events": [{"type": "key", "data": {"down": True, "key": {"type": "qcode", "data": "b"}}},
                                         {"type": "key", "data": {"down": False, "key": {"type": "qcode", "data": "b"}}}]},
     True),
    (OK, "stop", {}, True),
    (OK, "query-status", {}, True),
    (OK, "system_reset", {}, True),
    (OK, "cont", {}, True),
    (OK, "system_powerdown", {}, True),
    (OK, "stop", {}, True),
    (OK, "quit", {}, True),
]


def start(command, folder):
    with open(f"{folder}/disk", "wb") as disk:
        disk.truncate(1 << 20)
    arguments = [a.replace("{dir}", folder) for a in command + ARGUMENTS] + ["-qmp", f"unix:{folder}/q,{SERVER}"]
    return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def session(command):
    """The answers, and the events with their data."""
    with tempfile.TemporaryDirectory(prefix="machina-") as folder:
        process = start(command, folder)
        try:
            client = Qmp(f"{folder}/q")
            client.run("qmp_capabilities")
            answers = []
            for _, name, arguments, _ in SESSION:
                text = json.dumps({"execute": name, "arguments": arguments}).replace("{dir}", folder)
                client.send(text + "\n")
                answers.append(json.loads(json.dumps(client.answer()).replace(folder, "{dir}")))
                if name == "system_reset":
                    client.wait_event("RESET")  # a request: it is carried out soon
                    # The card that no guest let go goes with it, with QEMU when nobody can see it any more.
                    client.wait_event("DEVICE_DELETED")
                if name == "system_powerdown":
                    client.wait_event("POWERDOWN")
            try:
                while True:
                    message = client.receive()
                    if "event" in message:
                        client.events.append(message)
            except (EOFError, ConnectionError):
                pass
            assert process.wait(LIMIT) == 0
            # Its place among the others is a matter of time.
            events = sorted(client.events, key=lambda e: e["event"] != "DEVICE_DELETED")
            return answers, [(e["event"], e.get("data")) for e in events]
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def kind(value):
    return "null" if value is None else {bool: "boolean", int: "number", float: "number", str: "string", list: "list",
                                         dict: "object"}[type(value)]


def differences(path, ours, theirs):
    """Where members of the same name have other types. What lists hold is compared by the first of each."""
    if kind(ours) != kind(theirs):
        return [f"{path}: {kind(ours)} here, {kind(theirs)} in QEMU"]
    if isinstance(ours, dict):
        return [d for name in ours if name in theirs for d in differences(f"{path}.{name}", ours[name], theirs[name])]
    if isinstance(ours, list) and ours and theirs:
        return differences(path + "[]", ours[0], theirs[0])
    return []


def main():
    ours, events = session([program(), "-accel", "jit", "-run-dir", "none"])
    faults = []
    listed = {c["name"] for c in ours[[s[1] for s in SESSION].index("query-commands")]["return"]}
    faults += [f"{name}: not in this session" for name in sorted(listed - {s[1] for s in SESSION})
               if not name.startswith("x-")]
    for (expected, name, arguments, _), answer in zip(SESSION, ours):
        if ("return" in answer) != (expected == OK):
            faults.append(f"{name} {arguments}: {answer}")
    qemu = shutil.which("qemu-system-x86_64")
    if not qemu:
        print("QEMU is not installed: nothing to compare with")
    else:
        theirs, their_events = session([qemu, "-accel", "tcg", "-nic", "none"])
        for (_, name, arguments, words), mine, other in zip(SESSION, ours, theirs):
            path = f"{name} {json.dumps(arguments)}"
            if ("return" in mine) != ("return" in other):
                faults.append(f"{path}:\n  here: {mine}\n  QEMU: {other}")
            elif "return" in mine:
                faults += differences(path, mine["return"], other["return"])
            elif mine["error"]["class"] != other["error"]["class"] or (
                    words and mine["error"]["desc"] != other["error"]["desc"]):
                faults.append(f"{path}:\n  here: {mine['error']}\n  QEMU: {other['error']}")
        if events != their_events:
            faults.append(f"events\n  here: {events}\n  QEMU: {their_events}")
    for fault in faults:
        print(fault)
    print(f"{len(SESSION)} commands, {len(listed)} different ones, {len(events)} events: {len(faults)} differences"
          + (" from QEMU" if qemu else ""))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
