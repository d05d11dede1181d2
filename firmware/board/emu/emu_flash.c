/* Stored models and settings of the emulated board: RAM that behaves like NOR flash and, like the
 * emulator, forgets everything at the end. Its memory is the emulator's, not the product's.
 */
#include <string.h>

#include "board.h"

#define SLOT_BYTES (16u * BOARD_FLASH_SECTOR_BYTES)
#define SETTINGS_BYTES 64u

static uint8_t slots[BOARD_FLASH_SLOTS][SLOT_BYTES] __attribute__((aligned(16)));
static uint8_t saved[SETTINGS_BYTES];
static size_t saved_bytes;

uint32_t board_flash_slot_bytes(void) {
    return SLOT_BYTES;
}

const uint8_t *board_flash_slot(uint32_t slot) {
    return slots[slot];
}

bool board_flash_erase(uint32_t slot, uint32_t offset) {
    if (slot >= BOARD_FLASH_SLOTS || offset % BOARD_FLASH_SECTOR_BYTES != 0) return false;
    if (offset >= SLOT_BYTES) return false;
    memset(slots[slot] + offset, 0xff, BOARD_FLASH_SECTOR_BYTES);
    return true;
}

bool board_flash_write(uint32_t slot, uint32_t offset, const void *bytes, size_t count) {
    const uint8_t *from = bytes;
    if (slot >= BOARD_FLASH_SLOTS || offset > SLOT_BYTES || count > SLOT_BYTES - offset)
        return false;
    for (size_t i = 0; i < count; i++)
        slots[slot][offset + i] &= from[i];
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
