/* test_checkpoint: blocks that run again in backward: the same bits as without, what they may
   capture, what they keep and give back; the same bits in every run and for any number of
   threads. */
#include "tests/expect.h"

#include <unistd.h>

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
#define PARAMETERS(l)                                                                              \
    { (l).gain, (l).bias, (l).mix, (l).out, (l).up, (l).down }

static void free_layer(layer *l) {
    hoi_tensor *all[] = PARAMETERS(*l);
    for (int i = 0; i < 6; ++i)
        hoi_tensor_free(all[i]);
}

static hoi_tensor *run_layer(void *context, hoi_tensor *const *in, int count, bool again) {
    (void)again;
    layer *l = context;
    hoi_tensor *t[7] = {NULL}, *x = in[0];
    ++l->runs;
    if (l->fails) {
        hoi_fail("the block fails");
        return NULL;
    }
    bool ok = (t[0] = hoi_layer_norm(x, l->gain, l->bias, 1e-5f)) &&
              (t[1] = hoi_linear(t[0], l->mix, NULL, HOI_LINEAR, NULL)) &&
              (t[2] = hoi_attention_of(t[1], NULL, NULL, 3, true, NULL, false)) &&
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
    return new_block(run_layer, drop_layer, l);
}

/* Three layers, the first applied twice, x feeding two places, one result given twice: the loss. */
static hoi_tensor *stack(layer *l, hoi_tensor *x, bool checkpoints) {
    hoi_tensor *in[2] = {x, NULL}, *y = NULL;
    for (int i = 0; i < 4; ++i) {
        layer *each = &l[i % 3];
        int count = i < 2 ? 1 : 2;
        y = sure(checkpoints ? hoi_checkpoint(block_of(each), in, count)
                             : run_layer(each, in, count, false));
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
    layer l[3] = {new_layer(10, train_layers), new_layer(20, train_layers),
                  new_layer(30, train_layers)};
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
        assert_int_equal(
            l[i].runs,
            i == 0 ? 6 : 3); /* plain, checkpoint, again in backward; the first in two places */
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

static hoi_tensor *run_inner(void *context, hoi_tensor *const *in, int count, bool again) {
    (void)again;
    (void)count;
    return hoi_checkpoint(block_of(context), in, 1);
}

static void test_a_checkpoint_inside_a_checkpoint(void **state) {
    (void)state;
    hoi_tensor *x = NOISE(1, 1, true, 2, 5, WIDTH), *y[2], *grads[2], *loss[2], *inner[2];
    layer l = new_layer(10, true);
    for (int way = 0; way < 2; ++way) {
        y[way] = sure(way ? hoi_checkpoint(new_block(run_inner, drop_nothing, &l), &x, 1)
                          : run_layer(&l, &x, 1, false));
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
    assert_int_equal(l.drops,
                     2); /* after the forward, whose inside is not kept, and after the walk */
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

/* A prompt computed outside (a scale of a leaf) is used inside checkpoints without being their
   input. */
typedef struct captured {
    hoi_tensor *prompt;
} captured;

static hoi_tensor *run_captured(void *context, hoi_tensor *const *in, int count, bool again) {
    (void)again;
    (void)count;
    return hoi_multiply(in[0], ((captured *)context)->prompt);
}

static void test_a_recorded_tensor_may_be_captured_by_blocks(void **state) {
    (void)state;
    for (int uses = 1; uses <= 3; ++uses) {
        hoi_tensor *leaf = matrix(1, 2, (float[]){2, 3}), *x = matrix(1, 2, (float[]){5, 7}),
                   *y = hoi_tensor_ref(x);
        leaf->trainable = true;
        captured c = {sure(hoi_scale(leaf, 10, 0))};
        for (int i = 0; i < uses; ++i) {
            y = then(y, hoi_checkpoint(new_block(run_captured, drop_nothing, &c), &y, 1));
        }
        if (uses == 2) /* and outside */
            y = then(y, hoi_multiply(y, c.prompt));
        hoi_tensor *loss = sure(hoi_sum(y, -1, false));
        check(hoi_backward(loss, NULL)); /* d (10 p)^n x = 10 n (10 p)^(n - 1) x */
        float n = uses == 2 ? 3 : (float)uses;
        assert_values(leaf->grad, 10 * n * powf(20, n - 1) * 5, 10 * n * powf(30, n - 1) * 7);
        FREE(loss, y, c.prompt, leaf, x);
    }
}

/* in[0] times nine computed tensors. */
static hoi_tensor *run_many(void *context, hoi_tensor *const *in, int count, bool again) {
    (void)again;
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
    assert_refused(hoi_checkpoint(new_block(run_many, drop_nothing, many), &leaf, 1),
                   "checkpoint: more than 8 inputs and computed tensors used inside");
    for (int i = 0; i < 9; ++i)
        hoi_tensor_free(many[i]);
    hoi_tensor_free(leaf);
}

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

/* ------------------------------------------------------------------ the same bits */

/* Sums up the bits of losses and gradients of layers that are large enough to be dealt out among
   threads. */
static uint64_t bits_of_training(void) {
    hoi_tensor *x = NOISE(1, 1, false, 12, 50, WIDTH);
    layer l[3] = {new_layer(10, true), new_layer(20, true), new_layer(30, true)};
    uint64_t bits = 0;
    for (int i = 0; i < 3; ++i) {
        hoi_tensor *results[7] = {stack(l, x, i == 1)}, *all[6] = PARAMETERS(l[i]);
        check(hoi_backward(results[0], NULL));
        for (int k = 0; k < 6; ++k)
            results[1 + k] = hoi_tensor_ref(all[k]->grad);
        for (int k = 0; k < 7; ++k) {
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
    return bits;
}

static void test_the_same_bits_again_and_on_one_thread(void **state) {
    (void)state;
    uint64_t bits[4] = {bits_of_training(), bits_of_training()};
    for (int i = 2; i < 4; ++i) {
        char path[512] = "", command[700], line[64] = "";
        assert_true(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
        snprintf(command, sizeof command, "%s '%s' bits", i == 2 ? "POCL_MAX_PTHREAD_COUNT=1" : "",
                 path);
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

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(test_checkpoints_change_no_bit),
        TEST(test_checkpoints_with_trainable_tensors_only_inside),
        TEST(test_checkpoints_with_frozen_insides),
        TEST(test_a_checkpoint_inside_a_checkpoint),
        TEST(test_a_checkpoint_lets_its_block_go_once_whatever_happens),
        TEST(test_a_recorded_tensor_may_be_captured_by_blocks),
        TEST(test_a_block_that_captures_too_much_is_refused),
        TEST(test_dropping_a_loss_frees_its_record),
        TEST(test_checkpoints_keep_less),
        TEST(test_the_same_bits_again_and_on_one_thread),
    };
    if (argc > 1 && strcmp(argv[1], "bits") == 0) { /* what the parent of the same name compares */
        if (open_device(NULL))
            return 1;
        printf("%016llx\n", (unsigned long long)bits_of_training());
        hoi_device_close(device);
        return 0;
    }
    return cmocka_run_group_tests_name("checkpoint", tests, open_device, close_device);
}
