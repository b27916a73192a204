/* reference: every operation once more, from its definition: plain loops over doubles that know
   nothing of how hoi computes. The yardstick of test_ops. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

enum { REFERENCE_RANK = 6, REFERENCE_INPUTS = 8, REFERENCE_NUMBERS = 16 };

/* A row-major array; at NULL: an absent input. */
typedef struct array {
    int rank;
    int64_t shape[REFERENCE_RANK];
    double *at;
} array;

/* What an operation is applied to: inputs, numbers and places mean what they mean in
   hoi_arguments. */
typedef struct reference_call {
    array in[REFERENCE_INPUTS];
    int count;
    int64_t n[REFERENCE_NUMBERS];
    double f[2];
    const int32_t *index;
    int index_count;
} reference_call;

/* One check of an operation. in: a word for each input, "3x5", "s" a scalar, "-" absent; a letter
   before the shape tells the content (none: uniform in -1.5 .. 1.5):
   +  positive, 0.3 .. 3         w  away from 0                 l  large, -30 .. 30
   t  few values, many equal     c  zeros and ones              d  a larger diagonal
   m  some -inf, some rows all   h  stored as F16               b  stored as BF16
   index: the places as words, NULL for none. */
typedef struct reference_case {
    const char *in;
    int64_t n[REFERENCE_NUMBERS];
    float f[2];
    const char *index;
} reference_case;

/* forward fills y's shape and allocates y->at (free). number: n[0] of all cases, where
   operations share a function. kinked: the slope may jump; entries beside a jump are not
   compared. constant: bit i set: input i has no gradient. */
typedef struct reference {
    const char *name;
    void (*forward)(const reference_call *c, array *y);
    const reference_case *cases;
    int case_count, number;
    bool kinked;
    unsigned constant;
} reference;

extern const reference references[];
extern const int reference_count;

/* Gets the number of elements; a new array of zeros, one longer than its shape says so that none
   is empty. */
int64_t array_count(const array *x);
array array_new(int rank, const int64_t *shape);

#endif
