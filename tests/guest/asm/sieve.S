# For the bench: the primes below 2^20 by the sieve of Eratosthenes, twenty times over, in 64-bit code. Prints how many
# there are. jit_bench.cpp knows how many instructions that takes; a change here is one there.

        .include "lib.inc.S"

        .set    SIZE, 1 << 20
        .set    ROUNDS, 20
        .set    FLAGS, 0x100000         # a byte for each number: 1, it may be a prime

        begin_in_protected_mode
        enter_long sieve

        .code64
sieve:  mov     $0x7000, %esp
        mov     $ROUNDS, %r8d
        mov     $FLAGS, %ebx
round:
# 5 instructions for each round: these two, the one before 2, and the last two
        mov     $0x0101010101010101, %rax
        xor     %edi, %edi
# 4 for each 8 bytes
1:      mov     %rax, (%rbx, %rdi)
        add     $8, %edi
        cmp     $SIZE, %edi
        jb      1b
        mov     $2, %esi
# 5 for each number below the root of SIZE, 2 more for each that is a prime ...
2:      cmpb    $0, (%rbx, %rsi)
        je      4f
        mov     %esi, %edi
        imul    %edi, %edi
# ... and 4 for each multiple
3:      movb    $0, (%rbx, %rdi)
        add     %esi, %edi
        cmp     $SIZE, %edi
        jb      3b
4:      inc     %esi
        cmp     $1024, %esi
        jb      2b
        dec     %r8d
        jnz     round

        xor     %eax, %eax
        mov     $2, %esi
5:      movzbl  (%rbx, %rsi), %edi
        add     %edi, %eax
        inc     %esi
        cmp     $SIZE, %esi
        jb      5b
        call    hex64
        xor     %al, %al
        jmp     leave64
