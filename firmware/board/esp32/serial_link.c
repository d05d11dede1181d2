/* The link: the UART behind the board's USB bridge and, on chips that have one, the USB port of
 * the chip itself. Whoever spoke last is answered; until somebody has, both hear the text.
 */
#include "board.h"

#include "driver/uart.h"
#include "freertos/FreeRTOS.h"
#include "soc/soc_caps.h"
#if SOC_USB_SERIAL_JTAG_SUPPORTED
#include "driver/usb_serial_jtag.h"
#endif

#include "parts.h"
#include "pins.h"
#include "ww_spec.h"

#define PORT UART_NUM_0
#define RECEIVE_BYTES 4096 /* 44 ms of the UART: longer than a flash erase usually takes */
#define TRANSMIT_BYTES 4096
#define TRANSMIT_OVERHEAD_BYTES 64 /* what the driver's ring buffer keeps beside the bytes */
#define USB_PIECE_BYTES 64
#define DRAIN_TICKS pdMS_TO_TICKS(200)

static enum { NOBODY, ON_UART, ON_USB } speaker = NOBODY;

/* ── USB ───────────────────────────────────────────────────────────────────────────────────── */

#if SOC_USB_SERIAL_JTAG_SUPPORTED

static bool usb_start(void) {
    usb_serial_jtag_driver_config_t config = {.tx_buffer_size = TRANSMIT_BYTES,
                                              .rx_buffer_size = RECEIVE_BYTES};
    return usb_serial_jtag_driver_install(&config) == ESP_OK;
}

static size_t usb_read(uint8_t *bytes, size_t capacity) {
    int count = usb_serial_jtag_read_bytes(bytes, capacity, 0);
    return count > 0 ? (size_t)count : 0;
}

/* In pieces: the driver takes all of a piece or nothing. */
static size_t usb_write(const uint8_t *bytes, size_t count) {
    size_t sent = 0;
    if (!usb_serial_jtag_is_connected()) return count; /* nobody there: lost, as on a wire */
    while (sent < count) {
        size_t piece = count - sent < USB_PIECE_BYTES ? count - sent : USB_PIECE_BYTES;
        if (usb_serial_jtag_write_bytes(bytes + sent, piece, 0) <= 0) break;
        sent += piece;
    }
    return sent;
}

static void usb_drain(void) {
    if (usb_serial_jtag_is_connected()) (void)usb_serial_jtag_wait_tx_done(DRAIN_TICKS);
}

#else

static bool usb_start(void) {
    return true;
}

static size_t usb_read(uint8_t *bytes, size_t capacity) {
    (void)bytes;
    (void)capacity;
    return 0;
}

static size_t usb_write(const uint8_t *bytes, size_t count) {
    (void)bytes;
    return count;
}

static void usb_drain(void) {}

#endif

/* ── UART ──────────────────────────────────────────────────────────────────────────────────── */

static bool uart_start(void) {
    uart_config_t config = {.baud_rate = WW_LINK_BAUD,
                            .data_bits = UART_DATA_8_BITS,
                            .parity = UART_PARITY_DISABLE,
                            .stop_bits = UART_STOP_BITS_1,
                            .flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
                            .source_clk = UART_SCLK_DEFAULT};
    return uart_driver_install(PORT, RECEIVE_BYTES, TRANSMIT_BYTES, 0, NULL, 0) == ESP_OK &&
           uart_param_config(PORT, &config) == ESP_OK &&
           uart_set_pin(PORT, PIN_UART_TX, PIN_UART_RX, UART_PIN_NO_CHANGE, UART_PIN_NO_CHANGE) ==
               ESP_OK;
}

static size_t uart_read(uint8_t *bytes, size_t capacity) {
    int count = uart_read_bytes(PORT, bytes, capacity, 0);
    return count > 0 ? (size_t)count : 0;
}

/* uart_write_bytes would wait for room: never give it more than there is. */
static size_t uart_write(const uint8_t *bytes, size_t count) {
    size_t room = 0;
    if (uart_get_tx_buffer_free_size(PORT, &room) != ESP_OK) return 0;
    if (room <= TRANSMIT_OVERHEAD_BYTES) return 0;
    room -= TRANSMIT_OVERHEAD_BYTES;
    int sent = uart_write_bytes(PORT, bytes, count < room ? count : room);
    return sent > 0 ? (size_t)sent : 0;
}

/* ── Both ──────────────────────────────────────────────────────────────────────────────────── */

bool link_start(void) {
    (void)usb_start(); /* a board can do without */
    return uart_start();
}

size_t board_link_read(uint8_t *bytes, size_t capacity) {
    size_t count = uart_read(bytes, capacity);
    if (count > 0) {
        speaker = ON_UART;
        return count;
    }
    count = usb_read(bytes, capacity);
    if (count > 0) speaker = ON_USB;
    return count;
}

size_t board_link_write(const uint8_t *bytes, size_t count) {
    if (speaker == ON_USB) return usb_write(bytes, count);
    size_t sent = uart_write(bytes, count);
    if (speaker == NOBODY && sent > 0) (void)usb_write(bytes, sent);
    return sent;
}

void link_drain(void) {
    (void)uart_wait_tx_done(PORT, DRAIN_TICKS);
    usb_drain();
}
