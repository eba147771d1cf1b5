# What becomes of timer ticks that the guest is too late for: 1,000 a second, interrupts off for 400 ms, and then how
# long it takes until 300 of them have been delivered, in 0.1 ms.

        .code16
#include "real.inc.S"
        .equ    ticks, VARS
        .equ    began, VARS + 4         # microseconds

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        set_vector 0x20, on_timer
        init_pic 0xfe, 0xff
        outp    0x34, 0x43              # mode 2, 1193 clocks
        outp    0xa9, 0x40
        outp    0x04, 0x40
        call    mark
1:      call    since
        cmp     $4000, %ax
        jb      1b
        call    mark
2:      sti
        hlt
        cli
        cmpw    $300, ticks
        jb      2b
        call    since
        call    put_word
        leave_guest 0

on_timer:
        push    %ax
        incw    ticks
        outp    0x20, 0x20
        pop     %ax
        iret

#include "stopwatch.inc.S"
