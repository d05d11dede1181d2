#include "bind_link.h"

#include <stdlib.h>
#include <string.h>

#include "watchword/crc32.h"
#include "watchword/link.h"

#define RECORD_HEADER_BYTES 3

struct wwb_link {
    ww_link link;
    ww_link_slot slots[WW_LINK_MAX_WINDOW];
};

wwb_link *wwb_link_new(int host, int slots) {
    wwb_link *l = malloc(sizeof *l);
    ww_link_role role = host ? WW_LINK_HOST : WW_LINK_DEVICE;
    if (!l || slots < 1 || ww_link_init(&l->link, role, l->slots, (size_t)slots) != WW_OK) {
        free(l);
        return NULL;
    }
    return l;
}

void wwb_link_free(wwb_link *l) {
    free(l);
}

int wwb_link_max_window(void) {
    return WW_LINK_MAX_WINDOW;
}

void wwb_link_connect(wwb_link *l, uint32_t session) {
    ww_link_connect(&l->link, session);
}

int wwb_link_connected(const wwb_link *l) {
    return ww_link_connected(&l->link);
}

void wwb_link_close(wwb_link *l) {
    ww_link_close(&l->link);
}

void wwb_link_set_credits(wwb_link *l, uint8_t frames) {
    ww_link_set_credits(&l->link, frames);
}

int wwb_link_pending(const wwb_link *l) {
    return ww_link_pending(&l->link);
}

size_t wwb_link_send_room(const wwb_link *l) {
    return ww_link_send_room(&l->link);
}

size_t wwb_link_receive(wwb_link *l, const uint8_t *bytes, size_t count, size_t max_frames,
                        uint8_t *out, size_t capacity, size_t *used) {
    size_t written = 0;
    *used = 0;
    while (max_frames > 0 && *used < count) {
        if (capacity - written < RECORD_HEADER_BYTES + WW_LINK_MAX_PAYLOAD_BYTES) break;
        size_t taken;
        ww_link_frame frame;
        bool delivered = ww_link_receive(&l->link, bytes + *used, count - *used, &taken, &frame);
        *used += taken;
        if (!delivered) continue;
        out[written++] = frame.type;
        out[written++] = (uint8_t)(frame.length & 0xff);
        out[written++] = (uint8_t)(frame.length >> 8);
        memcpy(out + written, frame.payload, frame.length);
        written += frame.length;
        max_frames--;
    }
    return written;
}

int wwb_link_send(wwb_link *l, uint8_t type, const uint8_t *payload, size_t length) {
    return -(int)ww_link_send(&l->link, type, payload, length);
}

size_t wwb_link_send_pieces(wwb_link *l, uint8_t type, const uint8_t *bytes, size_t count) {
    size_t taken = 0;
    while (taken < count) {
        size_t piece = count - taken;
        if (piece > WW_LINK_MAX_PAYLOAD_BYTES) piece = WW_LINK_MAX_PAYLOAD_BYTES;
        if (ww_link_send(&l->link, type, bytes + taken, piece) != WW_OK) break;
        taken += piece;
    }
    return taken;
}

size_t wwb_link_transmit(wwb_link *l, uint32_t now_ms, uint8_t *out, size_t capacity) {
    size_t written = 0;
    size_t count;
    do {
        count = ww_link_transmit(&l->link, now_ms, out + written, capacity - written);
        written += count;
    } while (count);
    return written;
}

void wwb_link_counters(const wwb_link *l, uint32_t *counters) {
    counters[0] = l->link.counters.crc_errors;
    counters[1] = l->link.counters.bad_frames;
    counters[2] = l->link.counters.out_of_order;
    counters[3] = l->link.counters.retransmissions;
}

uint32_t wwb_crc32(uint32_t crc_so_far, const uint8_t *bytes, size_t count) {
    return ww_crc32(crc_so_far, bytes, count);
}
