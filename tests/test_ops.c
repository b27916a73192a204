/* test_ops: every operation of the table against its naive double-precision partner
   (reference.c): values, and gradients against differences of the partner, on both kernel sets
   and the other widths of the processors' set. */
#include "core/error.h"
#include "core/ops.h"
#include "core/random.h"
#include "tests/reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ------------------------------------------------------------------ devices */

static struct {
    const char *kernels, *vector;
    hoi_device *device;
} sets[] = {{"cpu", NULL, NULL}, {"gpu", NULL, NULL}, {"cpu", "8", NULL}, {"cpu", "4", NULL}};
enum { SETS = sizeof sets / sizeof *sets };

static int open_devices(void **state) {
    (void)state;
    for (int i = 0; i < SETS; ++i) {
        setenv("HOI_KERNELS", sets[i].kernels, 1);
        if (sets[i].vector)
            setenv("HOI_VECTOR", sets[i].vector, 1);
        if (!(sets[i].device = hoi_device_open(NULL, false))) {
            print_error("%s\n", hoi_error());
            return -1;
        }
    }
    return strncmp(hoi_device_kernels(sets[1].device), "gpu", 3) ||
           strncmp(hoi_device_kernels(sets[0].device), "cpu", 3);
}

static int close_devices(void **state) {
    (void)state;
    for (int i = 0; i < SETS; ++i)
        hoi_device_close(sets[i].device);
    return 0;
}

/* ------------------------------ one case, as the reference sees it */

enum { ENTRIES = 200 };

/* Sampled entries of an input's gradient: where, the slope, and whether it is one (else beside a
   jump). */
typedef struct slopes {
    int count;
    int64_t at[ENTRIES];
    double value[ENTRIES];
    bool smooth[ENTRIES];
} slopes;

typedef struct trial {
    const reference *partner;
    const hoi_operation *operation;
    char words[REFERENCE_INPUTS][32];
    hoi_dtype dtype[REFERENCE_INPUTS];
    reference_call call;
    int32_t places[64];
    array y, dy;
    slopes slope[REFERENCE_INPUTS];
} trial;

static double content(char kind, hoi_random *r, bool diagonal, bool masked) {
    double x = (double)hoi_random_range(r, -1.5f, 1.5f);
    switch (kind) {
    case '+':
        return (double)hoi_random_range(r, 0.3f, 3.0f);
    case 'w':
        return x < 0 ? x - 0.5 : x + 0.5;
    case 'l':
        return 20 * x;
    case 't':
        return round(2 * x) / 2;
    case 'c':
        return x > 0;
    case 'd':
        return diagonal ? x + 8 : x;
    case 'm':
        return masked || x > 0.6 ? -INFINITY : x;
    default:
        return x;
    }
}

/* Makes an input from its word; values are what the stored type can hold. */
static void make_input(trial *t, int i, hoi_random *r) {
    const char *word = t->words[i];
    array x = {0};
    char kind = strchr("+wltcdmhb", *word) ? *word++ : 0;
    t->dtype[i] = kind == 'h' ? HOI_F16 : kind == 'b' ? HOI_BF16 : HOI_F32;
    if (*word == '-')
        return;
    for (; *word != 's' && *word; word += *word == 'x')
        x.shape[x.rank++] = strtol(word, (char **)&word, 10);
    x = array_new(x.rank, x.shape);
    int64_t cols = x.rank ? x.shape[x.rank - 1] : 1;
    for (int64_t k = 0; k < array_count(&x); ++k) {
        float value = (float)content(kind, r, k / cols == k % cols, k / cols % 4 == 1);
        if (kind == 'h')
            value = hoi_half_to_float(hoi_float_to_half(value));
        if (kind == 'b')
            value = hoi_bf16_to_float(hoi_float_to_bf16(value));
        x.at[k] = (double)value;
    }
    t->call.in[i] = x;
}

static void make_call(trial *t, const reference_case *one, hoi_random *r) {
    char text[256], *word;
    snprintf(text, sizeof text, "%s", one->in);
    for (word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        snprintf(t->words[t->call.count], sizeof t->words[0], "%s", word);
        make_input(t, t->call.count++, r);
    }
    memcpy(t->call.n, one->n, sizeof one->n);
    if (t->partner->number)
        t->call.n[0] = t->partner->number;
    t->call.f[0] = (double)one->f[0];
    t->call.f[1] = (double)one->f[1];
    if (one->index) {
        snprintf(text, sizeof text, "%s", one->index);
        for (word = strtok(text, " "); word; word = strtok(NULL, " "))
            t->places[t->call.index_count++] = (int32_t)atoi(word);
        t->call.index = t->places;
    }
}

static double weighted(const trial *t) {
    array y;
    double sum = 0;
    t->partner->forward(&t->call, &y);
    for (int64_t i = 0; i < array_count(&y); ++i)
        if (t->dy.at[i] != 0)
            sum += y.at[i] * t->dy.at[i];
    free(y.at);
    return sum;
}

/* Four-point difference of sum(y dy) by an entry of an input. Where two estimates of the
   curvature, at steps h and 2h, differ by more than any smooth slope could, a jump of the slope
   lies between. */
static void slope_at(trial *t, double *x, double *value, bool *smooth) {
    const double h = 1e-3;
    double kept = *x, f[5];
    for (int i = 0; i < 5; ++i) {
        *x = kept + (i - 2) * h;
        f[i] = weighted(t);
    }
    *x = kept;
    *value = (f[0] - 8 * f[1] + 8 * f[3] - f[4]) / (12 * h);
    double near = (f[3] - 2 * f[2] + f[1]) / (h * h), far = (f[4] - 2 * f[2] + f[0]) / (4 * h * h);
    *smooth = !t->partner->kinked || fabs(near - far) * h < 1e-5 * fmax(1, fabs(*value));
}

static bool has_gradient(const trial *t, int i) {
    return t->call.in[i].at && t->dtype[i] == HOI_F32 && !(t->partner->constant & 1u << i);
}

/* Costs a forward's multiplications, roughly: for a product the root of (m k)(k n)(m n). */
static double cost(const trial *t) {
    const array *a = &t->call.in[0], *b = &t->call.in[1];
    double out = (double)array_count(&t->y), left = (double)array_count(a);
    double right = t->call.count > 1 && b->at ? (double)array_count(b) : left;
    return 8 * (out + left + right) + sqrt(out * left * right);
}

static void find_slopes(trial *t, hoi_random *r) {
    double most = 3e7 / (cost(t) + 1);
    int cap = most > ENTRIES ? ENTRIES : most < 12 ? 12 : (int)most;
    for (int i = 0; i < t->call.count; ++i) {
        slopes *s = &t->slope[i];
        int64_t count = has_gradient(t, i) ? array_count(&t->call.in[i]) : 0;
        s->count = (int)(count < cap ? count : cap);
        for (int k = 0; k < s->count; ++k) {
            s->at[k] = count <= cap ? k : (int64_t)hoi_random_below(r, (uint32_t)count);
            slope_at(t, &t->call.in[i].at[s->at[k]], &s->value[k], &s->smooth[k]);
        }
    }
}

static trial *new_trial(const reference *partner, const hoi_operation *operation, int place) {
    trial *t = calloc(1, sizeof *t);
    hoi_random r = hoi_random_stream(2024, (uint64_t)place, 0);
    for (const char *c = partner->name; *c; ++c)
        r.key = hoi_mix(r.key ^ (uint64_t)(unsigned char)*c);
    assert_non_null(t);
    t->partner = partner;
    t->operation = operation;
    make_call(t, &partner->cases[place], &r);
    partner->forward(&t->call, &t->y);
    t->dy = array_new(t->y.rank, t->y.shape);
    for (int64_t i = 0; i < array_count(&t->dy); ++i) { /* what 16 bits hold, for `half` */
        float value = hoi_half_to_float(hoi_float_to_half(hoi_random_range(&r, -1.5f, 1.5f)));
        t->dy.at[i] = isfinite(t->y.at[i]) ? (double)value : 0;
    }
    find_slopes(t, &r);
    return t;
}

static void free_trial(trial *t) {
    for (int i = 0; i < t->call.count; ++i)
        free(t->call.in[i].at);
    free(t->y.at);
    free(t->dy.at);
    free(t);
}

/* ------------------------------------------------------------------ one case on one device */

static hoi_tensor *place_on(hoi_device *device, const array *x, hoi_dtype dtype) {
    int64_t count = array_count(x);
    float *wide = malloc((size_t)(count + 1) * sizeof *wide);
    uint16_t *half = malloc((size_t)(count + 1) * sizeof *half);
    assert_true(wide && half);
    for (int64_t i = 0; i < count; ++i) {
        wide[i] = (float)x->at[i];
        half[i] = dtype == HOI_F16 ? hoi_float_to_half(wide[i]) : hoi_float_to_bf16(wide[i]);
    }
    hoi_tensor *tensor =
        hoi_tensor_stored(device, x->rank, x->shape, dtype, dtype == HOI_F32 ? (void *)wide : half);
    free(wide);
    free(half);
    if (!tensor)
        fail_msg("%s", hoi_error());
    return tensor;
}

static float *values_of(const hoi_tensor *x) {
    float *values = malloc((size_t)(hoi_tensor_count(x) + 1) * sizeof *values);
    assert_non_null(values);
    if (!hoi_tensor_read(x, values))
        fail_msg("%s", hoi_error());
    return values;
}

static char where_text[160];
static const char *where(const trial *t, const char *set) {
    char shapes[100] = "";
    for (int i = 0; i < t->call.count; ++i)
        snprintf(shapes + strlen(shapes), sizeof shapes - strlen(shapes), " %s", t->words[i]);
    snprintf(where_text, sizeof where_text, "%s%s {%d, %d} (%s)", t->partner->name, shapes,
             (int)t->call.n[0], (int)t->call.n[1], set);
    return where_text;
}

/* Normalised mean squared error at most 1e-7; what is not finite must be the same. */
static void compare_values(const trial *t, const float *got, const char *set) {
    double error = 0, power = 0;
    for (int64_t i = 0; i < array_count(&t->y); ++i) {
        double want = t->y.at[i], is = (double)got[i];
        if (!isfinite(want) || !isfinite(is)) {
            if (want != is)
                fail_msg("%s: element %lld is %g, %g wanted", where(t, set), (long long)i, is,
                         want);
            continue;
        }
        error += (is - want) * (is - want);
        power += want * want;
    }
    if (error > 1e-7 * power)
        fail_msg("%s: normalised error %.3g", where(t, set), error / power);
}

/* Relative error at most 1e-4, measured against the norm of the gradient; a gradient that is
   nothing but rounding (as where a row of one column is normalised) is measured against what it
   was computed from. */
static void compare_slopes(const trial *t, int i, const float *got, const char *set) {
    const slopes *s = &t->slope[i];
    double error = 0, norm = 0, seed = 0;
    int compared = 0;
    for (int k = 0; k < s->count; ++k)
        if (s->smooth[k]) {
            double off = (double)got[s->at[k]] - s->value[k];
            error += off * off;
            norm += s->value[k] * s->value[k];
            ++compared;
        }
    for (int64_t k = 0; k < array_count(&t->dy); ++k)
        seed += t->dy.at[k] * t->dy.at[k];
    if (s->count > 0 && compared * 2 < s->count)
        fail_msg("%s: %d of %d slopes of input %d can be compared", where(t, set), compared,
                 s->count, i + 1);
    if (!(sqrt(error) <= 1e-4 * fmax(sqrt(norm), 0.01 * sqrt(seed)))) {
        for (int k = 0, shown = 0; k < s->count && shown < 4; ++k)
            if (s->smooth[k] &&
                !(fabs((double)got[s->at[k]] - s->value[k]) < 1e-4 * fabs(s->value[k]))) {
                print_error("  gradient %d at %lld: %g, %g wanted\n", i + 1, (long long)s->at[k],
                            (double)got[s->at[k]], s->value[k]);
                ++shown;
            }
        fail_msg("%s: gradient of input %d off by %.3g of %.3g", where(t, set), i + 1, sqrt(error),
                 sqrt(norm));
    }
}

static hoi_arguments place_call(const trial *t, hoi_device *device) {
    hoi_arguments a = {.count = t->call.count, .f = {(float)t->call.f[0], (float)t->call.f[1]}};
    for (int i = 0; i < t->call.count; ++i)
        if (t->call.in[i].at)
            a.in[i] = place_on(device, &t->call.in[i], t->dtype[i]);
    memcpy(a.n, t->call.n, sizeof t->call.n);
    if (t->call.index && !(a.index = hoi_index_new(device, t->call.index_count, t->call.index)))
        fail_msg("%s", hoi_error());
    return a;
}

/* Runs the operation with some inputs trainable (a set of bits), and backward; results to
   compare elsewhere. */
static hoi_tensor *run(const trial *t, const hoi_arguments *a, hoi_tensor *seed, unsigned trainable,
                       const char *set) {
    bool any = false;
    for (int i = 0; i < a->count; ++i)
        if (a->in[i]) {
            a->in[i]->trainable = (trainable & 1u << i) && t->dtype[i] == HOI_F32;
            any = any || a->in[i]->trainable;
            hoi_tensor_free(a->in[i]->grad);
            a->in[i]->grad = NULL;
        }
    hoi_tensor *y = hoi_apply(t->operation, a);
    if (!y)
        fail_msg("%s: %s", where(t, set), hoi_error());
    if (!hoi_tensor_is(y, t->y.rank, t->y.shape)) {
        char got[96], want[96];
        fail_msg("%s: shape %s, %s wanted", where(t, set), hoi_shape_text(y->rank, y->shape, got),
                 hoi_shape_text(t->y.rank, t->y.shape, want));
    }
    assert_int_equal(y->node != NULL, any);
    if (any && !hoi_backward(y, seed))
        fail_msg("%s: backward: %s", where(t, set), hoi_error());
    for (int i = 0; i < a->count; ++i)
        if (a->in[i] && (a->in[i]->grad != NULL) != (a->in[i]->trainable && has_gradient(t, i)))
            fail_msg("%s: input %d has %s gradient", where(t, set), i + 1,
                     a->in[i]->grad ? "a" : "no");
    return y;
}

/* Bit for bit. */
static void same_values(const trial *t, const float *a, const hoi_tensor *b, const char *what,
                        const char *set) {
    float *values = values_of(b);
    if (memcmp(a, values, (size_t)hoi_tensor_count(b) * sizeof *values))
        fail_msg("%s: %s", where(t, set), what);
    free(values);
}

static void check_on(const trial *t, hoi_device *device) {
    const char *set = hoi_device_kernels(device);
    size_t live = hoi_device_memory_now(device).live;
    hoi_arguments a = place_call(t, device);
    hoi_tensor *seed = place_on(device, &t->dy, HOI_F32);
    hoi_tensor *y = run(t, &a, seed, ~0u, set);
    float *values = values_of(y), *slopes_got[REFERENCE_INPUTS] = {NULL};
    compare_values(t, values, set);
    for (int i = 0; i < a.count; ++i)
        if (has_gradient(t, i)) {
            slopes_got[i] = values_of(a.in[i]->grad);
            compare_slopes(t, i, slopes_got[i], set);
        }
    hoi_tensor_free(y);
    y = run(t, &a, seed, 0, set);
    same_values(t, values, y, "other values where nothing is trainable", set);
    hoi_tensor_free(y);
    for (int i = 0; i < a.count; ++i)
        if (slopes_got[i]) {
            y = run(t, &a, seed, 1u << i, set);
            same_values(t, slopes_got[i], a.in[i]->grad,
                        "another gradient where one input alone is trainable", set);
            hoi_tensor_free(y);
        }
    for (int i = 0; i < a.count; ++i) {
        hoi_tensor_free(a.in[i]);
        free(slopes_got[i]);
    }
    hoi_index_free(a.index);
    hoi_tensor_free(seed);
    free(values);
    if (hoi_device_memory_now(device).live != live)
        fail_msg("%s: %lld bytes stay alive", where(t, set),
                 (long long)(hoi_device_memory_now(device).live - live));
}

/* ------------------------------------------------------------------ the table */

static const hoi_operation *operation_of(const char *name) {
    for (int i = 0; i < hoi_operation_count; ++i)
        if (strcmp(hoi_operations[i]->name, name) == 0)
            return hoi_operations[i];
    return NULL;
}

/* Where tiles depend on the width of vectors, and one operation of each file of kernels besides:
   every third case is tried with the other widths too, as each costs the compilation of its
   kernels. */
static bool other_widths(const char *name, int place) {
    static const char *const names[] = {"linear", "attention", "softmax",
                                        "gelu",   "conv2d",    "max_pool"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        found = found || strcmp(names[i], name) == 0;
    return found && place % 3 == 0;
}

static void test_reference(void **state) {
    const reference *partner = *state;
    const hoi_operation *operation = operation_of(partner->name);
    if (!operation)
        fail_msg("reference %s has no operation", partner->name);
    for (int i = 0; i < partner->case_count; ++i) {
        trial *t = new_trial(partner, operation, i);
        for (int k = 0; k < (other_widths(partner->name, i) ? SETS : 2); ++k)
            check_on(t, sets[k].device);
        free_trial(t);
    }
}

static void test_every_operation_has_a_reference(void **state) {
    (void)state;
    for (int i = 0; i < hoi_operation_count; ++i) {
        int found = 0;
        for (int k = 0; k < reference_count; ++k)
            found += strcmp(references[k].name, hoi_operations[i]->name) == 0;
        if (!found)
            fail_msg("operation %s has no reference", hoi_operations[i]->name);
        assert_ptr_equal(operation_of(hoi_operations[i]->name),
                         hoi_operations[i]); /* no name twice */
    }
}

int main(int argc, char **argv) {
    struct CMUnitTest tests[100] = {
        cmocka_unit_test(test_every_operation_has_a_reference),
    };
    static char names[100][80];
    size_t count = 1;
    for (int i = 0; i < reference_count && count < 100; ++i) {
        if (argc > 1 && strcmp(argv[1], references[i].name) != 0)
            continue;
        snprintf(names[count], sizeof names[0], "%s: values and gradients equal the reference",
                 references[i].name);
        tests[count] = (struct CMUnitTest){.name = names[count],
                                           .test_func = test_reference,
                                           .initial_state = (void *)&references[i]};
        ++count;
    }
    return _cmocka_run_group_tests("operations", tests, count, open_devices, close_devices);
}
