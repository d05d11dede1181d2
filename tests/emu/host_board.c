/* board.h on this computer, so that the application can run under sanitizers and be given a
 * microphone: the link is the socket on standard input, the microphone a raw file named in
 * BOARD_MICROPHONE (int16, 16 kHz; it comes as fast as it is read, and nothing comes after it).
 * With BOARD_MICROPHONE_WAITS nothing comes before a host is connected either. Flash and settings
 * are the file BOARD_FLASH; the power fails (exit status 9) after BOARD_POWER more bytes written or
 * erased.
 */
#define _POSIX_C_SOURCE 200809L
#include "board.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BANK_BYTES (16u * BOARD_FLASH_SECTOR_BYTES)
#define SETTINGS_BYTES 128u

typedef struct {
    uint8_t banks[BOARD_FLASH_BANKS][BANK_BYTES];
    uint8_t settings[SETTINGS_BYTES];
} stored;

static FILE *microphone;
static bool microphone_waits, microphone_on;
static stored *flash; /* NULL: none */
static long power = -1;

static void open_flash(void) {
    const char *path = getenv("BOARD_FLASH"), *left = getenv("BOARD_POWER");
    if (left) power = atol(left);
    if (!path) return;
    int file = open(path, O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, sizeof(stored)) != 0) exit(5);
    flash = mmap(NULL, sizeof(stored), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (flash == MAP_FAILED) exit(6);
}

static void use_power(void) {
    if (power >= 0 && power-- == 0) _exit(9);
}

void board_init(void) {
    signal(SIGPIPE, SIG_IGN); /* the next read tells that the host hung up */
    open_flash();
    const char *path = getenv("BOARD_MICROPHONE");
    if (path && !(microphone = fopen(path, "rb"))) exit(3);
    microphone_waits = getenv("BOARD_MICROPHONE_WAITS") != NULL;
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

uint32_t board_core_hz(void) {
    const char *hz = getenv("BOARD_CORE_HZ");
    return hz ? (uint32_t)atol(hz) : 160000000u;
}

size_t board_link_read(uint8_t *bytes, size_t capacity) {
    ssize_t count = read(STDIN_FILENO, bytes, capacity);
    if (count > 0) return (size_t)count;
    if (count == 0 || (errno != EAGAIN && errno != EINTR)) exit(0); /* the host hung up */
    return 0;
}

size_t board_link_write(const uint8_t *bytes, size_t count) {
    ssize_t written = write(STDIN_FILENO, bytes, count < 100 ? count : 100); /* in pieces */
    if (written > 0 && memchr(bytes, 0, (size_t)written))
        microphone_waits = false; /* a frame, not text */
    return written > 0 ? (size_t)written : 0;
}

bool board_has_microphone(void) {
    return microphone != NULL;
}

size_t board_microphone_read(int16_t *samples, size_t capacity) {
    bool there = microphone && microphone_on && !microphone_waits;
    return there ? fread(samples, sizeof *samples, capacity, microphone) : 0;
}

void board_microphone_listen(bool on) {
    microphone_on = on;
}

uint32_t board_microphone_overruns(void) {
    return 77;
}

uint32_t board_microphone_clipped(void) {
    return 55;
}

uint16_t board_microphone_gain(uint16_t gain_q8) {
    static uint16_t gain = 256;
    if (gain_q8 != 0) gain = gain_q8;
    return gain;
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

uint32_t board_flash_bank_bytes(void) {
    return flash ? BANK_BYTES : 0;
}

const uint8_t *board_flash_bank(uint32_t bank) {
    return flash->banks[bank];
}

bool board_flash_erase(uint32_t bank, uint32_t offset) {
    for (uint32_t i = 0; i < BOARD_FLASH_SECTOR_BYTES; i++) {
        use_power();
        flash->banks[bank][offset + i] = 0xff;
    }
    return true;
}

bool board_flash_write(uint32_t bank, uint32_t offset, const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        use_power();
        flash->banks[bank][offset + i] &= ((const uint8_t *)bytes)[i];
    }
    return true;
}

bool board_settings_load(void *bytes, size_t count) {
    if (!flash || count > SETTINGS_BYTES) return false;
    memcpy(bytes, flash->settings, count);
    return true;
}

bool board_settings_save(const void *bytes, size_t count) {
    if (!flash || count > SETTINGS_BYTES) return false;
    memcpy(flash->settings, bytes, count);
    return true;
}

const char *board_restart_reason(void) {
    return getenv("BOARD_RESTARTED");
}

void board_restart(void) {
    exit(0);
}
