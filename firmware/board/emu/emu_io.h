/* What the emulated boards share. Each brings a `machine.h` with the place of its registers, and
 * implements the rest of board.h and the two functions at the end of this file.
 */
#ifndef WATCHWORD_EMU_IO_H
#define WATCHWORD_EMU_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t io_read32(uintptr_t address) {
    return *(volatile uint32_t *)address;
}
static inline void io_write32(uintptr_t address, uint32_t value) {
    *(volatile uint32_t *)address = value;
}
static inline uint8_t io_read8(uintptr_t address) {
    return *(volatile uint8_t *)address;
}
static inline void io_write8(uintptr_t address, uint8_t value) {
    *(volatile uint8_t *)address = value;
}

/* The 16550, as a devkit's USB-serial bridge sees it. */
void uart_init(void);
size_t uart_read(uint8_t *bytes, size_t capacity);
size_t uart_write(const uint8_t *bytes, size_t count);
bool uart_readable(void);

/* Called by start.S on any fault: tells the 16550, which the host keeps for this when the link is
 * another one, and ends the emulator. */
void emu_trap(uint32_t cause, uint32_t pc, uint32_t value);

/* Of each board: end the emulator with this status. */
void emu_exit(uint32_t status);

#endif
