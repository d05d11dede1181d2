/* For test_emulator.py: does what the host's first byte says. */
#include "board.h"

static int overflow(volatile uint8_t *below) {
    volatile uint8_t frame[256];
    frame[0] = below[0];
    return overflow(frame) + frame[0];
}

int main(void) {
    uint8_t wish;
    board_init();
    board_link_write((const uint8_t *)"ready\n", 6);
    while (board_link_read(&wish, 1) == 0)
        board_idle();
    if (wish == 'w') *(volatile uint32_t *)((uintptr_t)overflow & ~(uintptr_t)3) = 1; /* flash */
    if (wish == 'i') __asm__ volatile(".long 0");
    if (wish == 's') return overflow(&wish);
    return 0;
}
