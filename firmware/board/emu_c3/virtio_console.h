/* virtio-console: the same byte stream as the 16550's, dozens of times faster. */
#ifndef WATCHWORD_VIRTIO_CONSOLE_H
#define WATCHWORD_VIRTIO_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool virtio_console_init(uint32_t *irq); /* false = not plugged in */
size_t virtio_console_read(uint8_t *bytes, size_t capacity);
size_t virtio_console_write(const uint8_t *bytes, size_t count);
bool virtio_console_readable(void);
void virtio_console_acknowledge(void); /* lower its interrupt line */

#endif
