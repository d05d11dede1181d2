// Says when the word is heard in a wav file of 16 kHz, mono, 16 bits. From the project's folder:
//
//   folders="-Imodels/alexa -Ifirmware/core/include -Ifirmware/core/gen"
//   gcc -O2 $folders -o wav examples/wav/wav.c models/alexa/model.c firmware/core/{src,gen}/*.c
//   ./wav kitchen.wav
//
// A model must have heard about two seconds before it can tell its word: a file that begins with
// the word needs silence in front (`make example` adds it).
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "watchword.h"

static watchword ears;
static uint32_t memory[WW_MODEL_ARENA_BYTES / 4];

static uint32_t number(const uint8_t *at, int bytes) {
    return bytes == 0 ? 0 : at[0] | number(at + 1, bytes - 1) << 8;
}

/* Goes to the first sample; false: not a wav file of that kind. */
static bool find_samples(FILE *wav, size_t *count) {
    uint8_t head[12], format[16] = {0};
    *count = 0;
    if (fread(head, 1, 12, wav) != 12 || memcmp(head, "RIFF", 4) || memcmp(head + 8, "WAVE", 4))
        return false;
    while (fread(head, 1, 8, wav) == 8) {
        uint32_t bytes = number(head + 4, 4), read = 0;
        *count = bytes / sizeof(int16_t);
        if (memcmp(head, "data", 4) == 0)
            return number(format, 2) == 1 && number(format + 2, 2) == 1 &&
                   number(format + 4, 4) == WATCHWORD_RATE_HZ && number(format + 14, 2) == 16;
        if (memcmp(head, "fmt ", 4) == 0) read = (uint32_t)fread(format, 1, sizeof format, wav);
        if (bytes < read || fseek(wav, (long)(bytes - read + bytes % 2), SEEK_CUR)) return false;
    }
    return false;
}

static int refuse(const char *what) {
    fprintf(stderr, "%s\n", what);
    return 1;
}

int main(int count, char **arguments) {
    FILE *wav = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (wav == NULL) return refuse("usage: wav FILE.wav (which must be there)");
    size_t left;
    if (!find_samples(wav, &left)) return refuse("not a wav file of 16 kHz, mono, 16 bits");
    ww_status status = watchword_open(&ears, memory, sizeof memory);
    if (status == WW_OK) status = watchword_add(&ears, ww_model_image, sizeof ww_model_image);
    int16_t samples[160]; /* any number will do */
    bool heard = false;
    while (status == WW_OK && left > 0) {
        size_t got = fread(samples, sizeof samples[0], left < 160 ? left : 160, wav);
        left = got > 0 ? left - got : 0;
        watchword_event event;
        status = watchword_push(&ears, samples, got);
        while (watchword_heard(&ears, &event)) {
            heard = true;
            printf("%.2f s  %s  %.2f\n", (double)event.sample_index / WATCHWORD_RATE_HZ, event.name,
                   WATCHWORD_UNIT(event.score_q15));
        }
    }
    fclose(wav);
    if (status == WW_OK && !heard) printf("%s was not heard\n", watchword_name(&ears, 0));
    return status == WW_OK ? 0 : refuse(watchword_status_text(status));
}
