# Four CPUs in long mode. The first one changes code and a mapping and tells the others by interrupts, as kernels do; the
# others run and read both the whole time, with a timer of their own that interrupts them. Then the first one makes and
# forgets so much code that a cache of decoded code fills up. Numbers for the test are from ARRIVED on.

        .include "lib.inc.S"
#include "phases.inc.S"
        .equ    OTHERS, 3
        .equ    PHASES, 600
        .equ    ROUNDS, 700             # of rewriting a page of code

        .equ    ARRIVED, 0x600100
        .equ    FINISHED, 0x600108
        .equ    ACKNOWLEDGED, 0x600110
        .equ    MIXTURES, 0x600118
        .equ    UNTIMELY, 0x600120
        .equ    RUNS, 0x600128
        .equ    TICKS, 0x600130
        .equ    SUM, 0x600138           # counted up by all
        .equ    END, 0x600140           # the others are to stop
        .equ    SITE, 0x700000
        .equ    REMAPPED, 0x800000      # one page of a large one that is split
        .equ    TABLE, 0x500000
        .equ    PAGES, 0xa00000         # 128 of them, which it may be
        .equ    FILLER, 0x900000        # the page of code that is rewritten

        .macro  apic reg, value
        mov     $APIC + \reg, %ebx
        movl    $\value, (%rbx)
        .endm

        define_start_ap ap64

        begin_in_long_mode
        mov     $0xff, %al
        out     %al, $0x21
        out     %al, $0xa1
        make_idt
        gate64  0x45, on_change
        gate64  0x46, on_timer
        mov     $PHASE, %edi
        mov     $0x200 / 8, %ecx
        xor     %eax, %eax
        rep stosq
        # The large page at REMAPPED in pieces.
        mov     $TABLE, %edi
        mov     $REMAPPED + 3, %eax
        mov     $512, %ecx
1:      mov     %rax, (%rdi)
        add     $0x1000, %eax
        add     $8, %edi
        loop    1b
        movl    $PAGES + 3, TABLE
        movl    $TABLE + 3, 0x12000 + (REMAPPED >> 21) * 8
        # Page n holds n, and code that gives it.
        xor     %r8d, %r8d
        mov     $PAGES, %edi
2:      number_of %r8d
        mov     %eax, (%rdi)
        movb    $0xb8, 64(%rdi)
        mov     %eax, 65(%rdi)
        movb    $0xc3, 69(%rdi)
        add     $0x1000, %edi
        inc     %r8d
        cmp     $128, %r8d
        jb      2b
        mov     $0xc300000000b8, %rax
        mov     %rax, SITE
        mov     %cr3, %rax
        mov     %rax, %cr3
        start_others
3:      pause
        cmpq    $OTHERS, ARRIVED
        jb      3b

        xor     %r10d, %r10d
        xor     %r11d, %r11d
4:      inc     %r11d
        call    change
        cmp     $PHASES, %r11d
        jb      4b

        # A page of NOPs that ends with RET, changed in each line before each run. Others change in between, too.
        mov     $FILLER, %edi
        mov     $0x90, %al
        mov     $0x1000, %ecx
        rep stosb
        movb    $0xc3, FILLER + 0xfff
        mov     $ROUNDS, %r12d
5:      mov     $FILLER, %edi
        mov     $64, %ecx
6:      movb    $0x90, (%rdi)
        add     $64, %edi
        loop    6b
        mov     $FILLER, %eax
        call    *%rax
        lock incq SUM
        test    $0x1f, %r12d
        jnz     7f
        inc     %r11d
        call    change
7:      dec     %r12d
        jnz     5b
        movq    $1, END
8:      pause
        cmpq    $OTHERS, FINISHED
        jb      8b
        mov     $0, %al
        out     %al, $0xf4
9:      hlt
        jmp     9b

# Makes phase R11 of code and mapping.
change:
        number_of %r11d
        shl     $8, %rax
        mov     $0xc300000000b8, %rcx
        or      %rcx, %rax
        mov     %rax, SITE
        mov     %r11d, %eax
        and     $0x7f, %eax
        shl     $12, %eax
        add     $PAGES + 3, %eax
        mov     %rax, TABLE
        invlpg  REMAPPED
        apic    0x300, 0xc4045          # to all but self
        add     $OTHERS, %r10
1:      pause
        cmp     %r10, ACKNOWLEDGED
        jb      1b
        mov     %r11, PHASE
        ret

ap64:   mov     $APIC + 0x20, %ebx
        mov     (%rbx), %eax
        shr     $24, %eax
        mov     $0x6f00, %esp
        shl     $9, %eax
        sub     %eax, %esp
        lidt    idt_pointer
        apic    0xf0, 0x1ff
        apic    0x3e0, 0xb              # by 1
        apic    0x320, 0x20046          # periodic
        apic    0x380, 300000
        xor     %r13d, %r13d
        xor     %r14d, %r14d
        xor     %r15d, %r15d
        lock incq ARRIVED
        sti
1:      pause
        mov     PHASE, %r10
        mov     REMAPPED, %eax
        judge
        mov     PHASE, %r10
        mov     $REMAPPED + 64, %eax
        call    *%rax
        judge
        mov     PHASE, %r10
        mov     $SITE, %eax
        call    *%rax
        judge
        lock incq SUM
        cmpq    $0, END
        je      1b
        lock addq %r13, MIXTURES
        lock addq %r14, UNTIMELY
        lock addq %r15, RUNS
        lock incq FINISHED
        cli
2:      hlt
        jmp     2b

on_change:
        push    %rbx
        invlpg  REMAPPED
        apic    0xb0, 0
        pop     %rbx
        lock incq ACKNOWLEDGED
        iretq
on_timer:
        push    %rbx
        lock incq TICKS
        apic    0xb0, 0
        pop     %rbx
        iretq
