# An interrupt that the task priority holds back, and CR8 lowered by a guest that makes no exit afterwards. Prints, for
# a message that comes while CR8 is high and for the local APIC's timer that ends while the guest makes no exit: how
# often the handler ran before, how often after, and the TSC's cycles from one to the other, in units of 2^20.

        .include "lib.inc.S"

        .set    VECTOR, 0x62

        begin_in_long_mode
# R8: runs of the handler; R9: TSC at the last one.
        mov     $0xff, %al              # no interrupt of the PIC
        out     %al, $0x21
        out     %al, $0xa1
        make_idt
        gate64  VECTOR, handler
        mov     $APIC, %ebx
        movl    $0x1ff, 0xf0(%rbx)

        # A message; 6 holds vector 62h back, 5 does not.
        xor     %r8d, %r8d
        mov     $15, %eax
        mov     %rax, %cr8
        mov     $VECTOR, %eax
        mov     $0x514, %edx
        out     %eax, %dx
        sti
        mov     $6, %eax
        mov     %rax, %cr8
        call    wait
        call    tell_runs
        mov     $5, %eax
        call    lower_and_tell

        # The timer: 2 ms of its 1 GHz.
        xor     %r8d, %r8d
        movl    $0xb, 0x3e0(%rbx)       # divide by 1
        movl    $VECTOR, 0x320(%rbx)
        movl    $2000000, 0x380(%rbx)
        mov     $15, %eax
        mov     %rax, %cr8
        call    wait
        call    tell_runs
        xor     %eax, %eax
        call    lower_and_tell
        xor     %al, %al
        jmp     leave64

# CR8 = RAX, then waits without an exit until the handler has run, 2^33 cycles at most.
lower_and_tell:
        mov     %rax, %rsi
        call    tsc
        mov     %rax, %r10
        mov     %rsi, %cr8
1:      test    %r8d, %r8d
        jnz     2f
        call    tsc
        sub     %r10, %rax
        shr     $33, %rax
        jz      1b
        call    tsc
        mov     %rax, %r9
2:      call    tell_runs
        mov     %r9, %rax
        sub     %r10, %rax
        shr     $20, %rax
        call    hex64
        jmp     blank

tell_runs:
        mov     %r8d, %eax
        call    hex64
blank:  print_char ' '
        ret

# 2^26 cycles without an exit.
wait:   call    tsc
        mov     %rax, %r10
1:      call    tsc
        sub     %r10, %rax
        shr     $26, %rax
        jz      1b
        ret

tsc:    rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        ret

handler:
        push    %rax
        push    %rdx
        call    tsc
        mov     %rax, %r9
        inc     %r8d
        movl    $0, 0xb0(%rbx)          # EOI
        pop     %rdx
        pop     %rax
        iretq
