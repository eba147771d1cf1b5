# What a KVM that emulates kernel mode does not know, in 64-bit and 32-bit code of ring 0. On any other CPU it is plain.
# Output: a letter for each thing that is right, '-' for one that the CPU model does not have.

        .include "lib.inc.S"
        .include "check.inc.S"

        .macro  check32 letter
        check   \letter, report32
        .endm

        begin_in_protected_mode
# --- 32-bit: an interrupt gate by INT n, and IRET back
        make_idt
        gate32  0x40, handler32
        xor     %ebx, %ebx
        int     $0x40
        cmp     $0x40, %ebx
        check32 'a'
# b: AAA, BOUND, ENTER with a level
        mov     $0x000f, %ax
        aaa
        cmp     $0x0105, %ax
        check32 'b'
        mov     $5, %eax
        bound   %eax, bounds
        mov     %esp, %ebp
        mov     %esp, %ecx
        enter   $8, $1
        sub     %esp, %ecx
        leave
        cmp     $16, %ecx
        check32 'c'
# d: LAR, LSL, VERR, VERW
        mov     $DATA32, %ecx
        lar     %ecx, %eax
        and     $0xff00, %eax
        cmp     $0x9300, %eax
        check32 'd'
        lsl     %ecx, %eax
        cmp     $0xffffffff, %eax
        check32 'e'
        verw    %cx
        check32 'f'
        jmp     to_long

handler32:
        mov     $0x40, %ebx
        iret

        define_report %eax, %edx, report32

to_long:
        go_on_in_long_mode
        mov     %cr4, %rax
        or      $0x600, %eax            # OSFXSR, OSXMMEXCPT
        mov     %rax, %cr4
        mov     %cr0, %rax
        and     $0xfffffffffffffff3, %rax  # no TS, no EM
        or      $0x22, %eax             # NE, MP
        mov     %rax, %cr0
        make_idt
        gate64  3, breakpoint
        gate64  6, undefined
        gate64  0x41, software

# g, h: CMPXCHG16B that finds what it compares with, and one that does not
        unless_cpuid 1, ecx, 13, no_cx16
        mov     $0x6000, %edi
        movq    $0x1111, (%rdi)
        movq    $0x2222, 8(%rdi)
        mov     $0x1111, %eax
        mov     $0x2222, %edx
        mov     $0x3333, %ebx
        mov     $0x4444, %ecx
        lock cmpxchg16b (%rdi)
        jnz     1f
        cmpq    $0x4444, 8(%rdi)
1:      check   'g'
        mov     $1, %eax
        xor     %edx, %edx
        cmpxchg16b (%rdi)
        jz      1f
        cmp     $0x3333, %rax
        jne     2f
        cmp     $0x4444, %rdx
        jmp     2f
1:      or      $1, %eax
2:      check   'h'
        jmp     breakpoints
no_cx16:
        call    absent
        call    absent

# i, j: INT3 and INT n, and IRETQ back; flags come back with it
breakpoints:
        xor     %ebx, %ebx
        stc
        int3
after_int3:
        jnc     1f
        cmp     $3, %ebx
        jmp     2f
1:      or      $1, %ebx
2:      check   'i'
        int     $0x41
        cmp     $0x41, %ebx
        check   'j'

# k, l: FXSAVE and FXRSTOR, XSAVE and XRSTOR: without XSAVE in the model they are no instructions
        mov     $0x8000, %edi
        mov     $0x12345678, %eax
        movd    %eax, %xmm3
        fxsave  (%rdi)
        pxor    %xmm3, %xmm3
        fxrstor (%rdi)
        movd    %xmm3, %eax
        cmp     $0x12345678, %eax
        check   'k'
        unless_cpuid 1, ecx, 26, no_xsave
        mov     %cr4, %rax
        or      $0x40000, %eax          # OSXSAVE
        mov     %rax, %cr4
        xor     %ecx, %ecx
        xgetbv
        or      $3, %eax
        xsetbv
        mov     $3, %eax
        xor     %edx, %edx
        mov     $0x8000, %edi
        xsave   (%rdi)
        pxor    %xmm3, %xmm3
        mov     $3, %eax
        xor     %edx, %edx
        xrstor  (%rdi)
        movd    %xmm3, %eax
        cmp     $0x12345678, %eax
        check   'l'
        jmp     floating
no_xsave:
        xor     %ebx, %ebx
        mov     $1f, %ebp
        xrstor  (%rdi)
1:      cmp     $6, %ebx
        check   'l'

# m, n: x87 arithmetic and its environment
floating:
        fninit
        fld1
        fld1
        faddp
        fistpl  0x6000
        cmpl    $2, 0x6000
        check   'm'
        fnstenv 0x6100
        fldenv  0x6100
        fnsave  0x6200
        frstor  0x6200
        fwait
        fnclex
        fldcw   0x6100
        fnstsw  %ax
        test    %ax, %ax
        check   'n'
# o: SSE arithmetic, MXCSR
        mov     $3, %eax
        cvtsi2sd %eax, %xmm1
        mulsd   %xmm1, %xmm1
        cvtsd2si %xmm1, %eax
        cmp     $9, %eax
        check   'o'
        stmxcsr 0x6000
        orl     $0x8000, 0x6000
        ldmxcsr 0x6000
        stmxcsr 0x6004
        mov     0x6000, %eax
        cmp     %eax, 0x6004
        check   'p'
# q: a vector to and from registers of a device
        mov     $SCRATCH_MEMORY, %ebx
        movd    %eax, %xmm2
        movd    %xmm2, (%rbx)
        movss   (%rbx), %xmm4
        movd    %xmm4, %ecx
        cmp     %eax, %ecx
        check   'q'
        fildl   (%rbx)
        fistpll 0x6008
        movslq  (%rbx), %rcx
        cmp     %rcx, 0x6008
        check   'r'
# s to u: what not every model has
        unless_cpuid 1, ecx, 23, 1f
        mov     $0xf0f, %ebx
        popcnt  %ebx, %eax
        cmp     $8, %eax
        check   's'
        jmp     2f
1:      call    absent
2:      unless_cpuid 0x80000001, edx, 27, 1f
        rdtsc
        mov     %eax, %esi
        mov     %edx, %edi
        rdtscp
        sub     %esi, %eax
        sbb     %edi, %edx              # the time stamp counter does not go back
        shr     $31, %edx
        test    %edx, %edx
        check   't'
        jmp     2f
1:      call    absent
2:      unless_cpuid 7, ebx, 20, 1f
        mov     %cr4, %rax
        or      $0x200000, %eax         # SMAP
        mov     %rax, %cr4
        stac
        clac
        pushfq
        testl   $0x40000, (%rsp)
        lea     8(%rsp), %rsp
        check   'u'
        jmp     2f
1:      call    absent
2:
# v: an instruction that only begins on one page, and an operand on two
        mov     $0x30ffe, %edi
        movw    $0x0f66, (%rdi)         # pxor %xmm0, %xmm0; ret
        movw    $0xc0ef, 2(%rdi)
        movb    $0xc3, 4(%rdi)
        mov     $0x40ffa, %esi
        movq    $-1, (%rsi)
        movups  (%rsi), %xmm0
        call    *%rdi
        movdqu  %xmm0, 0x41ff8
        paddq   %xmm0, %xmm0
        cmpq    $0, 0x41ff8
        check   'v'
# w: a page table that a vector instruction puts in the place of another: 1 GiB leads to 50000h, then to 51000h
        movq    $1, 0x52000
        movq    $2, 0x53000
        movq    $0x52003, 0x50000
        movq    $0x53003, 0x51000
        movq    $0x50003, 0x13000
        mov     %cr3, %rax
        mov     %rax, %cr3
        mov     $0x40000000, %esi
        mov     (%rsi), %rbx
        movups  0x13000, %xmm0
        movq    $0x51003, 0x6000
        movlps  0x6000, %xmm0
        movups  %xmm0, 0x13000
        mov     %rax, %cr3
        add     (%rsi), %rbx
        cmp     $3, %rbx
        check   'w'
        xor     %al, %al
        jmp     leave64

absent: print_char '-'
        ret

breakpoint:
        mov     $3, %ebx
        cmpq    $after_int3, (%rsp)
        je      1f
        mov     $0x33, %ebx
1:      iretq

software:
        mov     $0x41, %ebx
        iretq

undefined:                              # goes on at RBP
        mov     $6, %ebx
        mov     %rbp, (%rsp)
        iretq

        define_report %rax, %rdx

        .balign 16
bounds: .long   0, 10
