/* Models that came over the link: one for each of WW_MAX_WORDS slots, in flash banks of which there
 * is one more than slots, so that a new model never overwrites one that runs.
 *
 * A bank: one sector with the commit record, then the image. The record names the slot and is
 * written last, after the image was read back and found right; a loss of power before that leaves
 * the bank without a valid record, and the slot goes on with what it had: another bank's model or,
 * slot 0 alone, the model linked into the firmware. Of two records for a slot the later one counts.
 * A record also names the linked-in model that it came beside: firmware that was flashed with
 * another model since starts with that one, and without any pushed ones.
 */
#ifndef WATCHWORD_MODEL_STORE_H
#define WATCHWORD_MODEL_STORE_H

#include "board.h"

/* Can this image run here, in that slot? WW_OK or the reason. */
typedef ww_status (*model_store_check)(uint32_t slot, const void *image, size_t bytes);

typedef struct {
    const void *image; /* NULL: no stored model that can run */
    size_t bytes;
} stored_model;

typedef struct {
    model_store_check check;
    uint32_t linked_crc32;
    uint32_t sequence;             /* of the newest record in flash */
    uint32_t active[WW_MAX_WORDS]; /* bank of each slot; BOARD_FLASH_BANKS = none */
    bool receiving;
    uint32_t slot, target; /* of the model being written, and its bank */
    uint32_t image_bytes, image_crc32, stored_bytes;
} model_store;

/* Look at nothing yet. linked_crc32: of the model linked into the firmware. */
void model_store_init(model_store *s, model_store_check check, uint32_t linked_crc32);

/* The newest model for that slot which can run. */
stored_model model_store_open(model_store *s, uint32_t slot);

/* The longest image that fits; 0 = this board stores none. */
uint32_t model_store_capacity(void);

/* Write an image in order. WW_ERR_SPACE: too long, or more than announced; WW_ERR_ARGUMENT: no such
 * slot, not the next bytes, or nothing was begun; WW_ERR_FLASH: it failed, and the image is
 * forgotten. */
ww_status model_store_begin(model_store *s, uint32_t slot, uint32_t image_bytes,
                            uint32_t image_crc32) WW_CHECKED;
ww_status model_store_append(model_store *s, uint32_t offset, const void *bytes,
                             size_t count) WW_CHECKED;

/* All bytes there and right, and the image can run: make it its slot's from now on. */
ww_status model_store_commit(model_store *s, stored_model *committed) WW_CHECKED;
void model_store_abort(model_store *s);

/* Forget what was stored for that slot. An interrupted one leaves the newest model or none. */
ww_status model_store_remove(model_store *s, uint32_t slot) WW_CHECKED;

#endif
