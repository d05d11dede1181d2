#include "pcm_file.h"

#ifdef USE_HOST

#include <fcntl.h>
#include <unistd.h>

#include "esphome/core/log.h"

namespace esphome::pcm_file {

static const char *const TAG = "pcm_file";

void PcmFile::setup() {
    // For writing too: a pipe whose last writer has left would read as ended.
    this->file_ = ::open(this->path_, O_RDWR | O_NONBLOCK);
    if (this->file_ < 0) {
        ESP_LOGE(TAG, "%s cannot be opened", this->path_);
        this->mark_failed();
    }
}

void PcmFile::loop() {
    if (!this->is_running()) return;
    this->buffer_.resize(BYTES_A_LOOP);
    const ssize_t bytes =
        ::read(this->file_, this->buffer_.data() + this->kept_, BYTES_A_LOOP - this->kept_);
    if (bytes <= 0) return;
    const size_t all = this->kept_ + bytes, whole = all / 2 * 2;
    const uint8_t odd = this->buffer_[all - 1];
    this->buffer_.resize(whole);
    this->data_callbacks_.call(this->buffer_);
    this->kept_ = all - whole;
    this->buffer_[0] = odd;
}

}  // namespace esphome::pcm_file

#endif  // USE_HOST
