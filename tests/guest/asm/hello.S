# The smallest guest: says hello on the debug console (port 402h) and leaves through isa-debug-exit (port F4h) with
# value 0, which ends the process with status (0 << 1) | 1 = 1.

        .code16
        .section .text16, "ax"
        .globl start16
start16:
        cli
        cld
        mov     %cs, %ax
        mov     %ax, %ds
        mov     $message, %si
        mov     $0x402, %dx
1:      lodsb
        test    %al, %al
        jz      2f
        out     %al, %dx
        jmp     1b
2:      xor     %al, %al
        out     %al, $0xf4
3:      cli                             # the port was absent: stay here
        hlt
        jmp     3b

message:
        .asciz  "hello\n"
