/* What the example uses of ESP-IDF's I2S driver, on a PC: 32-bit samples from stdin; the program
 * ends with them. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef int esp_err_t;
typedef enum { GPIO_NUM_4 = 4, GPIO_NUM_5, GPIO_NUM_6, I2S_GPIO_UNUSED = -1 } gpio_num_t;
typedef FILE *i2s_chan_handle_t;
typedef struct {
    int id, role;
} i2s_chan_config_t;
typedef struct {
    uint32_t clk_cfg;
    int slot_cfg;
    struct {
        gpio_num_t mclk, bclk, ws, dout, din;
    } gpio_cfg;
} i2s_std_config_t;
enum { I2S_NUM_0, I2S_ROLE_MASTER, I2S_SLOT_MODE_MONO, I2S_DATA_BIT_WIDTH_32BIT };

#define I2S_CHANNEL_DEFAULT_CONFIG(id, role) \
    { id, role }
#define I2S_STD_CLK_DEFAULT_CONFIG(rate) (rate)
#define I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(width, mode) ((width) + (mode))
#define ESP_ERROR_CHECK(call) ((call) == 0 ? (void)0 : exit(0))

static inline esp_err_t i2s_new_channel(const i2s_chan_config_t *config, i2s_chan_handle_t *out,
                                        i2s_chan_handle_t *in) {
    *in = config->role == I2S_ROLE_MASTER && out == NULL ? stdin : NULL;
    return 0;
}
static inline esp_err_t i2s_channel_init_std_mode(i2s_chan_handle_t channel,
                                                  const i2s_std_config_t *config) {
    return channel == NULL || config->clk_cfg != 16000;
}
static inline esp_err_t i2s_channel_enable(i2s_chan_handle_t channel) {
    return channel == NULL;
}
static inline esp_err_t i2s_channel_read(i2s_chan_handle_t channel, void *buffer, size_t bytes,
                                         size_t *got, uint32_t ticks) {
    (void)ticks;
    *got = fread(buffer, 1, bytes, channel);
    return *got == 0;
}
