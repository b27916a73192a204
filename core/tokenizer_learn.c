/* tokenizer_learn: a small vocabulary from texts (Sennrich, Haddow, Birch 2016, algorithm 1). Makes
   the texts of the two files a tokenizer is opened from, and opens them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "core/error.h"
#include "core/random.h"
#include "core/tokenizer.h"
#include "core/words.h"

#define WORD_END "</w>"

enum { alphabet_size = '~' - '!' + 1 - ('Z' - 'A' + 1), merge_limit = 1 << 16 };

/* One word of the texts, as often as it is there. */
typedef struct vocable {
    int *ids;
    size_t size;
    uint64_t count;
} vocable;

typedef struct pair {
    uint64_t key; /* left << 32 | right, plus 1; 0: an empty slot */
    uint64_t count;
} pair;

typedef struct learner {
    char **words; /* of all texts, each as often as it is there */
    size_t word_count, word_capacity;
    vocable *vocables;
    size_t vocable_count;
    pair *pairs; /* open addressing */
    size_t pair_mask;
    char **names; /* of each id */
    int size;
    char *merges; /* the text of merges.txt */
    size_t merges_size;
    FILE *merges_stream;
} learner;

/* ------------------------------------------------------------------ words */

static bool keep_word(learner *l, hoi_word word) {
    if (l->word_count == l->word_capacity) {
        size_t capacity = 2 * l->word_capacity + 1024;
        char **grown = realloc(l->words, capacity * sizeof *grown);
        if (!grown)
            return hoi_fail("tokenizer: no memory for %zu words", capacity);
        l->words = grown;
        l->word_capacity = capacity;
    }
    char *copy = strndup(word.bytes, word.size);
    if (!copy)
        return hoi_fail("tokenizer: no memory for %zu words", l->word_count);
    l->words[l->word_count++] = copy;
    return true;
}

static bool read_texts(learner *l, const char *const *texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *clean = hoi_words_clean(texts[i]);
        bool ok = clean != NULL;
        hoi_word word;
        for (const char *cursor = clean; ok && hoi_words_next(&cursor, &word);)
            ok = word.kind != HOI_WORD_PLAIN || keep_word(l, word);
        free(clean);
        if (!ok)
            return false;
    }
    return true;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Gets the id of a printable ASCII character inside of a word; that at a word's end is
   alphabet_size higher. */
static int letter(char c) {
    return c < 'A' ? c - '!' : c - '!' - ('Z' - 'A' + 1);
}

/* Spells a word in the alphabet: every character that is not in it, of however many bytes, is a
   '?'. */
static bool spell(vocable *v, const char *word) {
    v->ids = malloc(strlen(word) * sizeof *v->ids);
    if (!v->ids)
        return hoi_fail("tokenizer: no memory for the word '%.60s'", word);
    for (const char *at = word; *at; at++) {
        if (((unsigned char)*at & 0xC0) == 0x80)
            continue; /* the rest of a character */
        bool known = *at >= '!' && *at <= '~' && !(*at >= 'A' && *at <= 'Z');
        v->ids[v->size++] = letter(known ? *at : '?');
    }
    v->ids[v->size - 1] += alphabet_size;
    return true;
}

/* Makes vocables of the words, and the table that counts their pairs. */
static bool count_words(learner *l) {
    if (l->word_count)
        qsort(l->words, l->word_count, sizeof *l->words, by_text);
    l->vocables = calloc(l->word_count + 1, sizeof *l->vocables);
    if (!l->vocables)
        return hoi_fail("tokenizer: no memory for %zu words", l->word_count);
    size_t symbols = 0;
    for (size_t i = 0; i < l->word_count; i++) {
        if (i == 0 || strcmp(l->words[i - 1], l->words[i]) != 0) {
            vocable *v = &l->vocables[l->vocable_count++];
            if (!spell(v, l->words[i]))
                return false;
            symbols += v->size;
        }
        l->vocables[l->vocable_count - 1].count++;
    }
    size_t slots = 8;
    while (slots < 2 * symbols)
        slots *= 2;
    l->pair_mask = slots - 1;
    l->pairs = malloc(slots * sizeof *l->pairs);
    return l->pairs || hoi_fail("tokenizer: no memory for %zu pairs", slots);
}

/* ------------------------------------------------------------------ merges */

static bool add_name(learner *l, const char *first, const char *second) {
    size_t size = strlen(first) + strlen(second) + 1;
    char *name = malloc(size);
    if (!name)
        return hoi_fail("tokenizer: no memory for a name");
    snprintf(name, size, "%s%s", first, second);
    l->names[l->size++] = name;
    return true;
}

static bool add_alphabet(learner *l) {
    for (int at_end = 0; at_end < 2; at_end++) {
        for (char c = '!'; c <= '~'; c++) {
            const char one[2] = {c, 0};
            if (!(c >= 'A' && c <= 'Z') && !add_name(l, one, at_end ? WORD_END : ""))
                return false;
        }
    }
    return true;
}

/* Gets the pair that occurs most often, of equals the one of lowest ids. Its count is 0 when there
   are no pairs. */
static pair best_pair(learner *l) {
    memset(l->pairs, 0, (l->pair_mask + 1) * sizeof *l->pairs);
    pair best = {0, 0};
    for (size_t i = 0; i < l->vocable_count; i++) {
        const vocable *v = &l->vocables[i];
        for (size_t j = 0; j + 1 < v->size; j++) {
            uint64_t key = ((uint64_t)v->ids[j] << 32 | (uint64_t)v->ids[j + 1]) + 1;
            size_t slot = (size_t)hoi_mix(key) & l->pair_mask;
            while (l->pairs[slot].key && l->pairs[slot].key != key)
                slot = (slot + 1) & l->pair_mask;
            l->pairs[slot].key = key;
            l->pairs[slot].count += v->count;
        }
    }
    for (size_t i = 0; i <= l->pair_mask; i++) {
        pair p = l->pairs[i];
        if (p.count > best.count || (p.count == best.count && p.key < best.key))
            best = p;
    }
    return best;
}

static void merge_everywhere(learner *l, int left, int right, int product) {
    for (size_t i = 0; i < l->vocable_count; i++) {
        vocable *v = &l->vocables[i];
        size_t kept = 0;
        for (size_t j = 0; j < v->size; j++) {
            bool here = v->ids[j] == left && j + 1 < v->size && v->ids[j + 1] == right;
            v->ids[kept++] = here ? product : v->ids[j];
            j += here;
        }
        v->size = kept;
    }
}

static bool learn_merges(learner *l, int merges) {
    if (fputs("#version: 0.2\n", l->merges_stream) == EOF)
        return hoi_fail("tokenizer: no memory for the merges");
    for (int rank = 0; rank < merges; rank++) {
        pair best = best_pair(l);
        if (best.count < 2)
            break;
        int left = (int)((best.key - 1) >> 32), right = (int)((best.key - 1) & UINT32_MAX);
        if (fprintf(l->merges_stream, "%s %s\n", l->names[left], l->names[right]) < 0)
            return hoi_fail("tokenizer: no memory for the merges");
        if (!add_name(l, l->names[left], l->names[right]))
            return false;
        int product = 0; /* two merges may have the same product: "a b" + "c" and "a" + "b c" */
        while (strcmp(l->names[product], l->names[l->size - 1]) != 0)
            product++;
        if (product < l->size - 1)
            free(l->names[--l->size]);
        merge_everywhere(l, left, right, product);
    }
    return true;
}

/* ------------------------------------------------------------------ the whole */

static hoi_tokenizer *open_learnt(learner *l) {
    hoi_tokenizer *t = NULL;
    cJSON *json = cJSON_CreateObject();
    bool ok = json != NULL;
    for (int i = 0; ok && i < l->size; i++)
        ok = cJSON_AddNumberToObject(json, l->names[i], i) != NULL;
    char *vocabulary = ok ? cJSON_PrintUnformatted(json) : NULL;
    if (vocabulary)
        t = hoi_tokenizer_open_memory(vocabulary, l->merges);
    else
        hoi_fail("tokenizer: no memory for a vocabulary of %d", l->size);
    cJSON_free(vocabulary);
    cJSON_Delete(json);
    return t;
}

static void learner_clear(learner *l) {
    for (size_t i = 0; i < l->word_count; i++)
        free(l->words[i]);
    for (size_t i = 0; i < l->vocable_count; i++)
        free(l->vocables[i].ids);
    for (int i = 0; i < l->size; i++)
        free(l->names[i]);
    free(l->words);
    free(l->vocables);
    free(l->pairs);
    free(l->names);
    if (l->merges_stream)
        fclose(l->merges_stream);
    free(l->merges);
}

hoi_tokenizer *hoi_tokenizer_learn(const char *const *texts, size_t count, int merges) {
    if (merges < 0 || merges > merge_limit) {
        hoi_fail("tokenizer: %d merges, wanted 0 to %d", merges, merge_limit);
        return NULL;
    }
    learner l = {0};
    hoi_tokenizer *t = NULL;
    l.names = calloc(2 * alphabet_size + (size_t)merges + 3, sizeof *l.names);
    l.merges_stream = open_memstream(&l.merges, &l.merges_size);
    if (!l.names || !l.merges_stream)
        hoi_fail("tokenizer: no memory for %d merges", merges);
    else if (read_texts(&l, texts, count) && count_words(&l) && add_alphabet(&l) &&
             learn_merges(&l, merges) && add_name(&l, HOI_START_NAME, "") &&
             add_name(&l, HOI_END_NAME, "")) {
        if (fflush(l.merges_stream) == 0)
            t = open_learnt(&l);
        else
            hoi_fail("tokenizer: no memory for the merges");
    }
    learner_clear(&l);
    return t;
}
