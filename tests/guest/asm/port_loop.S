# For the bench: 20,000 byte writes to port 500h, then the exit port. The writes are unrolled by ten, so that the loop's own
# instructions weigh little beside the exits.

        .code16
        .section .text16, "ax"
        .globl start16
start16:
        cli
        mov     $0x500, %dx
        mov     $2000, %cx
1:      .rept 10
        out     %al, %dx
        .endr
        dec     %cx
        jnz     1b
        xor     %al, %al
        out     %al, $0xf4
2:      cli
        hlt
        jmp     2b
