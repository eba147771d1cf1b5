# How long something takes, in real mode, by the microseconds of virtual time that the test board tells at port 518h. The
# guest says where they are kept: `began`, 4 bytes. Both change EAX and EDX, `since` ECX as well.

mark:   mov     $0x518, %dx
        in      %dx, %eax
        mov     %eax, began
        ret

# AX = time since mark in 100 us
since:  mov     $0x518, %dx
        in      %dx, %eax
        sub     began, %eax
        xor     %edx, %edx
        mov     $100, %ecx
        div     %ecx
        ret
