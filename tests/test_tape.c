/* test_tape: who gets a gradient, what is walked, what is given back; random graphs. */
#include "tests/expect.h"

#include <pthread.h>

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
    FREE(a, b, both, loss, x, y);
}

static void test_an_input_used_twice_by_one_operation(void **state) {
    (void)state;
    hoi_tensor *x = matrix(1, 3, (float[]){1, 2, -3}),
               *seed = sure(hoi_tensor_full(device, 2, (int64_t[]){1, 3}, 1));
    hoi_tensor *(*operations[])(hoi_tensor *, hoi_tensor *) = {hoi_add, hoi_subtract, hoi_multiply,
                                                               hoi_divide, hoi_maximum};
    float want[][3] = {{2, 2, 2}, {0, 0, 0}, {2, 4, -6}, {0, 0, 0}, {1, 1, 1}};
    x->trainable = true;
    for (int i = 0; i < 5; ++i) {
        hoi_tensor *y = sure(operations[i](x, x));
        check(hoi_backward(y, seed));
        check_values(x->grad, 3, want[i], __LINE__);
        drop_grad(x);
        hoi_tensor_free(y);
    }
    hoi_tensor *y = sure(hoi_concat((hoi_tensor *[]){x, x, x}, 3, 0)),
               *wide = NOISE(1, 1, false, 3, 3);
    check(hoi_backward(y, wide));
    hoi_tensor *sum = sure(hoi_sum(wide, 0, true));
    float *want_sum = values_of(sum);
    check_values(x->grad, 3, want_sum, __LINE__);
    free(want_sum);
    FREE(y, wide, sum, x, seed);
}

static void test_a_detached_side_is_a_constant(void **state) {
    (void)state;
    hoi_tensor *x = matrix(1, 3, (float[]){1, 2, 3});
    x->trainable = true;
    hoi_tensor *square = sure(hoi_unary_of(x, HOI_SQUARE, 0, 0)),
               *constant = sure(hoi_tensor_detach(square));
    assert_false(hoi_tensor_recorded(constant));
    hoi_tensor *y = sure(hoi_multiply(square, constant)), *loss = sure(hoi_sum(y, -1, false));
    check(hoi_backward(loss, NULL));
    assert_values(x->grad, 2, 16, 54); /* 2 x times x^2, not 4 x^3 */
    FREE(square, constant, y, loss, x);
}

/* Bytes allocated by backward from gelu(x w') with w trainable or not. */
static size_t bytes_of_backward(hoi_tensor *x, hoi_tensor *w, bool trainable) {
    w->trainable = trainable;
    hoi_tensor *y = sure(hoi_linear(x, w, NULL, HOI_GELU, NULL)),
               *loss = sure(hoi_sum(y, -1, false));
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

/* A layer's activation read by one other layer alone: its slope goes into that one's product. Held
   by somebody else as well, it takes a walk of its own. */
static void test_an_activation_gives_the_same_bits_held_or_not(void **state) {
    (void)state;
    enum { ROWS = 37, IN = 21, MIDDLE = 83, OUT = 45 };
    for (int way = 0; way < 6; ++way) {
        hoi_activation activation = (hoi_activation)(HOI_QUICK_GELU + way % 3);
        int trainable = way < 3 ? 4 : 3; /* the last weight: read for its gradient, or frozen */
        hoi_tensor *got[2][4];
        for (int held = 0; held < 2; ++held) {
            hoi_tensor *leaves[4] = {NOISE(1, 1, false, ROWS, IN), NOISE(2, 1, false, MIDDLE, IN),
                                     NOISE(3, 1, false, MIDDLE), NOISE(4, 1, false, OUT, MIDDLE)};
            for (int i = 0; i < trainable; ++i)
                leaves[i]->trainable = true;
            hoi_tensor *h = sure(hoi_linear(leaves[0], leaves[1], leaves[2], activation, NULL)),
                       *kept = held ? hoi_tensor_ref(h) : NULL;
            hoi_tensor *y = sure(hoi_linear(h, leaves[3], NULL, HOI_LINEAR, NULL)),
                       *seed = NOISE(5, 1, false, ROWS, OUT);
            hoi_tensor_free(h);
            check(hoi_backward(y, seed));
            for (int i = 0; i < 4; ++i) {
                got[held][i] = leaves[i]->grad;
                leaves[i]->grad = NULL;
                hoi_tensor_free(leaves[i]);
            }
            FREE(kept, y, seed);
        }
        for (int i = 0; i < trainable; ++i) {
            assert_same_bits(got[0][i], got[1][i]);
            FREE(got[0][i], got[1][i]);
        }
    }
}

static void test_gradients_of_several_losses_add_up(void **state) {
    (void)state;
    hoi_tensor *a = matrix(1, 2, (float[]){1, 2}), *b = matrix(1, 2, (float[]){3, 4}),
               *seed = matrix(1, 2, (float[]){10, 20});
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
    FREE(y, a, b, seed);
}

static void test_backward_refuses_what_it_can_not_walk(void **state) {
    (void)state;
    hoi_tensor *x = matrix(1, 2, (float[]){1, 2}), *seed = matrix(1, 2, (float[]){1, 1}),
               *wrong = matrix(2, 1, (float[]){1, 1});
    assert_false(hoi_backward(x, NULL));
    assert_error("no trainable tensor reaches this one");
    x->trainable = true;
    hoi_tensor *y = sure(hoi_scale(x, 2, 0)), *z = sure(hoi_scale(y, 3, 0)),
               *w = sure(hoi_scale(y, 5, 0));
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
    FREE(x, y, z, w, seed, wrong);
}

/* ------------------------------------------------------------------ what is given back */

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
    FREE(p->x, p->w, p->b, p->momentum[0], p->momentum[1], p->norm);
    hoi_index_free(p->classes);
}

static hoi_tensor *step(probe *p) {
    hoi_tensor *logits = sure(hoi_linear(p->x, p->w, p->b, HOI_LINEAR, NULL));
    hoi_tensor *shares = then(logits, hoi_log_softmax(logits)),
               *right = then(shares, hoi_take(shares, p->classes, 1));
    hoi_tensor *mean = then(right, hoi_mean(right, -1, false)),
               *loss = then(mean, hoi_scale(mean, -1, 0));
    hoi_tensor *parameters[2] = {p->w, p->b};
    check(hoi_backward(loss, NULL));
    for (int i = 0; i < 2; ++i) {
        hoi_tensor *x = parameters[i];
        hoi_update u = {.p = hoi_tensor_span(x),
                        .g = hoi_tensor_span(x->grad),
                        .m = hoi_tensor_span(p->momentum[i]),
                        .n = hoi_tensor_count(x),
                        .rate = 0.05f};
        check(launch_sgd(device, &u, hoi_tensor_span(p->norm), 0.9f));
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

/* ------------------------------------------------------------------ random graphs */

enum { LEAVES = 4, NODES = 14 };

/* Grows a graph whose operations and inputs depend on the key alone, from leaves of 3x3, 1x3 and
   3x1, and gets its sum. */
static hoi_tensor *grow(hoi_tensor *const *leaves, uint64_t key) {
    hoi_tensor *at[LEAVES + NODES];
    hoi_random r = hoi_random_stream(key, 0, 1);
    hoi_unary smooth[] = {HOI_TANH, HOI_SIGMOID, HOI_GELU_OF, HOI_SIN, HOI_QUICK_GELU_OF};
    for (int i = 0; i < LEAVES; ++i)
        at[i] = hoi_tensor_ref(leaves[i]);
    for (int i = LEAVES; i < LEAVES + NODES; ++i) {
        hoi_tensor *a = at[hoi_random_below(&r, (uint32_t)i)],
                   *b = at[hoi_random_below(&r, (uint32_t)i)], *c;
        switch (hoi_random_below(&r, 11)) {
        case 0:
            at[i] = hoi_add(a, b);
            break;
        case 1:
            at[i] = hoi_subtract(a, b);
            break;
        case 2:
            c = sure(hoi_unary_of(b, HOI_TANH, 0, 0));
            at[i] = hoi_multiply(a, c);
            hoi_tensor_free(c);
            break;
        case 3:
            at[i] = a->shape[1] == b->shape[0] ? hoi_matmul(a, b) : hoi_scale(a, 0.5f, 1);
            break;
        case 4:
            at[i] = hoi_mean(a, (int)hoi_random_below(&r, 2), true);
            break;
        case 5:
            at[i] = hoi_transpose(a);
            break;
        case 6:
            at[i] = hoi_softmax(a);
            break;
        case 7:
            at[i] = hoi_expand(a, 2, (int64_t[]){3, 3});
            break;
        case 8:
            c = sure(hoi_concat((hoi_tensor *[]){a, a}, 2, 0));
            at[i] = hoi_slice(c, 0, 1, a->shape[0]);
            hoi_tensor_free(c);
            break;
        default:
            at[i] = hoi_unary_of(a, smooth[hoi_random_below(&r, 5)], 0, 0);
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

static hoi_tensor *run_graph(void *context, hoi_tensor *const *in, int count, bool again) {
    (void)again;
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
        hoi_block *block =
            new_block(run_graph, drop_nothing, &key); /* inside a checkpoint: the same bits */
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

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_an_input_shared_by_two_results_gets_the_sum),
        TEST(test_an_input_used_twice_by_one_operation),
        TEST(test_a_detached_side_is_a_constant),
        TEST(test_a_frozen_weight_gets_neither_gradient_nor_buffer),
        TEST(test_an_activation_gives_the_same_bits_held_or_not),
        TEST(test_gradients_of_several_losses_add_up),
        TEST(test_backward_refuses_what_it_can_not_walk),
        TEST(test_a_record_100000_deep_needs_no_deep_stack),
        TEST(test_ten_thousand_steps_end_with_the_bytes_they_began_with),
        TEST(test_random_graphs_have_the_slopes_differences_show),
    };
    return cmocka_run_group_tests_name("tape", tests, open_device, close_device);
}
