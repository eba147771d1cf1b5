#!/usr/bin/env python3
"""The board pc driven over a real qtest socket: RTC, PIT, interrupts, memory."""

import shlex
import subprocess

from machine import LIMIT, Qmp, Qtest, machine, program


def rtc_and_pit():
    with machine(program(), "-M", "pc", "-m", "16M", "-display", "none", "-rtc", "base=2026-09-21T14:13:20",
                 "-qtest", "unix:{dir}/qtest,server=on,wait=off",
                 "-qmp", "unix:{dir}/qmp,server=on,wait=off") as process:
        qtest = Qtest(f"{process.folder}/qtest")

        def rtc(register):
            qtest.outb(0x70, register)
            return qtest.inb(0x71)

        # MC146818A: BCD, 24 hours, as power-up leaves it.
        assert [rtc(r) for r in (0x04, 0x02, 0x00)] == [0x14, 0x13, 0x20]
        assert qtest.command("clock_step 61000000000") == "OK 61000000000"
        assert [rtc(r) for r in (0x04, 0x02, 0x00)] == [0x14, 0x14, 0x21]

        # 8254: counter 0, mode 2, 11932 clocks of 1193182 Hz: an interrupt each 10 ms.
        assert qtest.command("irq_intercept_in pic") == "OK"
        qtest.outb(0x43, 0x34)
        qtest.outb(0x40, 11932 & 0xFF)
        qtest.outb(0x40, 11932 >> 8)
        qtest.irqs.clear()
        qtest.command("clock_step 95000000")
        assert qtest.irqs.count("raise 0") == 9, qtest.irqs
        qtest.outb(0x43, 0x00)  # latch
        count = qtest.inb(0x40) | qtest.inb(0x40) << 8
        assert 0 < count <= 11932, count

        assert qtest.command("write 0x100000 8 0x0123456789abcdef") == "OK"
        assert qtest.command("readq 0x100000") == "OK 0xefcdab8967452301"
        assert qtest.command("b64read 0x100000 3") == "OK ASNF"

        qmp = Qmp(f"{process.folder}/qmp")
        qmp.run("qmp_capabilities")
        assert qmp.run("query-status")["status"] == "running"
        qmp.run("quit")
        assert process.wait(LIMIT) == 0


def worked_example():
    """The session that docs/qtest.md shows, word by word."""
    with open("docs/qtest.md", encoding="utf-8") as page:
        block = page.read().split("```console\n")[1].split("```")[0]
    lines = block.strip().split("\n")
    arguments = [a.replace("/tmp/qtest", "{dir}/qtest") for a in shlex.split(lines[0].removeprefix("$ machine-run "))]
    with machine(program(), *arguments) as process:
        qtest = Qtest(f"{process.folder}/qtest")
        got = []
        for line in lines[2:]:
            if line.startswith("> "):
                assert not got, got
                qtest.irqs.clear()
                answer = qtest.command(line[2:])
                got = ["IRQ " + irq for irq in qtest.irqs] + [answer]
            else:
                assert line.startswith("< ") and got, line
                said = got.pop(0)
                assert said == line[2:], (said, line)
        assert not got, got


def commands_from_a_pipe():
    """A client on stdio is the only one: the program ends with its input, once all is answered."""
    requests = "outb 0x70 0x0d\n" + "inb 0x71\n" * 20_000
    arguments = [program(), "-M", "pc", "-m", "16M", "-display", "none", "-qtest", "stdio"]
    done = subprocess.run(arguments, input=requests, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done
    assert done.stdout == "OK\n" + "OK 0x0080\n" * 20_000, (len(done.stdout), done.stdout[-100:])


if __name__ == "__main__":
    rtc_and_pit()
    worked_example()
    commands_from_a_pipe()
    print("qtest: RTC, PIT and memory of pc, commands from a pipe, and the example of docs/qtest.md")
