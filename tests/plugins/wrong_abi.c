/* A plugin of another ABI: hoi may read nothing of it but the number. */
#include "core/plugin.h"

const hoi_detector *hoi_plugin(void) {
    static const hoi_detector detector = {.abi = HOI_PLUGIN_ABI + 6, .name = (const char *)1};
    return &detector;
}
