/* Two listeners of watchword.h side by side, for test_library.py.
 *
 *     library MODEL.bin PRESET CHUNK MODEL.bin PRESET CHUNK < samples
 *
 * Each gets the same samples, CHUNK at a time, in turn. "s LISTENER SAMPLES SCORE" is printed after
 * each push, "h LISTENER WORD SAMPLE SCORE" for each word heard. The chunks are copied to memory
 * of just their size, which is freed once they are worked through.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watchword.h"

#define MEMORY_BYTES 65536

typedef struct {
    watchword ears;
    void *image, *memory;
    size_t chunk, at;
} listener;

static void require(ww_status status) {
    if (status == WW_OK) return;
    fprintf(stderr, "%s\n", watchword_status_text(status));
    exit(1);
}

static void *read_all(FILE *file, size_t *bytes) {
    size_t room = 1 << 16, got;
    uint8_t *content = malloc(room);
    *bytes = 0;
    while (file && content && (got = fread(content + *bytes, 1, room - *bytes, file)) > 0) {
        *bytes += got;
        if (*bytes == room) content = realloc(content, room *= 2);
    }
    return content;
}

static void start(listener *l, char **arguments) {
    FILE *file = fopen(arguments[0], "rb");
    size_t bytes, needs;
    l->image = read_all(file, &bytes);
    if (file) fclose(file);
    require(watchword_needs(l->image, bytes, &needs));
    l->memory = malloc(needs);
    require(watchword_open(&l->ears, l->memory, needs));
    require(watchword_add(&l->ears, l->image, bytes));
    if (*arguments[1] != '-') {
        require(watchword_use_preset(&l->ears, 0, (watchword_preset)atoi(arguments[1])));
    }
    l->chunk = (size_t)atol(arguments[2]);
}

static bool advance(listener *l, int number, const int16_t *samples, size_t count) {
    size_t n = count - l->at < l->chunk ? count - l->at : l->chunk;
    if (n == 0) return false;
    int16_t *copy = malloc(n * sizeof *copy);
    memcpy(copy, samples + l->at, n * sizeof *copy);
    require(watchword_push(&l->ears, copy, n));
    watchword_event event;
    while (watchword_heard(&l->ears, &event)) {
        printf("h %d %s %llu %u\n", number, event.name, (unsigned long long)event.sample_index,
               event.score_q15);
    }
    free(copy);
    l->at += n;
    printf("s %d %zu %u\n", number, l->at, watchword_score_q15(&l->ears, 0));
    return true;
}

int main(int count, char **arguments) {
    static listener listeners[2];
    size_t bytes;
    if (count != 7) return 2;
    int16_t *samples = read_all(stdin, &bytes);
    for (int i = 0; i < 2; i++)
        start(&listeners[i], arguments + 1 + 3 * i);
    bool more = true;
    while (more) {
        more = advance(&listeners[0], 0, samples, bytes / sizeof *samples);
        more |= advance(&listeners[1], 1, samples, bytes / sizeof *samples);
    }
    for (int i = 0; i < 2; i++) {
        free(listeners[i].image);
        free(listeners[i].memory);
    }
    free(samples);
    return 0;
}
