/* Prints the console's line for a detection at each sample index given. */
#include <stdio.h>
#include <stdlib.h>

#include "board.h"
#include "console.h"
#include "models.h"

const char *board_name(void) {
    return "";
}

const char *board_restart_reason(void) {
    return NULL;
}

bool board_has_microphone(void) {
    return false;
}

uint32_t board_time_ms(void) {
    return 0;
}

size_t board_link_write(const uint8_t *bytes, size_t count) {
    return fwrite(bytes, 1, count, stdout);
}

ww_status models_rejected(uint32_t slot) {
    (void)slot;
    return WW_OK;
}

size_t ww_model_arena_bytes(const ww_model *m) {
    (void)m;
    return 0;
}

int main(int count, char **arguments) {
    static const ww_model_header header = {.word = "word"};
    static ww_pipeline pipeline;
    pipeline.word_count = 1;
    pipeline.words[0].model.header = &header;
    for (int i = 1; i < count; i++) {
        ww_step step = {.words = {{.detection = true, .smoothed_q15 = 1u << 14}}};
        step.sample_index = strtoull(arguments[i], NULL, 10);
        console_detections(&pipeline, &step);
    }
    return 0;
}
