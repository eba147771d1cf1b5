# A boot sector for gdb to look into: real mode, with a far jump that gives CS another base.

        .code16
        .globl  _start, again, step, over, here, word
_start: ljmp    $0x07c0, $(main - _start)       # CS:IP of one and the same place are many
main:   mov     %cs, %ax
        mov     %ax, %ds
        xor     %ax, %ax
        mov     %ax, %ss
        mov     $0x6800, %sp
        mov     $0x1234, %bx
again:  inc     %bx
step:   call    over
here:   incw    word - _start
        jmp     again
over:   mov     %bx, %cx
        ret
word:   .word   0
        .org    510
        .word   0xaa55
