#include "capture.h"

#include "answers.h"
#include "board.h"
#include "listener.h"
#include "ww_messages.h"

#define FRAME_SAMPLES 320u /* 20 ms */
#define HEARD_BYTES (WW_MSG_HEARD_FIXED_BYTES + FRAME_SAMPLES * sizeof(int16_t))

WW_STATIC_ASSERT(HEARD_BYTES <= WW_LINK_MAX_PAYLOAD_BYTES, heard_fits_a_frame);

ww_status capture_start(session *s, uint8_t send) {
    uint8_t out[WW_MSG_LISTENING_FIXED_BYTES];
    ww_msg_listening listening = {.send = send, .snippet_samples = listener_memory()};
    if (send != WW_LISTEN_DETECTIONS && send != WW_LISTEN_EVERYTHING) return WW_ERR_ARGUMENT;
    if (!board_has_microphone() || listener_memory() == 0) return WW_ERR_MICROPHONE;
    ww_pipeline_reset(s->pipeline);
    listener_reset();
    s->capture = (session_capture){.send = send};
    session_forget(s);
    answer(s, WW_MSG_LISTENING, out, ww_msg_listening_encode(&listening, out));
    return WW_OK;
}

void capture_stop(session *s) {
    s->capture.ending = true;
    answer_ending(s);
}

static uint64_t unsent(const session_capture *c) {
    return c->until - c->sent;
}

/* The audio before a detection, but for what was sent with an earlier one. */
static void send_snippet(session_capture *c, uint64_t end) {
    uint64_t begin = end > listener_memory() ? end - listener_memory() : 0;
    if (c->sent < begin) c->sent = begin;
    c->until = end;
}

static bool any_detection(const session *s, const ww_step *step) {
    for (uint32_t word = 0; word < s->pipeline->word_count; word++)
        if (step->words[word].detection) return true;
    return false;
}

static bool listen(session *s) {
    session_capture *c = &s->capture;
    ww_step step;
    uint64_t taken = s->pipeline->samples;
    uint32_t started = board_counter();
    if (unsent(c) > 0 && listener_heard() - c->sent + LISTENER_PART_SAMPLES > listener_memory()) {
        return false;
    }
    if (!listener_push(s->pipeline, &step)) return false;
    s->samples_measured += s->pipeline->samples - taken;
    answer_step(s, &step, started);
    if (c->send == WW_LISTEN_EVERYTHING) c->until = s->pipeline->samples;
    if (c->send == WW_LISTEN_DETECTIONS && any_detection(s, &step))
        send_snippet(c, step.sample_index);
    return true;
}

/* Leaves room for what the next hop has to say: a snippet does not stop the listening. */
static bool send_heard(session *s) {
    session_capture *c = &s->capture;
    uint8_t out[HEARD_BYTES];
    uint64_t left = unsent(c);
    size_t count = left < FRAME_SAMPLES ? (size_t)left : FRAME_SAMPLES;
    bool more_to_come = c->send == WW_LISTEN_EVERYTHING && !c->ending;
    if (count == 0 || (more_to_come && count < FRAME_SAMPLES)) return false;
    if (ww_link_send_room(s->link) <= ANSWERS_PER_STEP) return false;
    ww_msg_heard head = {.sample_index = c->sent};
    size_t length = ww_msg_heard_encode(&head, out);
    listener_recall(c->sent, out + length, count);
    answer(s, WW_MSG_HEARD, out, length + count * sizeof(int16_t));
    c->sent += count;
    return true;
}

static bool finish(session *s) {
    uint8_t out[WW_MSG_LISTENED_FIXED_BYTES];
    const ww_pipeline *p = s->pipeline;
    if (ww_link_send_room(s->link) < ANSWERS_PER_STEP) return false;
    ww_msg_listened listened = {
        .samples = p->samples, .overruns = listener_lost(), .clipped = listener_clipped()};
    listener_stop();
    answer(s, WW_MSG_LISTENED, out, ww_msg_listened_encode(&listened, out));
    s->capture = (session_capture){.send = WW_LISTEN_STOP};
    return true;
}

bool capture_step(session *s) {
    const session_capture *c = &s->capture;
    if (c->send == WW_LISTEN_STOP || !answer_due(s)) return false;
    if (c->ending && unsent(c) == 0) return finish(s);
    bool listened = !c->ending && listen(s);
    return send_heard(s) || listened;
}
