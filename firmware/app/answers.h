/* What a session says to its host. The caller has made sure of ANSWERS_PER_STEP free places. */
#ifndef WATCHWORD_ANSWERS_H
#define WATCHWORD_ANSWERS_H

#include "session.h"

/* The most that serving one request or one hop sends: a batch of scores, and one message more. */
#define ANSWERS_PER_STEP 2

void answer(session *s, uint8_t type, const void *payload, size_t length);
void answer_scores(session *s);
void answer_detection(session *s, const ww_step *step, uint32_t started);
void answer_config(session *s);
void answer_error(session *s, ww_status code, const char *request, const char *reason);

/* A hop came out of the pipeline: its score and detection, and the LED that goes with them.
 * started: the counter before its last samples came. */
void answer_step(session *s, const ww_step *step, uint32_t started);

#endif
