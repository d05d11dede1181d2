/* The model store on a simulated flash whose power fails at every single byte of every operation.
 *
 * An interrupted write leaves the byte it was at with any of its bits written; an interrupted
 * erase leaves the whole sector in any mixture of old, erased and half-erased bytes. After each
 * cut the board boots again: it must come up with the model it ran before or, once the commit
 * record is whole, with the new one; every other slot's model must be as it was; and the next push
 * must work. Likewise for the removal of a slot's model.
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
#define BANK_BYTES (SECTORS * BOARD_FLASH_SECTOR_BYTES)
#define MAX_IMAGE (BANK_BYTES - BOARD_FLASH_SECTOR_BYTES)
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

static _Alignas(16) uint8_t flash[BOARD_FLASH_BANKS][BANK_BYTES];
static long power = FOREVER; /* byte operations left */
static ending at_the_end = DIES;
static jmp_buf dead;
static long cut;
static uint32_t seed = 1;
static uint32_t slot;              /* of the pushes and removals */
static uint32_t now[WW_MAX_WORDS]; /* number of each slot's model; 0 = none stored */

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

uint32_t board_flash_bank_bytes(void) {
    return BANK_BYTES;
}

const uint8_t *board_flash_bank(uint32_t bank) {
    return flash[bank];
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

bool board_flash_erase(uint32_t bank, uint32_t offset) {
    REQUIRE(bank < BOARD_FLASH_BANKS && offset < BANK_BYTES);
    REQUIRE(offset % BOARD_FLASH_SECTOR_BYTES == 0);
    for (uint32_t i = 0; i < BOARD_FLASH_SECTOR_BYTES; i++) {
        if (!is_last()) continue;
        half_erase(flash[bank] + offset, i);
        if (at_the_end == FAILS) return false;
        longjmp(dead, 1);
    }
    memset(flash[bank] + offset, 0xff, BOARD_FLASH_SECTOR_BYTES);
    return true;
}

bool board_flash_write(uint32_t bank, uint32_t offset, const void *bytes, size_t count) {
    const uint8_t *from = bytes;
    REQUIRE(bank < BOARD_FLASH_BANKS && offset <= BANK_BYTES && count <= BANK_BYTES - offset);
    for (size_t i = 0; i < count; i++) {
        uint8_t *cell = &flash[bank][offset + i];
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

static ww_status check(uint32_t of_slot, const void *bytes, size_t count) {
    REQUIRE(of_slot < WW_MAX_WORDS);
    return count >= 8 && memcmp(bytes, "WM", 2) == 0 ? WW_OK : WW_ERR_MAGIC;
}

static uint32_t number_of(stored_model found) {
    uint32_t number;
    if (found.image == NULL) return 0;
    memcpy(&number, (const uint8_t *)found.image + 4, 4);
    image wanted = make_image(number, (uint32_t)found.bytes);
    REQUIRE(memcmp(wanted.bytes, found.image, found.bytes) == 0);
    return number;
}

/* What the slot of the test has; `now` of all. */
static uint32_t boot(model_store *s) {
    model_store_init(s, check, LINKED_CRC32);
    for (uint32_t of_slot = 0; of_slot < WW_MAX_WORDS; of_slot++)
        now[of_slot] = number_of(model_store_open(s, of_slot));
    return now[slot];
}

/* Boots; nothing but the slot of the test may have changed. */
static uint32_t boot_beside(model_store *s, const uint32_t *before) {
    uint32_t number = boot(s);
    for (uint32_t of_slot = 0; of_slot < WW_MAX_WORDS; of_slot++)
        REQUIRE(of_slot == slot || now[of_slot] == before[of_slot]);
    return number;
}

static ww_status push(model_store *s, const image *new) {
    stored_model committed;
    ww_status status = model_store_begin(s, slot, new->count, ww_crc32(0, new->bytes, new->count));
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

/* Cut a push of `new`, or a removal (NULL), after `operations`; true = the power lasted. */
static bool do_until(model_store *s, const image *new, long operations) {
    power = operations;
    bool lasted = setjmp(dead) == 0;
    if (lasted) {
        ww_status status = new ? push(s, new) : model_store_remove(s, slot);
        REQUIRE(power < 0 || status == WW_OK);
        lasted = status == WW_OK;
    }
    power = FOREVER;
    return lasted;
}

static long cut_everywhere(uint32_t running, ending how) {
    static uint8_t before[sizeof flash];
    uint32_t others[WW_MAX_WORDS];
    image new = make_image(900, BOARD_FLASH_SECTOR_BYTES + 333);
    model_store booted, s;
    memcpy(before, flash, sizeof flash);
    REQUIRE(boot(&booted) == running);
    memcpy(others, now, sizeof others);
    at_the_end = how;
    for (cut = 0;; cut++) {
        memcpy(flash, before, sizeof flash);
        s = booted;
        if (do_until(&s, &new, cut)) break;
        if (how == FAILS && cut % 8 == 0) push_whole(&s, 901); /* without a restart */
        if (how == FAILS && cut % 8 == 0) continue;
        uint32_t number = boot_beside(&s, others);
        REQUIRE(number == running || number == new.number);
        if (cut % 8 == 0) push_whole(&s, 902);
    }
    REQUIRE(boot(&s) == new.number);
    REQUIRE(cut > 3 * (long)BOARD_FLASH_SECTOR_BYTES + (long)new.count);
    memcpy(flash, before, sizeof flash);
    return cut;
}

/* A removal cut anywhere leaves the newest model, not one before it, or none. */
static long cut_removal(void) {
    static uint8_t before[sizeof flash];
    uint32_t others[WW_MAX_WORDS];
    model_store booted, s;
    memcpy(before, flash, sizeof flash);
    uint32_t running = boot(&booted);
    memcpy(others, now, sizeof others);
    at_the_end = DIES;
    for (cut = 0;; cut++) {
        memcpy(flash, before, sizeof flash);
        s = booted;
        if (do_until(&s, NULL, cut)) break;
        uint32_t number = boot_beside(&s, others);
        REQUIRE(number == running || number == 0);
        if (cut % 64 == 0) push_whole(&s, 903);
    }
    REQUIRE(boot_beside(&s, others) == 0);
    memcpy(flash, before, sizeof flash);
    return cut;
}

/* Many pushes and removals in all slots, most of them cut anywhere, on one and the same flash. */
static long cut_at_random(long rounds) {
    model_store s;
    uint32_t others[WW_MAX_WORDS];
    at_the_end = DIES;
    for (cut = 0; cut < rounds; cut++) {
        image new = make_image(1000 + (uint32_t)cut, 8 + rng() % (MAX_IMAGE - 7));
        bool removes = rng() % 8 == 0;
        slot = rng() % WW_MAX_WORDS;
        uint32_t running = boot(&s), wanted = removes ? 0 : new.number;
        memcpy(others, now, sizeof others);
        bool done = do_until(&s, removes ? NULL : &new, (long)(rng() % (2 * BANK_BYTES)));
        uint32_t number = boot_beside(&s, others);
        REQUIRE(done ? number == wanted : number == running || number == wanted);
    }
    slot = 0;
    return rounds;
}

/* Every slot with a model of its own, then one more in each: no bank to spare but the last. */
static long cut_with_full_slots(void) {
    model_store s;
    long cuts = 0;
    (void)boot(&s);
    for (uint32_t round = 0; round < 2; round++)
        for (slot = 0; slot < WW_MAX_WORDS; slot++)
            push_whole(&s, 70 + 10 * round + slot);
    for (slot = 0; slot < WW_MAX_WORDS; slot += WW_MAX_WORDS - 1) {
        cuts += cut_everywhere(80 + slot, DIES);
        cuts += cut_removal();
    }
    slot = 0;
    return cuts;
}

static void refusals(void) {
    model_store s;
    stored_model committed;
    image good = make_image(7, 5000), bad = make_image(8, 5000);
    uint32_t running = boot(&s);
    bad.bytes[0] = 'X';
    REQUIRE(push(&s, &bad) == WW_ERR_MAGIC);
    REQUIRE(boot(&s) == running);
    REQUIRE(model_store_begin(&s, WW_MAX_WORDS, good.count, 0) == WW_ERR_ARGUMENT);
    REQUIRE(model_store_remove(&s, WW_MAX_WORDS) == WW_ERR_ARGUMENT);
    REQUIRE(model_store_begin(&s, slot, MAX_IMAGE + 1, 0) == WW_ERR_SPACE);
    REQUIRE(model_store_begin(&s, slot, 0, 0) == WW_ERR_SPACE);
    REQUIRE(model_store_append(&s, 0, good.bytes, 1) == WW_ERR_ARGUMENT);
    REQUIRE(model_store_begin(&s, slot, good.count, 0xbad) == WW_OK);
    REQUIRE(model_store_append(&s, 1, good.bytes, 1) == WW_ERR_ARGUMENT);
    REQUIRE(model_store_commit(&s, &committed) == WW_ERR_ARGUMENT);
    REQUIRE(model_store_append(&s, 0, good.bytes, good.count) == WW_OK);
    REQUIRE(model_store_append(&s, good.count, good.bytes, 1) == WW_ERR_SPACE);
    REQUIRE(model_store_commit(&s, &committed) == WW_ERR_CRC);
    REQUIRE(model_store_commit(&s, &committed) == WW_ERR_ARGUMENT);
    REQUIRE(boot(&s) == running);
    REQUIRE(model_store_begin(&s, slot, good.count, ww_crc32(0, good.bytes, good.count)) == WW_OK);
    REQUIRE(model_store_append(&s, 0, good.bytes, good.count) == WW_OK);
    model_store_abort(&s);
    REQUIRE(model_store_commit(&s, &committed) == WW_ERR_ARGUMENT);
    REQUIRE(boot(&s) == running);
}

/* Firmware with another linked model: what was pushed onto the former one is not used. */
static void other_firmware(void) {
    model_store s;
    push_whole(&s, (boot(&s), 50));
    model_store_init(&s, check, LINKED_CRC32 + 1);
    for (uint32_t of_slot = 0; of_slot < WW_MAX_WORDS; of_slot++)
        REQUIRE(model_store_open(&s, of_slot).image == NULL);
    image new = make_image(51, 6000);
    REQUIRE(push(&s, &new) == WW_OK);
    model_store_init(&s, check, LINKED_CRC32 + 1);
    stored_model found = model_store_open(&s, slot);
    REQUIRE(found.bytes == new.count &&memcmp(found.image, new.bytes, new.count) == 0);
}

/* Bits that rot in the newest image: the one before it comes back. */
static void rot(void) {
    model_store s;
    (void)boot(&s);
    push_whole(&s, 60);
    push_whole(&s, 61);
    flash[s.active[slot]][BOARD_FLASH_SECTOR_BYTES + 7] ^= 0x10;
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
    cuts += cut_with_full_slots();
    cuts += cut_at_random(atol(argv[1]));
    printf("%ld cuts\n", cuts);
    return 0;
}
