#include "watchword/link.h"

#include <string.h>

#include "cobs.h"
#include "watchword/crc32.h"
#include "ww_messages.h" /* generated */

#define CRC_BYTES 4
#define MAX_CREDITS 127
#define HELLO_MS 200     /* between two HELLOs */
#define IDLE_POLL_MS 500 /* a host with nothing to send asks this often whether the board lives */
#define BLOCKED_POLL_MS 200 /* no credit: the frame that gave some may have been lost */
#define FIRST_RTO_MS 250    /* before a round trip was measured */
#define MIN_RTO_MS 50
#define MAX_RTO_MS 1000
#define MAX_BACKOFF 6          /* doublings; MAX_RTO_MS is reached before */
#define MAX_RTT_SAMPLE_MS 4000 /* longer: somebody slept */
#define MIN_DEVIATION_MS 20
#define SILENT_POLLS 8 /* at least this many unanswered polls before a board counts as gone */

/* The seq byte of an ACK frame. */
#define ACK_POLL 0x80 /* answer at once */
#define ACK_ANSWER 0x40
#define ACK_NAK 0x20 /* frame `ack` is missing: go back to it */
#define ACK_POLL_ID 0x1f

/* Positions in a frame. */
enum { TYPE, SEQ, ACK, CREDITS };

enum { IDLE, CONNECTING, OPEN }; /* state */

enum { NOTHING, A_FRAME, A_POLL }; /* timing */

/* a - b modulo 256: small when a is at or after b. */
static uint8_t distance(uint8_t a, uint8_t b) {
    return (uint8_t)(a - b);
}

/* ── Sessions ────────────────────────────────────────────────────────────────────────────── */

ww_status ww_link_init(ww_link *link, ww_link_role role, ww_link_slot *slots, size_t slot_count) {
    if (!slots || slot_count < 1 || slot_count > WW_LINK_MAX_WINDOW) return WW_ERR_ARGUMENT;
    memset(link, 0, sizeof *link);
    link->role = (uint8_t)role;
    link->slots = slots;
    link->slot_count = (uint8_t)slot_count;
    return WW_OK;
}

/* Credits are the caller's and the decoder is in the middle of the wire: both stay. */
static void begin_session(ww_link *link, uint32_t session, uint8_t state) {
    memset(&link->counters, 0, sizeof link->counters);
    memset(&link->tx, 0, sizeof link->tx);
    memset(&link->rx, 0, sizeof link->rx);
    link->tx.heard = link->tx.progress = true; /* the timer starts at the next transmit */
    link->session = session;
    link->state = state;
    link->hello_sent = link->welcome_due = false;
}

void ww_link_connect(ww_link *link, uint32_t session) {
    begin_session(link, session ? session : 1, CONNECTING);
}

void ww_link_close(ww_link *link) {
    link->session = 0;
    link->state = IDLE;
    link->welcome_due = false;
}

bool ww_link_connected(const ww_link *link) {
    return link->state == OPEN;
}

void ww_link_set_credits(ww_link *link, uint8_t frames) {
    link->credits = frames < MAX_CREDITS ? frames : MAX_CREDITS;
}

static void answer_hello(ww_link *link, uint32_t session) {
    link->welcome_due = true;
    link->welcome_session = session;
}

/* Device. True = a new session began. */
static bool take_hello(ww_link *link, const uint8_t *payload, size_t length) {
    ww_msg_hello hello;
    if (length < WW_MSG_HELLO_FIXED_BYTES) return false;
    if (!ww_msg_hello_decode(&hello, payload, WW_MSG_HELLO_FIXED_BYTES)) return false;
    if (link->role != WW_LINK_DEVICE || !hello.session) return false;
    bool known = link->state == OPEN && link->session == hello.session; /* our WELCOME was lost */
    bool opens = hello.protocol == WW_PROTOCOL_VERSION && !known;
    if (opens) {
        begin_session(link, hello.session, OPEN);
        link->tx.peer_credits = link->frame[CREDITS];
    }
    answer_hello(link, hello.session);
    return opens;
}

/* Host. True = the caller should know: connected, refused (protocol), or the session is lost. */
static bool take_welcome(ww_link *link, const uint8_t *payload, size_t length) {
    ww_msg_welcome welcome;
    if (length < WW_MSG_WELCOME_FIXED_BYTES) return false;
    if (!ww_msg_welcome_decode(&welcome, payload, WW_MSG_WELCOME_FIXED_BYTES)) return false;
    if (link->role != WW_LINK_HOST || link->state == IDLE) return false;
    if (link->state == OPEN) {
        if (welcome.session) return false; /* the answer to a repeated HELLO */
        ww_link_close(link);
        return true;
    }
    if (welcome.session != link->session) return false;
    if (welcome.protocol != WW_PROTOCOL_VERSION) {
        ww_link_close(link);
        return true;
    }
    begin_session(link, link->session, OPEN);
    link->tx.peer_credits = link->frame[CREDITS];
    return true;
}

/* ── Receiving ───────────────────────────────────────────────────────────────────────────── */

static void go_back(ww_link_sender *tx) {
    tx->cursor = tx->base;
    tx->polling = false;
    tx->timing = NOTHING;
}

static void end_timing(ww_link_sender *tx) {
    tx->timing = NOTHING;
    tx->timed_end = true;
}

/* The ack and credits of any frame of this session. */
static void take_header(ww_link *link, uint8_t ack, uint8_t credits) {
    ww_link_sender *tx = &link->tx;
    uint8_t gained = distance(ack, tx->base);
    if (gained > distance(tx->high, tx->base)) return; /* an old frame, seen again */
    if (tx->timing == A_FRAME && distance(tx->timed_seq, tx->base) < gained) end_timing(tx);
    if (gained) {
        tx->base = ack;
        tx->base_slot = (uint8_t)((tx->base_slot + gained) % link->slot_count);
        tx->nak_used = false;
        tx->progress = true;
    }
    uint8_t in_flight = distance(tx->high, tx->base);
    if (distance(tx->cursor, tx->base) > in_flight) tx->cursor = tx->base;
    if (tx->polling && distance(tx->poll_cursor, tx->base) > in_flight) {
        tx->polling = false; /* all that was sent before it has arrived */
        if (tx->timing == A_POLL) tx->timing = NOTHING;
    }
    tx->peer_credits = credits;
}

/* The peer has seen everything that was sent before the poll: what it lacks of that is lost. */
static void take_answer(ww_link_sender *tx) {
    uint8_t sent_before_poll = distance(tx->poll_cursor, tx->base);
    if (tx->timing == A_POLL) end_timing(tx);
    tx->polling = false;
    tx->progress = true;
    if (!sent_before_poll) return;
    bool sent_since = tx->cursor != tx->poll_cursor; /* those will cause NAKs for the same gap */
    go_back(tx);
    tx->nak_used = sent_since;
}

static void take_ack(ww_link *link, uint8_t flags) {
    ww_link_sender *tx = &link->tx;
    uint8_t id = flags & ACK_POLL_ID;
    if (flags & ACK_POLL) {
        link->rx.answer_due = true;
        link->rx.poll_id = id;
    }
    if ((flags & ACK_ANSWER) && tx->polling && id == tx->poll_id) take_answer(tx);
    if ((flags & ACK_NAK) && !tx->nak_used && tx->cursor != tx->base) {
        go_back(tx);
        tx->nak_used = true;
    }
}

/* True = it is the one expected and there is room for it. */
static bool take_sequenced(ww_link *link, uint8_t seq) {
    ww_link_receiver *rx = &link->rx;
    rx->ack_due = true;
    uint8_t ahead = distance(seq, rx->expected);
    if (ahead == 0 && link->credits) {
        rx->expected++;
        link->credits--;
        return true;
    }
    link->counters.out_of_order++;
    if (ahead < 128) rx->nak_due = true; /* otherwise a duplicate: the ack is enough */
    return false;
}

static bool take_session_frame(ww_link *link, size_t payload_bytes) {
    const uint8_t *header = link->frame;
    link->tx.heard = true;
    take_header(link, header[ACK], header[CREDITS]);
    if (header[TYPE] >= WW_MSG_FIRST_SEQUENCED) return take_sequenced(link, header[SEQ]);
    if (header[TYPE] == WW_MSG_ACK && !payload_bytes) {
        take_ack(link, header[SEQ]);
    } else {
        link->counters.bad_frames++;
    }
    return false;
}

static bool crc_fits(const ww_link *link, size_t length, uint32_t start) {
    size_t body = length - CRC_BYTES;
    uint32_t sent = (uint32_t)ww_get_le(link->frame + body, CRC_BYTES);
    return ww_crc32(start, link->frame, body) == sent;
}

/* A decoded frame of `length` bytes. True = its payload is for the caller. */
static bool take_frame(ww_link *link, size_t length) {
    if (length < WW_LINK_HEADER_BYTES + CRC_BYTES) {
        link->counters.bad_frames++;
        return false;
    }
    uint8_t type = link->frame[TYPE];
    const uint8_t *payload = link->frame + WW_LINK_HEADER_BYTES;
    size_t payload_bytes = length - WW_LINK_HEADER_BYTES - CRC_BYTES;
    if (type == WW_MSG_HELLO && crc_fits(link, length, 0))
        return take_hello(link, payload, payload_bytes);
    if (type == WW_MSG_WELCOME && crc_fits(link, length, 0))
        return take_welcome(link, payload, payload_bytes);
    if (link->state != OPEN) {
        /* A host believes in a session that this board, restarted, knows nothing of. */
        if (link->role == WW_LINK_DEVICE && !link->welcome_due) answer_hello(link, 0);
        return false;
    }
    if (!crc_fits(link, length, link->session)) {
        link->counters.crc_errors++;
        return false;
    }
    return take_session_frame(link, payload_bytes);
}

bool ww_link_receive(ww_link *link, const uint8_t *bytes, size_t count, size_t *used,
                     ww_link_frame *frame) {
    bool delivered = false;
    size_t i = 0;
    while (i < count && !delivered) {
        size_t length;
        ww_cobs_event event =
            ww_cobs_push(&link->decoder, bytes[i++], link->frame, sizeof link->frame, &length);
        if (event == WW_COBS_BAD) link->counters.bad_frames++;
        if (event != WW_COBS_FRAME || !take_frame(link, length)) continue;
        frame->type = link->frame[TYPE];
        frame->length = (uint16_t)(length - WW_LINK_HEADER_BYTES - CRC_BYTES);
        frame->payload = link->frame + WW_LINK_HEADER_BYTES;
        delivered = true;
    }
    *used = i;
    return delivered;
}

/* ── Sending ─────────────────────────────────────────────────────────────────────────────── */

size_t ww_link_send_room(const ww_link *link) {
    if (link->state != OPEN) return 0;
    return (size_t)(link->slot_count - distance(link->tx.next, link->tx.base));
}

static ww_link_slot *slot_of(const ww_link *link, uint8_t seq) {
    size_t offset = distance(seq, link->tx.base);
    return &link->slots[(link->tx.base_slot + offset) % link->slot_count];
}

ww_status ww_link_send(ww_link *link, uint8_t type, const void *payload, size_t length) {
    if (type < WW_MSG_FIRST_SEQUENCED || length > WW_LINK_MAX_PAYLOAD_BYTES) return WW_ERR_ARGUMENT;
    if (!ww_link_send_room(link)) return WW_ERR_BUSY;
    ww_link_slot *slot = slot_of(link, link->tx.next);
    slot->type = type;
    slot->length = (uint16_t)length;
    if (length) memcpy(slot->payload, payload, length);
    link->tx.next++;
    return WW_OK;
}

bool ww_link_pending(const ww_link *link) {
    return link->state == OPEN && link->tx.next != link->tx.base;
}

typedef struct {
    uint8_t *bytes;
    size_t capacity;
} wire;

/* Every frame carries the ack and credits of this moment. 0 = it does not fit. */
static size_t put_frame(ww_link *link, wire out, uint8_t type, uint8_t seq, const uint8_t *payload,
                        size_t length) {
    size_t frame_bytes = WW_LINK_HEADER_BYTES + length + CRC_BYTES;
    if (out.capacity < frame_bytes + frame_bytes / 254 + 3) return 0;
    uint8_t header[WW_LINK_HEADER_BYTES] = {type, seq, link->rx.expected, link->credits};
    bool handshake = type == WW_MSG_HELLO || type == WW_MSG_WELCOME;
    uint32_t crc = ww_crc32(handshake ? 0 : link->session, header, sizeof header);
    crc = ww_crc32(crc, payload, length);
    uint8_t crc_bytes[CRC_BYTES];
    ww_put_le(crc_bytes, crc, CRC_BYTES);
    ww_cobs_encoder e;
    ww_cobs_begin(&e, out.bytes);
    ww_cobs_put(&e, header, sizeof header);
    ww_cobs_put(&e, payload, length);
    ww_cobs_put(&e, crc_bytes, sizeof crc_bytes);
    link->rx.told_limit = (uint8_t)(link->rx.expected + link->credits);
    link->rx.ack_due = false;
    return ww_cobs_end(&e);
}

static size_t put_hello(ww_link *link, uint32_t now_ms, wire out) {
    if (link->hello_sent && now_ms - link->hello_at_ms < HELLO_MS) return 0;
    ww_msg_hello hello = {WW_PROTOCOL_VERSION, link->session};
    uint8_t payload[WW_MSG_HELLO_FIXED_BYTES];
    size_t length = ww_msg_hello_encode(&hello, payload);
    size_t count = put_frame(link, out, WW_MSG_HELLO, 0, payload, length);
    if (!count) return 0;
    link->hello_sent = true;
    link->hello_at_ms = now_ms;
    return count;
}

static size_t put_welcome(ww_link *link, wire out) {
    ww_msg_welcome welcome = {WW_PROTOCOL_VERSION, link->welcome_session};
    uint8_t payload[WW_MSG_WELCOME_FIXED_BYTES];
    size_t length = ww_msg_welcome_encode(&welcome, payload);
    size_t count = put_frame(link, out, WW_MSG_WELCOME, 0, payload, length);
    if (count) link->welcome_due = false;
    return count;
}

static size_t put_ack(ww_link *link, wire out) {
    ww_link_receiver *rx = &link->rx;
    uint8_t flags = rx->answer_due ? (uint8_t)(ACK_ANSWER | rx->poll_id) : 0;
    if (rx->nak_due) flags |= ACK_NAK;
    size_t count = put_frame(link, out, WW_MSG_ACK, flags, NULL, 0);
    if (count) rx->answer_due = rx->nak_due = false;
    return count;
}

static size_t put_data(ww_link *link, uint32_t now_ms, wire out) {
    ww_link_sender *tx = &link->tx;
    const ww_link_slot *slot = slot_of(link, tx->cursor);
    size_t count = put_frame(link, out, slot->type, tx->cursor, slot->payload, slot->length);
    if (!count) return 0;
    if (tx->cursor == tx->base) tx->timer_at_ms = now_ms;
    if (tx->cursor != tx->high) {
        link->counters.retransmissions++;
    } else {
        tx->high++;
        if (tx->timing == NOTHING) {
            tx->timing = A_FRAME;
            tx->timed_seq = tx->cursor;
            tx->timed_at_ms = now_ms;
        }
    }
    tx->cursor++;
    return count;
}

/* While frames from before an unanswered poll are missing, asks again with the same id, so that an
 * answer slower than the interval still counts. */
static size_t put_poll(ww_link *link, uint32_t now_ms, wire out) {
    ww_link_sender *tx = &link->tx;
    bool again = tx->polling && tx->poll_cursor != tx->base;
    uint8_t id = again ? tx->poll_id : (uint8_t)((tx->poll_id + 1) & ACK_POLL_ID);
    size_t count = put_frame(link, out, WW_MSG_ACK, ACK_POLL | id, NULL, 0);
    if (!count) return 0;
    /* A frame's round trip would include the wait before this poll; a repeated poll's answer
     * may be to either. */
    tx->timing = again ? NOTHING : A_POLL;
    tx->timed_at_ms = now_ms;
    if (!again) tx->poll_cursor = tx->cursor;
    tx->polling = true;
    tx->poll_id = id;
    tx->timer_at_ms = now_ms;
    if (tx->backoff < MAX_BACKOFF) tx->backoff++;
    if (!tx->unanswered) tx->silent_since_ms = now_ms;
    if (tx->unanswered < UINT8_MAX) tx->unanswered++;
    return count;
}

static void measure_round_trip(ww_link_sender *tx, uint32_t rtt_ms) {
    if (rtt_ms > MAX_RTT_SAMPLE_MS) rtt_ms = MAX_RTT_SAMPLE_MS;
    if (!tx->rtt_known) {
        tx->rtt_known = true;
        tx->srtt_x8_ms = (uint16_t)(rtt_ms * 8);
        tx->rttvar_x4_ms = (uint16_t)(rtt_ms * 2);
        return;
    }
    int32_t error = (int32_t)rtt_ms - tx->srtt_x8_ms / 8;
    int32_t size = error < 0 ? -error : error;
    tx->srtt_x8_ms = (uint16_t)(tx->srtt_x8_ms + error);
    tx->rttvar_x4_ms = (uint16_t)(tx->rttvar_x4_ms + size - tx->rttvar_x4_ms / 4);
}

/* What came in since the last transmit gets its time here: receiving has no clock. */
static void take_time(ww_link_sender *tx, uint32_t now_ms) {
    if (tx->timed_end) measure_round_trip(tx, now_ms - tx->timed_at_ms);
    if (tx->heard) tx->unanswered = 0;
    if (tx->progress || (tx->heard && tx->base == tx->next)) {
        tx->timer_at_ms = now_ms;
        tx->backoff = 0;
    }
    tx->timed_end = tx->heard = tx->progress = false;
}

static uint32_t poll_interval_ms(const ww_link_sender *tx) {
    if (tx->base == tx->next) return IDLE_POLL_MS;
    if (tx->base == tx->cursor) return BLOCKED_POLL_MS;
    uint32_t ms = FIRST_RTO_MS;
    if (tx->rtt_known) {
        ms = tx->rttvar_x4_ms > MIN_DEVIATION_MS ? tx->rttvar_x4_ms : MIN_DEVIATION_MS;
        ms += tx->srtt_x8_ms / 8u;
    }
    if (ms < MIN_RTO_MS) ms = MIN_RTO_MS;
    ms <<= tx->backoff;
    return ms < MAX_RTO_MS ? ms : MAX_RTO_MS;
}

static bool poll_due(const ww_link *link, uint32_t now_ms) {
    const ww_link_sender *tx = &link->tx;
    if (link->role == WW_LINK_DEVICE && tx->base == tx->next) return false;
    return now_ms - tx->timer_at_ms >= poll_interval_ms(tx);
}

/* The count alone would give up on a short stall, the time alone on a host that just slept. */
static bool silent_too_long(const ww_link *link, uint32_t now_ms) {
    const ww_link_sender *tx = &link->tx;
    return link->role == WW_LINK_HOST && tx->unanswered >= SILENT_POLLS &&
           now_ms - tx->silent_since_ms >= WW_LINK_SILENCE_MS;
}

/* Room that came back is worth a frame of its own only when the peer may soon run dry. */
static bool credits_due(const ww_link *link) {
    uint8_t told = distance(link->rx.told_limit, link->rx.expected);
    return told < link->credits && 2 * told <= link->credits;
}

static size_t transmit_open(ww_link *link, uint32_t now_ms, wire out) {
    ww_link_sender *tx = &link->tx;
    take_time(tx, now_ms);
    if (silent_too_long(link, now_ms)) {
        ww_link_close(link);
        return 0;
    }
    if (link->rx.answer_due || link->rx.nak_due) return put_ack(link, out);
    if (tx->cursor != tx->next && distance(tx->cursor, tx->base) < tx->peer_credits)
        return put_data(link, now_ms, out);
    if (poll_due(link, now_ms)) return put_poll(link, now_ms, out);
    if (link->rx.ack_due || credits_due(link)) return put_ack(link, out);
    return 0;
}

size_t ww_link_transmit(ww_link *link, uint32_t now_ms, uint8_t *out, size_t capacity) {
    wire to = {out, capacity};
    if (link->welcome_due) return put_welcome(link, to);
    if (link->state == CONNECTING) return put_hello(link, now_ms, to);
    if (link->state == OPEN) return transmit_open(link, now_ms, to);
    return 0;
}
