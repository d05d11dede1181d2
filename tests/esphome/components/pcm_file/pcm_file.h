#pragma once

#include "esphome/components/microphone/microphone.h"
#include "esphome/core/component.h"

namespace esphome::pcm_file {

/// While started, gives what it reads from a file or a named pipe, up to a quarter of a second a
/// loop.
class PcmFile : public microphone::Microphone, public Component {
public:
    void set_path(const char *path) { this->path_ = path; }
    void setup() override;
    void loop() override;
    void start() override { this->state_ = microphone::STATE_RUNNING; }
    void stop() override { this->state_ = microphone::STATE_STOPPED; }

protected:
    static constexpr size_t BYTES_A_LOOP = 8000;

    const char *path_{nullptr};
    int file_{-1};
    size_t kept_{0};  // bytes of half a sample at the front of buffer_
    std::vector<uint8_t> buffer_;
};

}  // namespace esphome::pcm_file
