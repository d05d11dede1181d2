/* Reset, C runtime and trap entry of the emulated board (rv32imc, machine mode only). */

#include "emu/stack_paint.h"

#define PMP_READ_EXECUTE_NAPOT_LOCKED 0x9d

    .option arch, +zicsr

    .section .text.start, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, __stack_top
    la t0, trap_entry
    csrw mtvec, t0
    csrw mie, zero

    /* Flash is read-only, as on the chip: a stray write, or a stack that grows below RAM, traps. */
    la t0, __flash_pmp_napot
    csrw pmpaddr0, t0
    li t0, PMP_READ_EXECUTE_NAPOT_LOCKED
    csrw pmpcfg0, t0

    la a0, __stack_bottom
    mv a1, sp
    li a2, STACK_PAINT
    call fill_words
    la a0, __bss_start
    la a1, __bss_end
    li a2, 0
    call fill_words
    la a0, __emu_ram_start
    la a1, __emu_ram_end
    li a2, 0
    call fill_words

    la a0, __data_start
    la a1, __data_end
    la a2, __data_load
1:  bgeu a0, a1, 2f
    lw t0, 0(a2)
    sw t0, 0(a0)
    addi a0, a0, 4
    addi a2, a2, 4
    j 1b
2:  call main
    li a0, 0
    tail emu_exit

/* [a0, a1) = a2, word by word; both ends are 4-byte aligned. */
fill_words:
    bgeu a0, a1, 1f
    sw a2, 0(a0)
    addi a0, a0, 4
    j fill_words
1:  ret

/* Interrupts stay disabled (they only end a wfi), so every trap is a fault: report and stop.
 * The stack may be what overflowed, so the report starts on a fresh one. mtvec needs alignment. */
    .balign 4
trap_entry:
    la sp, __stack_top
    csrr a0, mcause
    csrr a1, mepc
    csrr a2, mtval
    tail emu_trap
