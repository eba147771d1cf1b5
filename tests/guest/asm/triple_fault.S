# Three faults in a row: an interrupt descriptor table without entries, and an undefined instruction.

        .include "lib.inc.S"

        .code16
        .section .text16, "ax"
        .globl start16
start16:
        enter_protected start32

        .section .text, "ax"
        .code32
start32:
        flat_segments
        mov     $'t', %al
        mov     $CONSOLE, %edx
        out     %al, %dx
        lidt    no_idt
        ud2
        mov     $'!', %al               # not reached
        out     %al, %dx
        jmp     leave32
no_idt: .word   0
        .long   0
