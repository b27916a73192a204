/* pickle: the machine: opcodes, stack and memo. What names mean is in pickle_names.c. */
#include "core/pickle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pickle_machine.h"

/* Values of true files take less memory than a few times their bytes. */
enum { chunk_bytes = 1 << 15, limit_base = 1 << 24, limit_per_byte = 16 };

typedef struct pickle_chunk {
    struct pickle_chunk *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
} pickle_chunk;

struct hoi_pickle {
    pickle_chunk *chunks;
    const hoi_pickle_value *root;
    size_t size;
    const hoi_pickle_storage **storages;
    size_t storage_count;
};

/* ------------------------------------------------------------------ memory */

bool pickle_fail(const pickle_machine *m, const char *format, ...) {
    char text[400];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return hoi_fail("pickle: %s: byte %zu: %s", m->label, m->at, text);
}

void *pickle_memory(pickle_machine *m, size_t size) {
    size_t rounded = (size + 15) / 16 * 16;
    if (rounded < size || rounded > m->limit - m->used) {
        pickle_fail(m, "the values take more than %zu MB: not a pickle of tensors", m->limit >> 20);
        return NULL;
    }
    pickle_chunk *chunk = m->chunks;
    if (!chunk || chunk->size - chunk->used < rounded) {
        size_t bytes = rounded > chunk_bytes ? rounded : chunk_bytes;
        chunk = calloc(1, sizeof *chunk + bytes);
        if (!chunk) {
            pickle_fail(m, "no memory for %zu bytes", bytes);
            return NULL;
        }
        chunk->size = bytes;
        chunk->next = m->chunks;
        m->chunks = chunk;
    }
    void *memory = chunk->bytes + chunk->used;
    chunk->used += rounded;
    m->used += rounded;
    return memory;
}

hoi_pickle_value *pickle_value(pickle_machine *m, hoi_pickle_kind kind) {
    hoi_pickle_value *value = pickle_memory(m, sizeof *value);
    if (value)
        value->kind = kind;
    return value;
}

hoi_pickle_value *pickle_text(pickle_machine *m, hoi_pickle_kind kind, const void *text,
                              size_t size) {
    hoi_pickle_value *value = pickle_value(m, kind);
    char *copy = value ? pickle_memory(m, size + 1) : NULL;
    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, text, size);
    value->text = copy;
    value->count = size;
    return value;
}

bool pickle_add(pickle_machine *m, hoi_pickle_value *list, hoi_pickle_value *item) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 4;
        hoi_pickle_value **grown = pickle_memory(m, capacity * sizeof *grown);
        if (!grown)
            return false;
        if (list->count)
            memcpy(grown, list->items, list->count * sizeof *grown);
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return true;
}

/* Makes room for one more element of an array on the heap. */
static bool grow(pickle_machine *m, void **array, size_t count, size_t *capacity, size_t element) {
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *grown = realloc(*array, wanted * element);
    if (!grown)
        return pickle_fail(m, "no memory for a stack of %zu", wanted);
    *array = grown;
    *capacity = wanted;
    return true;
}

/* ------------------------------------------------------------------ bytes, stack, memo */

static const unsigned char *take(pickle_machine *m, uint64_t count) {
    if (count > m->size - m->at) {
        pickle_fail(m, "%llu bytes are wanted, %zu are left: cut short?", (unsigned long long)count,
                    m->size - m->at);
        return NULL;
    }
    const unsigned char *at = m->bytes + m->at;
    m->at += (size_t)count;
    return at;
}

/* Reads a little-endian number of `width` bytes. */
static bool number(pickle_machine *m, int width, uint64_t *value) {
    const unsigned char *at = take(m, (uint64_t)width);
    *value = 0;
    for (int i = 0; at && i < width; i++)
        *value |= (uint64_t)at[i] << 8 * i;
    return at != NULL;
}

/* Gets a line without its end, NULL after hoi_fail. */
static const char *line(pickle_machine *m, size_t *length) {
    const unsigned char *start = m->bytes + m->at;
    const unsigned char *end = memchr(start, '\n', m->size - m->at);
    if (!end) {
        pickle_fail(m, "a line has no end: cut short?");
        return NULL;
    }
    *length = (size_t)(end - start);
    m->at += *length + 1;
    return (const char *)start;
}

static bool push(pickle_machine *m, hoi_pickle_value *value) {
    if (!value || !grow(m, (void **)&m->stack, m->depth, &m->stack_capacity, sizeof *m->stack))
        return false;
    m->stack[m->depth++] = value;
    return true;
}

/* Gets the place of the last mark, above which values may be taken. */
static size_t bottom(const pickle_machine *m) {
    return m->mark_count ? m->marks[m->mark_count - 1] : 0;
}

static hoi_pickle_value *pop(pickle_machine *m) {
    if (m->depth <= bottom(m)) {
        pickle_fail(m, "the stack is empty");
        return NULL;
    }
    return m->stack[--m->depth];
}

static hoi_pickle_value *top(const pickle_machine *m) {
    if (m->depth <= bottom(m)) {
        pickle_fail(m, "the stack is empty");
        return NULL;
    }
    return m->stack[m->depth - 1];
}

static bool push_mark(pickle_machine *m) {
    if (!grow(m, (void **)&m->marks, m->mark_count, &m->mark_capacity, sizeof *m->marks))
        return false;
    m->marks[m->mark_count++] = m->depth;
    return true;
}

/* Takes the last mark away; the values above it stay, from *first on. */
static bool pop_mark(pickle_machine *m, size_t *first) {
    *first = 0;
    if (!m->mark_count)
        return pickle_fail(m, "no mark on the stack");
    *first = m->marks[--m->mark_count];
    return true;
}

static bool put(pickle_machine *m, uint64_t place) {
    if (place > m->size) /* writers count up from 0, and each place takes bytes */
        return pickle_fail(m, "memo place %llu of a pickle of %zu bytes", (unsigned long long)place,
                           m->size);
    hoi_pickle_value *value = top(m);
    if (!value)
        return false;
    if (place >= m->memo_capacity) {
        size_t wanted = ((size_t)place + 1) * 2;
        hoi_pickle_value **grown = realloc(m->memo, wanted * sizeof *grown);
        if (!grown)
            return pickle_fail(m, "no memory for a memo of %zu", wanted);
        memset(grown + m->memo_capacity, 0, (wanted - m->memo_capacity) * sizeof *grown);
        m->memo = grown;
        m->memo_capacity = wanted;
    }
    m->memo[place] = value;
    return true;
}

static bool get(pickle_machine *m, uint64_t place) {
    if (place >= m->memo_capacity || !m->memo[place])
        return pickle_fail(m, "nothing at memo place %llu", (unsigned long long)place);
    return push(m, m->memo[place]);
}

/* ------------------------------------------------------------------ opcodes */

static bool push_integer(pickle_machine *m, hoi_pickle_kind kind, int64_t integer) {
    hoi_pickle_value *value = pickle_value(m, kind);
    if (value)
        value->integer = integer;
    return push(m, value);
}

static bool push_real(pickle_machine *m, double real) {
    hoi_pickle_value *value = pickle_value(m, HOI_PICKLE_REAL);
    if (value)
        value->real = real;
    return push(m, value);
}

/* A big-endian double. */
static bool binary_real(pickle_machine *m) {
    const unsigned char *at = take(m, 8);
    uint64_t bits = 0;
    double real;
    for (int i = 0; at && i < 8; i++)
        bits = bits << 8 | at[i];
    memcpy(&real, &bits, sizeof real);
    return at && push_real(m, real);
}

/* Two's complement, little-endian; what needs more than 64 bits is no size and no number of ours.
 */
static bool long_integer(pickle_machine *m, int width) {
    uint64_t count;
    const unsigned char *at = number(m, width, &count) ? take(m, count) : NULL;
    if (!at)
        return false;
    if (count > 8)
        return push(m, pickle_value(m, HOI_PICKLE_OPAQUE));
    uint64_t bits = count && at[count - 1] & 0x80 ? ~(uint64_t)0 : 0;
    for (uint64_t i = count; i-- > 0;)
        bits = bits << 8 | at[i];
    return push_integer(m, HOI_PICKLE_INTEGER, (int64_t)bits);
}

/* INT, LONG and FLOAT of protocol 0: a number in a line. */
static bool line_number(pickle_machine *m, unsigned char opcode) {
    size_t length;
    const char *start = line(m, &length);
    char text[40], *end = text;
    if (!start)
        return false;
    if (opcode == 'L' && length && start[length - 1] == 'L')
        length--;
    if (length == 0 || length >= sizeof text)
        return opcode == 'F' || length == 0 ? pickle_fail(m, "a line that is no number")
                                            : push(m, pickle_value(m, HOI_PICKLE_OPAQUE));
    memcpy(text, start, length);
    text[length] = 0;
    if (opcode == 'I' && (strcmp(text, "00") == 0 || strcmp(text, "01") == 0))
        return push_integer(m, HOI_PICKLE_BOOL, text[1] == '1');
    errno = 0;
    long long integer = opcode == 'F' ? 0 : strtoll(text, &end, 10);
    double real = opcode == 'F' ? strtod(text, &end) : 0;
    if (*end || end == text || (opcode != 'F' && errno))
        return pickle_fail(m, "'%s' is no number", text);
    return opcode == 'F' ? push_real(m, real) : push_integer(m, HOI_PICKLE_INTEGER, integer);
}

/* Text or bytes after a length of `width` bytes. */
static bool counted(pickle_machine *m, int width, hoi_pickle_kind kind) {
    uint64_t count;
    const unsigned char *at = number(m, width, &count) ? take(m, count) : NULL;
    return at && push(m, pickle_text(m, kind, at, (size_t)count));
}

/* Text in a line: plain, or between quotes (STRING; what is escaped stays so: no name has it). */
static bool line_text(pickle_machine *m, bool quoted) {
    size_t length;
    const char *start = line(m, &length);
    if (start && quoted) {
        if (length < 2 || start[0] != start[length - 1])
            return pickle_fail(m, "a string without quotes");
        start++;
        length -= 2;
    }
    return start && push(m, pickle_text(m, HOI_PICKLE_TEXT, start, length));
}

/* GET, PUT: a place in a line. */
static bool line_place(pickle_machine *m, uint64_t *place) {
    size_t length;
    const char *start = line(m, &length);
    *place = 0;
    for (size_t i = 0; start && i < length; i++) {
        if (start[i] < '0' || start[i] > '9' || *place > UINT32_MAX)
            return pickle_fail(m, "a memo place that is no number");
        *place = *place * 10 + (uint64_t)(start[i] - '0');
    }
    return start && (length > 0 || pickle_fail(m, "a memo place that is no number"));
}

/* Makes a list, tuple or dictionary of the values from `first` on. */
static bool collect(pickle_machine *m, hoi_pickle_kind kind, size_t first) {
    hoi_pickle_value *value = pickle_value(m, kind);
    size_t count = m->depth - first;
    if (value && kind == HOI_PICKLE_DICT && count % 2)
        return pickle_fail(m, "a dictionary of a key without a value");
    if (value && count) {
        value->items = pickle_memory(m, count * sizeof *value->items);
        if (!value->items)
            return false;
        memcpy(value->items, m->stack + first, count * sizeof *value->items);
        value->count = value->capacity = count;
    }
    m->depth = first;
    return push(m, value);
}

static bool collect_marked(pickle_machine *m, hoi_pickle_kind kind) {
    size_t first;
    return pop_mark(m, &first) && collect(m, kind, first);
}

static bool tuple_of(pickle_machine *m, size_t count) {
    if (m->depth - bottom(m) < count)
        return pickle_fail(m, "the stack is empty");
    return collect(m, HOI_PICKLE_TUPLE, m->depth - count);
}

/* Adds the values from `first` on to the list or dictionary below them. Objects that are such by
   inheritance, and sets, take them unseen. */
static bool extend(pickle_machine *m, size_t first, hoi_pickle_kind kind) {
    if (first <= bottom(m) || first > m->depth)
        return pickle_fail(m, "the stack is empty");
    hoi_pickle_value *target = m->stack[first - 1];
    size_t count = m->depth - first;
    if (target->kind != kind && target->kind != HOI_PICKLE_OBJECT &&
        target->kind != HOI_PICKLE_OPAQUE)
        return pickle_fail(m, "items are added to what is no %s",
                           kind == HOI_PICKLE_DICT ? "dictionary" : "list");
    if (kind == HOI_PICKLE_DICT && count % 2)
        return pickle_fail(m, "a key without a value");
    if (target->kind == kind)
        for (size_t i = first; i < m->depth; i++)
            if (!pickle_add(m, target, m->stack[i]))
                return false;
    m->depth = first;
    return true;
}

static bool extend_marked(pickle_machine *m, hoi_pickle_kind kind) {
    size_t first;
    return pop_mark(m, &first) && extend(m, first, kind);
}

/* GLOBAL: two lines; STACK_GLOBAL: two texts of the stack. */
static bool global(pickle_machine *m, bool from_stack) {
    const hoi_pickle_value *module = NULL, *name = NULL;
    if (from_stack) {
        name = pop(m);
        module = name ? pop(m) : NULL;
        if (!module)
            return false;
        if (module->kind != HOI_PICKLE_TEXT || name->kind != HOI_PICKLE_TEXT)
            return pickle_fail(m, "a name that is no text");
    } else {
        size_t length;
        const char *start = line(m, &length);
        module = start ? pickle_text(m, HOI_PICKLE_TEXT, start, length) : NULL;
        start = module ? line(m, &length) : NULL;
        name = start ? pickle_text(m, HOI_PICKLE_TEXT, start, length) : NULL;
    }
    return module && name && push(m, pickle_global(m, module->text, name->text));
}

static bool reduce(pickle_machine *m) {
    hoi_pickle_value *arguments = pop(m), *function = arguments ? pop(m) : NULL;
    return function && push(m, pickle_call(m, function, arguments));
}

static bool new_object(pickle_machine *m, int taken) {
    hoi_pickle_value *class = NULL;
    for (int i = 0; i < taken; i++) {
        class = pop(m);
        if (!class)
            return false;
    }
    return push(m, pickle_instance(m, class));
}

static bool build(pickle_machine *m) {
    hoi_pickle_value *state = pop(m), *instance = state ? top(m) : NULL;
    return instance && pickle_build(m, instance, state);
}

static bool persistent(pickle_machine *m, const hoi_pickle_value *id) {
    hoi_pickle_value *storage = id ? pickle_persistent(m, id) : NULL;
    if (!storage || !grow(m, (void **)&m->storages, m->storage_count, &m->storage_capacity,
                          sizeof *m->storages))
        return false;
    m->storages[m->storage_count++] = storage->storage;
    return push(m, storage);
}

/* Runs one opcode. */
static bool step(pickle_machine *m, unsigned char opcode) {
    uint64_t n;
    size_t first;
    switch (opcode) {
    case 0x80: /* PROTO */
        if (!number(m, 1, &n))
            return false;
        return n <= 5 || pickle_fail(m, "protocol %d; 0 to 5 are known", (int)n);
    case 0x95: /* FRAME: a length that needs no heed */
        return take(m, 8) != NULL;
    case '(':
        return push_mark(m);
    case '0':
        return pop(m) != NULL;
    case '1':
        if (!pop_mark(m, &first))
            return false;
        m->depth = first;
        return true;
    case '2':
        return push(m, top(m));
    case 'N':
        return push(m, pickle_value(m, HOI_PICKLE_NONE));
    case 0x88:
    case 0x89:
        return push_integer(m, HOI_PICKLE_BOOL, opcode == 0x88);
    case 'I':
    case 'L':
    case 'F':
        return line_number(m, opcode);
    case 'J':
        return number(m, 4, &n) && push_integer(m, HOI_PICKLE_INTEGER, (int32_t)(uint32_t)n);
    case 'K':
    case 'M':
        return number(m, opcode == 'K' ? 1 : 2, &n) &&
               push_integer(m, HOI_PICKLE_INTEGER, (int64_t)n);
    case 0x8A:
    case 0x8B:
        return long_integer(m, opcode == 0x8A ? 1 : 4);
    case 'G':
        return binary_real(m);
    case 'S':
    case 'V':
        return line_text(m, opcode == 'S');
    case 'T':
    case 'U':
        return counted(m, opcode == 'T' ? 4 : 1, HOI_PICKLE_TEXT);
    case 'X':
        return counted(m, 4, HOI_PICKLE_TEXT);
    case 0x8C:
    case 0x8D:
        return counted(m, opcode == 0x8C ? 1 : 8, HOI_PICKLE_TEXT);
    case 'B':
    case 'C':
        return counted(m, opcode == 'B' ? 4 : 1, HOI_PICKLE_BYTES);
    case 0x8E:
    case 0x96:
        return counted(m, 8, HOI_PICKLE_BYTES);
    case ']':
        return push(m, pickle_value(m, HOI_PICKLE_LIST));
    case '}':
        return push(m, pickle_value(m, HOI_PICKLE_DICT));
    case ')':
        return push(m, pickle_value(m, HOI_PICKLE_TUPLE));
    case 0x8F: /* EMPTY_SET */
        return push(m, pickle_value(m, HOI_PICKLE_OPAQUE));
    case 'l':
        return collect_marked(m, HOI_PICKLE_LIST);
    case 'd':
        return collect_marked(m, HOI_PICKLE_DICT);
    case 't':
        return collect_marked(m, HOI_PICKLE_TUPLE);
    case 0x91: /* FROZENSET */
        return collect_marked(m, HOI_PICKLE_LIST);
    case 0x85:
    case 0x86:
    case 0x87:
        return tuple_of(m, (size_t)(opcode - 0x84));
    case 'a':
        return extend(m, m->depth - (m->depth > 0), HOI_PICKLE_LIST);
    case 's':
        return extend(m, m->depth - (m->depth > 1 ? 2 : m->depth), HOI_PICKLE_DICT);
    case 'e':
    case 0x90: /* ADDITEMS */
        return extend_marked(m, HOI_PICKLE_LIST);
    case 'u':
        return extend_marked(m, HOI_PICKLE_DICT);
    case 'c':
    case 0x93:
        return global(m, opcode == 0x93);
    case 'R':
        return reduce(m);
    case 0x81:
    case 0x92: /* NEWOBJ, NEWOBJ_EX: class, arguments, named arguments */
        return new_object(m, opcode == 0x81 ? 2 : 3);
    case 'b':
        return build(m);
    case 'Q':
        return persistent(m, pop(m));
    case 'p':
        return line_place(m, &n) && put(m, n);
    case 'q':
    case 'r':
        return number(m, opcode == 'q' ? 1 : 4, &n) && put(m, n);
    case 0x94:
        return put(m, m->memo_next++);
    case 'g':
        return line_place(m, &n) && get(m, n);
    case 'h':
    case 'j':
        return number(m, opcode == 'h' ? 1 : 4, &n) && get(m, n);
    default:
        return pickle_fail(m, "opcode 0x%02X is not one of a pickle of tensors", opcode);
    }
}

static bool run(pickle_machine *m) {
    for (;;) {
        const unsigned char *opcode = take(m, 1);
        if (!opcode)
            return false;
        if (*opcode == '.')
            return true;
        if (!step(m, *opcode))
            return false;
    }
}

/* ------------------------------------------------------------------ the whole */

static void free_chunks(pickle_chunk *chunk) {
    while (chunk) {
        pickle_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

hoi_pickle *hoi_pickle_read(const void *bytes, size_t size, const char *label) {
    pickle_machine m = {.label = label, .bytes = bytes, .size = size};
    m.limit = size > (SIZE_MAX - limit_base) / limit_per_byte ? SIZE_MAX
                                                              : limit_base + limit_per_byte * size;
    hoi_pickle *pickle = calloc(1, sizeof *pickle);
    bool ok = pickle ? run(&m) : pickle_fail(&m, "no memory");
    const hoi_pickle_value *root = ok ? pop(&m) : NULL;
    free(m.stack);
    free(m.marks);
    free(m.memo);
    if (!root) {
        free_chunks(m.chunks);
        free(m.storages);
        free(pickle);
        return NULL;
    }
    *pickle = (hoi_pickle){m.chunks, root, m.at, m.storages, m.storage_count};
    return pickle;
}

void hoi_pickle_free(hoi_pickle *pickle) {
    if (!pickle)
        return;
    free_chunks(pickle->chunks);
    free(pickle->storages);
    free(pickle);
}

const hoi_pickle_value *hoi_pickle_root(const hoi_pickle *pickle) {
    return pickle->root;
}

size_t hoi_pickle_size(const hoi_pickle *pickle) {
    return pickle->size;
}

size_t hoi_pickle_storage_count(const hoi_pickle *pickle) {
    return pickle->storage_count;
}

const hoi_pickle_storage *hoi_pickle_storage_at(const hoi_pickle *pickle, size_t i) {
    return pickle->storages[i];
}
