# INTx through the 8259 pair, in real mode: two functions on one line, level and edge triggered; a line that goes
# another way while it is up; requests that are gone before they are taken. Prints the counts of each step.

        .code16
#include "real.inc.S"
#include "apic.inc.S"
#include "pci.inc.S"
        .equ    ticks10, VARS
        .equ    ticks11, VARS + 2
        .equ    ticks5, VARS + 4
        .equ    spurious7, VARS + 6
        .equ    spurious15, VARS + 8

        # The slave's requests for IRQ 10 and 11, as bits 2 and 3.
        .macro  print_requests
        outp    0x0a, 0xa0
        in      $0xa0, %al
        and     $0x0c, %ax
        call    put_word
        .endm
        .macro  print counter
        mov     \counter, %ax
        call    put_word
        .endm
        .macro  let_in
        sti
        call    wait_10ms
        cli
        .endm

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        set_vector 0x25, on_line5
        set_vector 0x27, on_spurious7
        set_vector 0x2a, on_shared
        set_vector 0x2b, on_rerouted
        set_vector 0x2f, on_spurious15
        init_pic 0xdb, 0x73             # IRQ 5, the cascade; IRQ 10, 11 and 15

        # Level triggered, both functions ask: each is served in an interrupt of its own, and there is no third.
        outp    0x0c, 0x4d1
        pci_out8 PIIX3, PIRQRCB, 0x0a
        outp    1, PORT_A
        outp    1, PORT_B
        wait_for ticks10, 2
        let_in
        print   ticks10                 # 2

        # Edge triggered, the same: when the first has been served the line is still up, so the second is not heard of
        outp    0x00, 0x4d1
        movw    $0, ticks10
        outp    1, PORT_A
        outp    1, PORT_B
        wait_for ticks10, 1
        let_in
        print   ticks10                 # 1
        # until it asks anew.
        outp    0, PORT_B
        outp    1, PORT_B
        wait_for ticks10, 2
        print   ticks10                 # 2

        # The line is up at a masked input and is routed to another.
        outp    0x0c, 0x4d1
        outp    0x77, 0xa1              # IRQ 11 and 15
        outp    1, PORT_A
        print_requests                  # 4: IRQ 10
        pci_out8 PIIX3, PIRQRCB, 0x0b
        print_requests                  # 8: IRQ 11, and no longer IRQ 10
        wait_for ticks11, 1
        let_in
        print   ticks11                 # 1
        # Up, and routed to nowhere: the request is withdrawn. Back: it is there again.
        outp    1, PORT_A
        pci_out8 PIIX3, PIRQRCB, 0x80
        print_requests                  # 0
        let_in                          # the master still has the slave's request: spurious
        print   ticks11                 # 1
        print   spurious15              # 1
        pci_out8 PIIX3, PIRQRCB, 0x0b
        wait_for ticks11, 2
        let_in
        print   ticks11                 # 2

        # A level that falls before it is taken: no interrupt of its own, but the slave's spurious one.
        movw    $0, spurious15
        outp    1, PORT_A
        outp    0, PORT_A
        let_in
        print   ticks11                 # 2
        print   spurious15              # 1
        print   spurious7               # 0

        # An edge at the master that falls before it is taken is withdrawn; the one in the kernel of KVM keeps it.
        outp    0x85, 0x510
        outp    0x05, 0x510
        let_in
        print   ticks5
        print   spurious7               # 0
        # One that stays is taken.
        movw    $0, ticks5
        outp    0x85, 0x510
        wait_for ticks5, 1
        let_in
        print   ticks5                  # 1
        leave_guest 0

on_shared:
        push    %ax
        push    %dx
        incw    ticks10
        call    serve_one
        jmp     end_slave
on_rerouted:
        push    %ax
        push    %dx
        incw    ticks11
        call    serve_one
end_slave:
        outp    0x20, 0xa0
        outp    0x20, 0x20
        pop     %dx
        pop     %ax
        iret
on_line5:
        push    %ax
        incw    ticks5
        outp    0x20, 0x20
        pop     %ax
        iret
on_spurious7:
        incw    spurious7
        iret
on_spurious15:                          # in service at the master only
        push    %ax
        incw    spurious15
        outp    0x20, 0x20
        pop     %ax
        iret
