#include "listener.h"

#include <string.h>

#include "board.h"

#ifndef WATCHWORD_HEARD_SAMPLES
#define WATCHWORD_HEARD_SAMPLES 0 /* a board without a microphone has nothing to remember */
#endif
#define MEMORY_SAMPLES (WATCHWORD_HEARD_SAMPLES > 0 ? WATCHWORD_HEARD_SAMPLES : 1)

static int16_t part[LISTENER_PART_SAMPLES];
static size_t part_count, part_used;
static int16_t memory[MEMORY_SAMPLES]; /* a ring */
static uint32_t memory_next;           /* where the next sample goes */
static uint64_t heard;
static uint32_t overruns_before, clipped_before;
static level loudness;
static bool measured; /* and not yet told */

void listener_reset(void) {
    heard = 0;
    part_count = part_used = 0;
    board_microphone_listen(true);
    overruns_before = board_microphone_overruns();
    clipped_before = board_microphone_clipped();
}

void listener_stop(void) {
    board_microphone_listen(false);
    loudness.measuring = measured = false;
}

void listener_measure(void) {
    level_begin(&loudness);
    measured = false;
}

const level *listener_measured(void) {
    if (!measured) return NULL;
    measured = false;
    return &loudness;
}

static bool refill(void) {
    part_count = board_microphone_read(part, LISTENER_PART_SAMPLES);
    part_used = 0;
    for (size_t i = 0; i < part_count; i++) {
        memory[memory_next] = part[i];
        if (++memory_next == MEMORY_SAMPLES) memory_next = 0;
    }
    heard += part_count;
    if (level_add(&loudness, part, part_count)) measured = true;
    return part_count > 0;
}

bool listener_push(ww_pipeline *pipeline, ww_step *step) {
    if (part_used == part_count && !refill()) return false;
    part_used += ww_pipeline_push(pipeline, part + part_used, part_count - part_used, step);
    return true;
}

uint64_t listener_heard(void) {
    return heard;
}

uint32_t listener_lost(void) {
    return board_microphone_overruns() - overruns_before;
}

uint32_t listener_clipped(void) {
    return board_microphone_clipped() - clipped_before;
}

uint32_t listener_memory(void) {
    return WATCHWORD_HEARD_SAMPLES;
}

void listener_recall(uint64_t from, void *out, size_t count) {
    uint32_t back = (uint32_t)(heard - from);
    uint32_t at = (memory_next + MEMORY_SAMPLES - back) % MEMORY_SAMPLES;
    size_t to_the_end = MEMORY_SAMPLES - at;
    size_t first = count < to_the_end ? count : to_the_end;
    memcpy(out, memory + at, first * sizeof *memory);
    memcpy((uint8_t *)out + first * sizeof *memory, memory, (count - first) * sizeof *memory);
}
