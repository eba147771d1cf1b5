# Long mode: memory-mapped accesses up to 8 bytes, registers R8 to R15, ports, paging. Output as in real.S.

        .include "lib.inc.S"
        .include "check.inc.S"

        begin_in_long_mode
        mov     $SCRATCH_MEMORY, %ebx
# a to d: 1, 2, 4 and 8 bytes
        movb    $0x5a, (%rbx)
        cmpb    $0x5a, (%rbx)
        check   'a'
        movw    $0x1234, 2(%rbx)
        cmpw    $0x1234, 2(%rbx)
        check   'b'
        movl    $0x89abcdef, 4(%rbx)
        cmpl    $0x89abcdef, 4(%rbx)
        check   'c'
        mov     $0x0123456789abcdef, %r9
        mov     %r9, 8(%rbx)
        mov     8(%rbx), %r10
        cmp     %r9, %r10
        check   'd'
# e: strings of 8 bytes
        lea     pattern(%rip), %rsi
        lea     0x100(%rbx), %rdi
        mov     $2, %ecx
        rep     movsq
        lea     0x100(%rbx), %rsi
        mov     $0x6000, %edi
        mov     $2, %ecx
        rep     movsq
        mov     0x6008, %rax
        cmp     pattern + 8(%rip), %rax
        check   'e'
# f: 16 bytes in one instruction
        mov     %cr4, %rax
        or      $0x200, %eax            # OSFXSR
        mov     %rax, %cr4
        movdqu  pattern(%rip), %xmm0
        movdqu  %xmm0, 0x200(%rbx)
        mov     0x208(%rbx), %rax
        cmp     pattern + 8(%rip), %rax
        check   'f'
# g: an 8-byte access that is not aligned
        mov     %r9, 0x301(%rbx)
        cmp     %r9, 0x301(%rbx)
        check   'g'
# h: across two pages of registers, the second of which is absent
        movl    $0x44332211, 0xffe(%rbx)
        cmpw    $0x2211, 0xffe(%rbx)
        check   'h'
        cmpl    $0xffff2211, 0xffe(%rbx)
        check   'i'
# j: ports
        mov     $SCRATCH_PORT, %edx
        mov     $0x600df00d, %eax
        out     %eax, %dx
        xor     %eax, %eax
        in      %dx, %eax
        cmp     $0x600df00d, %eax
        check   'j'
        lea     pattern(%rip), %rsi
        mov     $4, %ecx
        rep     outsw
        mov     $0x6000, %edi
        mov     $4, %ecx
        rep     insb
        cmpl    $0x77777777, 0x6000
        check   'k'
# l: an address of 48 bits that no table maps faults, and the handler sees it
        make_idt
        gate64  14, page_fault
        mov     $0x00007fff12345678, %r11
        xor     %r12d, %r12d
        mov     (%r11), %al
after_fault:
        cmp     %r11, %r12
        check   'l'
        xor     %al, %al
        jmp     leave64

page_fault:                             # no IRET: a host that emulates kernel mode may not know every form
        mov     %cr2, %r12
        mov     $0x7000, %rsp
        jmp     after_fault

        define_report %rax, %rdx

        .balign 16
pattern:
        .byte   0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01
