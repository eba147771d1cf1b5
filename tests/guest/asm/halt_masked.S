# Halts with interrupts off. Other CPUs are left waiting for SIPI.

        .code16
        .section .text16, "ax"
        .globl start16
start16:
        mov     $'h', %al
        mov     $0x402, %dx
        out     %al, %dx
1:      cli
        hlt
        jmp     1b
