#include "answers.h"

#include <string.h>

#include "board.h"
#include "ww_messages.h"

#define ERROR_TEXT_BYTES 64

void answer(session *s, uint8_t type, const void *payload, size_t length) {
    /* Fails only when the session has just ended, and then nobody misses it. */
    if (ww_link_send(s->link, type, payload, length) != WW_OK) s->streaming = false;
}

void answer_scores(session *s) {
    uint8_t payload[WW_MSG_SCORES_FIXED_BYTES + SESSION_SCORES_PER_MESSAGE];
    if (s->score_count == 0) return;
    ww_msg_scores head = {.first_index = s->pipeline->words[0].scores - s->score_count};
    size_t length = ww_msg_scores_encode(&head, payload);
    memcpy(payload + length, s->scores, s->score_count);
    answer(s, WW_MSG_SCORES, payload, length + s->score_count);
    s->score_count = 0;
}

void answer_detection(session *s, const ww_step *step, uint32_t started) {
    uint8_t payload[WW_MSG_DETECTION_FIXED_BYTES];
    ww_msg_detection detection = {.sample_index = step->sample_index,
                                  .smoothed_q15 = step->words[0].smoothed_q15,
                                  .cost = board_counter() - started};
    answer(s, WW_MSG_DETECTION, payload, ww_msg_detection_encode(&detection, payload));
}

void answer_config(session *s) {
    uint8_t payload[WW_MSG_CONFIG_FIXED_BYTES];
    const ww_detector_config *c = &s->pipeline->words[0].detector.config;
    ww_msg_config config = {.smoothing = c->smoothing,
                            .high_q15 = c->high_q15,
                            .low_q15 = c->low_q15,
                            .cooldown_ms = c->cooldown_ms,
                            .preset = ww_model_preset_of(s->pipeline->words[0].model.header, c)};
    answer(s, WW_MSG_CONFIG, payload, ww_msg_config_encode(&config, payload));
}

void answer_error(session *s, ww_status code, const char *request, const char *reason) {
    uint8_t payload[WW_MSG_ERROR_FIXED_BYTES + ERROR_TEXT_BYTES];
    ww_msg_error error = {.code = (uint16_t)code};
    size_t length = ww_msg_error_encode(&error, payload);
    const char *parts[] = {request, ": ", reason};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t count = strlen(parts[i]);
        if (count > sizeof payload - length) count = sizeof payload - length;
        memcpy(payload + length, parts[i], count);
        length += count;
    }
    answer(s, WW_MSG_ERROR, payload, length);
}

void answer_step(session *s, const ww_step *step, uint32_t started) {
    const ww_word_step *word = &step->words[0];
    if (word->score) s->scores[s->score_count++] = word->raw_score;
    if (word->detection || s->score_count == SESSION_SCORES_PER_MESSAGE) answer_scores(s);
    if (word->detection) answer_detection(s, step, started);
    if (word->score) board_led(!s->pipeline->words[0].detector.armed);
}
