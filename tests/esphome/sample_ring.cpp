/* Two threads pass numbers through SampleRing: they come out as they went in, but for as many as it
 * says that it lost; none, where the writer waits for room. */
#include "sample_ring.h"

#include <cstdio>
#include <thread>

using esphome::watchword_::SampleRing;

static constexpr uint32_t SAMPLES = 2000000;
static constexpr uint32_t MOST = 700; /* in one piece */
static SampleRing ring;
static std::atomic<uint32_t> taken{0};
static std::atomic<bool> written{false};

static void write_all(bool waits) {
    int16_t piece[MOST];
    for (uint32_t next = 0, size = 1; next < SAMPLES; size = size * 7 % (MOST + 1)) {
        while (waits && next - taken > SampleRing::CAPACITY - MOST)
            std::this_thread::yield();
        const uint32_t count = std::min(size, SAMPLES - next);
        for (uint32_t i = 0; i < count; i++)
            piece[i] = static_cast<int16_t>(next + i);
        ring.write(reinterpret_cast<const uint8_t *>(piece), count);
        next += count;
    }
    written = true;
}

static bool passes(bool waits) {
    taken = 0;
    written = false;
    std::thread writer(write_all, waits);
    uint32_t missing = 0; /* modulo 2^16, as the samples */
    uint16_t expected = 0;
    for (bool last = false; !last;) {
        last = written;
        const int16_t *samples;
        while (const size_t count = ring.peek(&samples)) {
            for (size_t i = 0; i < count; i++) {
                const uint16_t sample = static_cast<uint16_t>(samples[i]);
                missing += static_cast<uint16_t>(sample - expected);
                expected = static_cast<uint16_t>(sample + 1);
            }
            ring.skip(count);
            taken += count;
        }
    }
    writer.join();
    missing += static_cast<uint16_t>(SAMPLES - expected);
    const uint32_t lost = ring.take_lost();
    std::printf("%u read, %u lost\n", taken.load(), lost);
    return taken + lost == SAMPLES && missing % 65536 == lost % 65536 && !(waits && lost > 0);
}

int main() {
    const bool waiting = passes(true), hurrying = passes(false);
    return waiting && hurrying ? 0 : 1;
}
