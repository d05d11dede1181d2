/* QEMU's `virt` machine: its 16550 has byte registers. */
#ifndef WATCHWORD_MACHINE_H
#define WATCHWORD_MACHINE_H

#include "emu/emu_io.h"

#define UART_BASE 0x10000000u
#define UART_IRQ 10u
#define VIRTIO_FIRST_IRQ 1u

static inline uint8_t uart_register_read(unsigned index) {
    return io_read8(UART_BASE + index);
}
static inline void uart_register_write(unsigned index, uint8_t value) {
    io_write8(UART_BASE + index, value);
}

#endif
