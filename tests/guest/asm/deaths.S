# Ways to a triple fault: the byte at 500h, which the test writes, says which. The IDT has no gates unless a
# case fills it; the GDT is at 30000h.

        .include "lib.inc.S"

        .set    WAY, 0x500
        .set    GDT, 0x30000
        .set    TSS64, 0x28
        .set    UNMAPPED, 0x00007f0000001000

        .macro  way number, target
        cmpb    $\number, WAY
        je      \target
        .endm

        .section .text16, "ax"
        .code16
handler_offset:                         # of F0000h; never reached
        hlt
        .globl start16
start16:
        xor     %ax, %ax
        mov     %ax, %ds
        cmpb    $0, WAY
        jne     1f
        lidtl   %cs:no_vectors
        int3                            # way 0: in real mode
1:      enter_protected start32
no_vectors:
        .word   3
        .long   0

        .section .text, "ax"
        .code32
start32:
        flat_segments
        make_idt
        way     1, empty_idt
        way     2, gate_not_present
        way     3, bad_selector
        enter_long start64

empty_idt:
        lidt    no_idt
        ud2

gate_not_present:                       # of #UD, and none of #NP and #DF either
        movl    $CODE32 << 16 | 0x1234, IDT + 6 * 8
        movl    $0x00000e00, IDT + 6 * 8 + 4
        ud2

bad_selector:
        mov     $0x88, %eax
        mov     %eax, %ds

        .code64
start64:
        flat_segments
        lidt    idt_pointer             # which is longer in this mode
        way     4, page_fault
        way     5, stack
        way     6, task_state
        way     7, nowhere
        way     8, no_memory
        mov     $0x600, %edx            # way 9: a device that cannot
        in      %dx, %al
        hlt

page_fault:
        mov     $UNMAPPED, %r11
        movb    $1, (%r11)

stack:                                  # each handler could be entered, if only it had a stack
        xor     %r9d, %r9d
        call    fill_idt
        mov     $UNMAPPED, %rsp
        push    %rax

task_state:                             # handlers want a stack of their own, for which the TSS has no room
        lea     gdt(%rip), %rsi
        mov     $GDT, %edi
        mov     $4, %ecx
        rep     movsq
        mov     $0x0000890000000020, %rax       # an available TSS at 0, limit 20h
        mov     %rax, GDT + TSS64
        movq    $0, GDT + TSS64 + 8
        lgdt    gdt_64(%rip)
        mov     $TSS64, %eax
        ltr     %ax
        mov     $1, %r9d
        call    fill_idt
        ud2

nowhere:
        mov     $UNMAPPED, %rax
        jmp     *%rax

no_memory:                              # of the 4 GiB that are mapped
        mov     $0xc0000000, %eax
        jmp     *%rax

# Gates to a handler of all vectors, with the IST that R9 holds.
fill_idt:
        mov     $IDT, %edi
        mov     $32, %ecx
1:      movw    $handler_offset, (%rdi)
        movw    $CODE64, 2(%rdi)
        mov     %r9b, 4(%rdi)
        movb    $0x8e, 5(%rdi)
        movw    $0xf, 6(%rdi)
        add     $16, %edi
        loop    1b
        ret
no_idt: .word   0
        .long   0
gdt_64: .word   TSS64 + 15
        .quad   GDT
