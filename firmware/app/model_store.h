/* Models that came over the link, in two flash slots, so that one of them is always whole.
 *
 * A slot: one sector with the commit record, then the image. The record is written last, after
 * the image was read back and found right; a loss of power before that leaves the slot without a
 * valid record, and the other slot, or the model linked into the firmware, goes on. The image that
 * runs is never written to. A record names the linked-in model it was to replace: firmware that
 * was flashed with another model since runs that one.
 */
#ifndef WATCHWORD_MODEL_STORE_H
#define WATCHWORD_MODEL_STORE_H

#include "watchword/types.h"

/* Can this image run here? WW_OK or the reason. */
typedef ww_status (*model_store_check)(const void *image, size_t bytes);

typedef struct {
    model_store_check check;
    uint32_t linked_crc32;
    uint32_t sequence; /* of the newest record in flash */
    uint32_t active;   /* slot that runs; BOARD_FLASH_SLOTS = none */
    bool receiving;
    uint32_t target; /* slot being written */
    uint32_t image_bytes, image_crc32, stored_bytes;
} model_store;

typedef struct {
    const void *image; /* NULL: no stored model that can run */
    size_t bytes;
} stored_model;

/* The newest usable model. linked_crc32: of the model linked into the firmware. */
stored_model model_store_open(model_store *s, model_store_check check, uint32_t linked_crc32);

/* The longest image that fits; 0 = this board stores none. */
uint32_t model_store_capacity(void);

/* Write an image in order. WW_ERR_SPACE: too long, or more than announced; WW_ERR_ARGUMENT: not
 * the next bytes, or nothing was begun; WW_ERR_FLASH: it failed, and the image is forgotten. */
ww_status model_store_begin(model_store *s, uint32_t image_bytes, uint32_t image_crc32) WW_CHECKED;
ww_status model_store_append(model_store *s, uint32_t offset, const void *bytes,
                             size_t count) WW_CHECKED;

/* All bytes there and right, and the image can run: make it the one that runs from now on. */
ww_status model_store_commit(model_store *s, stored_model *committed) WW_CHECKED;
void model_store_abort(model_store *s);

#endif
