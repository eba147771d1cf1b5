#!/usr/bin/env python3
"""Four CPUs as threads of gdb: listed, stepped one by one while others stay or run, interrupted, left and found again.

    usage: threads_session.py MACHINE-RUN ACCELERATOR FOLDER      where guests are built"""

import re
import time

from debugged import LIMIT, Packets, debugged, expect, gdb, hmp, interrupted, main, symbols_of, wait_status


def numbers(text):
    return [int(n) for n in re.findall(r"^\$\d+ = (\d+)$", text, re.M)]


def threads(process, file):
    # As soon as all four have arrived, which the boot processor does not wait for.
    seen = gdb(process, "break work if ((long*)&counters)[1] > 2 && ((long*)&counters)[2] > 2 && ((long*)&counters)[3] > 2", "continue",
               "delete", "info threads", "thread apply all p/x $cs", "thread 3", "monitor info registers",
               # One steps, the others stay where they are.
               "set scheduler-locking on", "p $rip >= (unsigned long)ap_main", "thread apply all p/x $rip",
               "thread 2", "stepi", "stepi", "thread apply 1 3 4 p/x $rip",
               # One steps, the others run.
               "set scheduler-locking off", "p ((long*)&counters)[3]", "stepi", "stepi", "stepi", "p $_thread", files=file)
    expect(seen, r"Thread 1 .*work", r"\* 1 +Thread 1 .*\(CPU#0 \[running\]\)", r"2 +Thread 2 .*\(CPU#1 \[running\]\)",
           r"4 +Thread 4 .*\(CPU#3 \[running\]\)", r"Thread 4 .*\n\$\d+ = 0x18", r"Thread 1 .*\n\$\d+ = 0x18",
           r"Switching to thread 3", r"CPU#2", r"= 1$", r"Switching to thread 2", r"= 2$")
    before, after = seen.split("Switching to thread 2")
    rips = {n: re.findall(rf"Thread {n} .*\n\$\d+ = (0x[0-9a-f]+)", before)[-1] for n in (1, 3, 4)}
    for n, rip in rips.items():
        assert re.search(rf"Thread {n} .*\n\$\d+ = {rip}$", after, re.M), f"thread {n} has moved:\n{seen}"


def one_alone(process, file):
    """A CPU that runs while others are held; then all go."""
    seen = gdb(process, "thread 2", "set scheduler-locking on", "p (long)watched", "p ((long*)&counters)[$rbp]",
               "set $before = ((long*)&counters)[$rbp]",
               "break *ap_loop if ((long*)&counters)[$rbp] > $before + 100", "continue", "p (long)watched", "p ((long*)&counters)[$rbp] - $before", "delete",
               "set scheduler-locking off", "break work", "continue", "p $_thread", files=file)
    expect(seen, r"Breakpoint 1, ", r"= 101$", r"Breakpoint 2, .*work", r"= 1$")
    values = numbers(seen)
    assert values[0] == values[2], f"CPU 0 was held and has counted:\n{seen}"


def runs(process, symbols):
    """Do all CPUs count?"""
    def counts():
        text = hmp(process, f"xp /6gd {symbols['watched'] & 0x7fffffff:#x}")
        found = [int(n) for line in re.findall(r"^[0-9a-f]+:(.*)$", text, re.M) for n in line.split()]
        return found[:1] + found[3:]  # of CPU 0, and of the others
    first, end = counts(), time.monotonic() + LIMIT
    while any(a == b for a, b in zip(first, counts())):
        assert time.monotonic() < end, "a CPU does not run"
        time.sleep(0.01)


def comes_and_goes(process, file, symbols):
    wait_status(process, "running")
    runs(process, symbols)
    # ^C of a running guest; then gdb leaves without detaching first, as its users do with `quit`.
    seen = interrupted(process, ("break modify", "continue", "delete"), "info threads", "detach", files=file)
    expect(seen, r"Breakpoint 1, ", r"received signal SIGINT", r"4 +Thread 4", r"detached")
    wait_status(process, "running")
    runs(process, symbols)
    # Another session finds the machine running, and stops it.
    seen = gdb(process, "p $_thread", "monitor info status", "info threads", files=file)
    expect(seen, r"= 1$", r"paused", r"4 +Thread 4")
    wait_status(process, "running")


def dies(process, symbols):
    """A client that is gone while a CPU steps, with a breakpoint where all would stop again."""
    for leave in ("step", "breakpoint", "nothing"):
        client = Packets(process)
        assert client.ask("?").startswith("T"), "no reason"
        wait_status(process, "paused")
        assert client.ask(f"Z0,{symbols['work']:x},1") == "OK"
        if leave == "step":
            assert client.ask("vCont;c").startswith("T05")
            client.send("vCont;s:2")
        elif leave == "breakpoint":
            client.send("vCont;c")
        client.close()
        wait_status(process, "running")
        runs(process, symbols)


def test(program, accel, folder):
    kernel = ("-kernel", f"{folder}/kernel.elf", "-M", "pc,firmware=none", "-smp", "4")
    file = (f"{folder}/kernel.elf",)
    symbols = symbols_of(*file)
    with debugged(program, accel, *kernel) as process:
        threads(process, file)
        one_alone(process, file)
        comes_and_goes(process, file, symbols)
        dies(process, symbols)
        hmp(process, "stop")
        # Who was stopped by a person stays so when gdb dies.
        client = Packets(process)
        assert client.ask("?").startswith("T")
        client.close()
        time.sleep(0.05)
        wait_status(process, "paused")
        seen = gdb(process, "kill")
        expect(seen, r"killed")
        assert process.wait(LIMIT) == 0
    print("four CPUs: threads, steps of one, ^C, clients that leave in each way")


if __name__ == "__main__":
    main(test)
