#include "watchword_component.h"

#include <cinttypes>

#include "esphome/core/hal.h"
#include "esphome/core/log.h"

namespace esphome::watchword_ {

static const char *const TAG = "watchword";

void Watchword::setup() {
    ww_status status = watchword_open(&this->ears_, this->memory_, this->memory_bytes_);
    for (unsigned word = 0; status == WW_OK && word < this->models_.size(); word++)
        status = this->models_[word]->open(this, word);
    if (status != WW_OK) {
        ESP_LOGE(TAG, "%s", watchword_status_text(status));
        this->mark_failed(LOG_STR("a model cannot be used"));
        return;
    }
    this->check_speed_();
    this->source_->add_data_callback([this](const std::vector<uint8_t> &data) {
        if (!this->running_.load()) return;
        this->ring_.write(data.data(), data.size() / sizeof(int16_t));
#ifdef USE_ESP32
        xTaskNotifyGive(this->task_);
#endif
    });
#ifdef USE_ESP32
    this->task_ = xTaskCreateStatic(Watchword::task, "watchword", STACK_BYTES, this, PRIORITY,
                                    this->stack_, &this->task_memory_);
#endif
    if (this->start_on_boot_) this->start();
}

/// The estimate is an upper one, and something else may be going on: a warning, no refusal.
void Watchword::check_speed_() const {
    uint64_t instructions = 0;
    for (const Model *model : this->models_)
        instructions += ww_model_instructions(model->image_);
    const ww_status status = ww_models_keep_up(instructions, arch_get_cpu_freq_hz());
    if (status != WW_OK) {
        ESP_LOGW(TAG, "%s", watchword_status_text(status));
    }
}

#ifdef USE_ESP32
void Watchword::task(void *component) {
    auto *self = static_cast<Watchword *>(component);
    while (true) {
        // The main loop has a lower priority: it stays alive where the models are too much work.
        while (self->listen_())
            vTaskDelay(pdMS_TO_TICKS(PAUSE_MS));
        ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
    }
}
#endif

/// Works through what the ring holds, but no more than half of it at a time: true = there was more.
bool Watchword::listen_() {
    const int16_t *samples;
    size_t count, heard = 0;
    while ((count = this->ring_.peek(&samples)) > 0) {
        if (heard >= SampleRing::CAPACITY / 2) return true;
        LockGuard guard(this->mutex_);
        if (!this->running_.load()) return false;  // start() empties the ring
        count = std::min(count, SAMPLES_AT_ONCE);
        this->hear_(samples, count);
        this->ring_.skip(count);
        heard += count;
    }
    return false;
}

void Watchword::hear_(const int16_t *samples, size_t count) {
    watchword_event event;
    if (watchword_push(&this->ears_, samples, count) != WW_OK)
        return;  // cannot be: there are words, and the samples before were worked through
    while (watchword_heard(&this->ears_, &event)) {
        if (this->event_count_ < EVENTS) {
            this->events_[this->event_count_++] = event;
        } else {
            this->events_lost_++;
        }
    }
}

void Watchword::loop() {
#ifndef USE_ESP32
    while (this->listen_()) {
    }
#endif
    this->report_losses_();
    watchword_event events[EVENTS];
    size_t count;
    {
        LockGuard guard(this->mutex_);
        count = this->event_count_;
        std::copy_n(this->events_, count, events);
        this->event_count_ = 0;
    }
    for (size_t i = 0; i < count; i++)
        this->tell_(events[i]);
}

void Watchword::tell_(const watchword_event &event) {
    Model *model = this->models_[event.word];
    const double seconds = static_cast<double>(event.sample_index) / WATCHWORD_RATE_HZ;
    const float score = WATCHWORD_UNIT(event.score_q15);
    ESP_LOGD(TAG, "%.2f s: '%s', score %.3f%s", seconds, event.name, score,
             model->is_enabled() ? "" : " (switched off)");
    if (!model->is_enabled() || !this->is_running()) return;
    if (this->stop_after_detection_) this->stop();  // first: an action may start it again
    this->detected_.trigger(event.name, score, seconds);
}

void Watchword::report_losses_() {
    if (const uint32_t lost = this->ring_.take_lost()) {
        ESP_LOGW(TAG, "%" PRIu32 " samples of the microphone lost: the processor does not keep up",
                 lost);
    }
    LockGuard guard(this->mutex_);
    if (this->events_lost_ > 0) {
        ESP_LOGW(TAG, "%" PRIu32 " detections lost: the main loop was held up", this->events_lost_);
    }
    this->events_lost_ = 0;
}

void Watchword::start() {
    if (this->is_failed() || this->is_running()) return;
    {
        LockGuard guard(this->mutex_);
        watchword_reset(&this->ears_);
        this->ring_.skip_all();
        this->event_count_ = 0;
        this->running_.store(true);
    }
    this->source_->start();
    ESP_LOGD(TAG, "Listening");
}

void Watchword::stop() {
    if (!this->is_running()) return;
    this->source_->stop();
    LockGuard guard(this->mutex_);
    this->running_.store(false);
    ESP_LOGD(TAG, "Not listening");
}

void Watchword::dump_config() {
    ESP_LOGCONFIG(TAG,
                  "Watchword:\n  Memory of the models: %zu bytes\n  Stop after a detection: %s",
                  this->memory_bytes_, YESNO(this->stop_after_detection_));
    if (this->is_failed()) return;
    for (const Model *model : this->models_) {
        ESP_LOGCONFIG(TAG, "  '%s' (%s): image of %zu bytes, sensitivity %.2f %%%s",
                      model->get_wake_word(), model->get_id(), model->image_bytes_,
                      model->get_sensitivity(), model->is_enabled() ? "" : ", switched off");
    }
}

}  // namespace esphome::watchword_
