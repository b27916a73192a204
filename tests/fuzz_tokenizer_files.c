/* fuzz_tokenizer_files: any text as Hugging Face's tokenizer.json, and as OpenAI's list of merges.
   What opens encodes a text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool true_or_broken) {
    if (!true_or_broken)
        abort();
}

static void use(hoi_tokenizer *t) {
    int *ids, count;
    if (!t) {
        check(strncmp(hoi_error(), "tokenizer: fuzz", 15) == 0);
        return;
    }
    if (hoi_tokenizer_encode(t, "a photo of the dogs", &ids, &count)) {
        for (int i = 0; i < count; i++)
            check(ids[i] >= 0 && ids[i] < hoi_tokenizer_size(t));
        free(ids);
    } else {
        check(strncmp(hoi_error(), "tokenizer: ", 11) == 0);
    }
    hoi_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char *text = malloc(size + 1);
    check(text != NULL);
    memcpy(text, bytes, size);
    text[size] = 0;
    use(hoi_tokenizer_open_json(text, "fuzz"));
    use(hoi_tokenizer_open_merges(text, "fuzz"));
    free(text);
    return 0;
}
