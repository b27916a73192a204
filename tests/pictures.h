/* pictures: made-up pictures for tests, and the golden numbers they are compared with
   (golden_image.py). */
#ifndef PICTURES_H
#define PICTURES_H

#include "core/error.h"
#include "core/image.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cJSON *golden;

static inline unsigned char *read_file(const char *path, size_t *n) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    unsigned char *bytes = malloc(1 << 20);
    *n = fread(bytes, 1, (1 << 20) - 1, file);
    bytes[*n] = 0;
    fclose(file);
    return bytes;
}

static inline int open_golden(void **state) {
    (void)state;
    size_t n;
    char *text = (char *)read_file("tests/golden/image_cases.json", &n);
    golden = cJSON_Parse(text);
    free(text);
    return golden ? 0 : -1;
}

static inline int close_golden(void **state) {
    (void)state;
    cJSON_Delete(golden);
    return 0;
}

static inline uint32_t crc(const unsigned char *bytes, size_t n) {
    uint32_t value = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++) {
        value ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
    }
    return ~value;
}

static inline void assert_pixels(const hoi_image *image, uint32_t wanted, const char *what,
                                 int width, int height) {
    if (!image)
        fail_msg("%s: %s", what, hoi_error());
    uint32_t found = crc(image->rgb, (size_t)image->width * (size_t)image->height * 3);
    if (found != wanted)
        fail_msg("%s %d x %d: pixels differ from Pillow's (%08x, %08x wanted)", what, width, height,
                 found, wanted);
}

/* The same formulas stand in golden_image.py. */
static inline hoi_image *made_up(const char *kind, int width, int height) {
    hoi_image *image = hoi_image_new(width, height);
    assert_non_null(image);
    unsigned char *p = image->rgb;
    for (uint32_t y = 0, w = (uint32_t)width, h = (uint32_t)height; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            for (uint32_t c = 0; c < 3; c++)
                if (strcmp(kind, "noise") == 0)
                    *p++ = (unsigned char)((x * 73856093u ^ y * 19349663u ^ c * 83492791u) *
                                               2654435761u >>
                                           24);
                else if (strcmp(kind, "gradient") == 0)
                    *p++ = (unsigned char)(x * 255 / w + y * 128 / h * (c + 1));
                else
                    *p++ = (x / (2 + c) + y / 3) % 2 ? 255 : 0;
    return image;
}

static inline const cJSON *key(const cJSON *object, const char *name) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    assert_non_null(value);
    return value;
}

static inline double at(const cJSON *list, int i) {
    return cJSON_GetArrayItem(list, i)->valuedouble;
}

#endif
