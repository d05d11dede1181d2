/* Says when the word is heard by an I2S microphone (INMP441, ICS-43434). ESP-IDF 5.1 or
 * later. */
#include "driver/i2s_std.h"
#include "esp_log.h"
#include "freertos/FreeRTOS.h"
#include "model.h"
#include "watchword.h"

#define BCLK GPIO_NUM_4
#define WS GPIO_NUM_5
#define DATA GPIO_NUM_6 /* the microphone's L/R pin: to ground */

static const char *TAG = "wake word";
static watchword ears;
static watchword_microphone microphone;
static uint32_t memory[WW_MODEL_ARENA_BYTES / 4];
static int32_t raw[160]; /* 10 ms */
static int16_t samples[160];

static i2s_chan_handle_t start_i2s(void) {
    i2s_chan_handle_t i2s;
    i2s_chan_config_t channel = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_0, I2S_ROLE_MASTER);
    i2s_std_config_t config = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(WATCHWORD_RATE_HZ),
        .slot_cfg =
            I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO),
        .gpio_cfg =
            {.mclk = I2S_GPIO_UNUSED, .bclk = BCLK, .ws = WS, .dout = I2S_GPIO_UNUSED, .din = DATA},
    };
    ESP_ERROR_CHECK(i2s_new_channel(&channel, NULL, &i2s));
    ESP_ERROR_CHECK(i2s_channel_init_std_mode(i2s, &config));
    ESP_ERROR_CHECK(i2s_channel_enable(i2s));
    return i2s;
}

static size_t listen(i2s_chan_handle_t i2s) {
    size_t bytes = 0;
    ESP_ERROR_CHECK(i2s_channel_read(i2s, raw, sizeof raw, &bytes, portMAX_DELAY));
    size_t count = bytes / sizeof raw[0];
    watchword_amplify(&microphone, raw, count, 16, samples);
    return count;
}

void app_main(void) {
    ww_status status = watchword_open(&ears, memory, sizeof memory);
    if (status == WW_OK) status = watchword_add(&ears, ww_model_image, sizeof ww_model_image);
    i2s_chan_handle_t i2s = start_i2s();
    while (status == WW_OK) {
        watchword_event event;
        status = watchword_push(&ears, samples, listen(i2s));
        while (watchword_heard(&ears, &event)) {
            ESP_LOGI(TAG, "%s, score %.2f", event.name, WATCHWORD_UNIT(event.score_q15));
        }
    }
    ESP_LOGE(TAG, "%s", watchword_status_text(status));
}
