# A multiboot kernel, which tells what it was given; with ADDRESSES its header says where it loads, else it is ELF.
# Source: Multiboot Specification 0.6.96.

        .include "report.inc.S"

#ifdef ADDRESSES
        .set    FLAGS, 0x10003          # addresses, aligned modules, memory information
#else
        .set    FLAGS, 0x00003
#endif
        .set    MAGIC, 0x1badb002

        .section .head, "awx", @progbits
        .code32
        .globl  entry
        .byte   0x90, 0x90              # the header need not come first
        .balign 4
header: .long   MAGIC
        .long   FLAGS
        .long   -(MAGIC + FLAGS)
#ifdef ADDRESSES
        .long   header, start, edata, end, entry
#endif
entry:  mov     $0x7f000, %esp
        mov     %ebx, %ebp
        push    %eax
        say32   "multiboot "
        pop     %eax
        call    number32
        mov     %cr0, %eax
        call    number32
        mov     %cs, %eax
        call    number32
        mov     %ds, %eax
        call    number32
        mov     %gs, %eax
        call    number32
        call    newline32
        jmp     report
head_end:
        .set    head_size, head_end - entry

        .section .text
report: say32   "flags "
        mov     (%ebp), %eax
        call    number32
        call    newline32
        say32   "memory sizes "
        lea     4(%ebp), %esi
        call    long32
        call    long32
        call    newline32
        say32   "loader "
        mov     64(%ebp), %esi
        call    print32
        call    newline32
        say32   "cmdline "
        mov     16(%ebp), %esi
        call    print32
        call    newline32

        testl   $8, (%ebp)
        jz      2f
        mov     20(%ebp), %ecx
        mov     24(%ebp), %edi
1:      say32   "module "
        mov     8(%edi), %esi
        call    print32
        say32   ": "
        push    %ecx
        mov     (%edi), %esi
        mov     4(%edi), %ecx
        sub     %esi, %ecx
        test    $0xfff, %esi            # on a page
        jz      3f
        xor     %ecx, %ecx
3:      call    bytes32
        pop     %ecx
        call    newline32
        add     $16, %edi
        dec     %ecx
        jnz     1b
2:
        mov     44(%ebp), %ecx
        mov     48(%ebp), %esi
        add     %esi, %ecx
1:      cmp     %ecx, %esi
        jae     2f
        say32   "memory "
        mov     (%esi), %edi
        add     $4, %esi
        add     %esi, %edi              # the next one
        call    quad32
        call    quad32
        call    long32
        call    newline32
        mov     %edi, %esi
        jmp     1b
2:
        mov     zeroes, %eax
        say32   "bss "
        call    number32
        call    newline32
        movl    $1, zeroes

        mov     16(%ebp), %eax
1:      inc     %eax                    # behind the kernel's name
        cmpb    $0, (%eax)
        je      2f
        cmpb    $' ', -1(%eax)
        jne     1b
2:      again   32, %eax, entry, head_size
        mov     BOOTS, %eax
        say32   "boots "
        call    number32
        call    newline32
        mov     $0x10, %al
        jmp     leave32

        .section .bss, "aw", @nobits
        .skip   0x2000
zeroes: .skip   4
