/* Throws mutated model images at ww_model_check, and rows at every model that passes.
 *
 *   fuzz_model COUNT SEED IMAGE...
 *
 * Image and arena are allocated to the byte, so that under ASan and UBSan any access outside, any
 * misaligned access and any overflow ends the run. Most mutants get a correct CRC: a wrong one is
 * found out early and would leave the structural checks untested.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watchword/crc32.h"
#include "watchword/model.h"
#include "watchword/normaliser.h"

#define PUSHES 48

typedef struct {
    uint8_t *bytes;
    size_t size;
} buffer;

static uint64_t state;

static uint32_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static uint32_t below(uint32_t limit) {
    return next_random() % limit;
}

static buffer read_file(const char *path) {
    buffer b = {NULL, 0};
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) exit(2);
    b.size = (size_t)ftell(f);
    rewind(f);
    b.bytes = malloc(b.size);
    if (b.bytes == NULL || fread(b.bytes, 1, b.size, f) != b.size) exit(2);
    fclose(f);
    return b;
}

static uint32_t interesting(uint32_t old) {
    static const uint32_t values[] = {
        0,    1,      2,      3,      4,          5,          7,          8,         13,   40,
        63,   64,     65,     127,    128,        255,        256,        1023,      1024, 2047,
        2048, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
    switch (below(4)) {
        case 0:
            return old + 1;
        case 1:
            return old - 1;
        case 2:
            return old ^ (1u << below(32));
        default:
            return values[below(sizeof(values) / sizeof(values[0]))];
    }
}

/* Change one aligned 1-, 2- or 4-byte field below `limit`. */
static void mutate_field(buffer *b, uint32_t limit) {
    uint32_t width = 1u << below(3), value = 0;
    uint32_t at = below(limit / width) * width;
    if (at + width > b->size) return;
    memcpy(&value, b->bytes + at, width);
    value = interesting(value);
    memcpy(b->bytes + at, &value, width);
}

static void mutate(buffer *b) {
    ww_model_header h;
    memcpy(&h, b->bytes, sizeof(h));
    uint32_t tables = (uint32_t)sizeof(h) + h.layer_count * WW_LAYER_BYTES;
    if (tables > b->size) tables = (uint32_t)b->size;
    uint32_t changes = 1 + below(4);
    for (uint32_t i = 0; i < changes; i++) {
        uint32_t kind = below(20);
        if (kind < 15) {
            mutate_field(b, tables);
        } else if (kind < 19) {
            mutate_field(b, (uint32_t)b->size);
        } else {
            b->size = WW_MODEL_HEADER_BYTES - 8 + below((uint32_t)b->size);
        }
    }
}

/* A mutant in memory of exactly its own size. */
static buffer make_mutant(const buffer *seed) {
    buffer work = {malloc(2 * seed->size), seed->size}, exact;
    memset(work.bytes, 0, 2 * seed->size);
    memcpy(work.bytes, seed->bytes, seed->size);
    mutate(&work);
    if (below(8) != 0 && work.size >= WW_MODEL_HEADER_BYTES) {
        ww_model_header h;
        memcpy(&h, work.bytes, sizeof(h));
        uint32_t covered = h.image_bytes < work.size ? h.image_bytes : (uint32_t)work.size;
        if (covered < WW_MODEL_CRC_FROM) covered = WW_MODEL_CRC_FROM;
        h.crc32 = ww_crc32(0, work.bytes + WW_MODEL_CRC_FROM, covered - WW_MODEL_CRC_FROM);
        memcpy(work.bytes, &h, sizeof(h));
    }
    exact.size = work.size;
    exact.bytes = malloc(exact.size);
    memcpy(exact.bytes, work.bytes, exact.size);
    free(work.bytes);
    return exact;
}

/* All of the normalisation tables is read. */
static void run_normaliser(const ww_model *m) {
    const ww_model_header *h = m->header;
    ww_normaliser_config config = {h->cmvn_mode, h->cmvn_alpha_q15, h->coeffs,
                                   m->norm_mean, m->norm_gain,      m->norm_spread};
    ww_normaliser normaliser;
    int16_t row[WW_MAX_COEFFS];
    int8_t out[WW_MAX_COEFFS];
    if (ww_normaliser_init(&normaliser, &config) != WW_OK) abort();
    for (uint32_t c = 0; c < WW_MAX_COEFFS; c++)
        row[c] = (int16_t)next_random();
    ww_normaliser_push(&normaliser, row, out);
}

/* Streams random rows; returns how many scores came out. */
static uint32_t run_model(const buffer *image) {
    const ww_model_header *h = (const ww_model_header *)(const void *)image->bytes;
    int8_t row[WW_MAX_COEFFS];
    uint32_t scores = 0, arena_bytes = h->arena_bytes;
    ww_model model;
    if (ww_models_keep_up(ww_model_instructions(image->bytes), 0) != WW_ERR_REAL_TIME)
        abort(); /* whatever the layers are */
    void *arena = malloc(arena_bytes);
    if (ww_model_init(&model, image->bytes, image->size, arena, arena_bytes - 1) != WW_ERR_ARENA) {
        abort();
    }
    if (ww_model_init(&model, image->bytes, image->size, arena, arena_bytes) != WW_OK) abort();
    run_normaliser(&model);
    for (int push = 0; push < PUSHES; push++) {
        uint8_t score;
        for (uint32_t c = 0; c < h->coeffs; c++) {
            row[c] = (int8_t)next_random();
        }
        bool due = (uint32_t)push + 1 >= h->first_rows &&
                   ((uint32_t)push + 1 - h->first_rows) % h->stride_rows == 0;
        bool made = ww_model_push(&model, row, &score);
        if (made != due) abort(); /* the header's timing is checked too */
        scores += made;
    }
    free(arena);
    return scores;
}

static void check_seed(const buffer *seed) {
    if (ww_model_check(seed->bytes, seed->size) != WW_OK) abort();
    if (run_model(seed) == 0) abort();
    if (ww_model_check(NULL, seed->size) != WW_ERR_ARGUMENT) abort();
    if (ww_model_check(seed->bytes, seed->size - 1) != WW_ERR_TRUNCATED) abort();
    uint8_t *shifted = malloc(seed->size + 1);
    memcpy(shifted + 1, seed->bytes, seed->size);
    if (ww_model_check(shifted + 1, seed->size) != WW_ERR_ARGUMENT) abort();
    free(shifted);
}

int main(int count_of_arguments, char **arguments) {
    uint32_t statuses[16] = {0}, scores = 0;
    if (count_of_arguments < 4) return 2;
    long count = atol(arguments[1]);
    state = (uint64_t)atol(arguments[2]);
    for (int file = 3; file < count_of_arguments; file++) {
        buffer seed = read_file(arguments[file]);
        check_seed(&seed);
        for (long i = 0; i < count; i++) {
            buffer mutant = make_mutant(&seed);
            ww_status status = ww_model_check(mutant.bytes, mutant.size);
            statuses[status & 15]++;
            if (status == WW_OK) scores += run_model(&mutant);
            free(mutant.bytes);
        }
        free(seed.bytes);
    }
    for (int i = 0; i < 16; i++) {
        printf("%d:%u ", i, statuses[i]);
    }
    printf("scores:%u\n", scores);
    return 0;
}
