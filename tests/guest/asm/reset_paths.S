# Each way in which software resets a PC, one after the other. At each start the guest looks whether everything is as
# reset leaves it, and prints a letter for each thing with '!' before what is not; then it changes all of that, prints
# the number of the way, and takes it. Memory keeps the number; the CMOS keeps what was written to it.

        .code16
#include "real.inc.S"
#include "apic.inc.S"
#include "pci.inc.S"
#include "check.inc.S"
        .equ    MAGIC, 0x700
        .equ    STAGE, 0x704
        .equ    POWER, 0x0b             # 01.3
        .equ    BRIDGE, 0x00            # the 440FX
        .equ    SPARE_CMOS, 0x40

        .macro  wait_for_input_empty
9:      in      $0x64, %al
        test    $2, %al
        jnz     9b
        .endm

        .section .text16, "ax"
        .globl start16
start16:
        mov     %cr0, %eax
        mov     %eax, %ebp
        start_real
        reach_all_memory
        cmpl    $0x54455352, MAGIC
        je      1f
        movl    $0x54455352, MAGIC
        movw    $0, STAGE
        outp    SPARE_CMOS, 0x70
        outp    0x5a, 0x71

1:      cmp     $0x60000010, %ebp       # SDM vol. 3, table 10-1
        check   'a'
        mov     $0x174, %ecx            # IA32_SYSENTER_CS
        rdmsr
        test    %eax, %eax
        check   'b'
        mov     $APIC_SVR, %ecx
        call    apic_read
        and     $0x1ff, %ax
        cmp     $0xff, %ax
        check   'c'
        mov     $(0x10 + 2 * 10), %ecx
        call    ioapic_read
        cmp     $0x10000, %eax
        check   'd'
        in      $0x21, %al
        test    %al, %al
        check   'e'
        pci_select PIIX3, PIRQRCB
        in      %dx, %al
        cmp     $0x80, %al
        check   'f'
        pci_select POWER, 0x40
        in      %dx, %eax
        cmp     $1, %eax
        check   'g'
        mov     $PORT_A, %dx
        in      %dx, %al
        test    %al, %al
        check   'h'
        in      $0x92, %al
        test    $8, %al
        check   'i'
        in      $0x64, %al
        test    $4, %al                 # the system flag
        check   'j'
        mov     $0xcf9, %dx
        in      %dx, %al
        test    %al, %al
        check   'k'
        outp    0x0b, 0x70
        in      $0x71, %al
        test    $0x40, %al              # PIE
        check   'l'
        outp    SPARE_CMOS, 0x70
        in      $0x71, %al
        cmp     $0x5a, %al
        check   'm'

        mov     $0x174, %ecx
        mov     $0x10, %eax
        xor     %edx, %edx
        wrmsr
        write_apic APIC_SVR, 0x1fe
        route_pin 10, 0x8051, 0
        outp    0x5a, 0x21
        pci_out8 PIIX3, PIRQRCB, 0x0b
        pci_out32 POWER, 0x40, 0x4001
        outp    1, PORT_A
        outp    8, 0x92
        wait_for_input_empty
        outp    0xaa, 0x64              # self test: sets the system flag
        in      $0x60, %al
        outp    0x0b, 0x70
        outp    0x42, 0x71

        mov     STAGE, %ax
        add     $'0', %al
        mov     $0x402, %dx
        out     %al, %dx
        mov     STAGE, %bx
        incw    STAGE
        cmp     $8, %bx
        je      the_end
        shl     $1, %bx
        mov     %cs:ways(%bx), %bx
        jmp     *%bx
        .balign 2
ways:   .word   hard, processor, full, port92, pulse, output_port, turbo, shutdown

hard:   outp    0x02, 0xcf9
        outp    0x06, 0xcf9
        jmp     wait
processor:
        outp    0x00, 0xcf9
        outp    0x04, 0xcf9
        jmp     wait
full:   outp    0x0e, 0xcf9
        jmp     wait
port92: outp    0x01, 0x92
        jmp     wait
pulse:  wait_for_input_empty
        outp    0xfe, 0x64
        jmp     wait
output_port:
        wait_for_input_empty
        outp    0xd1, 0x64
        wait_for_input_empty
        outp    0xde, 0x60
        jmp     wait
turbo:  pci_out8 BRIDGE, 0x93, 0x02     # turbo reset control of the 440FX
        pci_out8 BRIDGE, 0x93, 0x06
        jmp     wait
shutdown:
        lidtl   %cs:no_table
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0              # protected mode: it looks at the limit of the table, 0
        ljmpl   $16, $(1f + 0xf0000)
        .code32
1:      ud2
        .code16
wait:   hlt
        jmp     wait
the_end:
        leave_guest 0

no_table:
        .word   0
        .long   0
        define_report %ax, %dx
