#include "Arduino.h"

unsigned long heard_ms = 0;
SerialMonitor Serial;

int main() {
    setup();
    for (;;)
        loop();
}
