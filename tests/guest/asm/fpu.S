# An x87 instruction in protected mode: fine on real hardware; a KVM that emulates kernel mode cannot.

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
        mov     $'1', %al
        mov     $CONSOLE, %edx
        out     %al, %dx
        fld1
        mov     $'2', %al
        out     %al, %dx
        xor     %al, %al
        jmp     leave32
