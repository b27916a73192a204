/* pickle_machine: what the two halves of the pickle reader share: the machine (pickle.c) and what
   the names it meets mean (pickle_names.c). */
#ifndef HOI_PICKLE_MACHINE_H
#define HOI_PICKLE_MACHINE_H

#include "core/error.h"
#include "core/pickle.h"

/* A reader at work; its memory is an arena that goes with it. */
typedef struct pickle_machine {
    const char *label;
    const unsigned char *bytes;
    size_t size, at;
    struct pickle_chunk *chunks;
    size_t used, limit; /* of the arena, bytes */
    hoi_pickle_value **stack;
    size_t depth, stack_capacity;
    size_t *marks;
    size_t mark_count, mark_capacity;
    hoi_pickle_value **memo;
    size_t memo_capacity, memo_next;
    const hoi_pickle_storage **storages;
    size_t storage_count, storage_capacity;
} pickle_machine;

/* Gets zeroed memory of the arena, NULL after hoi_fail: also where the limit is reached. */
void *pickle_memory(pickle_machine *m, size_t size);

/* Gets a new value of a kind; the text of one, copied, with a zero behind. */
hoi_pickle_value *pickle_value(pickle_machine *m, hoi_pickle_kind kind);
hoi_pickle_value *pickle_text(pickle_machine *m, hoi_pickle_kind kind, const void *text,
                              size_t size);

/* Adds an item to a list, tuple or dictionary. */
bool pickle_add(pickle_machine *m, hoi_pickle_value *list, hoi_pickle_value *item);

/* Fails with the place of the machine in the message. */
bool pickle_fail(const pickle_machine *m, const char *format, ...) HOI_PRINTF(2, 3);

/* Gets the value of a name, "module" and "name": fails for what is not known to be harmless. */
hoi_pickle_value *pickle_global(pickle_machine *m, const char *module, const char *name);

/* Gets what a call of a global with arguments (a tuple) stands for. */
hoi_pickle_value *pickle_call(pickle_machine *m, const hoi_pickle_value *function,
                              hoi_pickle_value *arguments);

/* Gets a new instance of a class, and gives one its state. */
hoi_pickle_value *pickle_instance(pickle_machine *m, const hoi_pickle_value *class);
bool pickle_build(pickle_machine *m, hoi_pickle_value *instance, hoi_pickle_value *state);

/* Gets what a persistent id stands for: a storage. */
hoi_pickle_value *pickle_persistent(pickle_machine *m, const hoi_pickle_value *id);

#endif
