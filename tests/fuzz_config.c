/* fuzz_config: any text as the config.json of a model. What passes has sizes that fit. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip.h"
#include "core/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool true_or_broken) {
    if (!true_or_broken)
        abort();
}

static void check_tower(const hoi_tower *tower) {
    check(tower->width > 0 && tower->heads > 0 && tower->width % tower->heads == 0);
    check(tower->depth > 0 && tower->hidden > 0 && tower->places > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char *text = malloc(size + 1);
    hoi_clip clip = {0};
    check(text != NULL);
    memcpy(text, bytes, size);
    text[size] = 0;
    if (!hoi_clip_configure(&clip, text, "fuzz")) {
        check(strncmp(hoi_error(), "clip: fuzz", 10) == 0);
    } else {
        check_tower(&clip.text);
        check(clip.width > 0 && clip.text.vocabulary > 0);
        if (clip.visual.depth) {
            int grid = clip.visual.size / clip.visual.patch;
            check_tower(&clip.visual);
            check(clip.visual.size % clip.visual.patch == 0);
            check(clip.visual.places == 1 + grid * grid);
        }
    }
    free(text);
    return 0;
}
