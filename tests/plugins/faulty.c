/* A plugin that misbehaves in the way that its options name: {"fault":"nan box"}. Two pictures: the
   second call of detect counts for faults that need an earlier one. */
#include "core/plugin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct faulty {
    char fault[64];
    int calls;
};

static void *open_faulty(hoi_host *host, const char *options) {
    struct faulty *faulty = calloc(1, sizeof *faulty);
    const char *fault = strstr(options, "\"fault\"");
    if (!faulty)
        return NULL;
    if (fault) {
        fault += strlen("\"fault\"");
        fault += strspn(fault, ": \"");
        size_t length = strcspn(fault, "\"");
        memcpy(faulty->fault, fault, length < sizeof faulty->fault ? length : 0);
    }
    if (strcmp(faulty->fault, "open") == 0 || strcmp(faulty->fault, "silent open") == 0) {
        if (faulty->fault[0] == 'o')
            host->fail(host, "the model's file is %s", "missing");
        free(faulty);
        return NULL;
    }
    if (strcmp(faulty->fault, "open too late") == 0)
        host->fail(host, "failed, yet got something");
    if (strcmp(faulty->fault, "emit in open") == 0)
        host->emit(host, &(hoi_detection){.x2 = 1, .y2 = 1});
    if (strcmp(faulty->fault, "same labels") == 0)
        host->labels(host, (const char *const[]){"dog", "dog", NULL});
    return faulty;
}

static int detect(void *self, hoi_host *host, const hoi_picture *picture) {
    struct faulty *faulty = self;
    const char *fault = faulty->fault;
    const float numbers[4] = {0, 1, NAN, 3};
    const int shape[3] = {1, 2, 2}, no_shape[3] = {1, 0, 2};
    hoi_detection detection = {
        .x2 = (float)picture->width, .y2 = (float)picture->height, .score = 0.5f};
    faulty->calls++;
    if (strcmp(fault, "detect") == 0)
        return host->fail(host, "the picture is %d wide: %s", picture->width, "too small");
    if (strcmp(fault, "silent detect") == 0)
        return -1;
    if (strcmp(fault, "two messages") == 0) {
        host->fail(host, "the cause");
        return host->fail(host, "its consequence");
    }
    if (strcmp(fault, "nan box") == 0)
        detection.x1 = NAN;
    if (strcmp(fault, "infinite box") == 0)
        detection.y2 = INFINITY;
    if (strcmp(fault, "box inside out") == 0)
        detection.x1 = detection.x2 + 1;
    if (strcmp(fault, "score") == 0)
        detection.score = 1.5f;
    if (strcmp(fault, "nan score") == 0)
        detection.score = NAN;
    if (strcmp(fault, "label") == 0)
        detection.label = 2;
    if (strcmp(fault, "negative label") == 0)
        detection.label = -1;
    if (strcmp(fault, "no detection") == 0)
        host->emit(host, NULL);
    if (strcmp(fault, "null feature") == 0)
        detection.width = 3;
    if (strcmp(fault, "negative width") == 0)
        detection.width = -3;
    if (strcmp(fault, "nan feature") == 0) {
        detection.width = 4;
        detection.feature = numbers;
    }
    if (strcmp(fault, "feature width") == 0) {
        detection.width = faulty->calls;
        detection.feature = numbers;
    }
    if (strcmp(fault, "nan map") == 0)
        host->map(host, "memory", shape, numbers);
    if (strcmp(fault, "map shape") == 0)
        host->map(host, "memory", no_shape, numbers);
    for (int i = 0; i < 2 && strcmp(fault, "two maps") == 0; i++)
        host->map(host, "memory", (const int[]){1, 1, 2}, numbers);
    if (strcmp(fault, "labels in detect") == 0)
        host->labels(host, (const char *const[]){"dog", NULL});
    host->emit(host, &detection);
    return 0;
}

static void close_faulty(void *self) {
    free(self);
}

const hoi_detector *hoi_plugin(void) {
    static const char *const labels[] = {"person", "dog", NULL};
    static const hoi_detector detector = {.abi = HOI_PLUGIN_ABI,
                                          .name = "faulty",
                                          .labels = labels,
                                          .open = open_faulty,
                                          .detect = detect,
                                          .close = close_faulty};
    return &detector;
}
