#include "requests.h"

#include <string.h>

#include "answers.h"
#include "board.h"
#include "capture.h"
#include "model_store.h"
#include "models.h"
#include "settings.h"
#include "text.h"
#include "version.h"
#include "ww_messages.h"

typedef ww_status (*handler)(session *s, const uint8_t *payload, size_t length);

/* Audio is on its way through the pipeline. */
static bool is_busy(const session *s) {
    return s->streaming || s->capture.send != WW_LISTEN_STOP;
}

static void copy_text(char *field, size_t bytes, const char *text) {
    size_t length = strlen(text);
    memset(field, 0, bytes);
    memcpy(field, text, length < bytes ? length : bytes);
}

static ww_status on_info_get(session *s, const uint8_t *payload, size_t length) {
    ww_msg_info_get get;
    uint8_t out[WW_MSG_INFO_FIXED_BYTES];
    if (!ww_msg_info_get_decode(&get, payload, length)) return WW_ERR_MESSAGE;
    if (get.word_number >= s->pipeline->word_count) return WW_ERR_ARGUMENT;
    const ww_model *model = &s->pipeline->words[get.word_number].model;
    const ww_model_header *header = model->header;
    ww_msg_info info = {.spec_id = WW_SPEC_ID,
                        .frontend_id = WW_FRONTEND_ID,
                        .model_crc32 = header->crc32,
                        .model_bytes = header->image_bytes,
                        .arena_bytes = (uint32_t)ww_model_arena_bytes(model),
                        .arena_free = models_arena_free(),
                        .clock_hz = board_counter_hz(),
                        .hop_samples = header->hop_samples,
                        .coeffs = header->coeffs,
                        .receptive_rows = header->receptive_rows,
                        .stride_rows = header->stride_rows,
                        .word_number = get.word_number,
                        .words = s->pipeline->word_count,
                        .slot = (uint8_t)models_slot(get.word_number),
                        .slots = WW_MAX_WORDS};
    copy_text(info.firmware, sizeof info.firmware, WATCHWORD_VERSION);
    copy_text(info.board, sizeof info.board, board_name());
    memcpy(info.word, header->word, sizeof info.word);
    answer(s, WW_MSG_INFO, out, ww_msg_info_encode(&info, out));
    return WW_OK;
}

static ww_status on_stream_start(session *s, const uint8_t *payload, size_t length) {
    ww_msg_stream_start start;
    uint8_t out[WW_MSG_STREAM_STARTED_FIXED_BYTES];
    if (!ww_msg_stream_start_decode(&start, payload, length)) return WW_ERR_MESSAGE;
    if (s->capture.send != WW_LISTEN_STOP) return WW_ERR_BUSY;
    ww_pipeline_reset(s->pipeline);
    session_forget(s);
    s->streaming = true;
    s->stream = start.stream;
    ww_msg_stream_started started = {.stream = start.stream};
    answer(s, WW_MSG_STREAM_STARTED, out, ww_msg_stream_started_encode(&started, out));
    return WW_OK;
}

static ww_status on_stream_end(session *s, const uint8_t *payload, size_t length) {
    ww_msg_stream_end end;
    if (!ww_msg_stream_end_decode(&end, payload, length)) return WW_ERR_MESSAGE;
    if (!s->streaming || end.stream != s->stream) return WW_ERR_ARGUMENT;
    s->ending = true;
    answer_ending(s);
    return WW_OK;
}

static ww_status on_config_get(session *s, const uint8_t *payload, size_t length) {
    ww_msg_config_get get;
    if (!ww_msg_config_get_decode(&get, payload, length)) return WW_ERR_MESSAGE;
    if (get.word_number >= s->pipeline->word_count) return WW_ERR_ARGUMENT;
    answer_config(s, get.word_number);
    return WW_OK;
}

static ww_status on_config_set(session *s, const uint8_t *payload, size_t length) {
    ww_msg_config_set set;
    if (!ww_msg_config_set_decode(&set, payload, length)) return WW_ERR_MESSAGE;
    ww_detector_config config = {.smoothing = set.smoothing,
                                 .high_q15 = set.high_q15,
                                 .low_q15 = set.low_q15,
                                 .cooldown_ms = set.cooldown_ms};
    ww_status status = ww_pipeline_configure(s->pipeline, set.word_number, &config);
    if (status == WW_OK) answer_config(s, set.word_number);
    return status;
}

static ww_status on_preset_set(session *s, const uint8_t *payload, size_t length) {
    ww_msg_preset_set set;
    ww_detector_config config;
    if (!ww_msg_preset_set_decode(&set, payload, length)) return WW_ERR_MESSAGE;
    if (set.word_number >= s->pipeline->word_count) return WW_ERR_ARGUMENT;
    const ww_word *word = &s->pipeline->words[set.word_number];
    ww_status status = ww_model_preset(word->model.header, set.preset, &config);
    if (status == WW_OK) status = ww_pipeline_configure(s->pipeline, set.word_number, &config);
    if (status == WW_OK) answer_config(s, set.word_number);
    return status;
}

static void fill_costs(const ww_word *word, ww_msg_stats *stats) {
    /* Before the first hop the minimum is the type's maximum: report 0 for "not measured". */
    const ww_stage_cost none = {0, 0, 0};
    bool measured = word->cost_hops > 0;
    ww_stage_cost frontend = measured ? word->cost[WW_STAGE_FRONTEND] : none;
    ww_stage_cost model = measured ? word->cost[WW_STAGE_MODEL] : none;
    ww_stage_cost detector = measured ? word->cost[WW_STAGE_DETECTOR] : none;
    stats->hops = word->cost_hops;
    stats->frontend_total = frontend.total;
    stats->frontend_min = frontend.min;
    stats->frontend_max = frontend.max;
    stats->model_total = model.total;
    stats->model_min = model.min;
    stats->model_max = model.max;
    stats->detector_total = detector.total;
    stats->detector_min = detector.min;
    stats->detector_max = detector.max;
}

static ww_status on_stats_get(session *s, const uint8_t *payload, size_t length) {
    ww_msg_stats_get get;
    uint8_t out[WW_MSG_STATS_FIXED_BYTES];
    if (!ww_msg_stats_get_decode(&get, payload, length)) return WW_ERR_MESSAGE;
    if (get.word_number >= s->pipeline->word_count) return WW_ERR_ARGUMENT;
    board_memory memory = board_memory_used();
    ww_msg_stats stats = {.word_number = get.word_number,
                          .samples = s->samples_measured,
                          .stack_bytes = memory.stack_bytes,
                          .heap_bytes = memory.heap_bytes,
                          .crc_errors = s->link->counters.crc_errors,
                          .bad_frames = s->link->counters.bad_frames,
                          .retransmissions = s->link->counters.retransmissions,
                          .overruns = board_microphone_overruns()};
    fill_costs(&s->pipeline->words[get.word_number], &stats);
    answer(s, WW_MSG_STATS, out, ww_msg_stats_encode(&stats, out));
    if (get.reset) {
        ww_pipeline_reset_costs(s->pipeline);
        s->samples_measured = 0;
    }
    return WW_OK;
}

static ww_status on_text_mode(session *s, const uint8_t *payload, size_t length) {
    (void)payload;
    (void)length;
    s->wish = SESSION_TO_TEXT;
    return WW_OK;
}

static ww_status on_restart(session *s, const uint8_t *payload, size_t length) {
    (void)payload;
    (void)length;
    s->wish = SESSION_RESTART;
    return WW_OK;
}

/* ── Models and settings that the board keeps ──────────────────────────────────────────────── */

static void send_model_state(session *s, uint32_t slot) {
    uint8_t payload[WW_MSG_MODEL_STATE_FIXED_BYTES];
    uint32_t word = models_word(slot);
    bool runs = word < s->pipeline->word_count;
    ww_msg_model_state state = {
        .slot = (uint8_t)slot,
        .stored_bytes = models_stored_bytes(),
        .slot_bytes = model_store_capacity(),
        .model_crc32 = runs ? s->pipeline->words[word].model.header->crc32 : 0};
    answer(s, WW_MSG_MODEL_STATE, payload, ww_msg_model_state_encode(&state, payload));
}

static ww_status on_model_begin(session *s, const uint8_t *payload, size_t length) {
    ww_msg_model_begin begin;
    if (!ww_msg_model_begin_decode(&begin, payload, length)) return WW_ERR_MESSAGE;
    if (is_busy(s)) return WW_ERR_BUSY;
    ww_status status = models_begin(begin.slot, begin.image_bytes, begin.image_crc32);
    if (status == WW_OK) send_model_state(s, begin.slot);
    return status;
}

static ww_status on_model_chunk(session *s, const uint8_t *payload, size_t length) {
    ww_msg_model_chunk chunk;
    const size_t head = WW_MSG_MODEL_CHUNK_FIXED_BYTES;
    (void)s;
    if (!ww_msg_model_chunk_decode(&chunk, payload, length)) return WW_ERR_MESSAGE;
    return models_append(chunk.offset, payload + head, length - head);
}

/* Other words run than before: what was measured is not theirs. */
static void words_changed(session *s, uint32_t slot) {
    s->samples_measured = 0; /* with the costs, of which the new pipeline has none yet */
    session_forget(s);
    send_model_state(s, slot);
}

static ww_status on_model_commit(session *s, const uint8_t *payload, size_t length) {
    (void)payload;
    (void)length;
    if (is_busy(s)) return WW_ERR_BUSY;
    ww_status status = models_commit();
    if (status == WW_OK) words_changed(s, models_receiving_slot());
    return status;
}

static ww_status on_model_abort(session *s, const uint8_t *payload, size_t length) {
    (void)payload;
    (void)length;
    models_abort();
    send_model_state(s, models_receiving_slot());
    return WW_OK;
}

static ww_status on_model_remove(session *s, const uint8_t *payload, size_t length) {
    ww_msg_model_remove remove;
    if (!ww_msg_model_remove_decode(&remove, payload, length)) return WW_ERR_MESSAGE;
    if (is_busy(s)) return WW_ERR_BUSY;
    ww_status status = models_remove(remove.slot);
    if (status == WW_OK) words_changed(s, remove.slot);
    return status;
}

static ww_status on_settings_save(session *s, const uint8_t *payload, size_t length) {
    uint8_t out[WW_MSG_SETTINGS_SAVED_FIXED_BYTES];
    ww_msg_settings_saved saved = {.words = s->pipeline->word_count};
    (void)payload;
    (void)length;
    if (!settings_save(s->pipeline)) return WW_ERR_FLASH;
    answer(s, WW_MSG_SETTINGS_SAVED, out, ww_msg_settings_saved_encode(&saved, out));
    return WW_OK;
}

static ww_status on_microphone_set(session *s, const uint8_t *payload, size_t length) {
    ww_msg_microphone_set set;
    uint8_t out[WW_MSG_MICROPHONE_FIXED_BYTES];
    if (!ww_msg_microphone_set_decode(&set, payload, length)) return WW_ERR_MESSAGE;
    ww_msg_microphone microphone = {.present = board_has_microphone(),
                                    .gain_q8 = board_microphone_gain(set.gain_q8),
                                    .clipped = board_microphone_clipped(),
                                    .overruns = board_microphone_overruns()};
    answer(s, WW_MSG_MICROPHONE, out, ww_msg_microphone_encode(&microphone, out));
    return WW_OK;
}

static ww_status on_listen(session *s, const uint8_t *payload, size_t length) {
    ww_msg_listen request;
    if (!ww_msg_listen_decode(&request, payload, length)) return WW_ERR_MESSAGE;
    if (request.send != WW_LISTEN_STOP) {
        return is_busy(s) ? WW_ERR_BUSY : capture_start(s, request.send);
    }
    if (s->capture.send == WW_LISTEN_STOP) return WW_ERR_ARGUMENT;
    capture_stop(s);
    return WW_OK;
}

#define REQUEST(name, NAME, needs_model, has_tail) \
    { on_##name, #name, WW_MSG_##NAME##_FIXED_BYTES, WW_MSG_##NAME, needs_model, has_tail }

static const struct {
    handler handle;
    const char *name;
    uint16_t bytes;
    uint8_t type;
    bool needs_model, has_tail; /* a tail: `bytes` is the least */
} requests[] = {
    REQUEST(info_get, INFO_GET, true, false),
    REQUEST(stream_start, STREAM_START, true, false),
    REQUEST(stream_end, STREAM_END, true, false),
    REQUEST(config_get, CONFIG_GET, true, false),
    REQUEST(config_set, CONFIG_SET, true, false),
    REQUEST(preset_set, PRESET_SET, true, false),
    REQUEST(stats_get, STATS_GET, true, false),
    REQUEST(text_mode, TEXT_MODE, false, false),
    REQUEST(restart, RESTART, false, false),
    REQUEST(model_begin, MODEL_BEGIN, false, false),
    REQUEST(model_chunk, MODEL_CHUNK, false, true),
    REQUEST(model_commit, MODEL_COMMIT, false, false),
    REQUEST(model_abort, MODEL_ABORT, false, false),
    REQUEST(model_remove, MODEL_REMOVE, false, false),
    REQUEST(settings_save, SETTINGS_SAVE, true, false),
    REQUEST(microphone_set, MICROPHONE_SET, false, false),
    REQUEST(listen, LISTEN, true, false),
};

/* RAM is the one thing that the host is told in numbers: which model to leave out depends on it. */
static const char *arena_reason(void) {
    static text told;
    models_shortage shortage = models_arena_shortage();
    told.length = 0;
    text_put(&told, "it needs more RAM than this firmware has free for it: ");
    text_put_number(&told, shortage.needed, 10, 1);
    text_put(&told, " bytes, not ");
    text_put_number(&told, shortage.free, 10, 1);
    text_put_bytes(&told, "", 1);
    return told.bytes;
}

static const char *reason(ww_status status) {
    switch (status) {
        case WW_ERR_MESSAGE:
            return "malformed";
        case WW_ERR_BUSY:
            return "audio is still on its way";
        case WW_ERR_CRC:
            return "damaged on its way";
        case WW_ERR_ARENA:
            return arena_reason();
        case WW_ERR_FLASH:
            return "no flash for it, or writing it failed";
        case WW_ERR_SPACE:
            return "too long for its flash slot";
        case WW_ERR_REAL_TIME:
            return "too much work for this chip: it would fall behind the audio";
        case WW_ERR_FEATURES:
            return "built without its kind of features";
        case WW_ERR_FRONTENDS:
            return "its features are of a further kind or hop, and there is no place for those";
        case WW_ERR_PRESET:
            return "its model brings no such preset";
        case WW_ERR_MICROPHONE:
            return "this board has no microphone";
        default:
            return "value refused";
    }
}

void request_serve(session *s, const session_frame *frame) {
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        if (requests[i].type != frame->type) continue;
        if (requests[i].needs_model && s->pipeline->word_count == 0) {
            answer_error(s, models_rejected(0), requests[i].name, "the model image was rejected");
            return;
        }
        ww_status status = WW_ERR_MESSAGE;
        if (frame->length == requests[i].bytes ||
            (requests[i].has_tail && frame->length > requests[i].bytes)) {
            status = requests[i].handle(s, frame->payload.bytes, frame->length);
        }
        if (status != WW_OK) answer_error(s, status, requests[i].name, reason(status));
        return;
    }
    answer_error(s, WW_ERR_MESSAGE, "request", "unknown type");
}
