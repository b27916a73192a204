/* fuzz_tokenizer: any bytes as a text to encode; and, cut at two '\1', as vocab.json, merges.txt
   and a text.
     clang -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. tests/fuzz_tokenizer.c
         core/tokenizer.c core/tokenizer_learn.c core/words.c core/error.c -lcjson -lutf8proc
         -o fuzz_tokenizer && ./fuzz_tokenizer -max_total_time=30 */
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

/* Encodes and decodes a text, and encodes what came back. */
static void use(const hoi_tokenizer *t, const char *text) {
    int *ids, count;
    if (!hoi_tokenizer_encode(t, text, &ids, &count)) {
        check(strncmp(hoi_error(), "tokenizer: ", 11) == 0 && !ids);
        return;
    }
    check(count >= 2 && ids[0] == hoi_tokenizer_start(t) && ids[count - 1] == hoi_tokenizer_end(t));
    for (int i = 0; i < count; i++)
        check(ids[i] >= 0 && ids[i] < hoi_tokenizer_size(t));
    size_t length;
    char *back = hoi_tokenizer_decode(t, ids, count, &length);
    check(back != NULL && back[length] == 0);
    int32_t row[8], eot;
    const char *const texts[] = {text};
    check(hoi_tokenizer_batch(t, texts, 1, 8, true, row, &eot));
    check(eot > 0 && eot < 8 && row[eot] == hoi_tokenizer_end(t));
    free(back);
    free(ids);
}

static void learn_and_use(const char *text) {
    const char *const texts[] = {text, "a photo of a person riding a horse, a horse's photo"};
    hoi_tokenizer *t = hoi_tokenizer_learn(texts, 2, 20);
    if (!t) {
        check(strncmp(hoi_error(), "tokenizer: ", 11) == 0);
        return;
    }
    check(hoi_tokenizer_size(t) >= 138 && hoi_tokenizer_size(t) <= 158);
    use(t, text);
    hoi_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char *text = malloc(size + 1);
    check(text != NULL);
    memcpy(text, bytes, size);
    text[size] = 0;
    learn_and_use(text);
    char *merges = strchr(text, 1), *last = merges ? strchr(merges + 1, 1) : NULL;
    if (last) {
        *merges = *last = 0;
        hoi_tokenizer *t = hoi_tokenizer_open_memory(text, merges + 1);
        if (t)
            use(t, last + 1);
        else
            check(strncmp(hoi_error(), "tokenizer: ", 11) == 0);
        hoi_tokenizer_free(t);
    }
    free(text);
    return 0;
}
