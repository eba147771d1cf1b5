#!/usr/bin/env python3
"""gdb in a 64-bit kernel, before it pages and after: breakpoints, steps, watchpoints, registers, memory.

    usage: kernel_session.py MACHINE-RUN ACCELERATOR FOLDER      where guests are built"""

from debugged import debugged, expect, gdb, main


def breakpoints(program, accel, folder):
    kernel = ("-kernel", f"{folder}/kernel.elf", "-M", "pc,firmware=none")
    file = (f"{folder}/kernel.elf",)
    with debugged(program, accel, *kernel) as process:
        # The addresses of the second one are not mapped yet when it is set.
        seen = gdb(process, "break before_paging", "hbreak start64", "break work", "continue", "p/x $cr0 & 0x80000001",
                   "stepi", "p/x $esi", "continue", "p/x $cr0 & 0x80000001", "p $efer", "p/x $rip",
                   "continue", "p (long)watched", "p (long)only_read", "p $rip == work", "bt 2", "continue", "p (long)watched", "stepi",
                   "p (long)watched", "p/x $cr3", "p $xmm3.v2_double[0]", "p $st0 > 3.14159 && $st0 < 3.1416", "x/i main_loop",
                   files=file)
        expect(seen, r"Breakpoint 1, ", r"= 0x1$", r"= 0x5555", r"Breakpoint 2, .*start64",
               r"= 0x80000001", r"= \[ .*LMA.*\]", r"= 0xffffffff8110", r"Breakpoint 3, .*work", r"= 0$", r"= 77", r"= 1$",
               r"#0 .*work", r"Breakpoint 3, ", r"= 1$", r"= 2$", r"= 0x1001000", r"= 1\.5", r"= 1$", r"call .*<work>")
    with debugged(program, accel, *kernel) as process:
        # Steps over functions, and breakpoints on code that changes under them.
        seen = gdb(process, "break main_loop", "continue", "nexti", "p (long)watched", "nexti", "p $rip == main_loop + 10",
                   "delete", "break patched", "continue", "p/x *(char*)($rip + 1)", "x/i $rip", "nexti", "p/x $al",
                   "continue", "nexti", "p/x $al", "continue", "continue", "nexti", "p/x $al", "delete",
                   # A second one at the same address, one on what is not mapped, and one that a user disables.
                   "break *patched", "hbreak *patched", "break *0xffffffff00001000", "disable 3", "continue", "p (long)result",
                   "info breakpoints", "delete", "p/x $al", files=file)
        expect(seen, r"Breakpoint 1, ", r"= 1$", r"= 1$", r"Breakpoint 2, ", r"= 0x2$", r"mov +\$0x2,%al", r"= 0x2$",
               r"= 0x3$", r"= 0x5$", r"Breakpoint 3 at", r"Breakpoint 5 at", r"Breakpoint 4, patched", r"= 5$")


def watchpoints(program, accel, folder):
    kernel = ("-kernel", f"{folder}/kernel.elf", "-M", "pc,firmware=none")
    file = (f"{folder}/kernel.elf",)
    # x86 has no debug register for reads alone.
    read, told = ("rwatch", "read") if accel == "jit" else ("awatch", r"access \(read/write\)")
    with debugged(program, accel, *kernel) as process:
        seen = gdb(process, "tbreak main_loop", "continue", "watch *(long*)&watched", "continue", "continue", "delete",
                   f"{read} *(long*)&only_read", "continue", "info symbol $pc", "delete", "awatch *(long*)&result",
                   "continue", "continue",
                   "delete", "set can-use-hw-watchpoints 0", "watch *(long*)&watched", "continue", "continue", "info watchpoints",
                   "delete", "set can-use-hw-watchpoints 1", "watch *(long*)&watched if (long)watched == 9", "continue", "p (long)watched",
                   files=file)
        expect(seen, r"Hardware watchpoint 2: ", r"Old value = 0", r"New value = 1", r"Old value = 1",
               r"New value = 2", rf"Hardware {told} watchpoint 3: ", r"Value = 77", r"work \+ ",
               r"Hardware access \(read/write\) watchpoint 4: ", r"New value = 2", r"New value = 3",
               r"Watchpoint 5: ", r"Old value = ", r"New value = ", r"already hit 2 times",
               r"Old value = 8", r"New value = 9", r"= 9")


def state(program, accel, folder):
    kernel = ("-kernel", f"{folder}/kernel.elf", "-M", "pc,firmware=none", "-cpu", "max")
    if accel == "jit":  # whose CPU has AVX; a host's may not
        with debugged(program, accel, *kernel) as process:
            seen = gdb(process, "set $ymm5.v8_int32[7] = 9", "set $xmm5.v4_int32[0] = 8", "stepi", "p $ymm5.v8_int32[7]",
                       "p $ymm5.v8_int32[0]", "p $ymm4.v8_int32[7]", files=(f"{folder}/kernel.elf",))
            expect(seen, r"= 9$", r"= 8$", r"= 0$")
    file = (f"{folder}/kernel.elf",)
    with debugged(program, accel, *kernel) as process:
        seen = gdb(process, "tbreak work", "continue", "set var *(long*)&watched = 41", "stepi", "p (long)watched",
                   "set $rbx = 0x123456789abcdef0", "p/x $rbx", "stepi", "p/x $rbx", "set $xmm3.v4_int32[1] = 7",
                   "p $xmm3.v4_int32[1]", "set $st0 = 2.5", "p $st0", "stepi", "p $st0", "p/x $fctrl", "p/x $mxcsr", "p $cs", "set $eflags |= 1",
                   "p $eflags", "x/xg 0x123456789000", "x/xw 0xfee00030",
                   # Code that gdb writes is what runs then: the constant of the next call of `patched`.
                   "set var *(char*)(patched + 1) = 0x40", "tbreak main_loop", "continue", "p/x (char)result",
                   # Physical memory, where the linear address is another one.
                   "maintenance packet Qqemu.PhyMemMode:1", "x/xg (unsigned long)&only_read - 0xffffffff80000000",
                   "maintenance packet Qqemu.PhyMemMode:0", "set var *(long*)&only_read = 5", "monitor info status",
                   "p $pc == main_loop", "p/x $cr4", "p $k_gs_base", "info registers gdtr_limit", files=file)
        expect(seen, r"= 42", r"= 0x123456789abcdef0", r"= 0x123456789abcdef0", r"= 7", r"= 2\.5", r"= 2\.5",
               r"= 0x40", r"= 0x1f80", r"= 24", r"\[ CF .*\]", r"Cannot access memory at address 0x123456789000",
               r"Cannot access memory at address 0xfee00030", r"= 0x41", r"received: \"OK\"", r":\s+0x000000000000004d",
               r"received: \"OK\"", r"= 1$", r"= 0x620|= 0x40620", r"gdtr_limit +0x1f")


def test(program, accel, folder):
    breakpoints(program, accel, folder)
    watchpoints(program, accel, folder)
    state(program, accel, folder)
    print("64-bit kernel: breakpoints before paging and after, on code that changes, watchpoints, registers, memory")


if __name__ == "__main__":
    main(test)
