/*
 * A boot sector that lets a program of the host call the video BIOS, through the first serial line.
 *
 *   'R' AX BX CX DX   int 10h with these (words, low byte first), ES:DI at a buffer of 512 bytes
 *                     answers AX BX CX DX, as the BIOS leaves them
 *   'D'               answers the buffer
 *
 * It says '!' when it is there. The line is as the firmware left it.
 */
        .code16
        .section .head, "ax"
        .set COM1, 0x3f8
        .set buffer, 0x8000
        .globl  entry
entry:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        sti
        cld
        movb    $'!', %al
        call    put
again:
        call    get
        cmpb    $'R', %al
        je      request
        cmpb    $'D', %al
        jne     again
        movw    $buffer, %si
        movw    $512, %cx
        call    put_some
        jmp     again

request:
        movw    $registers, %di
        movw    $8, %cx
1:      call    get
        stosb
        loop    1b
        movw    registers, %ax
        movw    registers + 2, %bx
        movw    registers + 4, %cx
        movw    registers + 6, %dx
        movw    $buffer, %di
        int     $0x10
        cld
        xorw    %si, %si
        movw    %si, %ds
        movw    %si, %es
        movw    %ax, registers
        movw    %bx, registers + 2
        movw    %cx, registers + 4
        movw    %dx, registers + 6
        movw    $registers, %si
        movw    $8, %cx
        call    put_some
        jmp     again

put_some:
        lodsb
        call    put
        loop    put_some
        ret

/* AL to the line, when the transmitter is empty. */
put:
        pushw   %ax
        movw    $COM1 + 5, %dx
1:      inb     %dx, %al
        testb   $0x20, %al
        jz      1b
        popw    %ax
        movw    $COM1, %dx
        outb    %al, %dx
        ret

get:
        movw    $COM1 + 5, %dx
1:      inb     %dx, %al
        testb   $0x01, %al
        jz      1b
        movw    $COM1, %dx
        inb     %dx, %al
        ret

registers:
        .fill   8, 1, 0
        .org    510
        .byte   0x55, 0xaa
