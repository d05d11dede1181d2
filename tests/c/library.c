/* Two listeners of watchword.h side by side, for test_library.py.
 *
 *     library MODEL.bin[,MODEL.bin...] PRESET CHUNK  MODEL.bin... PRESET CHUNK < samples
 *
 * Each gets the same samples, CHUNK at a time, in turn. "s LISTENER WORD SAMPLES SCORE" is printed
 * for each word after each push, "h LISTENER WORD SAMPLE SCORE" for each word heard; a word is its
 * number. The chunks are copied to memory of just their size, which is freed once they are worked
 * through.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watchword.h"

typedef struct {
    watchword ears;
    void *images[WW_MAX_WORDS], *memory;
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
    size_t bytes[WW_MAX_WORDS], needs, total = 0;
    unsigned words = 0;
    for (char *path = strtok(arguments[0], ","); path; path = strtok(NULL, ","), words++) {
        FILE *file = fopen(path, "rb");
        l->images[words] = read_all(file, &bytes[words]);
        if (file) fclose(file);
        require(watchword_needs(l->images[words], bytes[words], &needs));
        total += needs;
    }
    l->memory = malloc(total);
    require(watchword_open(&l->ears, l->memory, total));
    for (unsigned word = 0; word < words; word++) {
        require(watchword_add(&l->ears, l->images[word], bytes[word]));
        if (*arguments[1] == '-') continue;
        require(watchword_use_preset(&l->ears, word, (watchword_preset)atoi(arguments[1])));
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
        printf("h %d %u %llu %u\n", number, event.word, (unsigned long long)event.sample_index,
               event.score_q15);
        if (strcmp(event.name, watchword_name(&l->ears, event.word))) exit(1);
    }
    free(copy);
    l->at += n;
    for (unsigned word = 0; word < watchword_words(&l->ears); word++)
        printf("s %d %u %zu %u\n", number, word, l->at, watchword_score_q15(&l->ears, word));
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
        for (int word = 0; word < WW_MAX_WORDS; word++)
            free(listeners[i].images[word]);
        free(listeners[i].memory);
    }
    free(samples);
    return 0;
}
