#pragma once
#define ESP_LOGI(tag, ...) (printf("%s: ", tag), printf(__VA_ARGS__), printf("\n"))
#define ESP_LOGE ESP_LOGI
