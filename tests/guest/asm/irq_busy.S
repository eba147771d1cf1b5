# Works for ever: a 1 kHz timer whose handler counts, and a main loop that writes and reads back numbers. A test pauses,
# resets and ends it at any moment. Numbers at VARS (main loop) and VARS + 4 (ticks).

        .code16
#include "real.inc.S"
        .equ    number, VARS
        .equ    ticks, VARS + 4
        .equ    lost, VARS + 8

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        set_vector 0x20, on_timer
        init_pic 0xfa, 0xff
        outp    0x34, 0x43
        outp    0xa9, 0x40              # 1193 clocks
        outp    0x04, 0x40
        sti
1:      incl    number
        mov     number, %eax
        mov     $0x51c, %dx
        out     %eax, %dx
        in      %dx, %eax               # a read must come back with what was written, pause or not
        cmp     number, %eax
        je      2f
        incl    lost
2:      test    $0x0f, %al
        jnz     1b
        hlt                             # now and then the timer's turn
        jmp     1b

on_timer:
        push    %ax
        push    %dx
        incl    ticks
        outp    0, 0x511
        outp    0x20, 0x20
        pop     %dx
        pop     %ax
        iret
