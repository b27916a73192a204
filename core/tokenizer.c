/* tokenizer: text to ids and back by CLIP's byte-level byte-pair encoding. */
#include "core/tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cjson/cJSON.h>
#include <utf8proc.h>

#include "core/error.h"
#include "core/random.h"
#include "core/words.h"

#define WORD_END "</w>"

enum { size_limit = 1 << 24, text_limit = 1 << 28 };

typedef struct merge {
    uint64_t key; /* of the pair; 0: an empty slot */
    int rank;     /* the lowest is merged first */
    int product;
} merge;

struct hoi_tokenizer {
    char **names; /* of each id: its bytes as printable characters, WORD_END at a word's end */
    int size;
    int *ids_by_name; /* open addressing, 0: an empty slot, else id + 1 */
    size_t name_mask;
    merge *merges; /* open addressing */
    size_t merge_mask;
    int merge_count;
    int symbols[2][256]; /* the id of a byte, inside of a word and at its end; -1: none */
    int start, end;
};

/* ------------------------------------------------------------------ tables */

static size_t mask_for(size_t count) {
    size_t slots = 8;
    while (slots < 2 * count)
        slots *= 2;
    return slots - 1;
}

/* Gets a tokenizer with room for so many names and merges. */
static hoi_tokenizer *tokenizer_new(size_t names, size_t merges) {
    hoi_tokenizer *t = calloc(1, sizeof *t);
    if (t) {
        t->name_mask = mask_for(names);
        t->merge_mask = mask_for(merges);
        t->names = calloc(names + 1, sizeof *t->names);
        t->ids_by_name = calloc(t->name_mask + 1, sizeof *t->ids_by_name);
        t->merges = calloc(t->merge_mask + 1, sizeof *t->merges);
    }
    if (!t || !t->names || !t->ids_by_name || !t->merges) {
        hoi_fail("tokenizer: no memory for %zu names and %zu merges", names, merges);
        hoi_tokenizer_free(t);
        return NULL;
    }
    return t;
}

void hoi_tokenizer_free(hoi_tokenizer *t) {
    if (!t)
        return;
    for (int i = 0; t->names && i < t->size; i++)
        free(t->names[i]);
    free(t->names);
    free(t->ids_by_name);
    free(t->merges);
    free(t);
}

/* Gets the slot where a name is, or would be. FNV-1a. */
static int *name_slot(const hoi_tokenizer *t, const char *name) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001B3u;
    size_t slot = (size_t)(hash ^ hash >> 32) & t->name_mask;
    while (t->ids_by_name[slot] && strcmp(t->names[t->ids_by_name[slot] - 1], name) != 0)
        slot = (slot + 1) & t->name_mask;
    return &t->ids_by_name[slot];
}

/* Gets the id of a name, -1 when there is none. */
static int find_name(const hoi_tokenizer *t, const char *name) {
    return *name_slot(t, name) - 1;
}

/* Gives a copy of a name, which must be new, to an id. */
static bool put_name(hoi_tokenizer *t, int id, const char *name) {
    t->names[id] = strdup(name);
    if (!t->names[id])
        return hoi_fail("tokenizer: no memory for a name");
    *name_slot(t, name) = id + 1;
    return true;
}

static uint64_t pair_key(int left, int right) {
    return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
}

static merge *merge_slot(const hoi_tokenizer *t, int left, int right) {
    uint64_t key = pair_key(left, right);
    size_t slot = (size_t)hoi_mix(key) & t->merge_mask;
    while (t->merges[slot].key && t->merges[slot].key != key)
        slot = (slot + 1) & t->merge_mask;
    return &t->merges[slot];
}

/* Adds the next merge, whose pair must be new. */
static void put_merge(hoi_tokenizer *t, int left, int right, int product) {
    *merge_slot(t, left, right) = (merge){pair_key(left, right), t->merge_count++, product};
}

/* Gets the printable character that stands for a byte: itself, or one from U+0100 on. */
static int character_of(int byte) {
    if (byte < 33)
        return 256 + byte;
    if (byte >= 127 && byte <= 160)
        return 256 + 33 + byte - 127;
    return byte == 173 ? 256 + 67 : byte;
}

/* Gets the byte that a printable character stands for, -1 when it stands for none. */
static int byte_of(int character) {
    if (character >= 256 + 33 && character < 256 + 67)
        return character - 256 - 33 + 127;
    if (character >= 256)
        return character < 256 + 33 ? character - 256 : character == 256 + 67 ? 173 : -1;
    return character_of(character) == character ? character : -1;
}

void hoi_tokenizer_name_byte(int byte, bool at_end, char name[8]) {
    utf8proc_ssize_t size = utf8proc_encode_char(character_of(byte), (utf8proc_uint8_t *)name);
    strcpy(name + size, at_end ? WORD_END : "");
}

/* Finds the ids which encoding needs by name, once all names are there. */
static bool find_symbols(hoi_tokenizer *t, const char *where) {
    for (int byte = 0; byte < 256; byte++) {
        for (int at_end = 0; at_end < 2; at_end++) {
            char name[8];
            hoi_tokenizer_name_byte(byte, at_end, name);
            t->symbols[at_end][byte] = find_name(t, name);
        }
    }
    t->start = find_name(t, HOI_START_NAME);
    t->end = find_name(t, HOI_END_NAME);
    if (t->start < 0 || t->end < 0)
        return hoi_fail("tokenizer: %s: no '%s': not a vocabulary of CLIP", where,
                        t->start < 0 ? HOI_START_NAME : HOI_END_NAME);
    return true;
}

/* ------------------------------------------------------------------ reading and writing files */

static bool read_vocabulary(hoi_tokenizer *t, const cJSON *json, int count, const char *where) {
    t->size = count;
    const cJSON *item;
    cJSON_ArrayForEach(item, json) {
        double id = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!(id >= 0 && id < count) || (int)id != id)
            return hoi_fail("tokenizer: %s: the id of '%s' is not a whole number from 0 to %d",
                            where, item->string, count - 1);
        if (t->names[(int)id])
            return hoi_fail("tokenizer: %s: '%s' and '%s' have the same id %d", where,
                            t->names[(int)id], item->string, (int)id);
        if (find_name(t, item->string) >= 0)
            return hoi_fail("tokenizer: %s: two ids of '%s'", where, item->string);
        if (!put_name(t, (int)id, item->string))
            return false;
    }
    return true;
}

/* Reads one line, "left right", which it cuts up. */
static bool read_merge(hoi_tokenizer *t, char *line, int number, const char *where) {
    char *space = strchr(line, ' ');
    if (!space || space == line || !space[1] || strchr(space + 1, ' '))
        return hoi_fail("tokenizer: %s: line %d is '%.60s', wanted two symbols and a space between",
                        where, number, line);
    *space = 0;
    int left = find_name(t, line), right = find_name(t, space + 1);
    if (left < 0 || right < 0)
        return hoi_fail("tokenizer: %s: line %d: the vocabulary has no '%.60s'", where, number,
                        left < 0 ? line : space + 1);
    if (merge_slot(t, left, right)->key)
        return hoi_fail("tokenizer: %s: line %d: the merge of '%.60s' and '%.60s' was there before",
                        where, number, line, space + 1);
    memmove(space, space + 1, strlen(space + 1) + 1);
    int product = find_name(t, line);
    if (product < 0)
        return hoi_fail("tokenizer: %s: line %d: the vocabulary has no '%.60s'", where, number,
                        line);
    put_merge(t, left, right, product);
    return true;
}

static bool read_merges(hoi_tokenizer *t, char *text, const char *where) {
    int number = 0;
    for (char *line = text, *next; line; line = next) {
        number++;
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        size_t length = strlen(line);
        if (length && line[length - 1] == '\r')
            line[length - 1] = 0;
        bool version = number == 1 && strncmp(line, "#version", 8) == 0;
        if (*line && !version && !read_merge(t, line, number, where))
            return false;
    }
    return true;
}

hoi_tokenizer *hoi_tokenizer_build(const char *vocabulary, const char *vocabulary_label,
                                   const char *merges, const char *merges_label) {
    hoi_tokenizer *t = NULL;
    size_t lines = 1;
    for (const char *at = merges; *at; at++)
        lines += *at == '\n';
    char *lines_copy = strdup(merges);
    const char *stop = vocabulary;
    cJSON *json = cJSON_ParseWithOpts(vocabulary, &stop, true);
    int count = cJSON_GetArraySize(json);
    if (!lines_copy)
        hoi_fail("tokenizer: %s: no memory", merges_label);
    else if (!json)
        hoi_fail("tokenizer: %s: no JSON from byte %zu on", vocabulary_label,
                 (size_t)(stop - vocabulary) + 1);
    else if (!cJSON_IsObject(json) || count > size_limit || lines > size_limit)
        hoi_fail("tokenizer: %s: wanted an object of names and ids, at most %d", vocabulary_label,
                 size_limit);
    else
        t = tokenizer_new((size_t)count, lines);
    if (t && !(read_vocabulary(t, json, count, vocabulary_label) &&
               find_symbols(t, vocabulary_label) && read_merges(t, lines_copy, merges_label))) {
        hoi_tokenizer_free(t);
        t = NULL;
    }
    cJSON_Delete(json);
    free(lines_copy);
    return t;
}

hoi_tokenizer *hoi_tokenizer_open_memory(const char *vocabulary, const char *merges) {
    return hoi_tokenizer_build(vocabulary, "vocab.json", merges, "merges.txt");
}

char *hoi_tokenizer_path(const char *folder, const char *name) {
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    else
        hoi_fail("tokenizer: %s: no memory", folder);
    return path;
}

static FILE *create(const char *folder, const char *name) {
    char *path = hoi_tokenizer_path(folder, name);
    if (!path)
        return NULL;
    FILE *stream = fopen(path, "wbe");
    if (!stream)
        hoi_fail("tokenizer: creating %s: %s", path, strerror(errno));
    free(path);
    return stream;
}

static bool save_vocabulary(const hoi_tokenizer *t, const char *folder) {
    cJSON *json = cJSON_CreateObject();
    bool ok = json != NULL;
    for (int i = 0; ok && i < t->size; i++)
        ok = cJSON_AddNumberToObject(json, t->names[i], i) != NULL;
    char *text = ok ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    if (!text)
        return hoi_fail("tokenizer: no memory to write a vocabulary of %d", t->size);
    FILE *stream = create(folder, "vocab.json");
    ok = stream != NULL;
    if (ok) {
        ok = fputs(text, stream) != EOF;
        if (fclose(stream) != 0 || !ok)
            ok = hoi_fail("tokenizer: writing %s/vocab.json: %s", folder, strerror(errno));
    }
    cJSON_free(text);
    return ok;
}

static bool save_merges(const hoi_tokenizer *t, const char *folder) {
    const merge **ranked = calloc((size_t)t->merge_count + 1, sizeof *ranked);
    if (!ranked)
        return hoi_fail("tokenizer: no memory to write %d merges", t->merge_count);
    for (size_t i = 0; i <= t->merge_mask; i++)
        if (t->merges[i].key)
            ranked[t->merges[i].rank] = &t->merges[i];
    FILE *stream = create(folder, "merges.txt");
    bool ok = stream != NULL;
    if (ok) {
        ok = fputs("#version: 0.2\n", stream) != EOF;
        for (int i = 0; ok && i < t->merge_count; i++) {
            uint64_t pair = ranked[i]->key - 1;
            ok = fprintf(stream, "%s %s\n", t->names[pair >> 32], t->names[(uint32_t)pair]) > 0;
        }
        if (fclose(stream) != 0 || !ok)
            ok = hoi_fail("tokenizer: writing %s/merges.txt: %s", folder, strerror(errno));
    }
    free(ranked);
    return ok;
}

bool hoi_tokenizer_save(const hoi_tokenizer *t, const char *folder) {
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return hoi_fail("tokenizer: making the folder %s: %s", folder, strerror(errno));
    return save_vocabulary(t, folder) && save_merges(t, folder);
}

int hoi_tokenizer_size(const hoi_tokenizer *t) {
    return t->size;
}

int hoi_tokenizer_start(const hoi_tokenizer *t) {
    return t->start;
}

int hoi_tokenizer_end(const hoi_tokenizer *t) {
    return t->end;
}

/* ------------------------------------------------------------------ encoding */

/* Writes the ids of a word's bytes, before any merge. Gets how many, 0 after hoi_fail. */
static size_t spell(const hoi_tokenizer *t, hoi_word word, int *ids) {
    size_t count = 0;
    for (size_t at = 0, next; at < word.size; at = next) {
        for (next = at + 1; next < word.size && ((unsigned char)word.bytes[next] & 0xC0) == 0x80;)
            next++; /* to the next character */
        bool known = true;
        for (size_t i = at; i < next; i++) {
            ids[count + i - at] = t->symbols[i + 1 == word.size][(unsigned char)word.bytes[i]];
            known = known && ids[count + i - at] >= 0;
        }
        if (!known)
            ids[count] = t->symbols[next == word.size]['?'];
        if (ids[count] < 0) {
            hoi_fail("tokenizer: the vocabulary has neither '%.*s' nor '?'", (int)(next - at),
                     word.bytes + at);
            return 0;
        }
        count += known ? next - at : 1;
    }
    return count;
}

/* A pair that may be merged; it has gone stale when its two ids have another rank by now. */
typedef struct candidate {
    int rank, place;
} candidate;

typedef struct link {
    int previous, next; /* places of the neighbours, -1: none */
} link;

/* What merging one word needs: as many links as it has symbols, twice as many candidates. */
typedef struct merger {
    const hoi_tokenizer *tokenizer;
    link *links;
    candidate *heap; /* the lowest rank, then the leftmost place, on top */
    size_t waiting;
} merger;

static bool before(candidate a, candidate b) {
    return a.rank != b.rank ? a.rank < b.rank : a.place < b.place;
}

/* Puts the pair that begins at a place on the heap, if it is one to merge. */
static void offer(merger *m, const int *ids, int place) {
    int right = m->links[place].next;
    const merge *found = right < 0 ? NULL : merge_slot(m->tokenizer, ids[place], ids[right]);
    if (!found || !found->key)
        return;
    candidate new = {found->rank, place};
    size_t i = m->waiting++;
    for (; i > 0 && before(new, m->heap[(i - 1) / 2]); i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = new;
}

static candidate take(merger *m) {
    candidate top = m->heap[0], last = m->heap[--m->waiting];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < m->waiting; i = child) {
        if (child + 1 < m->waiting && before(m->heap[child + 1], m->heap[child]))
            child++;
        if (!before(m->heap[child], last))
            break;
        m->heap[i] = m->heap[child];
    }
    m->heap[i] = last;
    return top;
}

/* Merges the ids of one word in their own place: always the pair of lowest rank, the leftmost
   first. A heap, since a "word" may be a megabyte of dots. Gets the new count. */
static size_t merge_word(merger *m, int *ids, size_t count) {
    m->waiting = 0;
    for (size_t i = 0; i < count; i++)
        m->links[i] = (link){(int)i - 1, i + 1 < count ? (int)i + 1 : -1};
    for (size_t i = 0; i + 1 < count; i++)
        offer(m, ids, (int)i);
    while (m->waiting) {
        candidate top = take(m);
        int right = ids[top.place] < 0 ? -1 : m->links[top.place].next;
        const merge *found =
            right < 0 ? NULL : merge_slot(m->tokenizer, ids[top.place], ids[right]);
        if (!found || !found->key || found->rank != top.rank)
            continue;
        ids[top.place] = found->product;
        ids[right] = -1;
        int next = m->links[top.place].next = m->links[right].next;
        if (next >= 0)
            m->links[next].previous = top.place;
        offer(m, ids, top.place);
        if (m->links[top.place].previous >= 0)
            offer(m, ids, m->links[top.place].previous);
    }
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        if (ids[i] >= 0)
            ids[left++] = ids[i];
    return left;
}

/* Writes the ids of a cleaned text between start and end. Gets how many, 0 after hoi_fail. */
static size_t encode_words(merger *m, const char *clean, int *ids) {
    size_t count = 0;
    ids[count++] = m->tokenizer->start;
    hoi_word word;
    for (const char *cursor = clean; hoi_words_next(&cursor, &word);) {
        if (word.kind != HOI_WORD_PLAIN) {
            ids[count++] = word.kind == HOI_WORD_START ? m->tokenizer->start : m->tokenizer->end;
            continue;
        }
        size_t spelt = spell(m->tokenizer, word, ids + count);
        if (!spelt)
            return 0;
        count += merge_word(m, ids + count, spelt);
    }
    ids[count++] = m->tokenizer->end;
    return count;
}

bool hoi_tokenizer_encode(const hoi_tokenizer *t, const char *text, int **ids, int *count) {
    *ids = NULL;
    *count = 0;
    if (strlen(text) > text_limit)
        return hoi_fail("tokenizer: a text of %zu bytes, wanted at most %d", strlen(text),
                        text_limit);
    char *clean = hoi_words_clean(text);
    if (!clean)
        return false;
    size_t most = strlen(clean) + 2; /* no id stands for less than a byte */
    *ids = malloc(most * sizeof **ids);
    merger m = {t, malloc(most * sizeof *m.links), malloc(2 * most * sizeof *m.heap), 0};
    size_t made = 0;
    if (*ids && m.links && m.heap)
        made = encode_words(&m, clean, *ids);
    else
        hoi_fail("tokenizer: no memory for a text of %zu bytes", most);
    free(clean);
    free(m.links);
    free(m.heap);
    if (!made) {
        free(*ids);
        *ids = NULL;
    }
    *count = (int)made;
    return made > 0;
}

bool hoi_tokenizer_batch(const hoi_tokenizer *t, const char *const *texts, size_t count,
                         int context, bool truncate, int32_t *ids, int32_t *eot) {
    if (context < 2)
        return hoi_fail("tokenizer: a context of %d, wanted at least 2", context);
    for (size_t i = 0; i < count; i++) {
        int *made, length;
        if (!hoi_tokenizer_encode(t, texts[i], &made, &length))
            return false;
        if (length > context && !truncate) {
            free(made);
            return hoi_fail("tokenizer: \"%.200s\" has %d tokens, the context is %d: shorten it or "
                            "ask for truncation",
                            texts[i], length, context);
        }
        int32_t *row = ids + i * (size_t)context;
        for (int j = 0; j < context; j++)
            row[j] = j < length - 1 && j < context - 1 ? made[j] : t->end;
        free(made);
        for (eot[i] = 0; row[eot[i]] != t->end;)
            eot[i]++;
    }
    return true;
}

char *hoi_tokenizer_decode(const hoi_tokenizer *t, const int *ids, int count, size_t *size) {
    size_t most = 1;
    for (int i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= t->size) {
            hoi_fail("tokenizer: id %d, wanted 0 to %d", ids[i], t->size - 1);
            return NULL;
        }
        most += strlen(t->names[ids[i]]); /* a name is never shorter than its bytes and a space */
    }
    char *text = malloc(most);
    if (!text) {
        hoi_fail("tokenizer: no memory for a text of %zu bytes", most);
        return NULL;
    }
    char *to = text;
    for (int i = 0; i < count; i++) {
        if (ids[i] == t->start || ids[i] == t->end)
            continue;
        for (const char *at = t->names[ids[i]]; *at;) {
            utf8proc_int32_t character;
            utf8proc_ssize_t length =
                utf8proc_iterate((const utf8proc_uint8_t *)at, -1, &character);
            int byte = length > 0 ? byte_of(character) : -1;
            if (strcmp(at, WORD_END) == 0) {
                *to++ = ' ';
                break;
            }
            *to++ = byte < 0 ? *at : (char)byte;
            at += byte < 0 ? 1 : length;
        }
    }
    if (to > text && to[-1] == ' ')
        to--; /* after the last word */
    *to = 0;
    *size = (size_t)(to - text);
    return text;
}
