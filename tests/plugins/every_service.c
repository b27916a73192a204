/* A sound plugin that uses all that hoi lends: labels named in open, features, a map, many
   detections; its scores tell how many of its kind are open. */
#include "core/plugin.h"

#include <stdlib.h>
#include <string.h>

static int opened;

static void *open_one(hoi_host *host, const char *options) {
    const char *names[] = {"cat", options, NULL}; /* on the stack: copied before the call returns */
    int *self = malloc(sizeof *self);
    if (!self || host->abi != HOI_PLUGIN_ABI) {
        host->fail(host, "host of ABI %u", host->abi);
        free(self);
        return NULL;
    }
    host->labels(host, names);
    *self = ++opened;
    return self;
}

/* One detection per pixel: its colour is its feature; the first row's labels are 1, all others' 0.
   The map is the picture. */
static int detect(void *self, hoi_host *host, const hoi_picture *picture) {
    (void)self;
    size_t count = (size_t)picture->width * (size_t)picture->height;
    float *map = malloc(count * 3 * sizeof *map);
    if (!map)
        return host->fail(host, "out of memory");
    for (size_t i = 0; i < count * 3; i++)
        map[i] = picture->rgb[i];
    for (size_t i = 0; i < count; i++) {
        float x = (float)(i % (size_t)picture->width), y = (float)(i / (size_t)picture->width);
        float feature[3];
        memcpy(feature, map + 3 * i, sizeof feature);
        const hoi_detection detection = {x, y, x + 1, y + 1, (float)opened / 16, y < 1, 3, feature};
        host->emit(host, &detection);
        memset(feature, 0, sizeof feature); /* copied when emitted */
    }
    host->map(host, picture->name, (const int[]){picture->height, picture->width, 3}, map);
    free(map);
    return 0;
}

static void close_one(void *self) {
    opened--;
    free(self);
}

const hoi_detector *hoi_plugin(void) {
    static const char *const labels[] = {NULL};
    static const hoi_detector detector = {.abi = HOI_PLUGIN_ABI,
                                          .name = "every_service",
                                          .labels = labels,
                                          .open = open_one,
                                          .detect = detect,
                                          .close = close_one};
    return &detector;
}
