/* Framed, lossless byte-stream link, the same code on the chip and on the host.
 *
 * Frame: header {type u8, seq u8, ack u8, credits u8}, payload, CRC-32 (little endian), the whole
 * COBS-encoded and ended by a zero byte (a zero also goes before it, so that what was cut off
 * earlier cannot spoil it). Sequenced frames are delivered exactly once and in order (go-back-N
 * with cumulative acks): seq is the frame's number, ack the number expected next; `credits` says
 * how many more sequenced frames the sender of this header can take from `ack` on. Corrupt,
 * duplicated, dropped, truncated or oversized frames cost time, never data.
 *
 * Sessions: HELLO and WELCOME are summed from 0, every other frame's CRC starts at the session
 * number, so a frame of an older session never passes. A device without a session answers any
 * frame with WELCOME session 0, which tells the host that the board was restarted.
 *
 * Loss: a receiver that sees a gap says so (NAK) and the sender goes back once. When acks stay
 * away, the sender does not guess: it polls with an empty frame, and the answer tells which
 * frames are missing. A slow board thus never gets the same audio twice.
 *
 * Nothing here blocks or allocates: the caller moves bytes between ww_link_* and the wire.
 */
#ifndef WATCHWORD_LINK_H
#define WATCHWORD_LINK_H

#include "watchword/types.h"

WW_BEGIN_DECLS

#define WW_LINK_MAX_WINDOW 32 /* sent, not yet acknowledged frames; numbers are 8 bits wide */
#define WW_LINK_HEADER_BYTES 4
#define WW_LINK_FRAME_BYTES (WW_LINK_HEADER_BYTES + WW_LINK_MAX_PAYLOAD_BYTES + 4)
/* The longest frame on the wire: one COBS code per 254 bytes, a zero on either side. */
#define WW_LINK_WIRE_BYTES (WW_LINK_FRAME_BYTES + WW_LINK_FRAME_BYTES / 254 + 1 + 2)

typedef enum { WW_LINK_DEVICE, WW_LINK_HOST } ww_link_role;

/* All since the session opened. */
typedef struct {
    uint32_t crc_errors;      /* frames whose CRC was wrong */
    uint32_t bad_frames;      /* malformed, truncated, oversized or of unknown type */
    uint32_t out_of_order;    /* good frames dropped: an earlier one missing, or had already */
    uint32_t retransmissions; /* frames sent again */
} ww_link_counters;

typedef struct ww_link ww_link; /* layout below; treat as opaque, except for counters */

/* One received sequenced frame (or HELLO / WELCOME), valid until the next ww_link_receive.
 * A HELLO is delivered when it opens a new session: forget what the former one was doing. */
typedef struct {
    uint8_t type;
    uint16_t length;
    const uint8_t *payload;
} ww_link_frame;

typedef struct ww_link_slot {
    uint16_t length;
    uint8_t type;
    uint8_t payload[WW_LINK_MAX_PAYLOAD_BYTES];
} ww_link_slot;

/* slots: caller-owned store for sent, not yet acknowledged frames (its size is the send window,
 * 1..WW_LINK_MAX_WINDOW slots). */
ww_status ww_link_init(ww_link *link, ww_link_role role, struct ww_link_slot *slots,
                       size_t slot_count) WW_CHECKED;

/* Host: start (or restart) a session; repeated by ww_link_transmit until WELCOME arrives.
 * session: not 0, and never the same twice in a row. A WELCOME of another protocol version is
 * delivered by ww_link_receive and ends the attempt. */
void ww_link_connect(ww_link *link, uint32_t session);

/* A session is open. On the host it ends when the board says that it lost it (restart), or has
 * been silent for WW_LINK_SILENCE_MS although polled. The device never ends one by itself. */
bool ww_link_connected(const ww_link *link);
#define WW_LINK_SILENCE_MS 10000

/* Leave the session without a word; unsent frames are forgotten. To have the last message
 * acknowledged first, let ww_link_transmit run dry before. */
void ww_link_close(ww_link *link);

/* How many more sequenced frames this side can take now (above 127 counts as 127); announced to
 * the peer. Every delivered frame uses one up; call again as room comes back. */
void ww_link_set_credits(ww_link *link, uint8_t frames);

/* Feed received bytes; stops after a frame that is for the caller. *used = bytes consumed.
 * True = *frame was delivered. A sequenced frame that arrives without credit is dropped unacked. */
bool ww_link_receive(ww_link *link, const uint8_t *bytes, size_t count, size_t *used,
                     ww_link_frame *frame);

/* Queue a sequenced frame. WW_ERR_BUSY: no session, or all slots are taken (try again after
 * ww_link_receive); WW_ERR_ARGUMENT: payload too long, or type not a sequenced one. */
ww_status ww_link_send(ww_link *link, uint8_t type, const void *payload, size_t length) WW_CHECKED;

/* How many frames ww_link_send would take now. */
size_t ww_link_send_room(const ww_link *link);

/* The next encoded frame for the wire: new, sent again, ack, or poll, as due at now_ms (free
 * running, may wrap). Returns the count written to out (0 = nothing to send now). Call until it
 * returns 0. capacity: WW_LINK_WIRE_BYTES always suffice; a frame that does not fit is kept. */
size_t ww_link_transmit(ww_link *link, uint32_t now_ms, uint8_t *out, size_t capacity);

/* True while sent frames are not yet acknowledged. */
bool ww_link_pending(const ww_link *link);

/* ── Layout: private to link.c ─────────────────────────────────────────────────────────────── */

typedef struct {
    /* Frame numbers modulo 256: base <= cursor <= high <= next <= base + slot_count. */
    uint8_t base; /* oldest frame not acknowledged, in slots[base_slot] */
    uint8_t base_slot;
    uint8_t cursor;       /* next frame to put on the wire */
    uint8_t high;         /* first frame that was never on the wire */
    uint8_t next;         /* number of the next frame to be queued */
    uint8_t peer_credits; /* frames the peer can take from base on */
    bool nak_used;        /* already gone back to this base: further NAKs are echoes */

    bool polling;        /* a poll is not answered yet */
    uint8_t poll_id;     /* 0..31, echoed by the answer */
    uint8_t poll_cursor; /* frames before this were on the wire before the poll */
    uint8_t backoff;     /* doublings of the poll interval */
    uint8_t unanswered;  /* polls since the peer was last heard, saturating */
    bool heard;          /* a good frame of this session came in since the last transmit */
    bool progress;       /* and it moved something: restart the timer */

    uint8_t timing; /* what round trip is being measured: none, a frame's, a poll's */
    bool timed_end; /* and it has just ended */
    uint8_t timed_seq;
    bool rtt_known;
    uint16_t srtt_x8_ms, rttvar_x4_ms; /* smoothed round trip and its deviation (RFC 6298) */
    uint32_t timed_at_ms, timer_at_ms, silent_since_ms;
} ww_link_sender;

typedef struct {
    uint8_t expected;   /* number of the next frame to deliver */
    uint8_t told_limit; /* expected + credits as last announced */
    uint8_t poll_id;    /* to be answered, if */
    bool answer_due, nak_due, ack_due;
} ww_link_receiver;

typedef struct {
    uint16_t length; /* bytes decoded of the frame now arriving */
    uint8_t left;    /* bytes left of the COBS block */
    bool full;       /* the block has no zero after it */
    bool started, bad;
} ww_link_decoder;

struct ww_link {
    ww_link_counters counters;
    ww_link_slot *slots;
    uint32_t session; /* 0 = none */
    uint8_t role;
    uint8_t state;
    uint8_t slot_count;
    uint8_t credits; /* frames this side can take from rx.expected on */
    ww_link_sender tx;
    ww_link_receiver rx;
    uint32_t welcome_session;
    uint32_t hello_at_ms;
    uint8_t frame[WW_LINK_FRAME_BYTES]; /* being received, or just delivered */
    ww_link_decoder decoder;
    bool hello_sent, welcome_due;
};

WW_END_DECLS

#endif
