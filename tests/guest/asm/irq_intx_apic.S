# Interrupts through the I/O APIC as the 82093AA and the local APIC's manuals have them, in real mode: two functions on
# one level-triggered pin, masks, edges that are lost, two pins with one vector, directed EOI; messages with their mask;
# the NMI line; and the 8259 pair behind LINT0. Prints the counts of each step.

        .code16
#include "real.inc.S"
#include "apic.inc.S"
#include "pci.inc.S"
        .equ    shared_ticks, VARS
        .equ    remote_irr, VARS + 2
        .equ    in_service, VARS + 4
        .equ    edge_ticks, VARS + 6
        .equ    both_ticks, VARS + 8
        .equ    both_lowers, VARS + 10  # what its handler does: 1 lowers pin 11, 2 pin 10 too
        .equ    message_ticks, VARS + 12
        .equ    nmi_ticks, VARS + 14
        .equ    pic_ticks, VARS + 16

        .equ    MSI_CONTROL, 0x42       # the only capability of the test function
        .equ    MSI_ADDRESS, 0x44
        .equ    MSI_DATA, 0x4c
        .equ    MSI_MASK, 0x50
        .equ    MSI_PENDING, 0x54

        .macro  print counter
        mov     \counter, %ax
        call    put_word
        .endm
        .macro  let_in
        sti
        call    wait_10ms
        cli
        .endm
        # Of a pin.
        .macro  print_remote_irr pin
        mov     $(0x10 + 2 * \pin), %ecx
        call    ioapic_read
        shr     $14, %eax
        and     $1, %ax
        call    put_word
        .endm

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        reach_all_memory
        set_vector 2, on_nmi
        set_vector 0x2a, on_pic
        set_vector 0x40, on_edge
        set_vector 0x51, on_shared
        set_vector 0x52, on_both
        set_vector 0x62, on_message
        init_pic 0xff, 0xff
        enable_apic
        pci_out8 PIIX3, PIRQRCB, 0x0a

        # Two functions on pin 10: each in an interrupt of its own, remote IRR and ISR set meanwhile, and no third.
        route_pin 10, 0x8051, 0
        outp    1, PORT_A
        outp    1, PORT_B
        wait_for shared_ticks, 2
        let_in
        print   shared_ticks            # 2
        print   remote_irr              # 2
        print   in_service              # 2

        # A level at a masked pin waits.
        movw    $0, shared_ticks
        route_pin 10, 0x18051, 0
        outp    1, PORT_A
        let_in
        print   shared_ticks            # 0
        route_pin 10, 0x8051, 0
        wait_for shared_ticks, 1
        let_in
        print   shared_ticks            # 1
        # One that has gone does not.
        movw    $0, shared_ticks
        route_pin 10, 0x18051, 0
        outp    1, PORT_A
        outp    0, PORT_A
        route_pin 10, 0x8051, 0
        let_in
        print   shared_ticks            # 0

        # An edge at a masked pin is lost, whether the line stays up or not. The next one is not.
        route_pin 11, 0x10040, 0
        outp    0x8b, 0x510
        outp    0x0b, 0x510
        route_pin 11, 0x40, 0
        let_in
        print   edge_ticks              # 0
        route_pin 11, 0x10040, 0
        outp    0x8b, 0x510
        route_pin 11, 0x40, 0
        let_in
        print   edge_ticks              # 0
        outp    0x0b, 0x510
        outp    0x8b, 0x510
        wait_for edge_ticks, 1
        let_in
        print   edge_ticks              # 1
        outp    0x0b, 0x510

        # Pins 10 and 11 with one vector: one interrupt while both ask, whose EOI ends both.
        route_pin 10, 0x8052, 0
        route_pin 11, 0x8052, 0
        movw    $2, both_lowers
        outp    1, PORT_A
        outp    0x8b, 0x510
        wait_for both_ticks, 1
        let_in
        print   both_ticks              # 1
        print_remote_irr 10             # 0
        print_remote_irr 11             # 0
        # The one that is still up afterwards asks again.
        movw    $0, both_ticks
        movw    $1, both_lowers
        outp    1, PORT_A
        outp    0x8b, 0x510
        wait_for both_ticks, 2
        let_in
        print   both_ticks              # 2
        route_pin 11, 0x10000, 0

        # Directed EOI, where the local APIC says that it has it: the broadcast is suppressed and the I/O APIC is told.
        route_pin 10, 0x8051, 0
        movw    $0, shared_ticks
        mov     $0x30, %ecx             # version
        call    apic_read
        shr     $24, %eax
        and     $1, %ax
        mov     %ax, %bp
        call    put_word
        test    %bp, %bp
        jz      no_directed_eoi
        cmpw    $0, in_service          # a KVM that ends interrupts at their delivery has no EOI left to direct
        je      no_directed_eoi
        write_apic APIC_SVR, 0x11ff
        outp    1, PORT_A
        wait_for shared_ticks, 1
        print_remote_irr 10             # 1: not ended
        outp    1, PORT_A
        let_in
        print   shared_ticks            # 1
        mov     $0xfec00000, %ebx
        movl    $0x51, 0x40(%ebx)       # the EOI register
        wait_for shared_ticks, 2
        movl    $0x51, 0x40(%ebx)
        print   shared_ticks            # 2
        print_remote_irr 10             # 0
        write_apic APIC_SVR, 0x1ff
        jmp     2f
no_directed_eoi:
        mov     $4, %bp
1:      xor     %ax, %ax
        call    put_word
        dec     %bp
        jnz     1b
2:      route_pin 10, 0x10000, 0

        # Messages of a function, and its mask.
        pci_out8 FUNCTION_A, 4, 4       # bus master
        pci_out32 FUNCTION_A, MSI_ADDRESS, 0xfee00000
        pci_out32 FUNCTION_A, MSI_DATA, 0x62
        pci_out8 FUNCTION_A, MSI_CONTROL, 1
        outp    0, PORT_A + 1
        wait_for message_ticks, 1
        pci_out32 FUNCTION_A, MSI_MASK, 1
        outp    0, PORT_A + 1
        outp    0, PORT_A + 1
        let_in
        print   message_ticks           # 1
        pci_select FUNCTION_A, MSI_PENDING
        in      %dx, %eax
        call    put_word                # 1
        pci_out32 FUNCTION_A, MSI_MASK, 0
        wait_for message_ticks, 2
        let_in
        print   message_ticks           # 2
        pci_select FUNCTION_A, MSI_PENDING
        in      %dx, %eax
        call    put_word                # 0
        # INTx is silent while messages are on (PCI 3.0, 6.8.2).
        movw    $0, shared_ticks
        route_pin 10, 0x8051, 0
        outp    1, PORT_A
        let_in
        print   shared_ticks            # 0
        outp    0, PORT_A

        # An NMI comes though interrupts are off. Two more during its handler are one, after it.
        outp    0, 0x512
        call    wait_10ms
        print   nmi_ticks               # 2

        # The 8259 pair behind LINT0: masked there, and not.
        outp    0xfb, 0x21
        outp    0xfb, 0xa1              # IRQ 10
        pci_out8 PIIX3, PIRQRCB, 0x80
        route_pin 10, 0x10000, 0
        write_apic APIC_LVT0, 0x10700
        outp    0x8a, 0x510
        let_in
        print   pic_ticks               # 0
        write_apic APIC_LVT0, 0x700
        wait_for pic_ticks, 1
        let_in
        print   pic_ticks               # 1
        outp    0x0a, 0x510
        outp    0x8a, 0x510
        wait_for pic_ticks, 2
        print   pic_ticks               # 2
        leave_guest 0

on_shared:
        pushal
        incw    shared_ticks
        mov     $(0x10 + 2 * 10), %ecx
        call    ioapic_read
        shr     $14, %eax
        and     $1, %ax
        add     %ax, remote_irr
        mov     $0x120, %ecx            # ISR, vectors 40h to 5Fh
        call    apic_read
        shr     $17, %eax
        and     $1, %ax
        add     %ax, in_service
        call    serve_one
        write_apic APIC_EOI, 0
        popal
        iret
on_both:
        pushal
        incw    both_ticks
        cmpw    $1, both_lowers
        je      1f
        outp    0x00, PORT_A
1:      outp    0x0b, 0x510
        movw    $2, both_lowers
        write_apic APIC_EOI, 0
        popal
        iret
        .macro  count_and_end counter
        pushal
        incw    \counter
        write_apic APIC_EOI, 0
        popal
        iret
        .endm
on_edge:        count_and_end edge_ticks
on_message:     count_and_end message_ticks
on_nmi:
        push    %ax
        push    %dx
        incw    nmi_ticks
        cmpw    $1, nmi_ticks
        jne     1f
        outp    0, 0x512
        outp    0, 0x512
1:      pop     %dx
        pop     %ax
        iret
on_pic:
        push    %ax
        incw    pic_ticks
        outp    0x20, 0xa0
        outp    0x20, 0x20
        pop     %ax
        iret
