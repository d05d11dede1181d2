/* board.h on ESP-IDF: what is the same on every ESP32. The drivers are in the other files here. */
#include "board.h"

#include "esp_cpu.h"
#include "esp_rom_sys.h"
#include "esp_system.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "sdkconfig.h"

#include "parts.h"
#include "pins.h"

#define SUPPLY_RECOVERY_MS 500

void board_init(void) {
    /* A supply too weak for the start would only brown out again at once: let it recover first. */
    if (esp_reset_reason() == ESP_RST_BROWNOUT) vTaskDelay(pdMS_TO_TICKS(SUPPLY_RECOVERY_MS));
    if (!link_start()) esp_restart(); /* without a link there is nothing to say it with */
    (void)led_start();
    (void)storage_start();
    (void)microphone_start();
    ESP_ERROR_CHECK(esp_task_wdt_add(NULL));
}

const char *board_name(void) {
    return BOARD_NAME;
}

uint32_t board_time_ms(void) {
    return (uint32_t)(esp_timer_get_time() / 1000);
}

/* Of the core that runs this task: it is pinned. */
uint32_t board_counter(void) {
    return esp_cpu_get_cycle_count();
}

uint32_t board_counter_hz(void) {
    return esp_rom_get_cpu_ticks_per_us() * 1000000u;
}

uint32_t board_core_hz(void) {
    return board_counter_hz();
}

/* New samples end it early; the link is looked at once a tick. */
void board_idle(void) {
    (void)ulTaskNotifyTake(pdTRUE, 1);
}

board_memory board_memory_used(void) {
    uint32_t never_used = uxTaskGetStackHighWaterMark(NULL) * sizeof(StackType_t);
    return (board_memory){.stack_bytes = CONFIG_ESP_MAIN_TASK_STACK_SIZE - never_used,
                          .heap_bytes = esp_get_minimum_free_heap_size()};
}

void board_restart(void) {
    link_drain();
    esp_restart();
}

const char *board_restart_reason(void) {
    switch (esp_reset_reason()) {
        case ESP_RST_BROWNOUT:
            return "brown-out, the supply is too weak";
        case ESP_RST_PWR_GLITCH:
            return "power glitch";
        case ESP_RST_PANIC:
            return "crash";
        case ESP_RST_CPU_LOCKUP:
            return "processor lock-up";
        case ESP_RST_INT_WDT:
        case ESP_RST_TASK_WDT:
        case ESP_RST_WDT:
            return "watchdog";
        default:
            return NULL;
    }
}
