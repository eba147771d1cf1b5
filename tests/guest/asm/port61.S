# Sets the writable low bits of port 61h, says so, and then keeps what it reads there, and how often it has.

        .code16
#include "real.inc.S"
        .section .text16, "ax"
        .globl start16
start16:
        start_real
        outp    3, 0x61
        putc    'r'
1:      in      $0x61, %al
        mov     %al, VARS
        incl    VARS + 4
        jmp     1b
