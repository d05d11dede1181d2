#include "model_store.h"

#include <string.h>

#include "watchword/crc32.h"

#define RECORD_MAGIC 0x54574d57u /* of the record with a slot */
#define IMAGE_OFFSET BOARD_FLASH_SECTOR_BYTES
#define NO_BANK BOARD_FLASH_BANKS

typedef struct {
    uint32_t magic;
    uint32_t sequence; /* the higher one is the newer one */
    uint32_t slot;
    uint32_t image_bytes, image_crc32;
    uint32_t linked_crc32;
    uint32_t record_crc32; /* of the fields before */
} record;

static uint32_t record_crc(const record *r) {
    return ww_crc32(0, r, offsetof(record, record_crc32));
}

static bool read_record(uint32_t bank, record *r) {
    memcpy(r, board_flash_bank(bank), sizeof *r);
    return r->magic == RECORD_MAGIC && r->record_crc32 == record_crc(r) &&
           r->image_bytes <= model_store_capacity();
}

static const uint8_t *image_of(uint32_t bank) {
    return board_flash_bank(bank) + IMAGE_OFFSET;
}

static bool image_is_whole(uint32_t bank, uint32_t bytes, uint32_t crc32) {
    return ww_crc32(0, image_of(bank), bytes) == crc32;
}

static bool usable(const model_store *s, uint32_t bank, const record *r) {
    return r->linked_crc32 == s->linked_crc32 &&
           image_is_whole(bank, r->image_bytes, r->image_crc32) &&
           s->check(r->slot, image_of(bank), r->image_bytes) == WW_OK;
}

uint32_t model_store_capacity(void) {
    uint32_t bytes = board_flash_bank_bytes();
    return bytes > IMAGE_OFFSET ? bytes - IMAGE_OFFSET : 0;
}

void model_store_init(model_store *s, model_store_check check, uint32_t linked_crc32) {
    *s = (model_store){.check = check, .linked_crc32 = linked_crc32};
    for (uint32_t slot = 0; slot < WW_MAX_WORDS; slot++)
        s->active[slot] = NO_BANK;
}

stored_model model_store_open(model_store *s, uint32_t slot) {
    stored_model best = {NULL, 0};
    uint32_t best_sequence = 0;
    s->active[slot] = NO_BANK;
    for (uint32_t bank = 0; bank < BOARD_FLASH_BANKS && model_store_capacity() > 0; bank++) {
        record r;
        if (!read_record(bank, &r)) continue;
        if (r.sequence > s->sequence) s->sequence = r.sequence;
        if (r.slot != slot || r.sequence <= best_sequence || !usable(s, bank, &r)) continue;
        best_sequence = r.sequence;
        best = (stored_model){image_of(bank), r.image_bytes};
        s->active[slot] = bank;
    }
    return best;
}

static bool is_active(const model_store *s, uint32_t bank) {
    for (uint32_t slot = 0; slot < WW_MAX_WORDS; slot++)
        if (s->active[slot] == bank) return true;
    return false;
}

/* A bank whose model does not run: an empty one, or else the one that was written first, so that
 * the latest former model of a slot stays as long as can be. */
static uint32_t spare_bank(const model_store *s) {
    uint32_t spare = NO_BANK, oldest = UINT32_MAX;
    for (uint32_t bank = 0; bank < BOARD_FLASH_BANKS; bank++) {
        record r;
        if (is_active(s, bank)) continue;
        uint32_t sequence = read_record(bank, &r) ? r.sequence : 0;
        if (spare != NO_BANK && sequence >= oldest) continue;
        oldest = sequence;
        spare = bank;
    }
    return spare;
}

ww_status model_store_begin(model_store *s, uint32_t slot, uint32_t image_bytes,
                            uint32_t image_crc32) {
    s->receiving = false;
    if (slot >= WW_MAX_WORDS) return WW_ERR_ARGUMENT;
    if (model_store_capacity() == 0) return WW_ERR_FLASH;
    if (image_bytes == 0 || image_bytes > model_store_capacity()) return WW_ERR_SPACE;
    s->slot = slot;
    s->target = spare_bank(s);
    s->image_bytes = image_bytes;
    s->image_crc32 = image_crc32;
    s->stored_bytes = 0;
    if (!board_flash_erase(s->target, 0)) return WW_ERR_FLASH; /* no record: the bank is empty */
    s->receiving = true;
    return WW_OK;
}

/* Writes up to the end of a sector, which is erased when its first byte comes. */
static bool write_part(const model_store *s, const uint8_t *bytes, uint32_t count) {
    uint32_t at = IMAGE_OFFSET + s->stored_bytes;
    if (at % BOARD_FLASH_SECTOR_BYTES == 0 && !board_flash_erase(s->target, at)) return false;
    return board_flash_write(s->target, at, bytes, count);
}

ww_status model_store_append(model_store *s, uint32_t offset, const void *bytes, size_t count) {
    const uint8_t *next = bytes;
    if (!s->receiving || offset != s->stored_bytes) return WW_ERR_ARGUMENT;
    if (count > s->image_bytes - s->stored_bytes) return WW_ERR_SPACE;
    while (count > 0) {
        uint32_t part =
            BOARD_FLASH_SECTOR_BYTES - (IMAGE_OFFSET + s->stored_bytes) % BOARD_FLASH_SECTOR_BYTES;
        if (part > count) part = (uint32_t)count;
        if (!write_part(s, next, part)) {
            s->receiving = false;
            return WW_ERR_FLASH;
        }
        s->stored_bytes += part;
        next += part;
        count -= part;
    }
    return WW_OK;
}

static bool write_record(const model_store *s) {
    record written = {.magic = RECORD_MAGIC,
                      .sequence = s->sequence,
                      .slot = s->slot,
                      .image_bytes = s->image_bytes,
                      .image_crc32 = s->image_crc32,
                      .linked_crc32 = s->linked_crc32};
    record found;
    written.record_crc32 = record_crc(&written);
    return board_flash_write(s->target, 0, &written, sizeof written) &&
           read_record(s->target, &found) && memcmp(&found, &written, sizeof found) == 0;
}

ww_status model_store_commit(model_store *s, stored_model *committed) {
    if (!s->receiving || s->stored_bytes != s->image_bytes) return WW_ERR_ARGUMENT;
    s->receiving = false;
    if (!image_is_whole(s->target, s->image_bytes, s->image_crc32)) return WW_ERR_CRC;
    ww_status status = s->check(s->slot, image_of(s->target), s->image_bytes);
    if (status != WW_OK) return status;
    s->sequence++; /* even if it fails: a record may be whole all the same, and the next is newer */
    if (!write_record(s)) return WW_ERR_FLASH;
    s->active[s->slot] = s->target;
    *committed = (stored_model){image_of(s->target), s->image_bytes};
    return WW_OK;
}

void model_store_abort(model_store *s) {
    s->receiving = false;
    s->stored_bytes = 0;
}

/* Does this bank hold a record of that slot, for this firmware? */
static bool belongs_to(const model_store *s, uint32_t bank, uint32_t slot) {
    record r;
    return read_record(bank, &r) && r.slot == slot && r.linked_crc32 == s->linked_crc32;
}

/* The newest one goes last: before that, a restart finds what there was. */
ww_status model_store_remove(model_store *s, uint32_t slot) {
    if (slot >= WW_MAX_WORDS) return WW_ERR_ARGUMENT;
    if (model_store_capacity() == 0) return WW_ERR_FLASH;
    model_store_abort(s); /* it may be for this slot */
    for (uint32_t bank = 0; bank < BOARD_FLASH_BANKS; bank++) {
        if (bank == s->active[slot] || !belongs_to(s, bank, slot)) continue;
        if (!board_flash_erase(bank, 0)) return WW_ERR_FLASH;
    }
    uint32_t newest = s->active[slot];
    if (newest != NO_BANK && !board_flash_erase(newest, 0)) return WW_ERR_FLASH;
    s->active[slot] = NO_BANK;
    return WW_OK;
}
