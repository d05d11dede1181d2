#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace esphome::watchword_ {

/// Samples on their way from the microphone's task to the one that listens: one writer, one reader,
/// no lock, no allocation. What does not fit is counted, never written over what is still to be
/// read.
class SampleRing {
public:
    /// Half a second: what the listening task may fall behind while something else has the
    /// processor.
    static constexpr uint32_t CAPACITY = 8192;
    static_assert((CAPACITY & (CAPACITY - 1)) == 0, "the counters wrap around");

    /// By the writer. `bytes`: 16-bit samples in the chip's own byte order, at any address.
    void write(const uint8_t *bytes, size_t count) {
        const uint32_t written = this->written_.load(std::memory_order_relaxed);
        const uint32_t room = CAPACITY - (written - this->read_.load(std::memory_order_acquire));
        const uint32_t taken = std::min<size_t>(count, room);
        const uint32_t at = written % CAPACITY;
        const uint32_t first = std::min(taken, CAPACITY - at);
        std::memcpy(this->samples_ + at, bytes, first * sizeof(int16_t));
        std::memcpy(this->samples_, bytes + first * sizeof(int16_t),
                    (taken - first) * sizeof(int16_t));
        this->written_.store(written + taken, std::memory_order_release);
        if (taken < count) this->lost_.fetch_add(count - taken, std::memory_order_relaxed);
    }

    /// By the reader: the oldest samples that lie next to each other; they stay until `skip`.
    size_t peek(const int16_t **samples) const {
        const uint32_t read = this->read_.load(std::memory_order_relaxed);
        const uint32_t at = read % CAPACITY;
        *samples = this->samples_ + at;
        return std::min(this->written_.load(std::memory_order_acquire) - read, CAPACITY - at);
    }
    void skip(size_t count) { this->read_.fetch_add(count, std::memory_order_release); }
    void skip_all() {
        this->read_.store(this->written_.load(std::memory_order_acquire),
                          std::memory_order_release);
    }

    /// Samples that found no room since the last call.
    uint32_t take_lost() { return this->lost_.exchange(0, std::memory_order_relaxed); }

protected:
    int16_t samples_[CAPACITY];
    std::atomic<uint32_t> written_{0}, read_{0}, lost_{0};
};

}  // namespace esphome::watchword_
