// An LED that lights up when the word is said: an I2S microphone (INMP441, ICS-43434) on an ESP32.
// Needs "esp32 by Espressif Systems" 3.x. model.h and model.c, in this folder, are an exported model.
#include <ESP_I2S.h>
#include <watchword.h>
#include "model.h"

const int BCLK = 26, WS = 25, DATA = 33, LED = 2;  // the microphone's L/R pin: to ground
I2SClass i2s;
watchword_microphone microphone;
watchword ears;
uint32_t memory[WW_MODEL_ARENA_BYTES / 4];

void setup() {
  Serial.begin(115200);
  pinMode(LED, OUTPUT);
  i2s.setPins(BCLK, WS, -1, DATA);
  bool hears = i2s.begin(I2S_MODE_STD, WATCHWORD_RATE_HZ, I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO, I2S_STD_SLOT_LEFT);
  ww_status status = watchword_open(&ears, memory, sizeof memory);
  if (status == WW_OK) status = watchword_add(&ears, ww_model_image, sizeof ww_model_image);
  Serial.println(hears ? watchword_status_text(status) : "the microphone does not start");
}

void loop() {
  static int32_t raw[160];  // 10 ms
  static int16_t samples[160];
  static unsigned long lit_at = 0;
  size_t count = i2s.readBytes((char *)raw, sizeof raw) / sizeof raw[0];
  watchword_amplify(&microphone, raw, count, 16, samples);
  if (watchword_push(&ears, samples, count) != WW_OK) return;
  watchword_event event;
  while (watchword_heard(&ears, &event)) {
    Serial.printf("%s, score %.2f\n", event.name, WATCHWORD_UNIT(event.score_q15));
    lit_at = millis();
  }
  digitalWrite(LED, lit_at != 0 && millis() - lit_at < 1000);
}
