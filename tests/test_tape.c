/* test_tape: what is recorded, walked, recomputed and given back. */
#include "core/error.h"
#include "core/ops.h"
#include "core/random.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static hoi_device *device;
static size_t live_before;

static size_t live(void) {
    return hoi_device_memory_now(device).live;
}

static int open_device(void **state) {
    (void)state;
    device = hoi_device_open(NULL, false);
    if (!device)
        print_error("%s\n", hoi_error());
    return device ? 0 : -1;
}

static int close_device(void **state) {
    (void)state;
    hoi_device_close(device);
    return 0;
}

/* Around every test: what it made is gone again. */
static int note_live(void **state) {
    (void)state;
    live_before = live();
    return 0;
}

static int compare_live(void **state) {
    (void)state;
    if (live() != live_before)
        print_error("%lld bytes stay alive\n", (long long)live() - (long long)live_before);
    return live() == live_before ? 0 : -1;
}

/* ------------------------------------------------------------------ short ways to say things */

/* Passes x through; ends the test where it is NULL. */
static hoi_tensor *sure(hoi_tensor *x) {
    if (!x)
        fail_msg("%s", hoi_error());
    return x;
}

static hoi_tensor *matrix(int64_t rows, int64_t cols, const float *values) {
    return sure(hoi_tensor_from(device, 2, (int64_t[]){rows, cols}, values));
}

/* Normal numbers, always the same for a key; trainable or not. */
static hoi_tensor *noise(int rank, const int64_t *shape, uint64_t key, float scale, bool trainable) {
    hoi_tensor *x = sure(hoi_tensor_random(device, rank, shape, HOI_NORMAL, hoi_mix(key), 0.0f, scale));
    x->trainable = trainable;
    return x;
}
#define NOISE(key, scale, trainable, ...)                                                          \
    noise((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}, key, scale, trainable)

/* Frees x and passes y through: for chains. */
static hoi_tensor *then(hoi_tensor *x, hoi_tensor *y) {
    hoi_tensor_free(x);
    return sure(y);
}

static void check(bool ok) {
    if (!ok)
        fail_msg("%s", hoi_error());
}

static float *values_of(const hoi_tensor *x) {
    float *values = malloc((size_t)(hoi_tensor_count(x) + 1) * sizeof *values);
    assert_non_null(values);
    check(hoi_tensor_read(x, values));
    return values;
}

static void check_values(const hoi_tensor *x, int64_t count, const float *want, int line) {
    if (!x || hoi_tensor_count(x) != count)
        fail_msg("line %d: %lld values wanted", line, (long long)count);
    float *got = values_of(x);
    for (int64_t i = 0; i < count; ++i)
        if (!(fabsf(got[i] - want[i]) <= 1e-5f * (1 + fabsf(want[i]))))
            fail_msg("line %d: value %lld is %g, %g wanted", line, (long long)i, (double)got[i], (double)want[i]);
    free(got);
}
#define assert_values(x, ...)                                                                      \
    check_values(x, sizeof((float[]){__VA_ARGS__}) / sizeof(float), (float[]){__VA_ARGS__}, __LINE__)

static void check_same_bits(const hoi_tensor *x, const hoi_tensor *y, int line) {
    if (!x || !y || !hoi_tensor_is(x, y->rank, y->shape))
        fail_msg("line %d: two tensors of one shape are wanted", line);
    float *a = values_of(x), *b = values_of(y);
    for (int64_t i = 0; i < hoi_tensor_count(x); ++i)
        if (memcmp(&a[i], &b[i], sizeof *a))
            fail_msg("line %d: element %lld: %.9g and %.9g", line, (long long)i, (double)a[i], (double)b[i]);
    free(a);
    free(b);
}
#define assert_same_bits(x, y) check_same_bits(x, y, __LINE__)

static void check_error(const char *part, int line) {
    const char *message = hoi_error();
    if (!strstr(message, part))
        fail_msg("line %d: '%s'; a message with '%s' is wanted", line, message, part);
}
#define assert_error(part) check_error(part, __LINE__)

static void drop_grad(hoi_tensor *x) {
    hoi_tensor_free(x->grad);
    x->grad = NULL;
}

/* ------------------------------------------------------------------ who gets a gradient */

static void test_an_input_shared_by_two_results_gets_the_sum(void **state) {
    (void)state;
    hoi_tensor *x = matrix(1, 3, (float[]){1, 2, 3}), *y = matrix(1, 3, (float[]){4, 5, 6});
    x->trainable = true;
    hoi_tensor *a = sure(hoi_multiply(x, y)), *b = sure(hoi_unary_of(x, HOI_SQUARE, 0, 0));
    hoi_tensor *both = sure(hoi_add(a, b)), *loss = sure(hoi_sum(both, -1, false));
    check(hoi_backward(loss, NULL));
    assert_values(x->grad, 6, 9, 12);
    assert_null(y->grad);
    hoi_tensor *all[] = {a, b, both, loss, x, y};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        hoi_tensor_free(all[i]);
}

static void test_an_input_used_twice_by_one_operation(void **state) {
    (void)state;
    hoi_tensor *x = matrix(1, 3, (float[]){1, 2, -3}), *seed = sure(hoi_tensor_full(device, 2, (int64_t[]){1, 3}, 1));
    hoi_tensor *(*operations[])(hoi_tensor *, hoi_tensor *) = {hoi_add, hoi_subtract, hoi_multiply, hoi_divide, hoi_maximum};
    float want[][3] = {{2, 2, 2}, {0, 0, 0}, {2, 4, -6}, {0, 0, 0}, {1, 1, 1}};
    x->trainable = true;
    for (int i = 0; i < 5; ++i) {
        hoi_tensor *y = sure(operations[i](x, x));
        check(hoi_backward(y, seed));
        check_values(x->grad, 3, want[i], __LINE__);
        drop_grad(x);
        hoi_tensor_free(y);
    }
    hoi_tensor *y = sure(hoi_concat((hoi_tensor *[]){x, x, x}, 3, 0)), *wide = NOISE(1, 1, false, 3, 3);
    check(hoi_backward(y, wide));
    hoi_tensor *sum = sure(hoi_sum(wide, 0, true));
    float *want_sum = values_of(sum);
    check_values(x->grad, 3, want_sum, __LINE__);
    free(want_sum);
    hoi_tensor *all[] = {y, wide, sum, x, seed};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        hoi_tensor_free(all[i]);
}

static void test_a_detached_side_is_a_constant(void **state) {
    (void)state;
    hoi_tensor *x = matrix(1, 3, (float[]){1, 2, 3});
    x->trainable = true;
    hoi_tensor *square = sure(hoi_unary_of(x, HOI_SQUARE, 0, 0)), *constant = sure(hoi_tensor_detach(square));
    assert_false(hoi_tensor_recorded(constant));
    hoi_tensor *y = sure(hoi_multiply(square, constant)), *loss = sure(hoi_sum(y, -1, false));
    check(hoi_backward(loss, NULL));
    assert_values(x->grad, 2, 16, 54); /* 2 x times x^2, not 4 x^3 */
    hoi_tensor *all[] = {square, constant, y, loss, x};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        hoi_tensor_free(all[i]);
}

/* Bytes allocated by backward from gelu(x w') with w trainable or not. */
static size_t bytes_of_backward(hoi_tensor *x, hoi_tensor *w, bool trainable) {
    w->trainable = trainable;
    hoi_tensor *y = sure(hoi_linear(x, w, NULL, HOI_GELU, NULL)), *loss = sure(hoi_sum(y, -1, false));
    hoi_device_collected(device);
    check(hoi_backward(loss, NULL));
    size_t fresh = hoi_device_memory_now(device).fresh;
    hoi_tensor_free(y);
    hoi_tensor_free(loss);
    drop_grad(x);
    return fresh;
}

static void test_a_frozen_weight_gets_neither_gradient_nor_buffer(void **state) {
    (void)state;
    hoi_tensor *x = NOISE(1, 1, true, 2, 64), *w = NOISE(2, 1, false, 128, 64);
    bytes_of_backward(x, w, false); /* packs are made */
    size_t frozen = bytes_of_backward(x, w, false);
    assert_null(w->grad);
    size_t trained = bytes_of_backward(x, w, true);
    assert_non_null(w->grad);
    assert_true(trained >= frozen + 128 * 64 * sizeof(float));
    x->trainable = w->trainable = false;
    hoi_device_collected(device);
    hoi_tensor *y = sure(hoi_linear(x, w, NULL, HOI_GELU, NULL)); /* its result and nothing else */
    assert_int_equal(hoi_device_memory_now(device).fresh, 2 * 128 * sizeof(float));
    assert_null(y->node);
    hoi_tensor_free(y);
    hoi_tensor_free(x);
    hoi_tensor_free(w);
}

static void test_gradients_of_several_losses_add_up(void **state) {
    (void)state;
    hoi_tensor *a = matrix(1, 2, (float[]){1, 2}), *b = matrix(1, 2, (float[]){3, 4}), *seed = matrix(1, 2, (float[]){10, 20});
    a->trainable = b->trainable = true;
    for (int i = 0; i < 3; ++i) { /* a and b are handed views of the same memory */
        hoi_tensor *y = sure(hoi_add(a, b));
        check(hoi_backward(y, seed));
        hoi_tensor_free(y);
    }
    hoi_tensor *y = sure(hoi_scale(a, 2, 0));
    check(hoi_backward(y, seed));
    check(hoi_backward(a, seed)); /* a leaf is its own result */
    assert_values(a->grad, 60, 120);
    assert_values(b->grad, 30, 60);
    assert_values(seed, 10, 20);
    hoi_tensor *all[] = {y, a, b, seed};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        hoi_tensor_free(all[i]);
}

static void test_backward_refuses_what_it_can_not_walk(void **state) {
    (void)state;
    hoi_tensor *x = matrix(1, 2, (float[]){1, 2}), *seed = matrix(1, 2, (float[]){1, 1}), *wrong = matrix(2, 1, (float[]){1, 1});
    assert_false(hoi_backward(x, NULL));
    assert_error("no trainable tensor reaches this one");
    x->trainable = true;
    hoi_tensor *y = sure(hoi_scale(x, 2, 0)), *z = sure(hoi_scale(y, 3, 0)), *w = sure(hoi_scale(y, 5, 0));
    assert_false(hoi_backward(z, NULL));
    assert_error("a loss is a single value, this is 1x2");
    assert_false(hoi_backward(z, wrong));
    assert_error("the seed's shape is not the loss's, 1x2");
    check(hoi_backward(z, seed));
    assert_values(x->grad, 6, 6);
    assert_false(hoi_backward(z, seed));
    assert_error("this result was walked before");
    assert_false(hoi_backward(w, seed)); /* y below it is used up */
    assert_error("a part of this result was walked before");
    assert_values(x->grad, 6, 6);
    hoi_tensor *all[] = {x, y, z, w, seed, wrong};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        hoi_tensor_free(all[i]);
}

/* ------------------------------------------------------------------ checkpoints */

enum { WIDTH = 24 };

/* What a block of a transformer is made of; the parameters reach it as a closure's would. */
typedef struct layer {
    hoi_tensor *gain, *bias, *mix, *out, *up, *down;
    int runs, drops;
    bool fails, twice;
} layer;

static layer new_layer(uint64_t key, bool trainable) {
    layer l = {.gain = NOISE(key, 1, trainable, WIDTH),
               .bias = NOISE(key + 1, 1, trainable, WIDTH),
               .mix = NOISE(key + 2, 0.3f, trainable, 3 * WIDTH, WIDTH),
               .out = NOISE(key + 3, 0.3f, trainable, WIDTH, WIDTH),
               .up = NOISE(key + 4, 0.3f, trainable, 4 * WIDTH, WIDTH),
               .down = NOISE(key + 5, 0.3f, trainable, WIDTH, 4 * WIDTH)};
    return l;
}
#define PARAMETERS(l) {(l).gain, (l).bias, (l).mix, (l).out, (l).up, (l).down}

static void free_layer(layer *l) {
    hoi_tensor *all[] = PARAMETERS(*l);
    for (int i = 0; i < 6; ++i)
        hoi_tensor_free(all[i]);
}

static hoi_tensor *run_layer(void *context, hoi_tensor *const *in, int count) {
    layer *l = context;
    hoi_tensor *t[7] = {NULL}, *x = in[0];
    ++l->runs;
    if (l->fails) {
        hoi_fail("the block fails");
        return NULL;
    }
    bool ok = (t[0] = hoi_layer_norm(x, l->gain, l->bias, 1e-5f)) && (t[1] = hoi_linear(t[0], l->mix, NULL, HOI_LINEAR, NULL)) &&
              (t[2] = hoi_attention_of(t[1], NULL, NULL, 3, true, NULL)) &&
              (t[3] = hoi_linear(t[2], l->out, l->bias, HOI_LINEAR, x)) &&
              (t[4] = hoi_linear(t[3], l->up, NULL, HOI_QUICK_GELU, NULL)) &&
              (t[5] = hoi_linear(t[4], l->down, NULL, HOI_LINEAR, t[3])) &&
              (t[6] = count > 1 ? hoi_multiply(t[5], in[1]) : hoi_tensor_ref(t[5]));
    for (int i = 0; i < 6; ++i)
        hoi_tensor_free(t[i]);
    return ok ? t[6] : NULL;
}

static void drop_layer(void *context) {
    ++((layer *)context)->drops;
}

static hoi_block *block_of(layer *l) {
    hoi_block *block = malloc(sizeof *block);
    assert_non_null(block);
    *block = (hoi_block){run_layer, drop_layer, l};
    return block;
}

/* Three layers, the first applied twice, x feeding two places, one result given twice: the loss. */
static hoi_tensor *stack(layer *l, hoi_tensor *x, bool checkpoints) {
    hoi_tensor *in[2] = {x, NULL}, *y = NULL;
    for (int i = 0; i < 4; ++i) {
        layer *each = &l[i % 3];
        int count = i < 2 ? 1 : 2;
        y = sure(checkpoints ? hoi_checkpoint(block_of(each), in, count) : run_layer(each, in, count));
        if (i > 0)
            hoi_tensor_free(in[0]);
        in[0] = y;
        in[1] = i == 1 ? x : y;
    }
    hoi_tensor *loss = sure(hoi_mean(y, -1, false));
    hoi_tensor_free(y);
    return loss;
}

static void check_checkpoints(bool train_input, bool train_layers) {
    hoi_tensor *x = NOISE(1, 1, train_input, 2, 9, WIDTH), *grads[19] = {NULL}, *losses[2];
    layer l[3] = {new_layer(10, train_layers), new_layer(20, train_layers), new_layer(30, train_layers)};
    hoi_tensor *all[19] = {x};
    for (int i = 0; i < 3; ++i) {
        hoi_tensor *each[6] = PARAMETERS(l[i]);
        memcpy(all + 1 + 6 * i, each, sizeof each);
    }
    for (int way = 0; way < 2; ++way) {
        losses[way] = stack(l, x, way == 1);
        check(hoi_backward(losses[way], NULL));
        for (int i = 0; i < 19; ++i) {
            assert_int_equal(all[i]->grad != NULL, all[i]->trainable);
            if (way == 0)
                grads[i] = all[i]->grad;
            else if (all[i]->grad)
                assert_same_bits(grads[i], all[i]->grad);
            if (way == 1)
                hoi_tensor_free(grads[i]);
            if (way == 0)
                all[i]->grad = NULL;
        }
    }
    assert_same_bits(losses[0], losses[1]);
    for (int i = 0; i < 3; ++i) {
        assert_int_equal(l[i].runs, i == 0 ? 6 : 3); /* plain, checkpoint, again in backward; the first in two places */
        assert_int_equal(l[i].drops, i == 0 ? 2 : 1);
        free_layer(&l[i]);
    }
    hoi_tensor_free(losses[0]);
    hoi_tensor_free(losses[1]);
    hoi_tensor_free(x);
}

static void test_checkpoints_change_no_bit(void **state) {
    (void)state;
    check_checkpoints(true, true);
}
static void test_checkpoints_with_trainable_tensors_only_inside(void **state) {
    (void)state;
    check_checkpoints(false, true);
}
static void test_checkpoints_with_frozen_insides(void **state) {
    (void)state;
    check_checkpoints(true, false);
}

static hoi_tensor *run_inner(void *context, hoi_tensor *const *in, int count) {
    (void)count;
    return hoi_checkpoint(block_of(context), in, 1);
}

static void drop_nothing(void *context) {
    (void)context;
}

static void test_a_checkpoint_inside_a_checkpoint(void **state) {
    (void)state;
    hoi_tensor *x = NOISE(1, 1, true, 2, 5, WIDTH), *y[2], *grads[2], *loss[2], *inner[2];
    layer l = new_layer(10, true);
    for (int way = 0; way < 2; ++way) {
        hoi_block *block = malloc(sizeof *block);
        assert_non_null(block);
        *block = (hoi_block){run_inner, drop_nothing, &l};
        y[way] = sure(way ? hoi_checkpoint(block, &x, 1) : run_layer(&l, &x, 1));
        if (!way)
            free(block);
        loss[way] = sure(hoi_mean(y[way], -1, false));
        check(hoi_backward(loss[way], NULL));
        grads[way] = x->grad;
        inner[way] = l.up->grad;
        x->grad = NULL;
        hoi_tensor *all[6] = PARAMETERS(l);
        l.up->grad = NULL;
        for (int i = 0; i < 6; ++i)
            drop_grad(all[i]);
    }
    assert_same_bits(y[0], y[1]);
    assert_same_bits(grads[0], grads[1]);
    assert_same_bits(inner[0], inner[1]);
    assert_int_equal(l.drops, 2); /* after the forward, whose inside is not kept, and after the walk */
    for (int way = 0; way < 2; ++way) {
        hoi_tensor_free(y[way]);
        hoi_tensor_free(grads[way]);
        hoi_tensor_free(loss[way]);
        hoi_tensor_free(inner[way]);
    }
    free_layer(&l);
    hoi_tensor_free(x);
}

static void test_a_checkpoint_lets_its_block_go_once_whatever_happens(void **state) {
    (void)state;
    hoi_tensor *x = NOISE(1, 1, false, 1, 5, WIDTH), *y;
    layer l = new_layer(10, false);
    y = sure(hoi_checkpoint(block_of(&l), &x, 1)); /* nothing trainable: nothing kept */
    assert_null(y->node);
    assert_int_equal(l.drops, 1);
    hoi_tensor_free(y);
    x->trainable = true;
    y = sure(hoi_checkpoint(block_of(&l), &x, 1));
    assert_int_equal(l.drops, 1);
    hoi_tensor_free(y); /* dropped without a walk */
    assert_int_equal(l.drops, 2);
    l.fails = true;
    assert_null(hoi_checkpoint(block_of(&l), &x, 1));
    assert_error("the block fails");
    assert_int_equal(l.drops, 3);
    l.fails = false;
    y = sure(hoi_checkpoint(block_of(&l), &x, 1));
    l.fails = true;
    hoi_tensor *seed = sure(hoi_tensor_full(device, y->rank, y->shape, 1));
    assert_false(hoi_backward(y, seed)); /* it fails the second time */
    assert_error("the block fails");
    assert_int_equal(l.drops, 4);
    assert_null(x->grad);
    hoi_tensor *nine[9] = {x, x, x, x, x, x, x, x, x};
    assert_null(hoi_checkpoint(block_of(&l), nine, 9));
    assert_error("checkpoint: 9 inputs; at most 8");
    assert_int_equal(l.drops, 5);
    hoi_tensor_free(seed);
    hoi_tensor_free(y);
    free_layer(&l);
    hoi_tensor_free(x);
}

/* A prompt computed outside (a scale of a leaf) is used inside checkpoints without being their input. */
typedef struct captured {
    hoi_tensor *prompt;
} captured;

static hoi_tensor *run_captured(void *context, hoi_tensor *const *in, int count) {
    (void)count;
    return hoi_multiply(in[0], ((captured *)context)->prompt);
}

static void test_a_recorded_tensor_may_be_captured_by_blocks(void **state) {
    (void)state;
    for (int uses = 1; uses <= 3; ++uses) {
        hoi_tensor *leaf = matrix(1, 2, (float[]){2, 3}), *x = matrix(1, 2, (float[]){5, 7}), *y = hoi_tensor_ref(x);
        leaf->trainable = true;
        captured c = {sure(hoi_scale(leaf, 10, 0))};
        for (int i = 0; i < uses; ++i) {
            hoi_block *block = malloc(sizeof *block);
            assert_non_null(block);
            *block = (hoi_block){run_captured, drop_nothing, &c};
            y = then(y, hoi_checkpoint(block, &y, 1));
        }
        if (uses == 2) /* and outside */
            y = then(y, hoi_multiply(y, c.prompt));
        hoi_tensor *loss = sure(hoi_sum(y, -1, false));
        check(hoi_backward(loss, NULL)); /* d (10 p)^n x = 10 n (10 p)^(n - 1) x */
        float n = uses == 2 ? 3 : (float)uses;
        assert_values(leaf->grad, 10 * n * powf(20, n - 1) * 5, 10 * n * powf(30, n - 1) * 7);
        hoi_tensor *all[] = {loss, y, c.prompt, leaf, x};
        for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
            hoi_tensor_free(all[i]);
    }
}

/* in[0] times nine computed tensors. */
static hoi_tensor *run_many(void *context, hoi_tensor *const *in, int count) {
    hoi_tensor *y = hoi_tensor_ref(in[0]);
    (void)count;
    for (int i = 0; i < 9; ++i)
        y = then(y, hoi_add(y, ((hoi_tensor **)context)[i]));
    return y;
}

static void test_a_block_that_captures_too_much_is_refused(void **state) {
    (void)state;
    hoi_tensor *leaf = matrix(1, 2, (float[]){2, 3}), *many[9];
    leaf->trainable = true;
    for (int i = 0; i < 9; ++i)
        many[i] = sure(hoi_scale(leaf, 2, 0));
    hoi_block *block = malloc(sizeof *block);
    assert_non_null(block);
    *block = (hoi_block){run_many, drop_nothing, many};
    assert_null(hoi_checkpoint(block, &leaf, 1));
    assert_error("checkpoint: more than 8 inputs and computed tensors used inside");
    for (int i = 0; i < 9; ++i)
        hoi_tensor_free(many[i]);
    hoi_tensor_free(leaf);
}

/* ------------------------------------------------------------------ what is given back */

static void test_dropping_a_loss_frees_its_record(void **state) {
    (void)state;
    hoi_tensor *x = NOISE(1, 1, true, 2, 9, WIDTH);
    layer l[3] = {new_layer(10, true), new_layer(20, true), new_layer(30, true)};
    hoi_tensor_free(stack(l, x, false)); /* packs of the weights are made and stay */
    for (int checkpoints = 0; checkpoints < 2; ++checkpoints) {
        size_t before = live();
        hoi_tensor *loss = stack(l, x, checkpoints == 1);
        assert_true(live() > before + 2 * 9 * WIDTH * sizeof(float));
        hoi_tensor_free(loss);
        assert_int_equal(live(), before);
    }
    for (int i = 0; i < 3; ++i)
        free_layer(&l[i]);
    hoi_tensor_free(x);
}

static void test_checkpoints_keep_less(void **state) {
    (void)state;
    hoi_tensor *x = NOISE(1, 1, true, 8, 20, WIDTH);
    layer l[3] = {new_layer(10, true), new_layer(20, true), new_layer(30, true)};
    size_t before = live(), kept[2];
    for (int way = 0; way < 2; ++way) {
        hoi_tensor *loss = stack(l, x, way == 1);
        kept[way] = live() - before;
        hoi_tensor_free(loss);
        before = live();
    }
    assert_true(kept[1] * 4 < kept[0]);
    for (int i = 0; i < 3; ++i)
        free_layer(&l[i]);
    hoi_tensor_free(x);
}

/* A chain of views needs no memory but its nodes. */
static void *walk_deep_chain(void *walked) {
    hoi_tensor *x = hoi_tensor_full(device, 1, (int64_t[]){6}, 1), *y;
    bool ok = x != NULL;
    if (ok)
        x->trainable = true;
    y = ok ? hoi_tensor_ref(x) : NULL;
    for (int i = 0; ok && i < 100000; ++i) {
        hoi_tensor *next = hoi_reshape(y, 1 + i % 2, i % 2 ? (int64_t[]){2, 3} : (int64_t[]){6});
        hoi_tensor_free(y);
        y = next;
        ok = y != NULL;
    }
    hoi_tensor *seed = ok ? hoi_tensor_full(device, y->rank, y->shape, 3) : NULL;
    ok = seed && (!*(bool *)walked || (hoi_backward(y, seed) && x->grad));
    hoi_tensor_free(seed);
    hoi_tensor_free(y);
    hoi_tensor_free(x);
    return ok ? walked : NULL;
}

static void test_a_record_100000_deep_needs_no_deep_stack(void **state) {
    (void)state;
    pthread_attr_t small;
    assert_int_equal(pthread_attr_init(&small), 0);
    assert_int_equal(pthread_attr_setstacksize(&small, 256 * 1024), 0);
    for (int i = 0; i < 2; ++i) {
        bool walked = i == 1;
        void *result;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, &small, walk_deep_chain, &walked), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, &walked);
    }
    pthread_attr_destroy(&small);
}

/* ------------------------------------------------------------------ training */

/* A linear probe and its optimiser: soft-max cross entropy of x w' + b for given classes. */
typedef struct probe {
    hoi_tensor *x, *w, *b, *momentum[2], *norm;
    hoi_index *classes;
} probe;

static probe new_probe(int rows, int width, int classes) {
    int32_t *of = malloc((size_t)rows * sizeof *of);
    assert_non_null(of);
    for (int i = 0; i < rows; ++i)
        of[i] = (int32_t)(hoi_mix((uint64_t)i) % (uint64_t)classes);
    probe p = {.x = NOISE(7, 1, false, rows, width),
               .w = NOISE(8, 0.1f, true, classes, width),
               .b = NOISE(9, 0.1f, true, classes),
               .norm = sure(hoi_tensor_full(device, 1, (int64_t[]){2}, 1)),
               .classes = hoi_index_new(device, rows, of)};
    assert_non_null(p.classes);
    free(of);
    p.momentum[0] = sure(hoi_tensor_full(device, 2, p.w->shape, 0));
    p.momentum[1] = sure(hoi_tensor_full(device, 1, p.b->shape, 0));
    return p;
}

static void free_probe(probe *p) {
    hoi_tensor *all[] = {p->x, p->w, p->b, p->momentum[0], p->momentum[1], p->norm};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        hoi_tensor_free(all[i]);
    hoi_index_free(p->classes);
}

static hoi_tensor *step(probe *p) {
    hoi_tensor *logits = sure(hoi_linear(p->x, p->w, p->b, HOI_LINEAR, NULL));
    hoi_tensor *shares = then(logits, hoi_log_softmax(logits)), *right = then(shares, hoi_take(shares, p->classes, 1));
    hoi_tensor *mean = then(right, hoi_mean(right, -1, false)), *loss = then(mean, hoi_scale(mean, -1, 0));
    hoi_tensor *parameters[2] = {p->w, p->b};
    check(hoi_backward(loss, NULL));
    for (int i = 0; i < 2; ++i) {
        hoi_tensor *x = parameters[i];
        check(launch_sgd(device, hoi_tensor_span(x), hoi_tensor_span(x->grad), hoi_tensor_span(p->momentum[i]),
                         hoi_tensor_span(p->norm), hoi_tensor_count(x), 0.05f, 0.9f, 0));
        hoi_tensor_changed(x);
        drop_grad(x);
    }
    return loss;
}

static void test_ten_thousand_steps_end_with_the_bytes_they_began_with(void **state) {
    (void)state;
    probe p = new_probe(12, 8, 3);
    float first = 0, last = 0;
    hoi_tensor_free(step(&p));
    size_t before = live(), buffers = hoi_device_memory_now(device).buffers;
    for (int i = 0; i < 10000; ++i) {
        hoi_tensor *loss = step(&p);
        if (i == 0)
            check(hoi_tensor_read(loss, &first));
        if (i == 9999)
            check(hoi_tensor_read(loss, &last));
        hoi_tensor_free(loss);
    }
    assert_int_equal(live(), before);
    assert_int_equal(hoi_device_memory_now(device).buffers, buffers);
    assert_true(last < 0.5f * first);
    free_probe(&p);
}

/* ------------------------------------------------------------------ the same bits */

/* Sums up the bits of a few steps of training a layer that is large enough to be dealt out among threads. */
static uint64_t bits_of_training(void) {
    hoi_tensor *x = NOISE(1, 1, false, 4, 50, WIDTH);
    layer l[3] = {new_layer(10, true), new_layer(20, true), new_layer(30, true)};
    probe p = new_probe(600, 40, 33);
    uint64_t bits = 0;
    for (int i = 0; i < 3; ++i) {
        hoi_tensor *results[8] = {step(&p), stack(l, x, i == 1), hoi_tensor_ref(p.w)};
        hoi_tensor *all[6] = PARAMETERS(l[i]);
        check(hoi_backward(results[1], NULL));
        for (int k = 0; k < 5; ++k)
            results[3 + k] = hoi_tensor_ref(all[k]->grad);
        for (int k = 0; k < 8; ++k) {
            float *values = values_of(results[k]);
            for (int64_t at = 0; at < hoi_tensor_count(results[k]); ++at) {
                uint32_t word;
                memcpy(&word, &values[at], sizeof word);
                bits = hoi_mix(bits ^ word) + 1;
            }
            free(values);
            hoi_tensor_free(results[k]);
        }
    }
    for (int i = 0; i < 3; ++i)
        free_layer(&l[i]);
    hoi_tensor_free(x);
    free_probe(&p);
    return bits;
}

static void test_the_same_bits_again_and_on_one_thread(void **state) {
    (void)state;
    uint64_t bits[4] = {bits_of_training(), bits_of_training()};
    for (int i = 2; i < 4; ++i) {
        char path[512] = "", command[700], line[64] = "";
        assert_true(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
        snprintf(command, sizeof command, "%s '%s' bits", i == 2 ? "POCL_MAX_PTHREAD_COUNT=1" : "", path);
        FILE *child = popen(command, "r");
        assert_non_null(child);
        assert_non_null(fgets(line, sizeof line, child));
        assert_int_equal(pclose(child), 0);
        bits[i] = strtoull(line, NULL, 16);
    }
    assert_int_equal(bits[0], bits[1]);
    assert_int_equal(bits[0], bits[2]);
    assert_int_equal(bits[0], bits[3]);
}

/* ------------------------------------------------------------------ random graphs */

enum { LEAVES = 4, NODES = 14 };

/* Grows a graph whose operations and inputs depend on the key alone, from leaves of 3x3, 1x3 and 3x1, and gets its sum. */
static hoi_tensor *grow(hoi_tensor *const *leaves, uint64_t key) {
    hoi_tensor *at[LEAVES + NODES];
    hoi_random r = hoi_random_stream(key, 0, 1);
    hoi_unary smooth[] = {HOI_TANH, HOI_SIGMOID, HOI_GELU_OF, HOI_SIN, HOI_QUICK_GELU_OF};
    for (int i = 0; i < LEAVES; ++i)
        at[i] = hoi_tensor_ref(leaves[i]);
    for (int i = LEAVES; i < LEAVES + NODES; ++i) {
        hoi_tensor *a = at[hoi_random_below(&r, (uint32_t)i)], *b = at[hoi_random_below(&r, (uint32_t)i)], *c;
        switch (hoi_random_below(&r, 11)) {
        case 0: at[i] = hoi_add(a, b); break;
        case 1: at[i] = hoi_subtract(a, b); break;
        case 2: c = sure(hoi_unary_of(b, HOI_TANH, 0, 0)); at[i] = hoi_multiply(a, c); hoi_tensor_free(c); break;
        case 3: at[i] = a->shape[1] == b->shape[0] ? hoi_matmul(a, b) : hoi_scale(a, 0.5f, 1); break;
        case 4: at[i] = hoi_mean(a, (int)hoi_random_below(&r, 2), true); break;
        case 5: at[i] = hoi_transpose(a); break;
        case 6: at[i] = hoi_softmax(a); break;
        case 7: at[i] = hoi_expand(a, 2, (int64_t[]){3, 3}); break;
        case 8: c = sure(hoi_concat((hoi_tensor *[]){a, a}, 2, 0)); at[i] = hoi_slice(c, 0, 1, a->shape[0]); hoi_tensor_free(c); break;
        default: at[i] = hoi_unary_of(a, smooth[hoi_random_below(&r, 5)], 0, 0);
        }
        sure(at[i]);
    }
    hoi_tensor *sum = sure(hoi_sum(at[LEAVES + NODES - 1], -1, false));
    for (int i = LEAVES + NODES - 2; i > LEAVES + NODES - 5; --i) {
        hoi_tensor *more = sure(hoi_sum(at[i], -1, false));
        sum = then(sum, hoi_add(sum, more));
        hoi_tensor_free(more);
    }
    for (int i = 0; i < LEAVES + NODES; ++i)
        hoi_tensor_free(at[i]);
    return sum;
}

static hoi_tensor *run_graph(void *context, hoi_tensor *const *in, int count) {
    (void)count;
    return grow(in, *(uint64_t *)context);
}

static double value_of(hoi_tensor *loss) {
    float value;
    check(hoi_tensor_read(loss, &value));
    hoi_tensor_free(loss);
    return (double)value;
}

static void test_random_graphs_have_the_slopes_differences_show(void **state) {
    (void)state;
    static const int64_t shapes[LEAVES][2] = {{3, 3}, {1, 3}, {3, 1}, {3, 3}};
    for (uint64_t key = 1; key <= 60; ++key) {
        hoi_tensor *leaves[LEAVES], *kept[LEAVES];
        for (int i = 0; i < LEAVES; ++i)
            leaves[i] = noise(2, shapes[i], 100 * key + (uint64_t)i, 0.5f, true);
        hoi_tensor *loss = grow(leaves, key);
        if (!loss->node || !hoi_backward(loss, NULL))
            fail_msg("graph %d: %s", (int)key, hoi_error());
        hoi_tensor_free(loss);
        double error = 0, norm = 0;
        for (int i = 0; i < LEAVES; ++i) {
            if (!(kept[i] = leaves[i]->grad))
                continue; /* not reached */
            leaves[i]->grad = NULL;
            float *slope = values_of(kept[i]), *values = values_of(leaves[i]);
            for (int64_t e = 0; e < hoi_tensor_count(leaves[i]); ++e) {
                const float h = 0.0625f;
                double f[4];
                float middle = values[e];
                for (int k = 0; k < 4; ++k) {
                    values[e] = middle + h * (float[]){-2, -1, 1, 2}[k];
                    check(hoi_tensor_write(leaves[i], values));
                    f[k] = value_of(grow(leaves, key));
                }
                values[e] = middle;
                check(hoi_tensor_write(leaves[i], values));
                double want = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * (double)h);
                error += (want - (double)slope[e]) * (want - (double)slope[e]);
                norm += want * want;
            }
            free(slope);
            free(values);
        }
        if (sqrt(error) > 2e-3 * sqrt(norm) + 1e-4)
            fail_msg("graph %d: off by %g of %g", (int)key, sqrt(error), sqrt(norm));
        hoi_block *block = malloc(sizeof *block); /* the same inside a checkpoint: the same bits */
        assert_non_null(block);
        *block = (hoi_block){run_graph, drop_nothing, &key};
        loss = sure(hoi_checkpoint(block, leaves, LEAVES));
        check(hoi_backward(loss, NULL));
        hoi_tensor_free(loss);
        for (int i = 0; i < LEAVES; ++i) {
            if (kept[i])
                assert_same_bits(kept[i], leaves[i]->grad);
            hoi_tensor_free(kept[i]);
            hoi_tensor_free(leaves[i]);
        }
    }
}

int main(int argc, char **argv) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, note_live, compare_live)
    const struct CMUnitTest tests[] = {
        TEST(test_an_input_shared_by_two_results_gets_the_sum),
        TEST(test_an_input_used_twice_by_one_operation),
        TEST(test_a_detached_side_is_a_constant),
        TEST(test_a_frozen_weight_gets_neither_gradient_nor_buffer),
        TEST(test_gradients_of_several_losses_add_up),
        TEST(test_backward_refuses_what_it_can_not_walk),
        TEST(test_checkpoints_change_no_bit),
        TEST(test_checkpoints_with_trainable_tensors_only_inside),
        TEST(test_checkpoints_with_frozen_insides),
        TEST(test_a_checkpoint_inside_a_checkpoint),
        TEST(test_a_checkpoint_lets_its_block_go_once_whatever_happens),
        TEST(test_a_recorded_tensor_may_be_captured_by_blocks),
        TEST(test_a_block_that_captures_too_much_is_refused),
        TEST(test_dropping_a_loss_frees_its_record),
        TEST(test_checkpoints_keep_less),
        TEST(test_a_record_100000_deep_needs_no_deep_stack),
        TEST(test_ten_thousand_steps_end_with_the_bytes_they_began_with),
        TEST(test_the_same_bits_again_and_on_one_thread),
        TEST(test_random_graphs_have_the_slopes_differences_show),
    };
    if (argc > 1 && strcmp(argv[1], "bits") == 0) { /* what the parent of the same name compares */
        if (open_device(NULL))
            return 1;
        printf("%016llx\n", (unsigned long long)bits_of_training());
        hoi_device_close(device);
        return 0;
    }
    return cmocka_run_group_tests_name("tape", tests, open_device, close_device);
}
