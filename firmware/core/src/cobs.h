/* Consistent overhead byte stuffing (Cheshire and Baker, 1999), a byte at a time. Internal. */
#ifndef WATCHWORD_COBS_H
#define WATCHWORD_COBS_H

#include "watchword/link.h"

typedef struct {
    uint8_t *out;
    size_t used;
    size_t code_at; /* where the open block's length goes */
} ww_cobs_encoder;

/* out must hold n + n / 254 + 3 bytes for n bytes put. */
void ww_cobs_begin(ww_cobs_encoder *e, uint8_t *out);
void ww_cobs_put(ww_cobs_encoder *e, const uint8_t *bytes, size_t count);
size_t ww_cobs_end(ww_cobs_encoder *e);

typedef enum { WW_COBS_MORE, WW_COBS_FRAME, WW_COBS_BAD } ww_cobs_event;

/* One wire byte. FRAME: out[0..*length) holds a whole frame, never empty. BAD: one ended that was
 * cut off or longer than capacity. */
ww_cobs_event ww_cobs_push(ww_link_decoder *d, uint8_t byte, uint8_t *out, size_t capacity,
                           size_t *length);

#endif
