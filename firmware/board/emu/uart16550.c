/* QEMU's 16550 UART, polled. Host-to-guest bytes wait in QEMU while the FIFO is full: no loss. */
#include "emu_io.h"
#include "machine.h"

enum { DATA = 0, INTERRUPT_ENABLE = 1, FIFO_CONTROL = 2, LINE_CONTROL = 3, MODEM_CONTROL = 4 };
enum { INTERRUPT_ID = 2, LINE_STATUS = 5 };

enum {
    INTERRUPT_ON_RECEIVED = 0x01,
    FIFO_ON_CLEARED_TRIGGER_14 = 0xC7, /* a trigger of 1 byte makes QEMU ten times slower */
    EIGHT_BITS_NO_PARITY = 0x03,
    DTR_RTS = 0x03,
    ID_MASK = 0x0F,
    ID_TRIGGER_REACHED = 0x04,
    TRIGGER_BYTES = 14,
    STATUS_DATA_READY = 0x01,
    STATUS_TRANSMITTER_EMPTY = 0x20,
    FIFO_BYTES = 16
};

void uart_init(void) {
    uart_register_write(LINE_CONTROL, EIGHT_BITS_NO_PARITY);
    uart_register_write(FIFO_CONTROL, FIFO_ON_CLEARED_TRIGGER_14);
    uart_register_write(MODEM_CONTROL, DTR_RTS);
    uart_register_write(INTERRUPT_ENABLE, INTERRUPT_ON_RECEIVED);
}

bool uart_readable(void) {
    return (uart_register_read(LINE_STATUS) & STATUS_DATA_READY) != 0;
}

size_t uart_read(uint8_t *bytes, size_t capacity) {
    size_t n = 0;
    /* Every register access is costly in the emulator. "Trigger reached" promises 14 bytes in the
     * FIFO with one access; only the rest is asked for byte by byte. */
    while (capacity - n >= TRIGGER_BYTES &&
           (uart_register_read(INTERRUPT_ID) & ID_MASK) == ID_TRIGGER_REACHED) {
        for (unsigned i = 0; i < TRIGGER_BYTES; i++)
            bytes[n++] = uart_register_read(DATA);
    }
    while (n < capacity && uart_readable())
        bytes[n++] = uart_register_read(DATA);
    return n;
}

size_t uart_write(const uint8_t *bytes, size_t count) {
    size_t n = 0;
    while (n < count && (uart_register_read(LINE_STATUS) & STATUS_TRANSMITTER_EMPTY)) {
        for (unsigned i = 0; i < FIFO_BYTES && n < count; i++)
            uart_register_write(DATA, bytes[n++]);
    }
    return n;
}
