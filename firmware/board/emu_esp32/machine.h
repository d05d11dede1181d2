/* QEMU's `lx60` machine: its 16550 has a byte in every word, and words only. */
#ifndef WATCHWORD_MACHINE_H
#define WATCHWORD_MACHINE_H

#include "emu/emu_io.h"

#define UART_BASE 0xfd050020u
#define UART_INTERRUPT (1u << 0) /* of the core: the board's external interrupt 0 */

static inline uint8_t uart_register_read(unsigned index) {
    return (uint8_t)io_read32(UART_BASE + 4 * index);
}
static inline void uart_register_write(unsigned index, uint8_t value) {
    io_write32(UART_BASE + 4 * index, value);
}

#endif
