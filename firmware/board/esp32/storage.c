/* What survives a loss of power: models in flash partitions (firmware/partitions.csv), settings
 * in NVS, which replaces a value only when the new one is complete.
 */
#include "board.h"

#include "esp_partition.h"
#include "nvs.h"
#include "nvs_flash.h"

#include "parts.h"

#define MODEL_PARTITION_TYPE ((esp_partition_type_t)0x40) /* 0x40 and up: ours to choose */
#define NAMESPACE "watchword"
#define SETTINGS_KEY "settings"

/* 0: an engine that runs nothing but what is linked in, so that there is no use for pushed models.
 */
#ifndef WATCHWORD_PUSHED_MODELS
#define WATCHWORD_PUSHED_MODELS 1
#endif

static const esp_partition_t *partitions[BOARD_FLASH_BANKS];
static const void *mapped[BOARD_FLASH_BANKS];
static uint32_t bank_bytes; /* 0: not all partitions are there */
static nvs_handle_t settings;
static bool has_settings;

static bool map_bank(uint32_t bank) {
    esp_partition_mmap_handle_t handle; /* mapped for ever */
    partitions[bank] =
        esp_partition_find_first(MODEL_PARTITION_TYPE, (esp_partition_subtype_t)bank, NULL);
    return partitions[bank] != NULL &&
           esp_partition_mmap(partitions[bank], 0, partitions[bank]->size, ESP_PARTITION_MMAP_DATA,
                              &mapped[bank], &handle) == ESP_OK;
}

static bool open_settings(void) {
    esp_err_t status = nvs_flash_init();
    if (status == ESP_ERR_NVS_NO_FREE_PAGES || status == ESP_ERR_NVS_NEW_VERSION_FOUND) {
        if (nvs_flash_erase() != ESP_OK) return false;
        status = nvs_flash_init();
    }
    return status == ESP_OK && nvs_open(NAMESPACE, NVS_READWRITE, &settings) == ESP_OK;
}

bool storage_start(void) {
    has_settings = open_settings();
    if (!WATCHWORD_PUSHED_MODELS) return has_settings;
    for (uint32_t bank = 0; bank < BOARD_FLASH_BANKS; bank++) {
        if (!map_bank(bank) || partitions[bank]->size != partitions[0]->size) return false;
    }
    bank_bytes = partitions[0]->size;
    return has_settings;
}

uint32_t board_flash_bank_bytes(void) {
    return bank_bytes;
}

/* The driver drops cached bytes of what it writes, so a mapped bank always shows what is there. */
const uint8_t *board_flash_bank(uint32_t bank) {
    return mapped[bank];
}

bool board_flash_erase(uint32_t bank, uint32_t offset) {
    return esp_partition_erase_range(partitions[bank], offset, BOARD_FLASH_SECTOR_BYTES) == ESP_OK;
}

bool board_flash_write(uint32_t bank, uint32_t offset, const void *bytes, size_t count) {
    return esp_partition_write(partitions[bank], offset, bytes, count) == ESP_OK;
}

bool board_settings_load(void *bytes, size_t count) {
    size_t found = count; /* a longer one is an error, a shorter one is told */
    return has_settings && nvs_get_blob(settings, SETTINGS_KEY, bytes, &found) == ESP_OK &&
           found == count;
}

bool board_settings_save(const void *bytes, size_t count) {
    return has_settings && nvs_set_blob(settings, SETTINGS_KEY, bytes, count) == ESP_OK &&
           nvs_commit(settings) == ESP_OK;
}
