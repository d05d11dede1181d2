/* board.h on this computer, so that the application can run under sanitizers and be given a
 * microphone: the link is the socket on standard input, the microphone a raw file named in
 * BOARD_MICROPHONE (int16, 16 kHz; silence for ever after it).
 */
#define _POSIX_C_SOURCE 200809L
#include "board.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static FILE *microphone;

void board_init(void) {
    const char *path = getenv("BOARD_MICROPHONE");
    if (path && !(microphone = fopen(path, "rb"))) exit(3);
    if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0) exit(4);
}

const char *board_name(void) {
    return "a board with a name that is longer than the thirty-two bytes of its field";
}

uint32_t board_time_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

uint32_t board_counter(void) {
    static uint32_t calls;
    return calls += 1000;
}

uint32_t board_counter_hz(void) {
    return 1000;
}

size_t board_link_read(uint8_t *bytes, size_t capacity) {
    ssize_t count = read(STDIN_FILENO, bytes, capacity);
    if (count > 0) return (size_t)count;
    if (count == 0 || (errno != EAGAIN && errno != EINTR)) exit(0); /* the host hung up */
    return 0;
}

size_t board_link_write(const uint8_t *bytes, size_t count) {
    ssize_t written = write(STDIN_FILENO, bytes, count < 100 ? count : 100); /* in pieces */
    return written > 0 ? (size_t)written : 0;
}

bool board_has_microphone(void) {
    return microphone != NULL;
}

size_t board_microphone_read(int16_t *samples, size_t capacity) {
    return microphone ? fread(samples, sizeof *samples, capacity, microphone) : 0;
}

uint32_t board_microphone_overruns(void) {
    return 77;
}

void board_led(bool on) {
    (void)on;
}

void board_idle(void) {
    struct pollfd link = {.fd = STDIN_FILENO, .events = POLLIN};
    poll(&link, 1, 50);
}

board_memory board_memory_used(void) {
    return (board_memory){1234, 5678};
}

void board_restart(void) {
    exit(0);
}
