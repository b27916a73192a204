/* A plugin that lacks the member detect. */
#include "core/plugin.h"

static void *open_nothing(hoi_host *host, const char *options) {
    (void)options;
    return host;
}

static void close_nothing(void *self) {
    (void)self;
}

const hoi_detector *hoi_plugin(void) {
    static const char *const labels[] = {"person", NULL};
    static const hoi_detector detector = {.abi = HOI_PLUGIN_ABI,
                                          .name = "incomplete",
                                          .labels = labels,
                                          .open = open_nothing,
                                          .close = close_nothing};
    return &detector;
}
