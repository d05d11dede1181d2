/* The model store on a simulated flash whose power fails at every single byte of every operation.
 *
 * An interrupted write leaves the byte it was at with any of its bits written; an interrupted
 * erase leaves the whole sector in any mixture of old, erased and half-erased bytes. After each
 * cut the board boots again: it must come up with the model it ran before or, once the commit
 * record is whole, with the new one; and the next push must work.
 *
 * usage: power_cut ROUNDS SEED; prints the number of cuts.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "model_store.h"
#include "watchword/crc32.h"

#define SECTORS 4u
#define SLOT_BYTES (SECTORS * BOARD_FLASH_SECTOR_BYTES)
#define MAX_IMAGE (SLOT_BYTES - BOARD_FLASH_SECTOR_BYTES)
#define LINKED_CRC32 0x11111111u
#define FOREVER (-1L)

#define REQUIRE(what)                                                                 \
    do {                                                                              \
        if (!(what)) {                                                                \
            fprintf(stderr, "%s:%d: %s (cut %ld)\n", __FILE__, __LINE__, #what, cut); \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

typedef enum { DIES, FAILS } ending;

static _Alignas(16) uint8_t flash[BOARD_FLASH_SLOTS][SLOT_BYTES];
static long power = FOREVER; /* byte operations left */
static ending at_the_end = DIES;
static jmp_buf dead;
static long cut;
static uint32_t seed = 1;

static uint32_t rng(void) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

/* One byte operation. True = this is the one in which the power fails. */
static bool is_last(void) {
    return power != FOREVER && power-- == 0;
}

/* ── Flash ─────────────────────────────────────────────────────────────────────────────────── */

uint32_t board_flash_slot_bytes(void) {
    return SLOT_BYTES;
}

const uint8_t *board_flash_slot(uint32_t slot) {
    return flash[slot];
}

static void half_erase(uint8_t *sector, uint32_t progress) {
    for (uint32_t i = 0; i < BOARD_FLASH_SECTOR_BYTES; i++) {
        uint32_t chance = rng() % BOARD_FLASH_SECTOR_BYTES;
        if (chance < progress) {
            sector[i] = 0xff;
        } else if (chance % 4 == 0) {
            sector[i] |= (uint8_t)rng();
        }
    }
}

bool board_flash_erase(uint32_t slot, uint32_t offset) {
    REQUIRE(slot < BOARD_FLASH_SLOTS && offset < SLOT_BYTES);
    REQUIRE(offset % BOARD_FLASH_SECTOR_BYTES == 0);
    for (uint32_t i = 0; i < BOARD_FLASH_SECTOR_BYTES; i++) {
        if (!is_last()) continue;
        half_erase(flash[slot] + offset, i);
        if (at_the_end == FAILS) return false;
        longjmp(dead, 1);
    }
    memset(flash[slot] + offset, 0xff, BOARD_FLASH_SECTOR_BYTES);
    return true;
}

bool board_flash_write(uint32_t slot, uint32_t offset, const void *bytes, size_t count) {
    const uint8_t *from = bytes;
    REQUIRE(slot < BOARD_FLASH_SLOTS && offset <= SLOT_BYTES && count <= SLOT_BYTES - offset);
    for (size_t i = 0; i < count; i++) {
        uint8_t *cell = &flash[slot][offset + i];
        REQUIRE(*cell == 0xff); /* never written twice after an erase */
        if (is_last()) {
            *cell &= (uint8_t)(from[i] | rng());
            if (at_the_end == FAILS) return false;
            longjmp(dead, 1);
        }
        *cell &= from[i];
    }
    return true;
}

/* ── Models: "WM", a number that says which, and bytes that follow from it ──────────────────── */

typedef struct {
    uint8_t bytes[MAX_IMAGE];
    uint32_t count;
    uint32_t number;
} image;

static image make_image(uint32_t number, uint32_t count) {
    image made = {.count = count, .number = number};
    uint32_t state = number * 2654435761u + 1u;
    for (uint32_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        made.bytes[i] = (uint8_t)(state >> 24);
    }
    memcpy(made.bytes, "WM", 2);
    memcpy(made.bytes + 4, &number, 4);
    return made;
}

static ww_status check(const void *bytes, size_t count) {
    return count >= 8 && memcmp(bytes, "WM", 2) == 0 ? WW_OK : WW_ERR_MAGIC;
}

/* 0 = the linked model */
static uint32_t boot(model_store *s) {
    stored_model found = model_store_open(s, check, LINKED_CRC32);
    uint32_t number;
    if (found.image == NULL) return 0;
    memcpy(&number, (const uint8_t *)found.image + 4, 4);
    image wanted = make_image(number, (uint32_t)found.bytes);
    REQUIRE(memcmp(wanted.bytes, found.image, found.bytes) == 0);
    return number;
}

static ww_status push(model_store *s, const image *new) {
    stored_model committed;
    ww_status status = model_store_begin(s, new->count, ww_crc32(0, new->bytes, new->count));
    for (uint32_t at = 0; status == WW_OK && at < new->count;) {
        uint32_t part = 1 + rng() % 700;
        if (part > new->count - at) part = new->count - at;
        status = model_store_append(s, at, new->bytes + at, part);
        at += part;
    }
    return status == WW_OK ? model_store_commit(s, &committed) : status;
}

static void push_whole(model_store *s, uint32_t number) {
    image new = make_image(number, 8 + rng() % 4000);
    power = FOREVER;
    REQUIRE(push(s, &new) == WW_OK);
    REQUIRE(boot(s) == number);
}

/* Cut a push of `new` after `operations`; true = the power lasted to the end. */
static bool push_until(model_store *s, const image *new, long operations) {
    power = operations;
    bool lasted = setjmp(dead) == 0;
    if (lasted) {
        ww_status status = push(s, new);
        REQUIRE(power < 0 || status == WW_OK);
        lasted = status == WW_OK;
    }
    power = FOREVER;
    return lasted;
}

static long cut_everywhere(uint32_t running, ending how) {
    static uint8_t before[sizeof flash];
    image new = make_image(900, BOARD_FLASH_SECTOR_BYTES + 333);
    model_store booted, s;
    memcpy(before, flash, sizeof flash);
    REQUIRE(boot(&booted) == running);
    at_the_end = how;
    for (cut = 0;; cut++) {
        memcpy(flash, before, sizeof flash);
        s = booted;
        if (push_until(&s, &new, cut)) break;
        if (how == FAILS && cut % 8 == 0) push_whole(&s, 901); /* without a restart */
        if (how == FAILS && cut % 8 == 0) continue;
        uint32_t now = boot(&s);
        REQUIRE(now == running || now == new.number);
        if (cut % 8 == 0) push_whole(&s, 902);
    }
    REQUIRE(boot(&s) == new.number);
    REQUIRE(cut > 3 * (long)BOARD_FLASH_SECTOR_BYTES + (long)new.count);
    memcpy(flash, before, sizeof flash);
    return cut;
}

/* Many pushes, most of them cut anywhere, on one and the same flash. */
static long cut_at_random(long rounds) {
    model_store s;
    uint32_t running = boot(&s);
    at_the_end = DIES;
    for (cut = 0; cut < rounds; cut++) {
        image new = make_image(1000 + (uint32_t)cut, 8 + rng() % (MAX_IMAGE - 7));
        bool done = push_until(&s, &new, (long)(rng() % (2 * SLOT_BYTES)));
        uint32_t now = boot(&s);
        REQUIRE(done ? now == new.number : now == running || now == new.number);
        running = now;
    }
    return rounds;
}

static void refusals(void) {
    model_store s;
    stored_model committed;
    image good = make_image(7, 5000), bad = make_image(8, 5000);
    uint32_t running = boot(&s);
    bad.bytes[0] = 'X';
    REQUIRE(push(&s, &bad) == WW_ERR_MAGIC);
    REQUIRE(boot(&s) == running);
    REQUIRE(model_store_begin(&s, MAX_IMAGE + 1, 0) == WW_ERR_SPACE);
    REQUIRE(model_store_begin(&s, 0, 0) == WW_ERR_SPACE);
    REQUIRE(model_store_append(&s, 0, good.bytes, 1) == WW_ERR_ARGUMENT);
    REQUIRE(model_store_begin(&s, good.count, 0xbad) == WW_OK);
    REQUIRE(model_store_append(&s, 1, good.bytes, 1) == WW_ERR_ARGUMENT);
    REQUIRE(model_store_commit(&s, &committed) == WW_ERR_ARGUMENT);
    REQUIRE(model_store_append(&s, 0, good.bytes, good.count) == WW_OK);
    REQUIRE(model_store_append(&s, good.count, good.bytes, 1) == WW_ERR_SPACE);
    REQUIRE(model_store_commit(&s, &committed) == WW_ERR_CRC);
    REQUIRE(model_store_commit(&s, &committed) == WW_ERR_ARGUMENT);
    REQUIRE(boot(&s) == running);
    REQUIRE(model_store_begin(&s, good.count, ww_crc32(0, good.bytes, good.count)) == WW_OK);
    REQUIRE(model_store_append(&s, 0, good.bytes, good.count) == WW_OK);
    model_store_abort(&s);
    REQUIRE(model_store_commit(&s, &committed) == WW_ERR_ARGUMENT);
    REQUIRE(boot(&s) == running);
}

/* Firmware with another linked model: what was pushed onto the former one is not used. */
static void other_firmware(void) {
    model_store s;
    push_whole(&s, (boot(&s), 50));
    REQUIRE(model_store_open(&s, check, LINKED_CRC32 + 1).image == NULL);
    image new = make_image(51, 6000);
    REQUIRE(push(&s, &new) == WW_OK);
    stored_model found = model_store_open(&s, check, LINKED_CRC32 + 1);
    REQUIRE(found.bytes == new.count &&memcmp(found.image, new.bytes, new.count) == 0);
}

/* Bits that rot in the newest image: the one before it comes back. */
static void rot(void) {
    model_store s;
    (void)boot(&s);
    push_whole(&s, 60);
    push_whole(&s, 61);
    flash[s.active][BOARD_FLASH_SECTOR_BYTES + 7] ^= 0x10;
    REQUIRE(boot(&s) == 60);
    push_whole(&s, 62);
}

int main(int argc, char **argv) {
    long cuts = 0;
    model_store s;
    if (argc != 3) return 2;
    seed = (uint32_t)atol(argv[2]) | 1u;
    for (uint32_t i = 0; i < sizeof flash; i++)
        (&flash[0][0])[i] = (uint8_t)rng(); /* as it may come from the shop */
    refusals();
    cuts += cut_everywhere(0, DIES);
    cuts += cut_everywhere(0, FAILS);
    for (uint32_t number = 1; number <= 2; number++) { /* one slot in use, then both */
        (void)boot(&s);
        push_whole(&s, number);
        cuts += cut_everywhere(number, DIES);
        cuts += cut_everywhere(number, FAILS);
        refusals();
    }
    other_firmware();
    rot();
    cuts += cut_at_random(atol(argv[1]));
    printf("%ld cuts\n", cuts);
    return 0;
}
