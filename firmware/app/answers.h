/* What a session says to its host. The caller has made sure of ANSWERS_PER_STEP free places. */
#ifndef WATCHWORD_ANSWERS_H
#define WATCHWORD_ANSWERS_H

#include "session.h"

/* The most that serving one request, or telling what is due of one word, sends. */
#define ANSWERS_PER_STEP 2

void answer(session *s, uint8_t type, const void *payload, size_t length);
void answer_config(session *s, uint32_t word);
void answer_error(session *s, ww_status code, const char *request, const char *reason);

/* A hop came out of the pipeline: keep its scores and detections to be told, and show them by the
 * LED. started: the counter before its last samples came. Nothing may be due before. */
void answer_step(session *s, const ww_step *step, uint32_t started);

/* Everything that the words gave is due, with their totals: the end of a stream. */
void answer_ending(session *s);

/* Tell what is due, as far as the link takes it; false: something is left. */
bool answer_due(session *s);

/* The LED: on while a word was detected and its score has not fallen again. */
void show_detectors(const ww_pipeline *p, const ww_step *step);

#endif
