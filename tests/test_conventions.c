/* test_conventions: what differences of a reference can not tell: which side a tie goes to, what
   extreme values give, what constructors complete, what a packed weight follows, and what is
   refused with which words. On both kernel sets. */
#include "tests/expect.h"

/* Backward from y with ones; y is let go. */
static void backward(hoi_tensor *y) {
    hoi_tensor *seed = sure(hoi_tensor_full(device, sure(y)->rank, y->shape, 1.0f));
    check(hoi_backward(y, seed));
    FREE(seed, y);
}

static void test_at_a_tie_the_slope_goes_where_the_header_says(void **state) {
    (void)state;
    hoi_tensor *a = VECTOR(1, 2, 3), *b = VECTOR(1, 3, 2);
    a->trainable = b->trainable = true;
    backward(hoi_maximum(a, b));
    assert_values(a->grad, 1, 0, 1);
    assert_values(b->grad, 0, 1, 0);
    backward(hoi_minimum(a, b));
    assert_values(a->grad, 2, 1, 1); /* added to what was there */
    assert_values(b->grad, 0, 1, 1);
    hoi_tensor *x = matrix(2, 4, (float[]){5, 1, 5, 2, -1, -1, -1, -1});
    x->trainable = true;
    backward(hoi_max(x, 1, false));
    assert_values(x->grad, 0.5f, 0, 0.5f, 0, 0.25f, 0.25f, 0.25f, 0.25f);
    hoi_tensor *z = VECTOR(0, -1, 1);
    z->trainable = true;
    backward(hoi_unary_of(z, HOI_ABS, 0, 0));
    assert_values(z->grad, 0, -1, 1);
    backward(hoi_unary_of(z, HOI_LEAKY, 0, 0));
    assert_values(z->grad, 0, -1, 2);
    backward(hoi_unary_of(z, HOI_CLAMP, 0, 1));
    assert_values(z->grad, 1, -1, 3);
    FREE(a, b, x, z);
}

static void test_extreme_values_give_no_nan(void **state) {
    (void)state;
    hoi_tensor *x = VECTOR(-INFINITY, -1e4f, -100, 100, 1e4f, INFINITY), *y;
    assert_values(y = hoi_unary_of(x, HOI_SIGMOID, 0, 0), 0, 0, 0, 1, 1, 1);
    hoi_tensor_free(y);
    assert_values(y = hoi_unary_of(x, HOI_TANH, 0, 0), -1, -1, -1, 1, 1, 1);
    hoi_tensor_free(y);
    assert_values(y = hoi_unary_of(x, HOI_EXP, 0, 0), 0, 0, 0, INFINITY, INFINITY, INFINITY);
    hoi_tensor_free(y);
    assert_values(y = hoi_unary_of(x, HOI_SOFTPLUS, 0, 0), 0, 0, 0, 100, 1e4f, INFINITY);
    FREE(y, x);
    x = VECTOR(-1e4f, -100, 100, 1e4f);
    assert_values(y = hoi_unary_of(x, HOI_GELU_OF, 0, 0), 0, 0, 100, 1e4f);
    hoi_tensor_free(y);
    assert_values(y = hoi_unary_of(x, HOI_QUICK_GELU_OF, 0, 0), 0, 0, 100, 1e4f);
    hoi_tensor_free(y);
    assert_values(y = hoi_softmax(x), 0, 0, 0, 1);
    hoi_tensor_free(y);
    assert_values(y = hoi_log_softmax(x), -2e4f, -10100, -9900, 0);
    FREE(y, x);
}

static void test_constructors_complete_their_arguments(void **state) {
    (void)state;
    hoi_tensor *x = matrix(2, 3, (float[]){1, 2, 3, 4, 5, 6}), *parts[20], *y, *z;
    y = hoi_reshape(x, 3, (int64_t[]){3, -1, 1});
    assert_true(y && hoi_tensor_is(y, 3, (int64_t[]){3, 2, 1}));
    hoi_tensor_free(y);
    assert_values(y = hoi_transpose(x), 1, 4, 2, 5, 3, 6);
    hoi_tensor_free(y);
    x->trainable = true;
    for (int i = 0; i < 20; ++i)
        parts[i] = hoi_scale(x, (float)i, 0);
    y = hoi_concat(parts, 20, 0); /* more than one node holds */
    assert_true(y && hoi_tensor_is(y, 2, (int64_t[]){40, 3}));
    z = hoi_slice(y, 0, 38, 2);
    assert_values(z, 19, 38, 57, 76, 95, 114);
    hoi_tensor_free(z);
    backward(y);
    assert_values(x->grad, 190, 190, 190, 190, 190, 190);
    for (int i = 0; i < 20; ++i)
        hoi_tensor_free(parts[i]);
    hoi_tensor_free(x);
    x = matrix(2, 2, (float[]){0, 2, 4, 0}); /* wants an exchange of rows */
    assert_values(y = hoi_inverse(x), 0, 0.25f, 0.5f, 0);
    FREE(y, x);
}

static void test_order_is_by_value_then_by_place(void **state) {
    (void)state;
    hoi_tensor *x = matrix(2, 4, (float[]){1, 3, 3, 2, NAN, -1, INFINITY, NAN});
    hoi_index *down = hoi_order(x, 3, true), *up = hoi_order(x, 4, false);
    assert_true(down && up && down->count == 6 && up->count == 8);
    assert_memory_equal(down->host, ((int32_t[]){1, 2, 3, 2, 1, 0}), 6 * sizeof(int32_t));
    assert_memory_equal(up->host, ((int32_t[]){0, 3, 1, 2, 1, 2, 0, 3}), 8 * sizeof(int32_t));
    hoi_index_free(down);
    hoi_index_free(up);
    hoi_tensor_free(x);
}

static void test_a_packed_weight_follows_its_content_and_shape(void **state) {
    (void)state;
    hoi_tensor *w = matrix(2, 3, (float[]){1, 2, 3, 4, 5, 6}),
               *x = matrix(1, 3, (float[]){1, 0, 0}), *y;
    assert_values(y = hoi_linear(x, w, NULL, HOI_LINEAR, NULL), 1, 4);
    hoi_tensor_free(y);
    assert_true(hoi_tensor_write(w, (float[]){7, 2, 3, 8, 5, 6}));
    assert_values(y = hoi_linear(x, w, NULL, HOI_LINEAR, NULL), 7, 8);
    hoi_tensor_free(y);
    hoi_tensor *turned = hoi_tensor_view(w, 0, 2, (int64_t[]){3, 2}),
               *two = matrix(1, 2, (float[]){1, 0});
    assert_values(y = hoi_linear(two, turned, NULL, HOI_LINEAR, NULL), 7, 3, 5);
    hoi_tensor_free(y);
    hoi_tensor *row = hoi_tensor_view(w, 3, 2, (int64_t[]){1, 3});
    assert_values(y = hoi_linear(x, row, NULL, HOI_LINEAR, NULL), 8);
    FREE(y, row, two, turned, x, w);
}

static void test_what_does_not_fit_is_refused_with_its_shapes(void **state) {
    (void)state;
    hoi_tensor *x = matrix(2, 3, (float[]){1, 2, 3, 4, 5, 6}), *v = VECTOR(1, 2),
               *s = hoi_sum(x, -1, false);
    hoi_tensor *half = hoi_tensor_stored(device, 2, (int64_t[]){2, 3}, HOI_F16, (uint16_t[6]){0});
    hoi_tensor *cube = hoi_reshape(x, 3, (int64_t[]){1, 2, 3}),
               *zero = matrix(2, 2, (float[]){1, 2, 2, 4});
    hoi_tensor *pictures = hoi_reshape(x, 4, (int64_t[]){1, 1, 2, 3});
    hoi_index *index = hoi_index_new(device, 2, (int32_t[]){0, 2}),
              *below = hoi_index_new(device, 1, (int32_t[]){-1});
    hoi_tensor *nothing = sure(hoi_tensor_new(device, 2, (int64_t[]){2, 0}));
    assert_true(half && cube && pictures && index && below);
    assert_refused(hoi_add(x, v), "add: shapes 2x3 and 2");
    assert_refused(hoi_where(v, x, x), "where: shapes 2 and 2x3");
    assert_refused(hoi_matmul(x, x), "matmul: 2x3 times 2x3");
    assert_refused(hoi_matmul(x, v), "matmul: 2x3 times 2");
    assert_refused(hoi_linear(x, zero, NULL, HOI_LINEAR, NULL), "linear: 2x3 through a weight 2x2");
    assert_refused(hoi_linear(x, x, s, HOI_LINEAR, NULL), "linear: a bias scalar");
    assert_refused(hoi_linear(x, x, v, HOI_LINEAR, x), "linear: a residual 2x3 for a result 2x2");
    assert_refused(hoi_attention_of(x, NULL, NULL, 1, false, NULL, false),
                   "attention: q (b, n, width)");
    assert_refused(hoi_attention_of(cube, cube, cube, 2, false, NULL, false),
                   "a width of 3 does not divide into 2 heads");
    assert_refused(hoi_attention_of(cube, cube, cube, 1, false, x, false), "attention: a mask 2x3");
    assert_refused(hoi_attention_of(cube, cube, NULL, 1, false, NULL, false), "attention:");
    assert_refused(hoi_layer_norm(x, v, v, 0),
                   "layer_norm: gain and bias of 3 F32 values are wanted for 2x3");
    assert_refused(hoi_softmax(s), "softmax: a scalar has no last dimension");
    assert_refused(hoi_sum(x, 2, false), "sum: dimension 3 of a tensor of rank 2");
    assert_refused(hoi_inverse(x), "inverse: a square matrix");
    assert_refused(hoi_inverse(zero), "inverse: the matrix is singular");
    assert_refused(hoi_reshape(x, 2, (int64_t[]){4, -1}),
                   "reshape: 2x3 has 6 elements, 4x-1 does not");
    assert_refused(hoi_permute(x, (int[]){0, 0}), "permute: each of the 2 dimensions");
    assert_refused(hoi_transpose(v), "transpose: a matrix is wanted");
    assert_refused(hoi_expand(x, 2, (int64_t[]){2, 6}), "expand: 2x3 can not be repeated to 2x6");
    assert_refused(hoi_slice(x, 1, 2, 2), "slice: 3..4 of 1..3");
    assert_refused(hoi_slice(x, 2, 0, 1), "slice: dimension 3");
    assert_refused(hoi_pad(x, 1, -1, 2), "pad: -1 before");
    assert_refused(hoi_concat((hoi_tensor *[]){x, zero}, 2, 0),
                   "concat: 2x2 does not fit beside 2x3");
    assert_refused(hoi_rows(x, index), "rows: place 3 of 1..2");
    assert_refused(hoi_rows(x, below), "rows: place 0 of 1..2");
    assert_refused(hoi_scatter(x, index, 2), "scatter: place 3 of 1..2");
    assert_refused(hoi_scatter(x, below, 2), "scatter:");
    assert_refused(hoi_take(x, index, 2), "take: 2 places; 2 rows of 2 are wanted");
    assert_refused(hoi_take(nothing, index, 1), "take: place 1 of 1..0");
    assert_refused(hoi_unfold(x, 2, 1, 0, false),
                   "unfold: pictures (count, channels, height, width) are wanted");
    assert_refused(hoi_unfold(pictures, 3, 1, 0, false),
                   "unfold: kernel 3, stride 1, pad 0 on 2x3");
    assert_refused(hoi_unfold(pictures, 1, 0, 0, false), "unfold: kernel 1, stride 0");
    assert_refused(hoi_add(x, half), "add: an F32 tensor is wanted, this one is stored as F16");
    assert_refused(hoi_softmax(half), "softmax: an F32 tensor is wanted");
    assert_refused(hoi_tensor_new(device, 2, (int64_t[]){3, -1}), "tensor: shape 3x-1");
    assert_refused(hoi_tensor_new(device, 2, (int64_t[]){65536, 65536}),
                   "tensor: shape 65536x65536");
    assert_refused(hoi_tensor_new(device, 7, (int64_t[7]){0}), "tensor: rank 7");
    assert_refused(hoi_tensor_view(x, 2, 1, (int64_t[]){5}),
                   "tensor: a view 5 from element 2 of 2x3");
    FREE(x, v, s, half, cube, zero, pictures, nothing);
    hoi_index_free(index);
    hoi_index_free(below);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_at_a_tie_the_slope_goes_where_the_header_says),
        TEST(test_extreme_values_give_no_nan),
        TEST(test_constructors_complete_their_arguments),
        TEST(test_order_is_by_value_then_by_place),
        TEST(test_a_packed_weight_follows_its_content_and_shape),
        TEST(test_what_does_not_fit_is_refused_with_its_shapes),
    };
    setenv("HOI_KERNELS", "cpu", 1);
    int failed = cmocka_run_group_tests_name("conventions, processors' kernels", tests, open_device,
                                             close_device);
    setenv("HOI_KERNELS", "gpu", 1);
    return failed + cmocka_run_group_tests_name("conventions, graphics processors' kernels", tests,
                                                open_device, close_device);
}
