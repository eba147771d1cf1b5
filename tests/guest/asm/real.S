# Real mode: port and memory accesses of each size that real mode has, string forms, and the state at the reset vector.
# Prints one character for each check that holds, then leaves with value 0; a check that fails prints '!' and its letter.

        .include "check.inc.S"

        .code16
        .section .text16, "ax"
        .globl start16
start16:
        cli
        cld
        mov     %dx, %bp                # DX holds the processor's signature after reset
        mov     %cs, %ax
        mov     %ax, %ds
        xor     %ax, %ax
        mov     %ax, %es
        mov     %ax, %ss
        mov     $0x7000, %sp


# a: ports of one byte
        mov     $0x500, %dx
        mov     $0x5a, %al
        out     %al, %dx
        xor     %ax, %ax
        in      %dx, %al
        cmp     $0x5a, %ax
        check   'a'
# b: of two
        mov     $0x1234, %ax
        out     %ax, %dx
        xor     %ax, %ax
        in      %dx, %ax
        cmp     $0x1234, %ax
        check   'b'
# c: of four
        mov     $0x89abcdef, %eax
        out     %eax, %dx
        xor     %eax, %eax
        in      %dx, %eax
        cmp     $0x89abcdef, %eax
        check   'c'
# d: what was written as four bytes reads as four single ones
        xor     %eax, %eax
        mov     $0x503, %dx
        in      %dx, %al
        cmp     $0x89, %al
        check   'd'
# e: rep outsb and rep insb: the port keeps the last byte
        mov     $pattern, %si
        mov     $8, %cx
        mov     $0x500, %dx
        rep     outsb
        mov     $0x6000, %di
        mov     $8, %cx
        rep     insb
        cmpl    $0x88888888, %es:0x6004
        check   'e'
# f: rep outsw, insw
        mov     $pattern, %si
        mov     $4, %cx
        rep     outsw
        mov     $0x6000, %di
        mov     $4, %cx
        rep     insw
        cmpl    $0x88778877, %es:0x6004
        check   'f'
# g: rep outsl, insl
        mov     $pattern, %si
        mov     $2, %cx
        rep     outsl
        mov     $0x6000, %di
        mov     $2, %cx
        rep     insl
        cmpl    $0x88776655, %es:0x6004
        check   'g'
# h: the string instructions left their registers where they belong
        cmp     $0x6008, %di
        check   'h'
# i: backwards
        std
        mov     $0x6007, %di
        mov     $4, %cx
        rep     insb
        cld
        cmp     $0x6003, %di
        check   'i'
# j: ROM cannot be written, and the write does no harm
        mov     $0xf000, %ax
        mov     %ax, %fs
        mov     %fs:pattern, %al
        notb    %fs:pattern
        cmp     %fs:pattern, %al
        check   'j'
# k: DX at reset is CPUID's signature
        mov     $1, %eax
        cpuid
        cmp     %bp, %ax
        check   'k'
# l: a software interrupt through the table at 0
        movw    $handler, %es:0x40 * 4
        movw    %cs, %es:0x40 * 4 + 2
        xor     %bx, %bx
        int     $0x40
        cmp     $0x77, %bx
        check   'l'
        xor     %al, %al
        out     %al, $0xf4
1:      cli
        hlt
        jmp     1b

handler:
        mov     $0x77, %bx
        iret

        define_report %ax, %dx

pattern:
        .byte   0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88
