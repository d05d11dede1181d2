// The entry, in Arduino's terms: setup once, loop for ever. ESP-IDF's main task calls them here; an
// Arduino core brings its own app_main that does the same.
#include "esp_task_wdt.h"

#include "app.h"
#include "board.h"

void setup() {
    board_init();
    app_init();
}

void loop() {
    if (!app_step()) board_idle();
    esp_task_wdt_reset();  // not reached for five seconds: the watchdog restarts the board
}

#ifndef ARDUINO
extern "C" void app_main() {
    setup();
    for (;;)
        loop();
}
#endif
