# Works for ever, on each CPU that there is, and notices when something of it is not as it left it: general, x87, SSE and
# AVX registers, MSRs, memory, time. A test moves it from one accelerator to the other meanwhile.
#
# RAM: flags at 2F000h, which the test sets before the start (1: AVX, 2: the paravirtual clock); for each CPU 100h bytes
# at 30000h + 100h * APIC ID.

        .include "lib.inc.S"
        .equ    FLAGS, 0x2f000
        .equ    CLOCK_PAGE, 0x2e000
        .equ    BLOCKS, 0x30000
        .equ    LOOPS, 0                # of the main loop
        .equ    ERRORS, 8               # a bit for each thing that was found changed: see `must`
        .equ    TICKS, 16               # of the local APIC's timer
        .equ    TSC, 24                 # as it was last
        .equ    CLOCK, 32               # the paravirtual clock, ns
        .equ    VIRTUAL, 40             # port 518h right after it, us
        .equ    SUM, 48                 # of the memory that this CPU counts up
        .equ    SCRATCH, 0x80
        .equ    COUNTERS, 0x40000       # 64 of 8 bytes, for each CPU in a page of its own
        .equ    STACKS, 0x60000
        .equ    LSTAR, 0xc0000082
        .equ    KERNEL_GS_BASE, 0xc0000102
        .equ    SYSTEM_TIME, 0x4b564d01

        # Bit n of ERRORS unless the flags say "equal".
        .macro  must n
        je      9f
        orq     $(1 << \n), ERRORS(%rbp)
9:
        .endm

        define_start_ap each_cpu

        begin_in_long_mode
        make_idt
        gate64  0x40, on_timer
        gate64  0xff, on_spurious
        start_others
        testb   $2, FLAGS
        jz      each_cpu
        mov     $SYSTEM_TIME, %ecx
        mov     $CLOCK_PAGE | 1, %eax
        xor     %edx, %edx
        wrmsr

each_cpu:
        flat_segments
        mov     $1, %eax
        cpuid
        shr     $24, %ebx               # APIC ID
        mov     %rbx, %r14
        shl     $12, %ebx
        lea     STACKS + 0x1000(%rbx), %rsp
        lea     COUNTERS(%rbx), %r15
        mov     %r14, %rbp
        shl     $8, %rbp
        add     $BLOCKS, %rbp
        lidt    idt_pointer

# What is to stay as it is
        mov     %cr0, %rax
        and     $~0xc, %rax             # EM, TS
        or      $2, %rax                # MP
        mov     %rax, %cr0
        mov     %cr4, %rax
        or      $0x600, %rax            # OSFXSR, OSXMMEXCPT
        mov     %rax, %cr4
        fninit
        fldpi
        ldmxcsr mxcsr(%rip)
        movdqu  pattern(%rip), %xmm3
        movdqu  pattern + 16(%rip), %xmm14
        testb   $1, FLAGS
        jz      1f
        mov     %cr4, %rax
        or      $0x40000, %rax          # OSXSAVE
        mov     %rax, %cr4
        xor     %ecx, %ecx
        xor     %edx, %edx
        mov     $7, %eax
        xsetbv
        vmovdqu pattern(%rip), %ymm14
1:      mov     $LSTAR, %ecx
        mov     $0x12345678, %eax
        mov     %r14d, %edx
        wrmsr
        mov     $KERNEL_GS_BASE, %ecx
        wrmsr
        mov     pattern(%rip), %rax
        mov     %rax, %cr2
        mov     $0x1234, %eax
        mov     %rax, %dr1
        movabs  $0x0808080808080808, %r8
        movabs  $0x0909090909090909, %r9
        movabs  $0x8a0a0a0a0a0a0a0a, %r10
        movabs  $0x1111111111111111, %r11
        movabs  $0x1212121212121212, %r12
        mov     $APIC, %ebx
        movl    $0x1ff, 0xf0(%rbx)
        movl    $0xb, 0x3e0(%rbx)       # divided by 1
        movl    $0x20040, 0x320(%rbx)   # periodic
        movl    $5000000, 0x380(%rbx)   # 5 ms
        sti

main:
        movabs  $0x0808080808080808, %rax
        cmp     %rax, %r8
        must    0
        movabs  $0x0909090909090909, %rax
        cmp     %rax, %r9
        must    0
        movabs  $0x8a0a0a0a0a0a0a0a, %rax
        cmp     %rax, %r10
        must    0
        movabs  $0x1111111111111111, %rax
        cmp     %rax, %r11
        must    0
        movabs  $0x1212121212121212, %rax
        cmp     %rax, %r12
        must    0
# Memory: each counter goes up by one, and their sum by as many as there are.
        mov     %r15, %rsi
        mov     $64, %ecx
        xor     %eax, %eax
1:      incq    (%rsi)
        add     (%rsi), %rax
        add     $8, %rsi
        dec     %ecx
        jnz     1b
        addq    $64, SUM(%rbp)
        cmp     %rax, SUM(%rbp)
        must    1
# x87 and SSE
        fstl    SCRATCH(%rbp)
        movabs  $0x400921fb54442d18, %rax
        cmp     %rax, SCRATCH(%rbp)
        must    2
        movdqu  %xmm3, SCRATCH(%rbp)
        mov     SCRATCH + 8(%rbp), %rax
        cmp     pattern + 8(%rip), %rax
        must    3
        stmxcsr SCRATCH(%rbp)
        mov     SCRATCH(%rbp), %eax
        cmp     mxcsr(%rip), %eax
        must    4
        testb   $1, FLAGS
        jz      2f
        vextractf128 $1, %ymm14, SCRATCH(%rbp)
        mov     SCRATCH + 8(%rbp), %rax
        cmp     pattern + 24(%rip), %rax
        must    5
# Control, debug, model-specific
2:      mov     %cr2, %rax
        cmp     pattern(%rip), %rax
        must    6
        mov     %dr1, %rax
        cmp     $0x1234, %rax
        must    7
        mov     $LSTAR, %ecx
        call    check_msr
        must    8
        mov     $KERNEL_GS_BASE, %ecx
        call    check_msr
        must    9
# Time never goes back.
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        cmp     TSC(%rbp), %rax
        mov     %rax, TSC(%rbp)
        setb    %al
        test    %al, %al
        must    10
        testb   $2, FLAGS
        jz      3f
        test    %r14, %r14
        jnz     3f
        call    read_clock
3:      incq    LOOPS(%rbp)
        jmp     main

        # MSR ECX is what this CPU set: flags.
check_msr:
        rdmsr
        cmp     $0x12345678, %eax
        jne     1f
        cmp     %r14d, %edx
1:      ret

        # struct pvclock_vcpu_time_info: version, tsc_timestamp (8), system_time (16), tsc_to_system_mul (24),
        # tsc_shift (28).
read_clock:
        mov     $CLOCK_PAGE, %esi
1:      mov     (%rsi), %edi
        test    $1, %edi
        jnz     1b
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        sub     8(%rsi), %rax
        movsbl  28(%rsi), %ecx
        test    %ecx, %ecx
        js      2f
        shl     %cl, %rax
        jmp     3f
2:      neg     %ecx
        shr     %cl, %rax
3:      mov     24(%rsi), %edx
        mul     %rdx
        shrd    $32, %rdx, %rax
        add     16(%rsi), %rax
        cmp     %edi, (%rsi)
        jne     1b
        cmp     CLOCK(%rbp), %rax
        mov     %rax, CLOCK(%rbp)
        setb    %al
        test    %al, %al
        must    11
        mov     $0x518, %edx
        in      %dx, %eax
        mov     %rax, VIRTUAL(%rbp)
        ret

on_timer:
        push    %rax
        incq    TICKS(%rbp)
        mov     $APIC, %eax
        movl    $0, 0xb0(%rax)          # end of interrupt
        pop     %rax
on_spurious:
        iretq

        .balign 16
pattern:
        .byte   0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01
        .byte   0x21, 0x32, 0x43, 0x54, 0x65, 0x76, 0x87, 0x98, 0xa9, 0xba, 0xcb, 0xdc, 0xed, 0xfe, 0x0f, 0x11
mxcsr:  .long   0x9fc0
