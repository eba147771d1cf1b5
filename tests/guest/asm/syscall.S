# A program in ring 3 that calls its kernel by SYSCALL. Output: 'k' for each of three that came to ring 0 with the
# registers as they are to be, 'e' for a last one; '!' before what is wrong, 'f' for a fault.

        .include "lib.inc.S"
        .include "check.inc.S"

        .set    TABLES, 0x24000
        .set    TSS, 0x23000
        .set    GDT64, 0x22000
        .set    USER, 0x40000000                # where the program's page is
        .set    KCODE, 0x08
        .set    KDATA, 0x10
        .set    UDATA, 0x1b
        .set    UCODE, 0x23

        begin_in_long_mode
        make_idt
        xor     %eax, %eax
        mov     $GDT64, %edi                    # the other tables, up to 2A000h
        mov     $(0x2a000 - GDT64) / 4, %ecx
        rep     stosl

        movabs  $0x00af9b000000ffff, %rax
        mov     %rax, GDT64 + KCODE
        movabs  $0x00cf93000000ffff, %rax
        mov     %rax, GDT64 + KDATA
        movabs  $0x00cff3000000ffff, %rax
        mov     %rax, GDT64 + 0x18
        movabs  $0x00affb000000ffff, %rax
        mov     %rax, GDT64 + 0x20
        movabs  $0x0000890230000067, %rax       # TSS at 23000h
        mov     %rax, GDT64 + 0x28
        movl    $0x6f00, TSS + 4                # RSP0
        lgdt    gdt_pointer(%rip)
        mov     $KDATA, %eax
        mov     %eax, %ss
        mov     %eax, %ds
        mov     %eax, %es
        mov     $0x28, %eax
        ltr     %ax
        pushq   $KCODE
        lea     1f(%rip), %rax
        push    %rax
        lretq
1:      gate64  14, other, KCODE
        gate64  13, other, KCODE
        gate64  6, other, KCODE

        # The program's page, for user mode, where no other is
        movq    $TABLES + 0x1007, 0x11008       # PDPT: the second GiB
        movq    $TABLES + 0x2007, TABLES + 0x1000
        movq    $TABLES + 0x3007, TABLES + 0x2000
        movq    $TABLES + 0x4007, TABLES + 0x2008
        orq     $4, 0x10000                     # PML4: for user mode, too
        mov     %cr3, %rax
        mov     %rax, %cr3
        mov     $program, %esi
        mov     $TABLES + 0x3000, %edi
        mov     $program_end - program, %ecx
        rep     movsb
        # CLAC, where the processor has it
        unless_cpuid 7, ebx, 20, 2f
        mov     %cr4, %rax
        or      $0x200000, %eax
        mov     %rax, %cr4
        gate64  14, page_fault, KCODE
2:
        mov     $0xc0000080, %ecx
        rdmsr
        or      $1, %eax                        # EFER.SCE
        wrmsr
        mov     $0xc0000081, %ecx
        xor     %eax, %eax
        mov     $0x00130008, %edx               # SYSRET: 23h and 1Bh; SYSCALL: 08h and 10h
        wrmsr
        mov     $0xc0000082, %ecx
        mov     $system_call, %eax
        xor     %edx, %edx
        wrmsr
        mov     $0xc0000084, %ecx
        mov     $0x47700, %eax
        wrmsr
        pushq   $UDATA
        pushq   $USER + 0x1ff0
        pushq   $0x202
        pushq   $UCODE
        pushq   $USER
        iretq

gdt_pointer:
        .word   0x37
        .quad   GDT64

program:
        mov     $3, %ebx
1:      stc
        syscall
        jnc     3f                              # SYSRET brings the flags back
        dec     %ebx
        jmp     1b
3:      ud2
program_end:

        .balign 16
system_call:
        mov     %r11, %r12
        mov     %rsp, %r8
        mov     $0x6e00, %rsp
        test    %ebx, %ebx
        jz      finished
        mov     %cs, %r9d
        mov     %ss, %r10d
        cmp     $KCODE, %r9d
        jne     1f
        cmp     $KDATA, %r10d
        jne     1f
        mov     $USER + 0x1ff0, %r9d
        cmp     %r9, %r8
        jne     1f
        pushfq
        pop     %r9
        test    $0x200, %r9d                    # IF is in IA32_FMASK
        jnz     1f
        and     $1, %r11d                       # CF
        cmp     $1, %r11d
1:      check   'k'
        mov     %r12, %r11
        mov     %r8, %rsp
        sysretq

# As Linux has it
page_fault:
        clac
        jmp     other
finished:
        check   'e'
        xor     %al, %al
        jmp     leave64
other:  mov     $1, %eax
        test    %eax, %eax
        check   'f'
        xor     %al, %al
        jmp     leave64

        define_report %rax, %rdx
