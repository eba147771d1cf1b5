# A boot sector that suspends the machine to RAM as an operating system does, and is woken up by the clock: it finds the
# ACPI tables (ACPI specification 6.4, 5.2.5 to 5.2.10), leaves its waking vector in the FACS and writes SLP_TYP and
# SLP_EN. Firmware loads it at 0000:7C00, so that is where it lies in this image: bytes 7C00h to 7DFFh are the sector.
# On the way it prints S and W to port 402h. Leaves by port F4h: 10h woken up with WAK_STS set, 20h without, 30h when a
# table was not found.

        .equ    PM_BASE, 0x600          # where SeaBIOS puts it, also when it resumes

        .section .text16, "ax"
        .code16
        .org    0x7c00
        .globl  start16
start16:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        lgdtl   gdtr
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmpl   $8, $search

        .code32
search:
        mov     $16, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $0x7000, %esp
        cld
        mov     $0xe0000, %esi
1:      cmpl    $0x20445352, (%esi)     # "RSD "
        jne     2f
        cmpl    $0x20525450, 4(%esi)    # "PTR "
        je      3f
2:      add     $16, %esi
        cmp     $0x100000, %esi
        jb      1b
        jmp     missing
3:      mov     16(%esi), %esi          # RSDT
        mov     4(%esi), %ecx
        sub     $36, %ecx
        shr     $2, %ecx
        add     $36, %esi
4:      lodsl
        cmpl    $0x50434146, (%eax)     # "FACP"
        je      5f
        loop    4b
missing:
        mov     $0x30, %al
        out     %al, $0xf4

5:      mov     %eax, %ebx
        mov     36(%ebx), %eax          # FIRMWARE_CTRL
        movl    $woken, 12(%eax)        # the waking vector
        # An alarm each second. The next one is a whole second away when one has just been.
        mov     $0xff, %ah
        mov     $1, %al
        call    rtc_write
        mov     $3, %al
        call    rtc_write
        mov     $5, %al
        call    rtc_write
        mov     $0x220b, %ax            # register B: AIE, 24 hours
        call    rtc_write
6:      mov     $0x0c, %al
        out     %al, $0x70
        in      $0x71, %al
        test    $0x20, %al              # AF
        jz      6b
        mov     56(%ebx), %edx          # PM1a_EVT_BLK
        mov     $0x0400ffff, %eax       # all status bits cleared, RTC_EN
        out     %ax, %dx
        add     $2, %dx
        shr     $16, %eax
        out     %ax, %dx
        mov     $0x402, %dx
        mov     $'S', %al
        out     %al, %dx
        mov     64(%ebx), %edx          # PM1a_CNT_BLK
        mov     $0x2400, %ax            # SLP_TYP 1, SLP_EN
        out     %ax, %dx
7:      hlt
        jmp     7b

# AH to register AL. Keeps AH.
rtc_write:
        out     %al, $0x70
        mov     %ah, %al
        out     %al, $0x71
        ret

        .balign 16
        .code16
woken:
        mov     $0x402, %dx
        mov     $'W', %al
        out     %al, %dx
        mov     $PM_BASE, %dx
        in      %dx, %ax
        test    $0x80, %ah              # WAK_STS
        mov     $0x10, %al
        jnz     8f
        mov     $0x20, %al
8:      out     %al, $0xf4
        hlt

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      # code, 4 GiB
        .quad   0x00cf93000000ffff      # data, 4 GiB
gdtr:   .word   . - gdt - 1
        .long   gdt

        .org    0x7dfe
        .word   0xaa55
