# What the real-mode guests of the interrupt tests share. RAM: IVT at 0, variables at 500h, stack below 7000h. DS = ES =
# SS = 0 and FS = F000h, the ROM.

        .equ    VARS, 0x500

        .macro  start_real
        cli
        cld
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $0x7000, %sp
        mov     $0xf000, %ax
        mov     %ax, %fs
        # A vector that nobody set prints '!' and ends the guest.
        xor     %di, %di
        mov     $256, %cx
9:      movw    $unexpected, (%di)
        movw    $0xf000, 2(%di)
        add     $4, %di
        loop    9b
        mov     $VARS, %di
        mov     $32, %cx
        xor     %ax, %ax
        rep stosw
        .endm

        .macro  set_vector n, handler
        movw    $\handler, (\n) * 4
        .endm

        .macro  outp value, port
        mov     $\value, %al
        .if     (\port) > 0xff
        mov     $\port, %dx
        out     %al, %dx
        .else
        out     %al, $\port
        .endif
        .endm

        .macro  putc c
        outp    \c, 0x402
        .endm

        .macro  leave_guest code
        outp    \code, 0xf4
9:      cli
        hlt
        jmp     9b
        .endm

        # PIC: master vectors from 20h, slave from 28h, everything masked but the cascade. Mask of both as arguments.
        .macro  init_pic master, slave
        outp    0x11, 0x20
        outp    0x20, 0x21
        outp    0x04, 0x21
        outp    0x01, 0x21
        outp    0x11, 0xa0
        outp    0x28, 0xa1
        outp    0x02, 0xa1
        outp    0x01, 0xa1
        outp    \master, 0x21
        outp    \slave, 0xa1
        .endm

        # Sleeps until interrupts have counted \counter up to \n. Interrupts are off before and after.
        .macro  wait_for counter, n
9:      sti
        hlt
        cli
        cmpw    $\n, \counter
        jb      9b
        .endm

        .section .text16, "ax"
unexpected:
        putc    '!'
        leave_guest 0x7f

# Prints AX as four hexadecimal digits and a blank. Changes AX, BX, CX, DX.
put_word:
        mov     %ax, %bx
        mov     $4, %cx
1:      rol     $4, %bx
        mov     %bl, %al
        and     $15, %al
        cmp     $10, %al
        jb      2f
        add     $'a' - '0' - 10, %al
2:      add     $'0', %al
        mov     $0x402, %dx
        out     %al, %dx
        loop    1b
        mov     $' ', %al
        out     %al, %dx
        ret
