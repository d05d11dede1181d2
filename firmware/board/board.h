/* The whole hardware surface of the firmware. A new board implements these functions in its own
 * folder; the application sees nothing else. Nothing here waits for anything outside the board
 * except board_idle; flash takes its time (an erase tens of milliseconds).
 */
#ifndef WATCHWORD_BOARD_H
#define WATCHWORD_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watchword/pipeline.h"

WW_BEGIN_DECLS

typedef struct {
    uint32_t stack_bytes; /* the deepest the stack has been since boot, by painting */
    uint32_t heap_bytes;  /* the lowest free heap seen; 0 on boards without a heap */
} board_memory;

void board_init(void);
const char *board_name(void);

/* Milliseconds since boot; wraps after 49 days. */
uint32_t board_time_ms(void);

/* Free-running counter for cost measurements, and its rate; a rate of 0 = it counts instructions.
 * Differences are valid for spans shorter than one wrap of 32 bits and free of board_idle. */
uint32_t board_counter(void);
uint32_t board_counter_hz(void);

/* Clock of the core that runs the pipeline; on an emulated board that of the chip it stands for. */
uint32_t board_core_hz(void);

/* The serial link. Both return how many bytes were moved, 0 when none can be now. */
size_t board_link_read(uint8_t *bytes, size_t capacity);
size_t board_link_write(const uint8_t *bytes, size_t count);

/* 16 kHz mono samples of the board's microphone, up to `capacity` of them. */
bool board_has_microphone(void);
size_t board_microphone_read(int16_t *samples, size_t capacity);

/* On: hear what is said from now on, nothing that waited. Off, as at first: samples are neither
 * kept nor counted. */
void board_microphone_listen(bool on);
uint32_t board_microphone_overruns(void); /* samples lost while it was on, since boot */
uint32_t board_microphone_clipped(void);  /* samples at full scale likewise: gain too high */

/* Amplification in 1/256 that takes effect at once; 0 = leave it. Returns what is now in force. */
uint16_t board_microphone_gain(uint16_t gain_q8);

void board_led(bool on);

/* Nothing to do until the link has bytes or the microphone has samples: save power. May return
 * early at any time. Boards without a cheap sleep return at once. */
void board_idle(void);

board_memory board_memory_used(void);

/* Flash for models that come over the link: one bank for each word and one to write the next model
 * to, all of this size, a multiple of the sector; 0 on boards without. An erase sets a sector's
 * bytes to 0xff, a write clears bits; both may leave anything in the bytes concerned when the power
 * fails half-way. Banks are readable as memory, 16-byte aligned. False = it failed. */
#define BOARD_FLASH_BANKS (WW_MAX_WORDS + 1u)
#define BOARD_FLASH_SECTOR_BYTES 4096u
uint32_t board_flash_bank_bytes(void);
const uint8_t *board_flash_bank(uint32_t bank);
bool board_flash_erase(uint32_t bank, uint32_t offset); /* the sector that begins there */
bool board_flash_write(uint32_t bank, uint32_t offset, const void *bytes, size_t count);

/* One small block that survives loss of power. Load: false = none of exactly this size. */
bool board_settings_load(void *bytes, size_t count);
bool board_settings_save(const void *bytes, size_t count);

/* Why the board started when it was neither switched on nor told to; else NULL. */
const char *board_restart_reason(void);

/* Start again from reset. Emulated boards end their emulator with status 0 instead. */
void board_restart(void);

WW_END_DECLS

#endif
