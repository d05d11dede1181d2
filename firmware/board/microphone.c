#include "microphone.h"

#define LOAD(variable) __atomic_load_n(&(variable), __ATOMIC_ACQUIRE)
#define STORE(variable, value) __atomic_store_n(&(variable), (value), __ATOMIC_RELEASE)

void microphone_init(microphone *m, int16_t *samples, uint32_t capacity, uint16_t gain_q8) {
    *m = (microphone){.samples = samples, .capacity = capacity, .gain_q8 = gain_q8};
}

/* The offset is followed all the time: whoever begins to listen hears no step. */
void microphone_put(microphone *m, const int32_t *raw, size_t count) {
    bool listening = LOAD(m->listening);
    uint32_t gain_q8 = LOAD(m->gain_q8), written = m->written, clipped = 0;
    uint32_t room = m->capacity - (written - LOAD(m->taken));
    uint32_t kept = count < room ? (uint32_t)count : room;
    for (size_t i = 0; i < count; i++) {
        int32_t sound = ww_dc_block(&m->offset, raw[i]);
        if (!listening || i >= kept) continue;
        m->samples[(written + i) % m->capacity] = ww_amplify(sound, gain_q8, &clipped);
    }
    if (!listening) return;
    STORE(m->written, written + kept);
    STORE(m->clipped, m->clipped + clipped);
    microphone_lost(m, (uint32_t)(count - kept));
}

void microphone_lost(microphone *m, uint32_t count) {
    if (LOAD(m->listening)) STORE(m->overruns, m->overruns + count);
}

size_t microphone_take(microphone *m, int16_t *samples, size_t capacity) {
    uint32_t taken = m->taken;
    uint32_t ready = LOAD(m->written) - taken;
    uint32_t count = capacity < ready ? (uint32_t)capacity : ready;
    for (uint32_t i = 0; i < count; i++)
        samples[i] = m->samples[(taken + i) % m->capacity];
    STORE(m->taken, taken + count);
    return count;
}

uint16_t microphone_gain(microphone *m, uint16_t gain_q8) {
    if (gain_q8 != 0) STORE(m->gain_q8, gain_q8);
    return (uint16_t)m->gain_q8;
}

void microphone_listen(microphone *m, bool on) {
    if (on) STORE(m->taken, LOAD(m->written));
    STORE(m->listening, on);
}

void microphone_clock_start(microphone_clock *c, uint32_t part_us) {
    *c = (microphone_clock){.part_us = part_us};
}

/* What was counted as lost leaves the delays as whole parts: a window in which nothing came in time
 * is rounded up, and its rest must not be in the next one again. Of what is less than half a part,
 * a sixteenth of one leaves them: clocks that drift a little apart add up to nothing, and the next
 * window still shows a loss of which this one showed a piece. */
static uint32_t parts_lost(microphone_clock *c) {
    int32_t part_us = (int32_t)c->part_us, drift_us = part_us / 16;
    int32_t rounded_us = c->least_us + part_us / 2;
    int32_t lost = c->settled && rounded_us > 0 ? rounded_us / part_us : 0;
    bool began_late = !c->settled || c->least_us < drift_us;
    c->delay_us -= lost > 0 ? lost * part_us : began_late ? c->least_us : drift_us;
    c->settled = true;
    c->parts = 0;
    return (uint32_t)lost;
}

uint32_t microphone_clock_part(microphone_clock *c, uint32_t now_us) {
    int32_t waited_us = (int32_t)(now_us - c->now_us);
    c->now_us = now_us;
    c->delay_us = c->started ? c->delay_us + waited_us - (int32_t)c->part_us : 0;
    c->started = true;
    if (c->parts == 0 || c->delay_us < c->least_us) c->least_us = c->delay_us;
    return ++c->parts < MICROPHONE_CLOCK_PARTS ? 0 : parts_lost(c);
}
