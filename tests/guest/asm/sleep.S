# Suspends to RAM several times, and prints at each start how it came to it: S at the first, W when the CMOS says that
# it was woken up (shutdown status FEh), R when it was reset. Then PM1 status and enable and the status of the
# general-purpose events. The test wakes it; the comments say by what.

        .code16
#include "real.inc.S"
#include "apic.inc.S"
#include "pci.inc.S"
        .equ    MAGIC, 0x700
        .equ    STAGE, 0x704
        .equ    POWER, 0x0b             # 01.3
        .equ    PM, 0x600
        .equ    GPE, 0xafe0
        .equ    RTC_EN, 0x400
        .equ    KEYBOARD_EVENT, 0x10

        .macro  outpw value, port
        mov     $\value, %ax
        mov     $\port, %dx
        out     %ax, %dx
        .endm
        .macro  print_port port
        mov     $\port, %dx
        in      %dx, %ax
        call    put_word
        .endm
        .macro  cmos index, value
        outp    \index, 0x70
        outp    \value, 0x71
        .endm

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        reach_all_memory
        cmpl    $0x50454c53, MAGIC
        je      1f
        movl    $0x50454c53, MAGIC
        movw    $0, STAGE
        putc    'S'
        jmp     3f
1:      outp    0x0f, 0x70
        in      $0x71, %al
        cmp     $0xfe, %al
        jne     2f
        putc    'W'
        jmp     3f
2:      putc    'R'
3:      cmos    0x0f, 0
        # The devices have been reset, the route of PIRQB# for one.
        pci_select PIIX3, PIRQRCB
        in      %dx, %al
        cmp     $0x80, %al
        je      4f
        putc    '!'
4:      pci_out8 PIIX3, PIRQRCB, 0x0b
        putc    ' '
        pci_out32 POWER, 0x40, PM
        pci_out8 POWER, 0x80, 1
        print_port PM
        print_port PM + 2
        print_port GPE
        putc    '\n'
        outpw   0xffff, PM              # ones clear
        outpw   0xffff, GPE
        cmpw    $2, STAGE
        jae     6f
        # An alarm each second; the next one is a whole second away.
        cmos    1, 0xff
        cmos    3, 0xff
        cmos    5, 0xff
        cmos    0x0b, 0x22              # AIE, 24 hours
5:      outp    0x0c, 0x70
        in      $0x71, %al
        test    $0x20, %al              # AF
        jz      5b
        outpw   0xffff, PM

6:      mov     STAGE, %bx
        incw    STAGE
        shl     $1, %bx
        mov     %cs:sleeps(%bx), %bx
        jmp     *%bx
        .balign 2
sleeps: .word   alarm, nothing, key, nothing, nothing, soft_off

alarm:  outpw   RTC_EN, PM + 2          # woken by the alarm
        jmp     sleep
key:    outpw   KEYBOARD_EVENT, GPE + 2 # by a key
        jmp     sleep
nothing:                                # by the power button, by a user's wish, and ended by a reset
sleep:  outpw   0x2400, PM + 4          # SLP_TYP 1, SLP_EN
6:      hlt
        jmp     6b
soft_off:
        outpw   0x2000, PM + 4
        jmp     6b
