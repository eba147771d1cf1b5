# Programs for several CPUs that compete, for tests of the software CPU alone: no firmware. A test loads the image into
# RAM at F0000h and starts each CPU at one of the addresses that stand at its beginning, in 64-bit code that is mapped to
# itself, with arguments in registers. A program ends with HLT.
#
#   RDI     what it is about       RSI     how often
#   R8      a counter of those who have not arrived yet: all begin at once

        .equ    ACKNOWLEDGED, 0x600040  # how many interrupts have been taken
        .equ    TRAPS, 0x600080         # how many INT3s
        .equ    TURN, 0x6000c0          # of fresh_writer and fresh_runner
        .equ    DONE, 0x600100
        .equ    REMAPPED, 0x800000      # a page that interrupts forget the translation of

#include "phases.inc.S"

        .section .text16, "ax"
        .globl start16
start16:
        .section .text, "ax"
        .code64

# Its address is the next one of the table.
        .macro  program name
        .section .text16, "ax"
        .quad   \name
        .section .text, "ax"
        .balign 64
\name:
        .endm

        .macro  meet
        lock decq (%r8)
7:      pause
        cmpq    $0, (%r8)
        jne     7b
        .endm

        .macro  again label
        dec     %rsi
        jnz     \label
        hlt
        .endm

# --- for each width: XADD, INC, CMPXCHG, XCHG
        .macro  counters width, suffix, a, b, c
        program xadd_\width
        meet
1:      mov     $3, %eax
        lock xadd \a, (%rdi)
        again   1b
        program inc_\width
        meet
1:      lock inc\suffix (%rdi)
        again   1b
        program cmpxchg_\width
        meet
1:      mov     (%rdi), \a
2:      lea     1(%rax), %rcx
        lock cmpxchg \c, (%rdi)
        jne     2b
        again   1b
        program xchg_\width             # RBX: a token, swapped for the one that is there
        meet
1:      xchg    \b, (%rdi)
        again   1b
        .endm

        counters 1, b, %al, %bl, %cl
        counters 2, w, %ax, %bx, %cx
        counters 4, l, %eax, %ebx, %ecx
        counters 8, q, %rax, %rbx, %rcx

# Both halves are counted up together.
        program cmpxchg8b_both
        meet
1:      mov     (%rdi), %eax
        mov     4(%rdi), %edx
2:      lea     1(%rax), %ebx
        lea     1(%rdx), %ecx
        lock cmpxchg8b (%rdi)
        jne     2b
        again   1b
        program cmpxchg16b_both
        meet
1:      mov     (%rdi), %rax
        mov     8(%rdi), %rdx
2:      lea     1(%rax), %rbx
        lea     1(%rdx), %rcx
        lock cmpxchg16b (%rdi)
        jne     2b
        again   1b

# --- a spinlock at RDI, let go of by a plain store of each width, and a counter at RDX that only it guards
        .macro  spinlock width, suffix, a
        program spinlock_\width
        meet
1:      mov     $1, %eax
        xchg    \a, (%rdi)
        test    \a, \a
        jz      3f
2:      pause
        cmp\suffix $0, (%rdi)
        jne     2b
        jmp     1b
3:      mov     (%rdx), %rbx
        inc     %rbx
        mov     %rbx, (%rdx)
        mov\suffix $0, (%rdi)
        again   1b
        .endm

        spinlock 1, b, %al
        spinlock 2, w, %ax
        spinlock 4, l, %eax
        spinlock 8, q, %rax

# --- store buffers: counts up at RDI, and writes what it saw at RDX after each step to a word of RBX
        .macro  store_buffer name, fence:vararg
        program \name
        meet
        xor     %r10d, %r10d
1:      inc     %r10
        mov     %r10d, (%rdi)
        \fence
        mov     (%rdx), %eax
        mov     %eax, (%rbx, %r10, 4)
        again   1b
        .endm

        store_buffer store_buffer_plain, nop
        store_buffer store_buffer_mfence, mfence
        store_buffer store_buffer_locked, lock addl $0, -64(%rsp)
        store_buffer store_buffer_xchg, xchg %r13, -64(%rsp)

# --- messages: a number to RDI, and then to RDX
        program message_writer
        meet
        xor     %eax, %eax
1:      inc     %rax
        mov     %rax, (%rdi)
        mov     %rax, (%rdx)
        again   1b
# Reads them the other way round until the last has come. R12: how often the second was older; R13: how many it saw.
        program message_reader
        meet
        xor     %r12d, %r12d
        xor     %r13d, %r13d
        xor     %r10d, %r10d
1:      mov     (%rdx), %rax
        mov     (%rdi), %rbx
        cmp     %rax, %rbx
        jae     2f
        inc     %r12
2:      cmp     %rax, %r10
        je      3f
        inc     %r13
        mov     %rax, %r10
3:      cmp     %rsi, %rax
        jb      1b
        hlt

# --- code that others change. Its result is a number modulo 128, in each byte of EAX.
# All others are interrupted, and have answered. R10 counts the answers; R9: how many others.
        .macro  interrupt_others
        add     %r9, %r10
        out     %al, $0x80
8:      pause
        cmp     %r10, ACKNOWLEDGED
        jb      8b
        .endm
# Makes RDI, which is MOV imm32, %EAX, one number larger RSI times, as kernels do that may be in the middle of it.
        program int3_patcher
        meet
        xor     %r10d, %r10d
        xor     %r11d, %r11d
1:      inc     %r11d
        movb    $0xcc, (%rdi)
        interrupt_others
        number_of %r11d
        mov     %eax, 1(%rdi)
        interrupt_others
        movb    $0xb8, (%rdi)
        interrupt_others
        mov     %r11, PHASE
        again   1b

# The same by one store of 8 bytes, with RET.
        program qword_patcher
        meet
        xor     %r10d, %r10d
        xor     %r11d, %r11d
        mov     $0xc300000000b8, %rcx
1:      inc     %r11d
        number_of %r11d
        shl     $8, %rax
        or      %rcx, %rax
        mov     %rax, (%rdi)
        interrupt_others
        mov     %r11, PHASE
        again   1b

# By a jump to one of 128 targets of 8 bytes at RDX.
        program jump_patcher
        meet
        xor     %r10d, %r10d
        xor     %r11d, %r11d
1:      inc     %r11d
        mov     %r11d, %eax
        and     $0x7f, %eax
        lea     (%rdx, %rax, 8), %rax
        sub     %rdi, %rax
        sub     $5, %rax
        mov     %eax, %eax
        shl     $8, %rax
        mov     $0xe9, %al
        mov     %rax, (%rdi)
        interrupt_others
        mov     %r11, PHASE
        again   1b

# Without interrupts: those who run it serialize themselves.
        program quiet_patcher
        meet
        xor     %r11d, %r11d
1:      inc     %r11d
        number_of %r11d
        movl    %eax, 1(%rdi)           # the caller sees to it that this is within 8 bytes
        mov     %r11, PHASE
        mov     $200, %ecx
2:      dec     %ecx
        jnz     2b
        again   1b

# Maps page R11 modulo 128 of those at RCX where the page table's entry at RDI says.
        program remapper
        meet
        xor     %r10d, %r10d
        xor     %r11d, %r11d
1:      inc     %r11d
        mov     %r11d, %eax
        and     $0x7f, %eax
        shl     $12, %eax
        lea     7(%rcx, %rax), %rax
        mov     %rax, (%rdi)
        invlpg  REMAPPED
        interrupt_others
        mov     %r11, PHASE
        again   1b

        .macro  begin_watching
        meet
        xor     %r13d, %r13d
        xor     %r14d, %r14d
        xor     %r15d, %r15d
        .endm
        .macro  until_the_last label
        cmp     %rsi, %r10
        jb      \label
        hlt
        .endm

        program caller
        begin_watching
1:      pause                           # let others have the host's processor now and then
        mov     PHASE, %r10
        call    *%rdi
        judge
        until_the_last 1b

        program reader
        begin_watching
1:      pause
        mov     PHASE, %r10
        mov     (%rdi), %eax
        judge
        until_the_last 1b

# In one block with the instruction that serializes. Where the patched instruction is stands next in the table.
        .macro  serialized name, instruction:vararg
        program \name
        begin_watching
1:      mov     PHASE, %r10
        xor     %eax, %eax
        \instruction
        .balign 8
\name\()_site:
        mov     $0, %eax
        judge
        until_the_last 1b
        .section .text16, "ax"
        .quad   \name\()_site
        .section .text, "ax"
        .endm

        serialized by_cpuid, cpuid
        serialized by_serialize, .byte 0x0f, 0x01, 0xe8

# --- pages that get their first code: one CPU writes a page of code, tells the other, and changes it when that one might
# just be looking at it for the first time
# RDI: the first page; RSI: how many. The code is MOV $1, %EAX and then MOV $2, %EAX, with RET.
        program fresh_writer
        meet
        xor     %r11d, %r11d
        mov     $0xc300000001b8, %rbx
        mov     $0xc300000002b8, %rdx
1:      inc     %r11d
        mov     %rbx, (%rdi)
        mov     %r11, TURN
        imul    $37, %r11d, %ecx
        and     $0x3fff, %ecx
        inc     %ecx
2:      dec     %ecx
        jnz     2b
        mov     %rdx, (%rdi)
        mov     %r11, PHASE
3:      pause
        cmp     %r11, DONE
        jb      3b
        add     $0x1000, %rdi
        again   1b
# R13: results that are neither; R14: the first code, after it has been told of the second; R15: first codes that it ran.
        program fresh_runner
        begin_watching
        xor     %r11d, %r11d
1:      inc     %r11d
2:      pause
        cmp     %r11, TURN
        jb      2b
3:      mov     PHASE, %r10
        xor     %eax, %eax
        cpuid
        call    *%rdi
        cmp     $2, %eax
        je      5f
        cmp     $1, %eax
        je      4f
        inc     %r13
        jmp     5f
4:      inc     %r15
        cmp     %r11, %r10
        jb      5f
        inc     %r14
5:      cmp     %r11, %r10
        jb      3b
        mov     %r11, DONE
        add     $0x1000, %rdi
        again   1b

# --- handlers
        program on_interrupt
        invlpg  REMAPPED
        lock incq ACKNOWLEDGED
        iretq
# As the kernel's: what the old instruction would have done, and goes on behind it.
        program on_int3
        lock incq TRAPS
        number_of PHASE
        addq    $4, (%rsp)
        iretq

        .section .text16, "ax"
        .quad   0                       # the end of the table
