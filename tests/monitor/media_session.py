#!/usr/bin/env python3
"""Discs of a CD drive through both monitors: the example of docs/cdrom.md, and what QMP says and tells."""

import os
import re

from hmp_session import Person
from machine import LIMIT, Qmp, connect, machine, program

SERVER = "server=on,wait=off"


def image(folder, name, size=2048 * 20):
    path = f"{folder}/{name}.iso"
    with open(path, "wb") as file:
        file.write(name.encode() * (size // len(name) + 1))
        file.truncate(size)
    return path


def worked_example():
    """What docs/cdrom.md shows, word by word."""
    with open("docs/cdrom.md", encoding="utf-8") as page:
        block = page.read().split("```console\n")[1].split("```")[0]
    first, *steps = re.split(r"^\(qemu\) ", block, flags=re.M)
    folder = "/tmp/machina-discs"
    os.makedirs(folder, exist_ok=True)
    discs = [image(folder, name) for name in ("one", "two")]
    arguments = first.strip().removeprefix("$ machine-run ").replace("/tmp/", f"{folder}/").split()
    arguments = arguments[:-2] + ["-monitor", f"unix:{{dir}}/m,{SERVER}"]  # in place of the terminal
    with machine(program(), "-accel", "jit", *arguments) as process:
        person = Person(connect(f"{process.folder}/m"))
        person.read_to_prompt()
        for step in steps:
            line, _, expected = step.partition("\n")
            got = person.type(line.replace("/tmp/", f"{folder}/"))
            assert got == expected.replace("/tmp/", f"{folder}/"), (line, got, expected)
        person.socket.sendall(b"quit\n")
        assert process.wait(LIMIT) == 0
    for disc in discs:
        os.remove(disc)
    os.rmdir(folder)


def trays(client):
    moved = [e["data"]["tray-open"] for e in client.events if e["event"] == "DEVICE_TRAY_MOVED"]
    client.events.clear()
    return moved


def refusal(client, name, **arguments):
    return client.command(name, **arguments)["error"]["desc"]


def cd_of(client):
    return next(drive for drive in client.run("query-block") if drive["device"] == "ide1-cd0")


def by_programs():
    with machine(program(), "-M", "pc", "-accel", "jit", "-S", "-display", "none", "-m", "16", "-qmp",
                 f"unix:{{dir}}/q,{SERVER}") as process:
        client = Qmp(f"{process.folder}/q")
        client.run("qmp_capabilities")
        drive = cd_of(client)
        place = drive["qdev"]
        assert drive == {"device": "ide1-cd0", "type": "unknown", "removable": True, "locked": False,
                         "tray_open": False, "qdev": "/machine/cd"}, drive
        disc, other = image(process.folder, "a"), image(process.folder, "b", 2048 * 30)

        client.run("blockdev-change-medium", id=place, filename=disc)
        assert trays(client) == [True, False]
        drive = cd_of(client)
        assert drive["inserted"]["file"] == disc and drive["inserted"]["ro"], drive
        assert drive["inserted"]["image"]["virtual-size"] == 2048 * 20, drive
        assert client.run("query-named-block-nodes")[0]["node-name"] == "ide1-cd0"

        # The tray opens with the disc in it, which can then be taken out.
        assert refusal(client, "blockdev-remove-medium", id=place) == "Tray of device 'ide1-cd0' is not open"
        client.run("blockdev-open-tray", device="ide1-cd0")
        client.run("blockdev-open-tray", device="ide1-cd0")
        assert trays(client) == [True]
        drive = cd_of(client)
        assert drive["tray_open"] and drive["inserted"]["file"] == disc, drive
        client.run("blockdev-remove-medium", id=place)
        assert "inserted" not in cd_of(client)
        client.run("blockdev-close-tray", id=place)
        assert trays(client) == [False]

        # What cannot be put in changes nothing.
        client.run("blockdev-change-medium", device="ide1-cd0", filename=other)
        trays(client)
        assert "No such file" in refusal(client, "blockdev-change-medium", id=place, filename="/nonexistent.iso")
        assert "qcow2" in refusal(client, "blockdev-change-medium", id=place, filename=disc, format="qcow2")
        assert "cannot be written to" in refusal(client, "blockdev-change-medium", id=place, filename=disc,
                                                 read_only_mode="read-write")
        assert trays(client) == []
        drive = cd_of(client)
        assert drive["inserted"]["file"] == other, drive

        client.run("eject", id=place)
        assert trays(client) == [True]
        client.run("eject", id=place)
        assert "is not removable" in refusal(client, "eject", id="/machine/rtc")
        client.run("quit")
        assert process.wait(LIMIT) == 0


if __name__ == "__main__":
    worked_example()
    by_programs()
    print("media: the example of docs/cdrom.md, and discs by QMP")
