/* board.h on QEMU's `lx60` machine: the classic ESP32's instruction set (Xtensa LX6) on a core
 * that lacks its 64-bit multiplication and register windows. The link is the 16550.
 */
#include "board.h"

#include "machine.h"

/* CCOUNT runs at 40 MHz of virtual time, and the emulator is started so that an instruction takes
 * 64 ns (-icount shift=6): 64 of its ticks are 25 instructions. */
#define TICKS_PER_MS 40000u
#define SPAN_TICKS 64u
#define SPAN_INSTRUCTIONS 25u
#define SIMCALL_EXIT 1

#define READ_REGISTER(name, value) __asm__ volatile("rsr %0, " name : "=r"(value)::"memory")
#define WRITE_REGISTER(name, value) __asm__ volatile("wsr %0, " name ::"r"(value) : "memory")

static uint32_t ticks_now(void) {
    uint32_t ticks;
    READ_REGISTER("ccount", ticks);
    return ticks;
}

void board_init(void) {
    uart_init();
}

const char *board_name(void) {
    return "emu-esp32";
}

/* CCOUNT wraps after 107 s, so time is collected; the main loop asks for it all the time. */
uint32_t board_core_hz(void) {
    return 240000000u; /* of an ESP32 */
}

uint32_t board_time_ms(void) {
    static uint32_t seen, ms, rest;
    uint32_t now = ticks_now(), passed = now - seen;
    seen = now;
    ms += passed / TICKS_PER_MS;
    rest += passed % TICKS_PER_MS;
    if (rest >= TICKS_PER_MS) rest -= TICKS_PER_MS, ms++;
    return ms;
}

/* Exact: a difference of two CCOUNTs is off by less than a tick, which is not half an
 * instruction, so that rounding leaves nothing over from one call to the next. */
uint32_t board_counter(void) {
    static uint32_t seen, instructions;
    uint32_t now = ticks_now(), passed = now - seen;
    seen = now;
    instructions += passed / SPAN_TICKS * SPAN_INSTRUCTIONS;
    instructions += (passed % SPAN_TICKS * SPAN_INSTRUCTIONS + SPAN_TICKS / 2) / SPAN_TICKS;
    return instructions;
}

size_t board_link_read(uint8_t *bytes, size_t capacity) {
    return uart_read(bytes, capacity);
}

size_t board_link_write(const uint8_t *bytes, size_t count) {
    return uart_write(bytes, count);
}

/* A spinning guest would take a whole core from the host that feeds it. The 16550 holds its
 * interrupt while there is something to read, so bytes that came before the wait end it too.
 * start.S switches the interrupt off as soon as it is taken; that must not be before the wait. */
void board_idle(void) {
    uint32_t before;
    __asm__ volatile("rsil %0, 1" : "=r"(before)::"memory"); /* no interrupts of level 1 */
    WRITE_REGISTER("intenable", UART_INTERRUPT);
    __asm__ volatile("waiti 0" ::: "memory"); /* from here on, any */
}

void emu_exit(uint32_t status) {
    register uint32_t call __asm__("a2") = SIMCALL_EXIT;
    register uint32_t code __asm__("a3") = status;
    for (;;)
        __asm__ volatile(".byte 0x00, 0x51, 0x00" ::"r"(call), "r"(code) : "memory"); /* simcall */
}
