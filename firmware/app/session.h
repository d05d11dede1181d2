/* One host session over the framed link: requests in, answers, scores and detections out.
 *
 * Frames wait in an inbox and are served strictly in order, one hop of audio at a time and only
 * while the link can take what that may produce. Free inbox places are the credits given to the
 * host, so a slow board slows the host down and never loses audio.
 */
#ifndef WATCHWORD_SESSION_H
#define WATCHWORD_SESSION_H

#include "watchword/link.h"
#include "watchword/pipeline.h"

#define SESSION_INBOX_FRAMES 6
#define SESSION_SCORES_PER_MESSAGE 25 /* one second of a stride of 40 ms */

typedef enum { SESSION_GO_ON, SESSION_TO_TEXT, SESSION_RESTART } session_wish;

typedef struct {
    uint8_t type;
    uint16_t length;
    union {
        uint8_t bytes[WW_LINK_MAX_PAYLOAD_BYTES];
        int16_t samples[WW_LINK_MAX_PAYLOAD_BYTES / 2]; /* the wire's byte order is the chip's */
    } payload;
} session_frame;

/* A host listening through the board's microphone (capture.h); audio up to `until` is to be sent.
 */
typedef struct {
    uint8_t send; /* WW_LISTEN_* */
    bool ending;
    uint64_t sent, until; /* sample indices */
} session_capture;

/* What a word gave and the host was not told yet. */
typedef struct {
    uint8_t scores[SESSION_SCORES_PER_MESSAGE];
    uint8_t score_count;
    bool detected;         /* with what follows */
    bool ending;           /* its totals are to be told */
    uint16_t smoothed_q15; /* of the detection, like the rest */
    uint32_t cost;
    uint64_t sample_index;
} session_word;

typedef struct {
    ww_pipeline *pipeline;
    ww_link *link;
    session_wish wish; /* what the host asked of the application */
    session_frame inbox[SESSION_INBOX_FRAMES];
    uint8_t oldest, waiting;
    uint16_t samples_taken; /* of the audio frame being served */
    bool streaming;
    bool ending; /* the stream: only what is due is still to be told */
    uint32_t stream;
    session_capture capture;
    uint64_t samples_measured; /* since the statistics were reset */
    session_word words[WW_MAX_WORDS];
} session;

void session_init(session *s, ww_pipeline *pipeline, ww_link *link);

/* What the words gave so far is not told any more: a new stream begins. */
void session_forget(session *s);

/* The host said hello: forget what the former session was doing, keep detector settings. */
void session_reset(session *s);

/* How many more frames fit into the inbox. */
uint8_t session_room(const session *s);

/* A sequenced frame from the link. */
void session_accept(session *s, const ww_link_frame *frame);

/* Serve one request or one hop. False = nothing to do, or the link must drain first. */
bool session_step(session *s);

#endif
