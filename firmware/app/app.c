#include "app.h"

#include "answers.h"
#include "board.h"
#include "console.h"
#include "listener.h"
#include "models.h"
#include "session.h"
#include "settings.h"
#include "ww_messages.h"

#define LEAVE_WITHIN_MS 1000u /* a host that stops answering does not keep us from text */
#define MICROPHONE_REPORT_MS 10000u
#define STATUS_AGAIN_MS 2000u /* noise on the wire does not make it talk all the time */

/* Frames sent and not yet acknowledged: scores, a batch a second, need few; audio needs more. */
#ifndef WATCHWORD_LINK_SLOTS
#define WATCHWORD_LINK_SLOTS 4
#endif

static struct {
    uint8_t bytes[256];
    size_t count, used;
} received;

static struct {
    uint8_t bytes[WW_LINK_WIRE_BYTES];
    size_t count, sent;
} outgoing;

static struct { uint32_t clipped, overruns, at_ms; } reported; /* of the microphone, in text */

static ww_pipeline pipeline;
static ww_link link;
static ww_link_slot slots[WATCHWORD_LINK_SLOTS];
static session host;
static enum { APP_TEXT, APP_SESSION, APP_LEAVING } mode; /* see app.h */
static uint32_t leaving_since_ms;

static struct {
    uint32_t said_ms; /* when the boot text was */
    bool asked;       /* for it, by an empty line or any other text with an end */
    bool binary;      /* the line that comes is no text */
} status;

static void remember_microphone_counters(void) {
    reported.clipped = board_microphone_clipped();
    reported.overruns = board_microphone_overruns();
    reported.at_ms = board_time_ms();
}

/* Who this is and, a little later, whether its microphone hears something. */
static void say_status(void) {
    console_boot(&pipeline);
    listener_measure();
    status.said_ms = board_time_ms();
    status.asked = false;
}

static void start_text(void) {
    mode = APP_TEXT;
    if (pipeline.word_count > 0) listener_reset();
    ww_pipeline_reset(&pipeline);
    remember_microphone_counters();
    say_status();
}

void app_init(void) {
    models_start(&pipeline);
    settings_apply(&pipeline);
    if (ww_link_init(&link, WW_LINK_DEVICE, slots, WATCHWORD_LINK_SLOTS) != WW_OK) board_restart();
    session_init(&host, &pipeline, &link);
    start_text();
}

static void enter_session(void) {
    mode = APP_SESSION;
    session_reset(&host);
    listener_stop();
    status.asked = false;
}

static void enter_text(void) {
    ww_link_close(&link);
    session_reset(&host);
    start_text();
}

/* A person, or a monitor that has just begun, pressed Enter. Frames hold other bytes than text, and
 * a zero ends them. */
static void look_for_enter(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bool line_ends = bytes[i] == '\n' || bytes[i] == '\r';
        if (line_ends && !status.binary) status.asked = true;
        status.binary =
            !line_ends && bytes[i] != 0 && (status.binary || bytes[i] < ' ' || bytes[i] > '~');
    }
}

static bool answer_enter(void) {
    if (!status.asked || outgoing.sent < outgoing.count) return false;
    if (board_time_ms() - status.said_ms < STATUS_AGAIN_MS) return false;
    say_status();
    return true;
}

/* The link looks at every byte in text mode too: it answers frames only, and what a person types
 * never is one. */
static bool receive(void) {
    ww_link_frame frame;
    size_t used;
    if (received.used == received.count) {
        received.count = board_link_read(received.bytes, sizeof received.bytes);
        received.used = 0;
        if (mode == APP_TEXT) look_for_enter(received.bytes, received.count);
    }
    if (received.used == received.count) return false;
    ww_link_set_credits(&link, session_room(&host));
    bool delivered = ww_link_receive(&link, received.bytes + received.used,
                                     received.count - received.used, &used, &frame);
    received.used += used;
    if (delivered && frame.type == WW_MSG_HELLO) {
        enter_session();
    } else if (delivered) {
        session_accept(&host, &frame);
    }
    return true;
}

static bool transmit(void) {
    if (outgoing.sent == outgoing.count) {
        ww_link_set_credits(&link, session_room(&host));
        outgoing.count =
            ww_link_transmit(&link, board_time_ms(), outgoing.bytes, sizeof outgoing.bytes);
        outgoing.sent = 0;
    }
    if (outgoing.count == 0) return false;
    outgoing.sent +=
        board_link_write(outgoing.bytes + outgoing.sent, outgoing.count - outgoing.sent);
    return true;
}

/* The host asked to leave: let it have every answer and acknowledgement first. */
static void leave_when_drained(bool sent_something) {
    if (mode != APP_LEAVING) {
        mode = APP_LEAVING;
        leaving_since_ms = board_time_ms();
    }
    bool drained = !sent_something && !ww_link_pending(&link);
    if (!drained && board_time_ms() - leaving_since_ms < LEAVE_WITHIN_MS) return;
    if (host.wish == SESSION_RESTART) board_restart();
    enter_text();
}

/* Too loud, or read too late: said once in a while, as long as it goes on. */
static void report_microphone(void) {
    if (board_time_ms() - reported.at_ms < MICROPHONE_REPORT_MS) return;
    uint32_t clipped = board_microphone_clipped() - reported.clipped;
    uint32_t lost = board_microphone_overruns() - reported.overruns;
    if (clipped > 0 || lost > 0) console_microphone(clipped, lost);
    remember_microphone_counters();
}

/* Text mode: the microphone is the audio source, detections are lines. */
static bool listen(void) {
    ww_step step;
    if (pipeline.word_count == 0 || !listener_push(&pipeline, &step)) return false;
    const level *loudness = listener_measured();
    if (loudness != NULL) console_level(loudness);
    console_detections(&pipeline, &step);
    show_detectors(&pipeline, &step);
    report_microphone();
    return true;
}

bool app_step(void) {
    bool busy = receive();
    bool sent = transmit();
    /* A line never cuts a frame in two. */
    if (mode == APP_TEXT) return sent || answer_enter() || listen() || busy;
    bool served = host.wish == SESSION_GO_ON && session_step(&host);
    if (host.wish != SESSION_GO_ON) leave_when_drained(sent);
    /* Unacknowledged frames may have to be asked after: that takes a running clock. */
    return busy || served || sent || ww_link_pending(&link);
}
