/* Stored models and settings of the emulated board: RAM that behaves like NOR flash and, like the
 * emulator, forgets everything at the end. Its memory is the emulator's, not the product's.
 */
#include <string.h>

#include "board.h"

#define BANK_BYTES (16u * BOARD_FLASH_SECTOR_BYTES)
#define SETTINGS_BYTES 128u

static uint8_t banks[BOARD_FLASH_BANKS][BANK_BYTES] __attribute__((aligned(16)));
static uint8_t saved[SETTINGS_BYTES];
static size_t saved_bytes;

uint32_t board_flash_bank_bytes(void) {
    return BANK_BYTES;
}

const uint8_t *board_flash_bank(uint32_t bank) {
    return banks[bank];
}

bool board_flash_erase(uint32_t bank, uint32_t offset) {
    if (bank >= BOARD_FLASH_BANKS || offset % BOARD_FLASH_SECTOR_BYTES != 0) return false;
    if (offset >= BANK_BYTES) return false;
    memset(banks[bank] + offset, 0xff, BOARD_FLASH_SECTOR_BYTES);
    return true;
}

bool board_flash_write(uint32_t bank, uint32_t offset, const void *bytes, size_t count) {
    const uint8_t *from = bytes;
    if (bank >= BOARD_FLASH_BANKS || offset > BANK_BYTES || count > BANK_BYTES - offset)
        return false;
    for (size_t i = 0; i < count; i++)
        banks[bank][offset + i] &= from[i];
    return true;
}

bool board_settings_load(void *bytes, size_t count) {
    if (count == 0 || count != saved_bytes) return false;
    memcpy(bytes, saved, count);
    return true;
}

bool board_settings_save(const void *bytes, size_t count) {
    if (count > SETTINGS_BYTES) return false;
    memcpy(saved, bytes, count);
    saved_bytes = count;
    return true;
}
