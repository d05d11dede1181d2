#pragma once

#include "esphome/core/automation.h"
#include "watchword_component.h"

namespace esphome::watchword_ {

template <typename... Ts>
class StartAction : public Action<Ts...>, public Parented<Watchword> {
public:
    void play(const Ts &...x) override { this->parent_->start(); }
};

template <typename... Ts>
class StopAction : public Action<Ts...>, public Parented<Watchword> {
public:
    void play(const Ts &...x) override { this->parent_->stop(); }
};

template <typename... Ts>
class IsRunningCondition : public Condition<Ts...>, public Parented<Watchword> {
public:
    bool check(const Ts &...x) override { return this->parent_->is_running(); }
};

template <typename... Ts>
class EnableModelAction : public Action<Ts...>, public Parented<Model> {
public:
    void play(const Ts &...x) override { this->parent_->enable(); }
};

template <typename... Ts>
class DisableModelAction : public Action<Ts...>, public Parented<Model> {
public:
    void play(const Ts &...x) override { this->parent_->disable(); }
};

template <typename... Ts>
class ModelIsEnabledCondition : public Condition<Ts...>, public Parented<Model> {
public:
    bool check(const Ts &...x) override { return this->parent_->is_enabled(); }
};

}  // namespace esphome::watchword_
