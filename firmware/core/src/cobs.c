#include "cobs.h"

#define FULL_BLOCK 0xff /* 254 bytes and no zero after them */

void ww_cobs_begin(ww_cobs_encoder *e, uint8_t *out) {
    e->out = out;
    e->out[0] = 0; /* ends whatever a cut-off frame or a text line left in the receiver */
    e->code_at = 1;
    e->used = 2;
}

static void close_block(ww_cobs_encoder *e) {
    e->out[e->code_at] = (uint8_t)(e->used - e->code_at);
    e->code_at = e->used++;
}

void ww_cobs_put(ww_cobs_encoder *e, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (bytes[i]) e->out[e->used++] = bytes[i];
        if (!bytes[i] || e->used - e->code_at == FULL_BLOCK) close_block(e);
    }
}

size_t ww_cobs_end(ww_cobs_encoder *e) {
    close_block(e);
    e->out[e->code_at] = 0;
    return e->used;
}

static void store(ww_link_decoder *d, uint8_t byte, uint8_t *out, size_t capacity) {
    if (d->length < capacity) {
        out[d->length++] = byte;
    } else {
        d->bad = true;
    }
}

static ww_cobs_event end_frame(ww_link_decoder *d, size_t *length) {
    bool started = d->started, bad = d->bad || d->left;
    *length = d->length;
    *d = (ww_link_decoder){0};
    if (!started) return WW_COBS_MORE; /* zeros in a row */
    return bad || !*length ? WW_COBS_BAD : WW_COBS_FRAME;
}

ww_cobs_event ww_cobs_push(ww_link_decoder *d, uint8_t byte, uint8_t *out, size_t capacity,
                           size_t *length) {
    if (!byte) return end_frame(d, length);
    if (d->left) {
        store(d, byte, out, capacity);
        d->left--;
        return WW_COBS_MORE;
    }
    if (d->started && !d->full) store(d, 0, out, capacity);
    d->left = (uint8_t)(byte - 1);
    d->full = byte == FULL_BLOCK;
    d->started = true;
    return WW_COBS_MORE;
}
