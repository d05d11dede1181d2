// A C++ program with every public header, linked with the C core.
#include "app.h"
#include "board.h"
#include "microphone.h"
#include "watchword.h"
#include "watchword/crc32.h"
#include "watchword/detector.h"
#include "watchword/frontend.h"
#include "watchword/link.h"
#include "watchword/model.h"
#include "watchword/normaliser.h"
#include "watchword/pipeline.h"
#include "watchword/types.h"
#include "ww_messages.h"

int main() {
    static ww_pipeline pipeline;
    static ww_link link;
    static ww_link_slot slots[2];
    alignas(4) uint8_t arena[4] = {0};
    ww_pipeline_init(&pipeline, nullptr);
    bool refused = ww_pipeline_add(&pipeline, arena, sizeof arena, arena, sizeof arena) != WW_OK;
    bool linked = ww_link_init(&link, WW_LINK_DEVICE, slots, 2) == WW_OK;
    static watchword ears;
    refused = refused && watchword_open(&ears, arena, sizeof arena) == WW_OK &&
              watchword_add(&ears, arena, sizeof arena) != WW_OK;
    return refused && linked && ww_crc32(0, arena, 0) == 0 ? 0 : 1;
}
