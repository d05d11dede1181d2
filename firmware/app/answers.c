#include "answers.h"

#include <string.h>

#include "board.h"
#include "text.h"
#include "ww_messages.h"

void answer(session *s, uint8_t type, const void *payload, size_t length) {
    /* Fails only when the session has just ended, and then nobody misses it. */
    if (ww_link_send(s->link, type, payload, length) != WW_OK) s->streaming = false;
}

void answer_config(session *s, uint32_t word) {
    uint8_t payload[WW_MSG_CONFIG_FIXED_BYTES];
    const ww_detector_config *c = &s->pipeline->words[word].detector.config;
    ww_msg_config config = {.word_number = (uint8_t)word,
                            .smoothing = c->smoothing,
                            .high_q15 = c->high_q15,
                            .low_q15 = c->low_q15,
                            .cooldown_ms = c->cooldown_ms,
                            .preset = ww_model_preset_of(s->pipeline->words[word].model.header, c)};
    answer(s, WW_MSG_CONFIG, payload, ww_msg_config_encode(&config, payload));
}

void answer_error(session *s, ww_status code, const char *request, const char *reason) {
    uint8_t payload[WW_MSG_ERROR_FIXED_BYTES + TEXT_BYTES];
    ww_msg_error error = {.code = (uint16_t)code};
    size_t length = ww_msg_error_encode(&error, payload);
    text told = {.length = 0};
    text_put(&told, request);
    text_put(&told, ": ");
    text_put(&told, reason);
    memcpy(payload + length, told.bytes, told.length);
    answer(s, WW_MSG_ERROR, payload, length + told.length);
}

static void tell_scores(session *s, uint32_t word) {
    uint8_t payload[WW_MSG_SCORES_FIXED_BYTES + SESSION_SCORES_PER_MESSAGE];
    session_word *due = &s->words[word];
    if (due->score_count == 0) return;
    ww_msg_scores head = {.word_number = (uint8_t)word,
                          .first_index = s->pipeline->words[word].scores - due->score_count};
    size_t length = ww_msg_scores_encode(&head, payload);
    memcpy(payload + length, due->scores, due->score_count);
    answer(s, WW_MSG_SCORES, payload, length + due->score_count);
    due->score_count = 0;
}

static void tell_detection(session *s, uint32_t word) {
    uint8_t payload[WW_MSG_DETECTION_FIXED_BYTES];
    session_word *due = &s->words[word];
    ww_msg_detection detection = {.word_number = (uint8_t)word,
                                  .sample_index = due->sample_index,
                                  .smoothed_q15 = due->smoothed_q15,
                                  .cost = due->cost};
    answer(s, WW_MSG_DETECTION, payload, ww_msg_detection_encode(&detection, payload));
    due->detected = false;
}

static void tell_totals(session *s, uint32_t word) {
    uint8_t payload[WW_MSG_WORD_DONE_FIXED_BYTES];
    const ww_word *w = &s->pipeline->words[word];
    ww_msg_word_done done = {.word_number = (uint8_t)word,
                             .rows = w->rows,
                             .scores = w->scores,
                             .detections = w->detections};
    answer(s, WW_MSG_WORD_DONE, payload, ww_msg_word_done_encode(&done, payload));
    s->words[word].ending = false;
}

static bool is_due(const session_word *due) {
    return due->detected || due->ending || due->score_count == SESSION_SCORES_PER_MESSAGE;
}

/* A word that ends has no detection left to be told: two messages at most. */
bool answer_due(session *s) {
    for (uint32_t word = 0; word < s->pipeline->word_count; word++) {
        if (!is_due(&s->words[word])) continue;
        if (ww_link_send_room(s->link) < ANSWERS_PER_STEP) return false;
        tell_scores(s, word);
        if (s->words[word].detected) tell_detection(s, word);
        if (s->words[word].ending) tell_totals(s, word);
    }
    return true;
}

void answer_ending(session *s) {
    for (uint32_t word = 0; word < s->pipeline->word_count; word++)
        s->words[word].ending = true;
}

void show_detectors(const ww_pipeline *p, const ww_step *step) {
    bool scored = false, detected = false;
    for (uint32_t word = 0; word < p->word_count; word++) {
        scored |= step->words[word].score;
        detected |= !p->words[word].detector.armed;
    }
    if (scored) board_led(detected);
}

void answer_step(session *s, const ww_step *step, uint32_t started) {
    for (uint32_t word = 0; word < s->pipeline->word_count; word++) {
        const ww_word_step *of_word = &step->words[word];
        session_word *due = &s->words[word];
        if (!of_word->score) continue;
        due->scores[due->score_count++] = of_word->raw_score;
        if (!of_word->detection) continue;
        due->detected = true;
        due->sample_index = step->sample_index;
        due->smoothed_q15 = of_word->smoothed_q15;
        due->cost = board_counter() - started;
    }
    show_detectors(s->pipeline, step);
}
