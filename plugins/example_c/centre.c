/* centre: an example of a detector in C: finds one person, in the middle of every picture. The same
   in Lua: corner.lua, which looks in the upper left quarter; equal options give equal results. */
#include "core/plugin.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

struct centre {
    float x, y; /* place in the free half of the picture, 0..1 */
    float score;
};

static void close_centre(void *self) {
    free(self);
}

static float *find(struct centre *centre, const char *option) {
    return strcmp(option, "x") == 0       ? &centre->x
           : strcmp(option, "y") == 0     ? &centre->y
           : strcmp(option, "score") == 0 ? &centre->score
                                          : NULL;
}

static void *open_centre(hoi_host *host, const char *options) {
    struct centre *centre = malloc(sizeof *centre);
    cJSON *json = cJSON_Parse(options);
    if (!centre || !json) {
        host->fail(host, "out of memory");
        goto failed;
    }
    *centre = (struct centre){.x = 0.5f, .y = 0.5f, .score = 0.5f};
    const cJSON *option;
    cJSON_ArrayForEach(option, json) {
        float *member = find(centre, option->string);
        if (!member || !cJSON_IsNumber(option)) {
            host->fail(host, "option '%s': x, y and score are known, all numbers", option->string);
            goto failed;
        }
        *member = (float)option->valuedouble;
    }
    cJSON_Delete(json);
    return centre;

failed:
    cJSON_Delete(json);
    free(centre);
    return NULL;
}

static int detect(void *self, hoi_host *host, const hoi_picture *picture) {
    const struct centre *centre = self;
    float width = (float)picture->width / 2, height = (float)picture->height / 2;
    float x = centre->x * width, y = centre->y * height;
    const float feature[2] = {centre->x, centre->y};
    const hoi_detection detection = {.x1 = x,
                                     .y1 = y,
                                     .x2 = x + width,
                                     .y2 = y + height,
                                     .score = centre->score,
                                     .label = 0,
                                     .width = 2,
                                     .feature = feature};
    host->emit(host, &detection);
    return 0;
}

const hoi_detector *hoi_plugin(void) {
    static const char *const labels[] = {"person", NULL};
    static const hoi_detector detector = {
        .abi = HOI_PLUGIN_ABI,
        .name = "centre",
        .labels = labels,
        .open = open_centre,
        .detect = detect,
        .close = close_centre,
    };
    return &detector;
}
