/* The microphone: I2S DMA buffers, emptied by a task into the ring that the pipeline reads. */
#include "board.h"

#include "driver/i2s_common.h"
#include "driver/i2s_pdm.h"
#include "driver/i2s_std.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "soc/soc_caps.h"

#include "microphone.h"
#include "parts.h"
#include "pins.h"
#include "ww_spec.h"

#define PART_SAMPLES 160 /* 10 ms: a DMA buffer, and what the task moves at a time */
#define DMA_BUFFERS                                                                             \
    8                      /* 80 ms: longer than a flash erase usually keeps the task away; the \
                            * driver's interrupt goes on meanwhile (CONFIG_I2S_ISR_IRAM_SAFE) */
#define RING_SAMPLES 8192u /* half a second, a power of two */
#define TASK_STACK_BYTES 3072
#define TASK_PRIORITY 10 /* above the pipeline's: short work that must not be late */
#define TASK_CORE 0      /* the pipeline is on the other one, where there are two (sdkconfig) */

/* The driver gives an I2S microphone's 32-bit slots, and a PDM one's 16-bit samples. */
#if PIN_MICROPHONE_IS_PDM
#if !SOC_I2S_SUPPORTS_PDM2PCM
#error "this chip has no PDM filter: use an I2S microphone"
#endif
typedef int16_t slot;
#define SLOT_TO_FULL_SCALE 65536
#else
typedef int32_t slot;
#define SLOT_TO_FULL_SCALE 1
#endif

static i2s_chan_handle_t channel;
static TaskHandle_t listener;
static microphone ring;
static int16_t ring_samples[RING_SAMPLES];
static bool running;

/* What the driver drops, when the queue is full or one late interrupt stands for several buffers,
 * it drops silently: the clock tells. */
static void move_samples(void *unused) {
    static slot slots[PART_SAMPLES];
    static int32_t raw[PART_SAMPLES];
    static microphone_clock clock;
    (void)unused;
    microphone_clock_start(&clock, PART_SAMPLES * 1000u / (WW_SAMPLE_RATE_HZ / 1000u));
    for (;;) {
        size_t bytes = 0;
        (void)i2s_channel_read(channel, slots, sizeof slots, &bytes, portMAX_DELAY);
        size_t count = bytes / sizeof(slot);
        for (size_t i = 0; i < count; i++)
            raw[i] = (int32_t)slots[i] * SLOT_TO_FULL_SCALE;
        uint32_t lost = microphone_clock_part(&clock, (uint32_t)esp_timer_get_time());
        microphone_lost(&ring, lost * PART_SAMPLES);
        microphone_put(&ring, raw, count);
        xTaskNotifyGive(listener);
    }
}

#if PIN_MICROPHONE_IS_PDM

static esp_err_t set_mode(void) {
    i2s_pdm_rx_config_t config = {
        .clk_cfg = I2S_PDM_RX_CLK_DEFAULT_CONFIG(WW_SAMPLE_RATE_HZ),
        .slot_cfg = I2S_PDM_RX_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_16BIT, I2S_SLOT_MODE_MONO),
        .gpio_cfg = {.clk = PIN_MICROPHONE_BIT_CLOCK, .din = PIN_MICROPHONE_DATA},
    };
    config.slot_cfg.slot_mask = PIN_MICROPHONE_IS_RIGHT ? I2S_PDM_SLOT_RIGHT : I2S_PDM_SLOT_LEFT;
    return i2s_channel_init_pdm_rx_mode(channel, &config);
}

#else

static esp_err_t set_mode(void) {
    i2s_std_config_t config = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(WW_SAMPLE_RATE_HZ),
        .slot_cfg =
            I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO),
        .gpio_cfg = {.mclk = I2S_GPIO_UNUSED,
                     .bclk = PIN_MICROPHONE_BIT_CLOCK,
                     .ws = PIN_MICROPHONE_WORD_SELECT,
                     .dout = I2S_GPIO_UNUSED,
                     .din = PIN_MICROPHONE_DATA},
    };
    /* The macro says left on the ESP32 only. */
    config.slot_cfg.slot_mask = PIN_MICROPHONE_IS_RIGHT ? I2S_STD_SLOT_RIGHT : I2S_STD_SLOT_LEFT;
    return i2s_channel_init_std_mode(channel, &config);
}

#endif

bool microphone_start(void) {
    i2s_chan_config_t config = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_0, I2S_ROLE_MASTER);
    config.dma_desc_num = DMA_BUFFERS;
    config.dma_frame_num = PART_SAMPLES;
    microphone_init(&ring, ring_samples, RING_SAMPLES, PIN_MICROPHONE_GAIN_Q8);
    listener = xTaskGetCurrentTaskHandle();
    running = i2s_new_channel(&config, NULL, &channel) == ESP_OK && set_mode() == ESP_OK &&
              i2s_channel_enable(channel) == ESP_OK &&
              xTaskCreatePinnedToCore(move_samples, "microphone", TASK_STACK_BYTES, NULL,
                                      TASK_PRIORITY, NULL, TASK_CORE) == pdPASS;
    return running;
}

bool board_has_microphone(void) {
    return running;
}

size_t board_microphone_read(int16_t *samples, size_t capacity) {
    return microphone_take(&ring, samples, capacity);
}

void board_microphone_listen(bool on) {
    microphone_listen(&ring, on);
}

uint32_t board_microphone_overruns(void) {
    return ring.overruns;
}

uint32_t board_microphone_clipped(void) {
    return ring.clipped;
}

uint16_t board_microphone_gain(uint16_t gain_q8) {
    return microphone_gain(&ring, gain_q8);
}
