/* Framed, lossless byte-stream link, the same code on the chip and on the host.
 *
 * Frame: header {type u8, seq u8, ack u8, credits u8}, payload, CRC-32 (little endian), the whole
 * COBS-encoded and ended by a zero byte. Sequenced frames are delivered exactly once and in
 * order (go-back-N with cumulative acks); `credits` says how many more sequenced frames the
 * sender of this header can take after `ack`. Corrupt, duplicated, dropped, truncated or
 * oversized frames cost time, never data.
 *
 * Nothing here blocks or allocates: the caller moves bytes between ww_link_* and the wire.
 */
#ifndef WATCHWORD_LINK_H
#define WATCHWORD_LINK_H

#include "watchword/types.h"

typedef enum { WW_LINK_DEVICE, WW_LINK_HOST } ww_link_role;

typedef struct {
    uint32_t crc_errors;      /* frames whose CRC was wrong */
    uint32_t bad_frames;      /* malformed, truncated, oversized or of unknown type */
    uint32_t out_of_order;    /* good frames dropped because an earlier one was missing */
    uint32_t retransmissions; /* frames sent again */
} ww_link_counters;

typedef struct ww_link ww_link; /* layout below; treat as opaque */

/* One received sequenced frame (or HELLO / WELCOME), valid until the next ww_link_receive. */
typedef struct {
    uint8_t type;
    uint16_t length;
    const uint8_t *payload;
} ww_link_frame;

/* slots: caller-owned store for sent, not yet acknowledged frames (its size is the send window,
 * 1..WW_LINK_MAX_WINDOW slots). */
struct ww_link_slot;
ww_status ww_link_init(ww_link *link, ww_link_role role, struct ww_link_slot *slots,
                       size_t slot_count) WW_CHECKED;

/* Host: start (or restart) a session; repeated by ww_link_transmit until WELCOME arrives. */
void ww_link_connect(ww_link *link, uint32_t session);
bool ww_link_connected(const ww_link *link);

/* How many more sequenced frames this side can take now; announced to the peer. */
void ww_link_set_credits(ww_link *link, uint8_t frames);

/* Feed received bytes; stops after a frame that is for the caller. *used = bytes consumed.
 * True = *frame was delivered. A sequenced frame that arrives without credit is dropped unacked. */
bool ww_link_receive(ww_link *link, const uint8_t *bytes, size_t count, size_t *used,
                     ww_link_frame *frame);

/* Queue a sequenced frame. WW_ERR_BUSY: the window is full or the peer gave no credit (try again
 * after ww_link_receive); WW_ERR_ARGUMENT: payload too long. */
ww_status ww_link_send(ww_link *link, uint8_t type, const void *payload, size_t length) WW_CHECKED;

/* Encoded bytes for the wire: new frames, retransmissions due at now_ms, acks. Returns the count
 * written to out (0 = nothing to send now). Call until it returns 0. */
size_t ww_link_transmit(ww_link *link, uint32_t now_ms, uint8_t *out, size_t capacity);

/* True while sent frames are not yet acknowledged. */
bool ww_link_pending(const ww_link *link);

#endif
