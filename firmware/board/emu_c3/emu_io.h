/* Memory-mapped registers of QEMU's `virt` machine and the two links it can offer. */
#ifndef WATCHWORD_EMU_IO_H
#define WATCHWORD_EMU_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EMU_UART_IRQ 10u
#define EMU_VIRTIO_FIRST_IRQ 1u

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

/* virtio-console: the same byte stream, dozens of times faster. False = not plugged in. */
bool virtio_console_init(uint32_t *irq);
size_t virtio_console_read(uint8_t *bytes, size_t capacity);
size_t virtio_console_write(const uint8_t *bytes, size_t count);
bool virtio_console_readable(void);
void virtio_console_acknowledge(void); /* lower its interrupt line */

#endif
