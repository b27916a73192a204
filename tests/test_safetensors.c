/* test_safetensors: files of strangers are refused for the right reason; files of ours come back
   whole; a failed write leaves the old file. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/error.h"
#include "core/safetensors.h"

static char folder[] = "/tmp/hoi-safetensors-XXXXXX";
static char path[64]; /* the file each test writes */

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/a.safetensors", folder);
    return 0;
}

/* Fails when a temporary file was left behind: the folder is not empty. */
static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_bytes(const void *bytes, size_t size) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

static size_t read_bytes(unsigned char *bytes, size_t capacity) {
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    size_t size = fread(bytes, 1, capacity, stream);
    fclose(stream);
    assert_true(size < capacity);
    return size;
}

static void check_message(const char *wanted) {
    const char *message = hoi_error();
    if (!strstr(message, wanted))
        fail_msg("'%s' does not say '%s'", message, wanted);
}

/* ------------------------------------------------------------------ hostile files */

/* A header, its stated length (0: the true one) and so many bytes of data. */
static void check_refused(const char *header, uint64_t stated, size_t data, const char *message) {
    unsigned char bytes[4096] = {0};
    size_t length = strlen(header);
    assert_true(8 + length + data <= sizeof bytes);
    if (!stated)
        stated = length;
    memcpy(bytes, &stated, 8);
    memcpy(bytes + 8, header, length);
    assert_null(hoi_safetensors_open_memory(bytes, 8 + length + data, "stranger"));
    check_message(message);
    write_bytes(bytes, 8 + length + data); /* and the same through the file */
    assert_null(hoi_safetensors_open(path));
    check_message(message);
}

#define F32(offsets) "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" offsets "}"

static void each_wrong_header_has_its_own_message(void **state) {
    (void)state;
    static const struct {
        const char *header;
        uint64_t stated;
        size_t data;
        const char *message;
    } wrong[] = {
        {"{}", 200000000, 0, "a header of 200000000 bytes, wanted at most 100000000"},
        {"{}", UINT64_MAX, 0, "a header of 18446744073709551615 bytes, wanted at most"},
        {"{}", 3, 0, "a header of 3 bytes, the file has 2 after its length"},
        {"{}", 1, 0, "a header of 1 bytes"},
        {" {}", 0, 0, "the header begins with byte 0x20, wanted '{'"},
        {"[]", 0, 0, "begins with byte 0x5B"},
        {"{\"a\xff\":1}", 0, 0, "not UTF-8"},
        {"{}", 4, 2, "not UTF-8"}, /* zero bytes in the header */
        {"{\"a\":}", 0, 0, "not JSON from its byte"},
        {"{\"1\":1,", 0, 0, "not JSON from its byte"},
        {"{} x", 0, 0, "not JSON from its byte"},
        {"{}{}", 0, 0, "not JSON from its byte"},
        {"{\"a\":1}", 0, 0, "entry 'a' is not an object"},
        {"{\"a\":[]}", 0, 0, "entry 'a' is not an object"},
        {"{\"a\":{}}", 0, 0, "entry 'a' has no member 'dtype'"},
        {"{\"a\":{\"DTYPE\":\"F32\"}}", 0, 0, "entry 'a' has no member 'dtype'"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F64\"}}", 0, 0,
         "entry 'a' has two members 'dtype'"},
        {"{\"a\":{\"dtype\":3}}", 0, 0, "dtype is not a string"},
        {"{\"a\":{\"dtype\":\"F4\"}}", 0, 0, "dtype is 'F4'"},
        {"{\"a\":{\"dtype\":\"f32\"}}", 0, 0, "dtype is 'f32'"},
        {"{\"a\":{\"dtype\":\"F32\"}}", 0, 0, "entry 'a' has no member 'shape'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":2}}", 0, 0, "shape is not a list"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2,-1]}}", 0, 0,
         "dimension 2 of the shape is not a whole"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5]}}", 0, 0,
         "dimension 1 of the shape is not a whole"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"]}}", 0, 0,
         "dimension 1 of the shape is not a whole"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e300]}}", 0, 0,
         "dimension 1 of the shape is not a whole"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1]}}", 0, 0,
         "more than 8 dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296]}}", 0, 0,
         "product overflows"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 0, 0,
         "entry 'a' has no member 'data_offsets'"},
        {"{\"a\":" F32("[0]") "}", 0, 8, "data_offsets is not a list of two"},
        {"{\"a\":" F32("[0,4,8]") "}", 0, 8, "data_offsets is not a list of two"},
        {"{\"a\":" F32("[-8,0]") "}", 0, 8, "data_offsets is not a list of two"},
        {"{\"a\":" F32("[0,8.5]") "}", 0, 9, "data_offsets is not a list of two"},
        {"{\"a\":" F32("{\"x\":0,\"y\":8}") "}", 0, 8, "data_offsets is not a list of two"},
        {"{\"a\":" F32("[8,0]") "}", 0, 8, "lies at bytes 8 to 0, the data has 8"},
        {"{\"a\":" F32("[0,8]") "}", 0, 7, "lies at bytes 0 to 8, the data has 7"},
        {"{\"a\":" F32("[9007199254740984,9007199254740992]") "}", 0, 8,
         "lies at bytes 9007199254740984"},
        {"{\"a\":" F32("[0,4]") "}", 0, 4, "has 4 bytes, its shape and dtype F32 need 8"},
        {"{\"a\":" F32("[0,8]") "}", 0, 9, "1 bytes after the last entry"},
        {"{}", 0, 1, "1 bytes after the last entry"},
        {"{\"a\":" F32("[1,9]") "}", 0, 9,
         "entry 'a' begins at byte 1 of the data, wanted 0: there is a hole"},
        {"{\"a\":" F32("[0,8]") ",\"b\":" F32("[9,17]") "}", 0, 17,
         "begins at byte 9 of the data, wanted 8: there is a hole"},
        {"{\"a\":" F32("[0,8]") ",\"b\":" F32("[4,12]") "}", 0, 12,
         "begins at byte 4 of the data, wanted 8: two entries overlap"},
        {"{\"a\":" F32("[0,8]") ",\"b\":" F32("[0,8]") "}", 0, 8, "two entries overlap"},
        {"{\"a\":" F32("[0,8]") ",\"a\":" F32("[8,16]") "}", 0, 16, "two entries 'a'"},
        {"{\"__metadata__\":1}", 0, 0, "__metadata__ is not an object"},
        {"{\"__metadata__\":{\"k\":1}}", 0, 0, "__metadata__ 'k' is not a string"},
        {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, 0, "two __metadata__ strings 'k'"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, 0, "two entries '__metadata__'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check_refused(wrong[i].header, wrong[i].stated, wrong[i].data, wrong[i].message);
    assert_null(hoi_safetensors_open_memory("abc", 3, "stranger"));
    assert_string_equal(
        hoi_error(), "safetensors: stranger: 3 bytes, wanted at least 8 for the header's length");
}

static void what_is_no_file_is_refused(void **state) {
    (void)state;
    write_bytes("", 0);
    assert_null(hoi_safetensors_open(path));
    check_message("0 bytes, wanted at least 8");
    assert_null(hoi_safetensors_open("/nonexistent/x"));
    check_message("safetensors: /nonexistent/x: No such file");
    assert_null(hoi_safetensors_open(folder));
    check_message("not a regular file");
    hoi_safetensors_close(NULL);
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    unsigned char bytes[8 + 4 + 4000] = "        {\"a\"";
    const uint64_t length = 4 + 4000;
    memcpy(bytes, &length, 8);
    bytes[12] = ':';
    memset(bytes + 13, '[', sizeof bytes - 13);
    assert_null(hoi_safetensors_open_memory(bytes, sizeof bytes, "deep"));
    check_message("not JSON");
}

/* ------------------------------------------------------------------ round trip */

static hoi_safetensors_writer *fill_writer(void) {
    hoi_safetensors_writer *w = hoi_safetensors_writer_new();
    assert_non_null(w);
    const float f32[2] = {1.5f, -2};
    const double f64 = 0.25;
    const uint8_t yes = 1;
    const uint16_t half = 0x3C00;
    const uint64_t u64 = 7;
    assert_true(hoi_safetensors_writer_add(w, "b", HOI_F32, 1, (const int64_t[]){2}, f32));
    assert_true(hoi_safetensors_writer_add(w, "a", HOI_F64, 0, NULL, &f64));
    assert_true(hoi_safetensors_writer_add(w, "c", HOI_BOOL, 1, (const int64_t[]){1}, &yes));
    assert_true(hoi_safetensors_writer_add(w, "d", HOI_I8, 2, (const int64_t[]){0, 3}, NULL));
    assert_true(hoi_safetensors_writer_add(w, "u", HOI_U64, 1, (const int64_t[]){1}, &u64));
    assert_true(
        hoi_safetensors_writer_add(w, "\u00e9\"\n", HOI_F16, 1, (const int64_t[]){1}, &half));
    assert_true(hoi_safetensors_writer_metadata(w, "z", "1"));
    assert_true(hoi_safetensors_writer_metadata(w, "a", "2/\u00e9"));
    return w;
}

/* The same arrays through Python's safetensors 0.8.0 gave these bytes. */
static void bytes_equal_those_of_the_reference_writer(void **state) {
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"a\":\"2/\u00e9\",\"z\":\"1\"},"
        "\"u\":{\"dtype\":\"U64\",\"shape\":[1],\"data_offsets\":[0,8]},"
        "\"a\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[8,16]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[16,24]},"
        "\"\u00e9\\\"\\n\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[24,26]},"
        "\"d\":{\"dtype\":\"I8\",\"shape\":[0,3],\"data_offsets\":[26,26]},"
        "\"c\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[26,27]}}      ";
    static const unsigned char data[27] = {7,    0,    0, 0, 0, 0,    0,    0,    0,
                                           0,    0,    0, 0, 0, 0xD0, 0x3F, 0,    0,
                                           0xC0, 0x3F, 0, 0, 0, 0xC0, 0,    0x3C, 1};
    hoi_safetensors_writer *w = fill_writer();
    assert_true(hoi_safetensors_writer_save(w, path));
    hoi_safetensors_writer_free(w);
    unsigned char bytes[1024];
    size_t size = read_bytes(bytes, sizeof bytes);
    assert_int_equal(size, 8 + strlen(header) + sizeof data);
    uint64_t length;
    memcpy(&length, bytes, 8);
    assert_int_equal(length, strlen(header));
    assert_int_equal(length % 8, 0);
    assert_memory_equal(bytes + 8, header, strlen(header));
    assert_memory_equal(bytes + 8 + strlen(header), data, sizeof data);
}

static void what_was_written_is_read(void **state) {
    (void)state;
    hoi_safetensors_writer *w = fill_writer();
    assert_true(hoi_safetensors_writer_save(w, path));
    assert_true(hoi_safetensors_writer_save(w, path)); /* over the first, by the same writer */
    hoi_safetensors_writer_free(w);
    hoi_safetensors *f = hoi_safetensors_open(path);
    if (!f)
        fail_msg("%s", hoi_error());
    assert_string_equal(hoi_safetensors_label(f), path);
    assert_int_equal(hoi_safetensors_count(f), 6);
    static const char *const names[] = {"a", "b", "c", "d", "u", "\u00e9\"\n"};
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(hoi_safetensors_at(f, i)->name, names[i]);
        assert_ptr_equal(hoi_safetensors_find(f, names[i]), hoi_safetensors_at(f, i));
    }
    assert_null(hoi_safetensors_find(f, "B"));
    assert_null(hoi_safetensors_find(f, "__metadata__"));
    assert_string_equal(hoi_safetensors_metadata(f, "a"), "2/\u00e9");
    assert_string_equal(hoi_safetensors_metadata(f, "z"), "1");
    assert_null(hoi_safetensors_metadata(f, "A"));

    const hoi_entry *b = hoi_safetensors_find(f, "b"), *a = hoi_safetensors_find(f, "a");
    const hoi_entry *d = hoi_safetensors_find(f, "d"), *h = hoi_safetensors_at(f, 5);
    float out[2] = {0, 0};
    assert_true(hoi_entry_floats(b, out));
    assert_true(out[0] == 1.5f && out[1] == -2);
    assert_true(hoi_entry_floats(a, out));
    assert_true(out[0] == 0.25f);
    assert_true(hoi_entry_floats(h, out));
    assert_true(out[0] == 1);
    assert_int_equal(a->rank, 0);
    assert_int_equal(hoi_entry_elements(a), 1);
    assert_int_equal(d->rank, 2);
    assert_int_equal(d->shape[0], 0);
    assert_int_equal(d->shape[1], 3);
    assert_int_equal(hoi_entry_elements(d), 0);
    assert_int_equal(b->dtype, HOI_F32);
    assert_int_equal(b->shape[0], 2);
    assert_int_equal(b->bytes, 8);
    assert_false(hoi_entry_floats(hoi_safetensors_find(f, "u"), out));
    assert_string_equal(hoi_error(),
                        "safetensors: entry 'u' has dtype U64, wanted F32, F16, BF16 or F64");
    hoi_safetensors_close(f);
}

static void an_empty_file_is_a_file(void **state) {
    (void)state;
    hoi_safetensors_writer *w = hoi_safetensors_writer_new();
    assert_true(hoi_safetensors_writer_save(w, path));
    hoi_safetensors_writer_free(w);
    hoi_safetensors *f = hoi_safetensors_open(path);
    assert_non_null(f);
    assert_int_equal(hoi_safetensors_count(f), 0);
    assert_null(hoi_safetensors_find(f, "a"));
    assert_null(hoi_safetensors_metadata(f, "a"));
    hoi_safetensors_close(f);
    hoi_safetensors_writer_free(NULL);
}

static void data_of_foreign_files_may_lie_anywhere(void **state) {
    (void)state;
    unsigned char bytes[256];
    static const char header[] =
        "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1],\"dtype\":\"U8\",\"more\":[{}]},"
        "\"b\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[1,5]}}";
    uint64_t length = strlen(header);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    const uint16_t values[2] = {0x3F80, 0xC040};
    bytes[8 + length] = 9;
    memcpy(bytes + 9 + length, values, 4);
    hoi_safetensors *f = hoi_safetensors_open_memory(bytes, 13 + length, "odd");
    if (!f)
        fail_msg("%s", hoi_error());
    float out[2];
    assert_true(hoi_entry_floats(hoi_safetensors_find(f, "b"), out));
    assert_true(out[0] == 1 && out[1] == -3);
    hoi_safetensors_close(f);
}

static void the_writer_refuses_what_no_reader_would_take(void **state) {
    (void)state;
    hoi_safetensors_writer *w = hoi_safetensors_writer_new();
    const float one = 1;
    const int64_t huge[2] = {INT64_MAX, 3}, negative[1] = {-1},
                  nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    assert_true(hoi_safetensors_writer_add(w, "a", HOI_F32, 0, NULL, &one));
    assert_false(hoi_safetensors_writer_add(w, "a", HOI_F32, 0, NULL, &one));
    check_message("'a': the name is taken");
    assert_false(hoi_safetensors_writer_add(w, "__metadata__", HOI_F32, 0, NULL, &one));
    check_message("the name is reserved");
    assert_false(hoi_safetensors_writer_add(w, "\xff", HOI_F32, 0, NULL, &one));
    check_message("the name is not UTF-8");
    assert_false(hoi_safetensors_writer_add(w, "b", HOI_F32, 9, nine, &one));
    check_message("9 dimensions, wanted 0 to 8");
    assert_false(hoi_safetensors_writer_add(w, "b", HOI_F32, 1, negative, &one));
    check_message("dimension 1 is -1");
    assert_false(hoi_safetensors_writer_add(w, "b", HOI_F32, 2, huge, &one));
    check_message("too large a product");
    assert_true(hoi_safetensors_writer_metadata(w, "k", "v"));
    assert_false(hoi_safetensors_writer_metadata(w, "k", "v"));
    check_message("the key is taken");
    assert_false(hoi_safetensors_writer_metadata(w, "l", "\xff"));
    check_message("not UTF-8");
    hoi_safetensors_writer_free(w);
}

/* ------------------------------------------------------------------ whole or not at all */

static void a_failed_write_leaves_the_old_file(void **state) {
    (void)state;
    hoi_safetensors_writer *w = fill_writer();
    assert_true(hoi_safetensors_writer_save(w, path));
    unsigned char before[1024], after[1024];
    size_t size = read_bytes(before, sizeof before);

    float *large = calloc(1 << 16, sizeof *large);
    assert_non_null(large);
    assert_true(
        hoi_safetensors_writer_add(w, "large", HOI_F32, 1, (const int64_t[]){1 << 16}, large));
    free(large);
    struct rlimit old, small = {0};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4096; /* the disk is full, so to say */
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool saved = hoi_safetensors_writer_save(w, path);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_false(saved);
    check_message("File too large: the old file, if any, is unchanged");
    assert_int_equal(read_bytes(after, sizeof after), size);
    assert_memory_equal(before, after, size);

    assert_false(
        hoi_safetensors_writer_save(w, folder)); /* a folder stands there; left behind: nothing */
    check_message("the old file, if any, is unchanged");
    assert_false(hoi_safetensors_writer_save(w, "/nonexistent/x"));
    check_message("safetensors: /nonexistent/x: creating '/nonexistent/x.");

    assert_true(hoi_safetensors_writer_save(w, path)); /* and now it succeeds */
    hoi_safetensors *f = hoi_safetensors_open(path);
    assert_non_null(f);
    assert_int_equal(hoi_safetensors_find(f, "large")->bytes, 4 << 16);
    hoi_safetensors_close(f);
    hoi_safetensors_writer_free(w);
}

static void an_open_file_is_not_changed_by_a_write_over_it(void **state) {
    (void)state;
    hoi_safetensors_writer *w = fill_writer();
    assert_true(hoi_safetensors_writer_save(w, path));
    hoi_safetensors *f = hoi_safetensors_open(path);
    assert_non_null(f);
    float larger = 9;
    assert_true(hoi_safetensors_writer_add(w, "A", HOI_F64, 1, (const int64_t[]){0}, NULL));
    assert_true(hoi_safetensors_writer_add(w, "B", HOI_F32, 0, NULL, &larger));
    assert_true(hoi_safetensors_writer_save(w, path));
    float out[2];
    assert_true(hoi_entry_floats(hoi_safetensors_find(f, "b"), out));
    assert_true(out[0] == 1.5f && out[1] == -2);
    hoi_safetensors_close(f);
    hoi_safetensors_writer_free(w);
}

/* ------------------------------------------------------------------ half precision */

static double half_value(int half) {
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double magnitude = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return half & 0x8000 ? -magnitude : magnitude;
}

/* Checks one value and its neighbours: halfway between two halves, the even one; else the nearest.
   */
static void every_half_converts_exactly_both_ways(void **state) {
    (void)state;
    for (int half = 0; half < 0x10000; half++) {
        float value = hoi_half_to_float((uint16_t)half);
        int magnitude = half & 0x7FFF;
        if (magnitude > 0x7C00) {
            assert_true(isnan(value));
            assert_int_equal(hoi_float_to_half(value) & 0x7C00, 0x7C00);
            assert_true(isnan(hoi_half_to_float(hoi_float_to_half(value))));
            continue;
        }
        if (magnitude == 0x7C00)
            assert_true(isinf(value));
        else
            assert_true(value == half_value(half));
        assert_int_equal(signbit(value) != 0, half >> 15);
        assert_int_equal(hoi_float_to_half(value), half);
        if (magnitude >= 0x7BFF)
            continue;
        float middle = (float)((half_value(half) + half_value(half + 1)) / 2); /* exact: 12 bits */
        assert_int_equal(hoi_float_to_half(middle), half + (half & 1));
        assert_int_equal(hoi_float_to_half(nextafterf(middle, 0)), half);
        assert_int_equal(hoi_float_to_half(nextafterf(middle, half >> 15 ? -1e9f : 1e9f)),
                         half + 1);
    }
    assert_int_equal(hoi_float_to_half(65519.996f), 0x7BFF);
    assert_int_equal(hoi_float_to_half(65520), 0x7C00);
    assert_int_equal(hoi_float_to_half(-1e30f), 0xFC00);
    assert_int_equal(hoi_float_to_half(-1e-30f), 0x8000);
    assert_int_equal(hoi_float_to_half(-INFINITY), 0xFC00);
}

static void every_bf16_converts_exactly_both_ways(void **state) {
    (void)state;
    for (int bits = 0; bits < 0x10000; bits++) {
        float value = hoi_bf16_to_float((uint16_t)bits);
        int magnitude = bits & 0x7FFF;
        if (magnitude > 0x7F80) {
            assert_true(isnan(value));
            assert_true(isnan(hoi_bf16_to_float(hoi_float_to_bf16(value))));
            continue;
        }
        assert_int_equal(hoi_float_to_bf16(value), bits);
        if (magnitude >= 0x7F7F)
            continue;
        double next = hoi_bf16_to_float((uint16_t)(bits + 1));
        float middle = (float)(((double)value + next) / 2);
        assert_int_equal(hoi_float_to_bf16(middle), bits + (bits & 1));
        assert_int_equal(hoi_float_to_bf16(nextafterf(middle, 0)), bits);
        assert_int_equal(hoi_float_to_bf16(nextafterf(middle, bits >> 15 ? -INFINITY : INFINITY)),
                         bits + 1);
    }
    assert_int_equal(hoi_float_to_bf16(3.4028235e38f), 0x7F80); /* rounds up to infinity */
    uint32_t hidden = 0x7F800001; /* a NaN whose only bits are dropped */
    float nan_value;
    memcpy(&nan_value, &hidden, 4);
    assert_true(isnan(hoi_bf16_to_float(hoi_float_to_bf16(nan_value))));
    assert_true(isnan(hoi_half_to_float(hoi_float_to_half(nan_value))));
}

static void names_and_sizes_of_types_are_those_of_the_format(void **state) {
    (void)state;
    static const char *const names[HOI_DTYPES] = {
        "BOOL", "U8",  "I8",  "F8_E5M2", "F8_E4M3", "F8_E8M0", "I16", "U16", "F16",
        "BF16", "I32", "U32", "F32",     "C64",     "F64",     "I64", "U64"};
    static const size_t bytes[HOI_DTYPES] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 8, 8, 8, 8};
    for (int i = 0; i < HOI_DTYPES; i++) {
        assert_string_equal(hoi_dtype_name((hoi_dtype)i), names[i]);
        assert_int_equal(hoi_dtype_bytes((hoi_dtype)i), bytes[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wrong_header_has_its_own_message),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(bytes_equal_those_of_the_reference_writer),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(an_empty_file_is_a_file),
        cmocka_unit_test(data_of_foreign_files_may_lie_anywhere),
        cmocka_unit_test(the_writer_refuses_what_no_reader_would_take),
        cmocka_unit_test(a_failed_write_leaves_the_old_file),
        cmocka_unit_test(an_open_file_is_not_changed_by_a_write_over_it),
        cmocka_unit_test(every_half_converts_exactly_both_ways),
        cmocka_unit_test(every_bf16_converts_exactly_both_ways),
        cmocka_unit_test(names_and_sizes_of_types_are_those_of_the_format),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
