/* Reset, C runtime, exceptions and interrupts of the emulated board (Xtensa, call0 ABI). */

#include "emu/stack_paint.h"

#define PS_USER_VECTORS 0x20 /* exceptions and interrupts allowed, no register windows */
#define CAUSE_INTERRUPT 4
/* MMU: way 4 in pages of 4 MB; a page's entry is its address with its rights. */
#define WAY4_4MB 0x10000
#define WAY4 4
#define WAY6 6
#define READ_EXECUTE 5
#define READ_WRITE_EXECUTE 7
#define RAM_PAGE 0x400000

    .section .vectors, "ax"
    .balign 0x400
vectors:
    .space 0x300 - (. - vectors) /* kernel vector, never entered */
    wsr a0, excsave1
    j exception
    .space 0x340 - (. - vectors) /* user vector: exceptions, interrupts of level 1 */
    wsr a0, excsave1
    j exception
    .space 0x3c0 - (. - vectors) /* an exception in what follows one */
    j fault

    .section .text.start, "ax"
    .literal .Lvectors, vectors
    .literal .Lway4, WAY4_4MB
    .literal .Lram_page, RAM_PAGE
    .literal .Lstack_bottom, __stack_bottom
    .literal .Lstack_top, __stack_top
    .literal .Lstack_paint, STACK_PAINT
    .literal .Lbss_start, __bss_start
    .literal .Lbss_end, __bss_end
    .literal .Lemu_ram_start, __emu_ram_start
    .literal .Lemu_ram_end, __emu_ram_end
    .literal .Ldata_start, __data_start
    .literal .Ldata_end, __data_end
    .literal .Ldata_load, __data_load
    .literal .Lmain, main
    .literal .Lexit, emu_exit
    .literal .Ltrap, emu_trap

    .balign 4
    .globl _start
_start:
    movi a0, 0
    wsr a0, intenable
    l32r a2, .Lvectors
    wsr a2, vecbase
    movi a2, PS_USER_VECTORS
    wsr a2, ps
    rsync

    /* Flash is read-only, as on the chip: a stray write, or a stack that grows below RAM, traps.
     * From the first new page on, the lower half gigabyte has two translations for loads and
     * stores, so none may come before the old one has ended. */
    l32r a2, .Lway4
    l32r a4, .Lram_page
    .byte 0x20, 0x5c, 0x13 /* wsr a2, dtlbcfg: not known to the assembler */
    movi a2, READ_EXECUTE
    movi a3, WAY4
    wdtlb a2, a3
    addi a2, a4, READ_WRITE_EXECUTE
    addi a3, a4, WAY4
    wdtlb a2, a3
    movi a3, WAY6
    idtlb a3
    dsync

    l32r a1, .Lstack_top
    l32r a2, .Lstack_bottom
    mov a3, a1
    l32r a4, .Lstack_paint
    call0 fill_words
    movi a4, 0
    l32r a2, .Lbss_start
    l32r a3, .Lbss_end
    call0 fill_words
    l32r a2, .Lemu_ram_start
    l32r a3, .Lemu_ram_end
    call0 fill_words

    l32r a2, .Ldata_start
    l32r a3, .Ldata_end
    l32r a4, .Ldata_load
1:  bgeu a2, a3, 2f
    l32i a5, a4, 0
    s32i a5, a2, 0
    addi a2, a2, 4
    addi a4, a4, 4
    j 1b
2:  l32r a0, .Lmain
    callx0 a0
    movi a2, 0
    l32r a0, .Lexit
    jx a0

/* [a2, a3) = a4, word by word; both ends are 4-byte aligned. */
    .balign 4
fill_words:
    bgeu a2, a3, 3f
    s32i a4, a2, 0
    addi a2, a2, 4
    j fill_words
3:  ret

/* An interrupt only ends the wait of board_idle: it is switched off again, nothing else is done. */
    .balign 4
exception:
    rsr a0, exccause
    bnei a0, CAUSE_INTERRUPT, fault
    movi a0, 0
    wsr a0, intenable
    rsr a0, excsave1
    rfe

/* Report and stop. The stack may be what overflowed, so the report starts on a fresh one. */
    .balign 4
fault:
    l32r a1, .Lstack_top
    rsr a2, exccause
    rsr a3, epc1
    rsr a4, excvaddr
    l32r a0, .Ltrap
    jx a0
