# Protected mode: port and memory-mapped accesses of each size, string forms, segments with limits. Output as in real.S.

        .include "lib.inc.S"
        .include "check.inc.S"

        begin_in_protected_mode
# a, b, c: memory-mapped registers of 1, 2 and 4 bytes
        mov     $SCRATCH_MEMORY, %ebx
        movb    $0x5a, (%ebx)
        cmpb    $0x5a, (%ebx)
        check   'a'
        movw    $0x1234, 2(%ebx)
        cmpw    $0x1234, 2(%ebx)
        check   'b'
        movl    $0x89abcdef, 4(%ebx)
        cmpl    $0x89abcdef, 4(%ebx)
        check   'c'
# d: little-endian over sizes
        cmpb    $0x89, 7(%ebx)
        check   'd'
# e: read, change, write in one instruction
        addl    $0x11111111, 4(%ebx)
        cmpl    $0x9abcdf00, 4(%ebx)
        check   'e'
        lock orl $0xff, 4(%ebx)
        cmpl    $0x9abcdfff, 4(%ebx)
        check   'f'
        mov     $0x13579bdf, %eax
        xchg    %eax, 4(%ebx)
        cmp     $0x9abcdfff, %eax
        check   'g'
# h: sign and zero extension
        movl    $0xff8000fe, 8(%ebx)
        movsbl  8(%ebx), %eax
        cmp     $0xfffffffe, %eax
        check   'h'
        movzwl  10(%ebx), %eax
        cmp     $0xff80, %eax
        check   'i'
# j: strings to and from registers
        mov     $pattern, %esi
        lea     0x100(%ebx), %edi
        mov     $2, %ecx
        rep     movsl
        lea     0x100(%ebx), %esi
        mov     $0x6000, %edi
        mov     $8, %ecx
        rep     movsb
        cmpl    $0x88776655, 0x6004
        check   'j'
        mov     $0xa5a5a5a5, %eax
        lea     0x200(%ebx), %edi
        mov     $3, %ecx
        rep     stosl
        cmpl    $0xa5a5a5a5, 0x208(%ebx)
        check   'k'
        cmpl    $0, 0x20c(%ebx)
        check   'l'
# m: a bit in a register of the device
        btl     $0, 0x200(%ebx)
        setc    %al
        cmp     $1, %al
        check   'm'
# n: an access that is not aligned
        movl    $0xcafebabe, 0x301(%ebx)
        cmpl    $0xcafebabe, 0x301(%ebx)
        check   'n'
# o: ports
        mov     $SCRATCH_PORT, %dx
        mov     $0x600df00d, %eax
        out     %eax, %dx
        xor     %eax, %eax
        in      %dx, %eax
        cmp     $0x600df00d, %eax
        check   'o'
        mov     $pattern, %esi
        mov     $2, %ecx
        rep     outsl
        mov     $0x6000, %edi
        mov     $4, %ecx
        rep     insw
        cmpl    $0x66556655, 0x6004
        check   'p'
# q: nothing answers there
        cmpl    $-1, 0xd0100000
        check   'q'
        mov     $0x1000, %dx
        in      %dx, %ax
        cmp     $-1, %ax
        check   'q'
        xor     %al, %al
        jmp     leave32

        define_report %eax, %edx

        .balign 4
pattern:
        .byte   0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88
