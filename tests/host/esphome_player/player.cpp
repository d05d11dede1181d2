/* ESPHome's own streaming_model.cpp on a list of scores: prints the numbers of those at which it
 * detects.
 *
 * Usage: player LEVEL WINDOW STRIDE < scores, a byte each. A row comes, each model sees it, then
 * the component asks those that have a new probability; after a detection it forgets them. */
#include "streaming_model.h"

#include <cstdio>

std::vector<uint8_t> fake_scores;
size_t fake_calls = 0;
int fake_stride = 1;

int main(int count, char **words) {
    if (count != 4) return 2;
    fake_stride = atoi(words[3]);
    for (int byte = getchar(); byte != EOF; byte = getchar())
        fake_scores.push_back((uint8_t)byte);
    static const tflite::Model model;
    esphome::micro_wake_word::WakeWordModel word("word", reinterpret_cast<const uint8_t *>(&model),
                                                 (uint8_t)atoi(words[1]), (size_t)atoi(words[2]),
                                                 "word", 1024, true, true);
    const int8_t row[esphome::micro_wake_word::PREPROCESSOR_FEATURE_SIZE] = {};
    for (size_t rows = 0; rows < fake_scores.size() * (size_t)fake_stride; rows++) {
        if (!word.perform_streaming_inference(row)) return 1;
        if (!word.get_unprocessed_probability_status()) continue;
        if (word.determine_detected().detected) {
            printf("%zu\n", fake_calls - 1);
            word.reset_probabilities();
        }
    }
    return 0;
}
