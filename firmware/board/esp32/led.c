/* The LED: a plain one on a pin, or one addressable (WS2812) that takes 24 bits over a wire. */
#include "board.h"

#include "esp_err.h"

#include "parts.h"
#include "pins.h"

static bool lit;
static bool present;

#if PIN_LED_IS_ADDRESSABLE

#include "driver/rmt_encoder.h"
#include "driver/rmt_tx.h"
#include "soc/soc_caps.h"

#define TICK_HZ 10000000 /* 0.1 us */
#define SHORT_TICKS 3    /* WS2812: a zero is 0.3 us high and 0.9 us low, a one the reverse */
#define LONG_TICKS 9
#define SYMBOLS SOC_RMT_MEM_WORDS_PER_CHANNEL
#define BRIGHTNESS 16

static rmt_channel_handle_t wire;
static rmt_encoder_handle_t encoder;
static uint8_t colour[3]; /* green, red, blue; read while it is sent */

bool led_start(void) {
    rmt_tx_channel_config_t channel = {.gpio_num = PIN_LED,
                                       .clk_src = RMT_CLK_SRC_DEFAULT,
                                       .resolution_hz = TICK_HZ,
                                       .mem_block_symbols = SYMBOLS,
                                       .trans_queue_depth = 2};
    rmt_bytes_encoder_config_t bits = {
        .bit0 = {.duration0 = SHORT_TICKS, .level0 = 1, .duration1 = LONG_TICKS, .level1 = 0},
        .bit1 = {.duration0 = LONG_TICKS, .level0 = 1, .duration1 = SHORT_TICKS, .level1 = 0},
        .flags = {.msb_first = 1},
    };
    present = rmt_new_tx_channel(&channel, &wire) == ESP_OK &&
              rmt_new_bytes_encoder(&bits, &encoder) == ESP_OK && rmt_enable(wire) == ESP_OK;
    return present;
}

static void show(bool on) {
    const rmt_transmit_config_t once = {.flags = {.queue_nonblocking = 1}};
    colour[2] = on ? BRIGHTNESS : 0;
    (void)rmt_transmit(wire, encoder, colour, sizeof colour, &once); /* 30 us, in the background */
}

#else

#include "driver/gpio.h"

bool led_start(void) {
    present = gpio_reset_pin(PIN_LED) == ESP_OK &&
              gpio_set_level(PIN_LED, PIN_LED_IS_ACTIVE_LOW) == ESP_OK &&
              gpio_set_direction(PIN_LED, GPIO_MODE_OUTPUT) == ESP_OK;
    return present;
}

static void show(bool on) {
    (void)gpio_set_level(PIN_LED, on != PIN_LED_IS_ACTIVE_LOW);
}

#endif

void board_led(bool on) {
    if (!present || on == lit) return;
    lit = on;
    show(on);
}
