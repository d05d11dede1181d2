#include "session.h"

#include <string.h>

#include "answers.h"
#include "board.h"
#include "capture.h"
#include "requests.h"
#include "ww_messages.h"

void session_init(session *s, ww_pipeline *pipeline, ww_link *link) {
    memset(s, 0, sizeof *s);
    s->pipeline = pipeline;
    s->link = link;
}

void session_forget(session *s) {
    memset(s->words, 0, sizeof s->words);
}

void session_reset(session *s) {
    s->wish = SESSION_GO_ON;
    s->oldest = s->waiting = 0;
    s->samples_taken = 0;
    s->streaming = s->ending = false;
    s->capture = (session_capture){.send = WW_LISTEN_STOP};
    session_forget(s);
}

uint8_t session_room(const session *s) {
    return (uint8_t)(SESSION_INBOX_FRAMES - s->waiting);
}

void session_accept(session *s, const ww_link_frame *frame) {
    if (session_room(s) == 0 || frame->length > WW_LINK_MAX_PAYLOAD_BYTES) return;
    session_frame *slot = &s->inbox[(s->oldest + s->waiting) % SESSION_INBOX_FRAMES];
    slot->type = frame->type;
    slot->length = frame->length;
    memcpy(slot->payload.bytes, frame->payload, frame->length);
    s->waiting++;
}

/* ── Audio ─────────────────────────────────────────────────────────────────────────────────── */

static void finish_oldest(session *s) {
    s->oldest = (uint8_t)((s->oldest + 1) % SESSION_INBOX_FRAMES);
    s->waiting--;
    s->samples_taken = 0;
}

static void serve_hop(session *s, const session_frame *frame) {
    ww_step step;
    uint16_t count = frame->length / sizeof(int16_t);
    uint32_t started = board_counter();
    size_t used = ww_pipeline_push(s->pipeline, frame->payload.samples + s->samples_taken,
                                   (size_t)(count - s->samples_taken), &step);
    s->samples_taken = (uint16_t)(s->samples_taken + used);
    s->samples_measured += used;
    answer_step(s, &step, started);
    if (s->samples_taken >= count) finish_oldest(s);
}

static void serve_audio(session *s, const session_frame *frame) {
    if (!s->streaming) {
        answer_error(s, WW_ERR_MESSAGE, "audio", "no stream was started");
        finish_oldest(s);
    } else if (frame->length % sizeof(int16_t) != 0) {
        answer_error(s, WW_ERR_MESSAGE, "audio", "odd number of bytes");
        finish_oldest(s);
    } else {
        serve_hop(s, frame);
    }
}

/* All that the words gave was told. */
static void finish_stream(session *s) {
    uint8_t out[WW_MSG_STREAM_DONE_FIXED_BYTES];
    ww_msg_stream_done done = {.stream = s->stream, .samples = s->pipeline->samples};
    answer(s, WW_MSG_STREAM_DONE, out, ww_msg_stream_done_encode(&done, out));
    s->streaming = s->ending = false;
}

static bool serve_inbox(session *s) {
    const session_frame *frame = &s->inbox[s->oldest];
    if (!answer_due(s) || ww_link_send_room(s->link) < ANSWERS_PER_STEP) return false;
    if (s->ending) {
        finish_stream(s);
        return true;
    }
    if (s->waiting == 0 || s->capture.ending) return false;
    if (frame->type == WW_MSG_AUDIO) {
        serve_audio(s, frame);
    } else {
        request_serve(s, frame);
        finish_oldest(s);
    }
    return true;
}

bool session_step(session *s) {
    bool served = serve_inbox(s);
    return capture_step(s) || served;
}
