#include "microphone.h"

#define LOAD(variable) __atomic_load_n(&(variable), __ATOMIC_ACQUIRE)
#define STORE(variable, value) __atomic_store_n(&(variable), (value), __ATOMIC_RELEASE)

void microphone_init(microphone *m, int16_t *samples, uint32_t capacity, uint16_t gain_q8) {
    *m = (microphone){.samples = samples, .capacity = capacity, .gain_q8 = gain_q8};
}

/* Amplified before it is cut to 16 bits, so that a quiet microphone keeps its resolution. */
static int16_t amplified(int32_t raw, uint32_t gain_q8, uint32_t *clipped) {
    int64_t value = ((int64_t)raw * gain_q8 + (1 << 23)) >> 24;
    if (value >= INT16_MIN && value <= INT16_MAX) return (int16_t)value;
    ++*clipped;
    return value < 0 ? INT16_MIN : INT16_MAX;
}

void microphone_put(microphone *m, const int32_t *raw, size_t count) {
    uint32_t gain_q8 = LOAD(m->gain_q8), written = m->written, clipped = 0;
    uint32_t room = m->capacity - (written - LOAD(m->taken));
    uint32_t kept = count < room ? (uint32_t)count : room;
    for (uint32_t i = 0; i < kept; i++)
        m->samples[(written + i) % m->capacity] = amplified(raw[i], gain_q8, &clipped);
    STORE(m->written, written + kept);
    STORE(m->clipped, m->clipped + clipped);
    STORE(m->overruns, m->overruns + (uint32_t)(count - kept));
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
