/* The part of board.h that is the same on every emulated board: what it has not got, the painted
 * stack, and the end.
 */
#include "board.h"
#include "emu_io.h"
#include "stack_paint.h"

#define TRAP_EXIT_STATUS 70u

extern uint32_t __stack_bottom[], __stack_top[];

uint32_t board_counter_hz(void) {
    return 0;
}

bool board_has_microphone(void) {
    return false;
}

size_t board_microphone_read(int16_t *samples, size_t capacity) {
    (void)samples;
    (void)capacity;
    return 0;
}

void board_microphone_listen(bool on) {
    (void)on;
}

uint32_t board_microphone_overruns(void) {
    return 0;
}

uint32_t board_microphone_clipped(void) {
    return 0;
}

uint16_t board_microphone_gain(uint16_t gain_q8) {
    (void)gain_q8;
    return 0;
}

void board_led(bool on) {
    (void)on; /* these boards have none */
}

board_memory board_memory_used(void) {
    const uint32_t *deepest = __stack_bottom;
    while (deepest < __stack_top && *deepest == STACK_PAINT)
        deepest++;
    return (board_memory){(uint32_t)((uintptr_t)__stack_top - (uintptr_t)deepest), 0};
}

const char *board_restart_reason(void) {
    return NULL;
}

void board_restart(void) {
    emu_exit(0);
}

static void panic_text(const char *text) {
    while (*text != '\0') {
        if (uart_write((const uint8_t *)text, 1) == 1) text++;
    }
}

static void panic_hex(uint32_t value) {
    char text[] = "00000000";
    for (int i = 7; i >= 0; i--, value >>= 4)
        text[i] = "0123456789abcdef"[value & 15];
    panic_text(text);
}

void emu_trap(uint32_t cause, uint32_t pc, uint32_t value) {
    panic_text("\r\ntrap: cause 0x");
    panic_hex(cause);
    panic_text(" at pc 0x");
    panic_hex(pc);
    panic_text(", value 0x");
    panic_hex(value);
    panic_text("\r\n");
    emu_exit(TRAP_EXIT_STATUS);
}
