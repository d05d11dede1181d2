#include <cmath>
#include <cstring>

#include "esphome/core/log.h"
#include "watchword_component.h"

namespace esphome::watchword_ {

static const char *const TAG = "watchword.model";

ww_status Model::open(Watchword *parent, unsigned word) {
    this->parent_ = parent;
    this->word_ = word;
    ww_status status = watchword_add(&parent->ears_, this->image_, this->image_bytes_);
    if (status == WW_OK) status = this->start_settings_();
    if (status != WW_OK) {
        ESP_LOGE(TAG, "Model %s was refused", this->id_);
        return status;
    }
    this->settings_.image_crc = this->header_()->crc32;
    this->settings_.start = this->settings_.detector;
    this->settings_.enabled = true;
    this->open_ = true;
    this->restore_();
    return WW_OK;
}

/// What the configuration says of the detector, in place of the image's own settings.
ww_status Model::start_settings_() {
    ::watchword *ears = &this->parent_->ears_;
    ww_detector_config *now = &this->settings_.detector;
    ww_status status = WW_OK;
    if (this->has_start_preset_)
        status = watchword_use_preset(ears, this->word_, this->start_preset_);
    if (status == WW_OK) status = watchword_get_detector(ears, this->word_, now);
    if (status == WW_OK && !std::isnan(this->start_sensitivity_)) {
        *now = this->with_sensitivity_(this->start_sensitivity_);
        status = watchword_set_detector(ears, this->word_, now);
    }
    return status;
}

void Model::restore_() {
    Settings saved;
    this->saved_ = global_preferences->make_preference<Settings>(fnv1_hash(this->id_));
    if (!this->saved_.load(&saved) || saved.image_crc != this->settings_.image_crc ||
        std::memcmp(&saved.start, &this->settings_.start, sizeof saved.start) != 0)
        return;
    if (watchword_set_detector(&this->parent_->ears_, this->word_, &saved.detector) == WW_OK)
        this->settings_ = saved;
}

/// After an attempt to change something: keep what is now in force, and say so. False: it was
/// refused.
bool Model::report_(ww_status status) {
    if (status != WW_OK) {
        ESP_LOGW(TAG, "%s: %s", this->id_, watchword_status_text(status));
    } else {
        this->saved_.save(&this->settings_);
    }
    this->changed_.call();
    return status == WW_OK;
}

/// Change the detector while the listening task is kept out, and take over what is then in force.
ww_status Model::change_(const std::function<ww_status()> &change) {
    if (!this->open_) return WW_ERR_ARGUMENT;
    LockGuard guard(this->parent_->mutex_);
    const ww_status status = change();
    return status != WW_OK ? status
                           : watchword_get_detector(&this->parent_->ears_, this->word_,
                                                    &this->settings_.detector);
}

void Model::set_enabled(bool enabled) {
    if (!this->open_) return;
    this->settings_.enabled = enabled;
    this->report_(WW_OK);
}

float Model::get_sensitivity() const {
    return 100.0f * (1.0f - WATCHWORD_UNIT(this->settings_.detector.high_q15));
}

ww_detector_config Model::with_sensitivity_(float percent) const {
    ww_detector_config config = this->settings_.detector;
    config.high_q15 =
        static_cast<uint16_t>(std::lround((1.0f - percent / 100.0f) / WATCHWORD_UNIT(1)));
    config.low_q15 = std::min(ww_model_detector(this->header_()).low_q15, config.high_q15);
    return config;
}

bool Model::set_sensitivity(float percent) {
    if (!this->open_ || !(percent >= 0.0f && percent <= 100.0f))
        return this->report_(WW_ERR_ARGUMENT);
    const ww_detector_config config = this->with_sensitivity_(percent);
    return this->report_(this->change_([this, &config]() {
        return watchword_set_detector(&this->parent_->ears_, this->word_, &config);
    }));
}

uint8_t Model::get_preset() const {
    return this->open_ ? ww_model_preset_of(this->image_, &this->settings_.detector)
                       : static_cast<uint8_t>(WW_NO_PRESET);
}

bool Model::use_preset(uint8_t preset) {
    return this->report_(this->change_([this, preset]() {
        return watchword_use_preset(&this->parent_->ears_, this->word_,
                                    static_cast<watchword_preset>(preset));
    }));
}

const char *Model::get_wake_word() const {
    return this->open_ ? watchword_name(&this->parent_->ears_, this->word_) : "";
}

float Model::get_score() const {
    if (!this->open_) return 0.0f;
    LockGuard guard(this->parent_->mutex_);
    return WATCHWORD_UNIT(watchword_score_q15(&this->parent_->ears_, this->word_));
}

}  // namespace esphome::watchword_
