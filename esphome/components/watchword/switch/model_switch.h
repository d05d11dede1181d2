#pragma once

#include "../watchword_component.h"
#include "esphome/components/switch/switch.h"

namespace esphome::watchword_ {

class ModelSwitch : public switch_::Switch, public Component, public Parented<Model> {
public:
    void setup() override {
        this->parent_->add_on_change_callback(
            [this]() { this->publish_state(this->parent_->is_enabled()); });
        this->publish_state(this->parent_->is_enabled());
    }
    float get_setup_priority() const override { return setup_priority::LATE; }

protected:
    void write_state(bool state) override { this->parent_->set_enabled(state); }
};

}  // namespace esphome::watchword_
