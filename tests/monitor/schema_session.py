#!/usr/bin/env python3
"""query-qmp-schema held against that of the QEMU which is installed, as libvirt and its like read both: what a client
may send and expects to get has the same names and types. Skipped without QEMU."""

import json
import shutil
import subprocess
import sys

from machine import Qmp, machine, program

# Not in QEMU 7.2, or not with the same members there, for a reason.
OURS_ALONE = set()
# Members of answers that QEMU always gives and we do not: of features that are not here.
LEFT_OUT = {"query-status": set()}


def schema_of(answers):
    return {entry["name"]: entry for entry in answers}


def qemu_schema(qemu):
    lines = "".join(json.dumps({"execute": c}) + "\n" for c in ("qmp_capabilities", "query-qmp-schema", "quit"))
    out = subprocess.run([qemu, "-M", "none", "-display", "none", "-qmp", "stdio"], input=lines.encode(),
                         stdout=subprocess.PIPE, timeout=60, check=True).stdout
    for line in out.splitlines():
        message = json.loads(line)
        if isinstance(message.get("return"), list):
            return schema_of(message["return"])
    raise AssertionError("QEMU has not answered")


class Comparison:
    """`sent`: values that a client makes, so that QEMU's clients must be understood; else values that we make."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs, self.faults, self.seen = ours, theirs, [], set()

    def compare(self, path, our_name, their_name, sent):
        key = (our_name, their_name, sent)
        if key in self.seen:
            return
        self.seen.add(key)
        ours, theirs = self.ours[our_name], self.theirs[their_name]
        if theirs["meta-type"] == "builtin" and theirs["json-type"] == "value":
            return
        if ours["meta-type"] == "builtin" and ours["json-type"] == "value":
            return
        if ours["meta-type"] != theirs["meta-type"]:
            # A list of names that QEMU has as an enum is a string here where names are the registry's.
            if sent and ours["name"] == "str" and theirs["meta-type"] == "enum":
                return
            self.faults.append(f"{path}: {ours['meta-type']} here, {theirs['meta-type']} in QEMU")
            return
        kind = ours["meta-type"]
        if kind == "builtin" and ours["json-type"] != theirs["json-type"]:
            self.faults.append(f"{path}: {ours['json-type']} here, {theirs['json-type']} in QEMU")
        elif kind == "enum":
            extra = set(ours["values"]) - set(theirs["values"])
            if extra:
                self.faults.append(f"{path}: values {sorted(extra)} are not in QEMU")
        elif kind == "array":
            self.compare(path + "[]", ours["element-type"], theirs["element-type"], sent)
        elif kind == "object":
            self.objects(path, ours, theirs, sent)

    def objects(self, path, ours, theirs, sent):
        mine = {m["name"]: m for m in ours["members"]}
        other = {m["name"]: m for m in theirs["members"]}
        for name, member in mine.items():
            if name not in other:
                self.faults.append(f"{path}.{name}: not in QEMU")
                continue
            self.compare(f"{path}.{name}", member["type"], other[name]["type"], sent)
            if sent and "default" not in member and "default" in other[name]:
                self.faults.append(f"{path}.{name}: must be given here, may be left out in QEMU")
            if not sent and "default" in member and "default" not in other[name]:
                self.faults.append(f"{path}.{name}: may be missing here, is always there in QEMU")
        for name, member in other.items():
            if name not in mine and ("default" not in member):
                self.faults.append(f"{path}.{name}: not here, always there in QEMU")
        other_cases = {v["case"]: v["type"] for v in theirs.get("variants", [])}
        for variant in ours.get("variants", []):
            if variant["case"] not in other_cases:
                self.faults.append(f"{path}: case {variant['case']} is not in QEMU")
            else:
                self.compare(f"{path}/{variant['case']}", variant["type"], other_cases[variant["case"]], sent)


def main():
    qemu = shutil.which("qemu-system-x86_64")
    with machine(program(), "-M", "none", "-accel", "qtest", "-S", "-qmp", "unix:{dir}/q,server=on,wait=off") as process:
        client = Qmp(f"{process.folder}/q")
        client.run("qmp_capabilities")
        ours = schema_of(client.run("query-qmp-schema"))
        commands = {c["name"] for c in client.run("query-commands")}
        client.run("quit")
        process.wait(60)
    assert commands == {n for n, e in ours.items() if e["meta-type"] == "command"}
    if not qemu:
        print("schema: skipped, qemu-system-x86_64 is not installed")
        return 0
    theirs = qemu_schema(qemu)
    comparison = Comparison(ours, theirs)
    compared = 0
    for name, entry in ours.items():
        if entry["meta-type"] not in ("command", "event") or name in OURS_ALONE or name.startswith("x-"):
            continue
        if name not in theirs:
            comparison.faults.append(f"{name}: not in QEMU")
            continue
        compared += 1
        comparison.compare(name, entry["arg-type"], theirs[name]["arg-type"], entry["meta-type"] == "command")
        if entry["meta-type"] == "command":
            comparison.compare(name + " ->", entry["ret-type"], theirs[name]["ret-type"], False)
    for fault in comparison.faults:
        print(fault)
    print(f"schema: {compared} commands and events are as {qemu} has them, {len(comparison.faults)} are not")
    return 1 if comparison.faults else 0


if __name__ == "__main__":
    sys.exit(main())
