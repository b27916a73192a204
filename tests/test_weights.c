/* test_weights: PyTorch's and NumPy's files come back as they were written; those of strangers are
   refused for the right reason, whatever byte is wrong, and nothing in them is run. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zip.h>

#include "core/error.h"
#include "core/weights.h"

static char folder[] = "/tmp/hoi-weights-XXXXXX";
static char path[64]; /* the file each test writes */

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/a.pt", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* ------------------------------------------------------------------ making files */

typedef struct blob {
    size_t size;
    unsigned char bytes[8192];
} blob;

static void put(blob *b, const void *bytes, size_t size) {
    assert_true(size <= sizeof b->bytes - b->size);
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

/* A literal with its zeros. */
#define PUT(b, literal) put(b, literal, sizeof(literal) - 1)

static void put_text(blob *b, const char *text) {
    uint32_t size = (uint32_t)strlen(text);
    PUT(b, "X");
    put(b, &size, 4);
    put(b, text, size);
}

static void put_integer(blob *b, int32_t value) {
    PUT(b, "J");
    put(b, &value, 4);
}

static void put_pair(blob *b, int32_t first, int32_t second) {
    put_integer(b, first);
    put_integer(b, second);
    PUT(b, "\x86");
}

/* A tensor (rows, cols) of a storage of `elements` with the key "0". */
static void put_tensor(blob *b, const char *type, int32_t elements, int32_t offset, int32_t rows,
                       int32_t cols, int32_t down, int32_t right) {
    PUT(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(b, "storage");
    PUT(b, "ctorch\n");
    put(b, type, strlen(type));
    PUT(b, "\n");
    put_text(b, "0");
    put_text(b, "cpu");
    put_integer(b, elements);
    PUT(b, "tQ");
    put_integer(b, offset);
    put_pair(b, rows, cols);
    put_pair(b, down, right);
    PUT(b, "\x89"
           "ccollections\nOrderedDict\n)RtR");
}

/* {"w": a tensor}, the usual file. */
static blob usual_pickle(int32_t elements, int32_t offset, int32_t rows, int32_t cols, int32_t down,
                         int32_t right) {
    blob b = {0};
    PUT(&b, "\x80\2}");
    put_text(&b, "w");
    put_tensor(&b, "FloatStorage", elements, offset, rows, cols, down, right);
    PUT(&b, "s.");
    return b;
}

static const float six[] = {1, 2, 3, 4, 5, 6};

/* Writes an archive: names and contents one after the other, up to a NULL name. */
static void write_archive(bool packed, const char *name, ...) {
    unlink(path);
    int error;
    zip_t *zip = zip_open(path, ZIP_CREATE, &error);
    assert_non_null(zip);
    va_list list;
    va_start(list, name);
    for (; name; name = va_arg(list, const char *)) {
        const void *bytes = va_arg(list, const void *);
        size_t size = va_arg(list, size_t);
        zip_source_t *source = zip_source_buffer(zip, bytes, size, 0);
        int64_t index = zip_file_add(zip, name, source, 0);
        assert_true(index >= 0);
        zip_set_file_compression(zip, (uint64_t)index, packed ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
    }
    va_end(list);
    assert_int_equal(zip_close(zip), 0);
}

static void write_pickle(const blob *b) {
    write_archive(false, "archive/data.pkl", (const void *)b->bytes, b->size, "archive/data/0",
                  (const void *)six, sizeof six, (const char *)NULL);
}

static blob read_file(void) {
    blob b = {0};
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    b.size = fread(b.bytes, 1, sizeof b.bytes, stream);
    fclose(stream);
    assert_true(b.size < sizeof b.bytes);
    return b;
}

static void write_file(const void *bytes, size_t size) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

static void refused(const char *wanted) {
    hoi_weights *w = hoi_weights_open(path);
    if (w)
        fail_msg("a file was opened that had to be refused: '%s'", wanted);
    const char *message = hoi_error();
    if (!strstr(message, wanted) || !strstr(message, path))
        fail_msg("'%s' does not say '%s' of %s", message, wanted, path);
}

static void refused_pickle(const blob *b, const char *wanted) {
    write_pickle(b);
    refused(wanted);
}

static void check_floats(hoi_weights *w, const char *name, const float *wanted, size_t count) {
    float values[32];
    const hoi_entry *entry = hoi_weights_find(w, name);
    assert_non_null(entry);
    assert_int_equal(hoi_entry_elements(entry), count);
    assert_true(hoi_weights_floats(w, entry, values));
    assert_memory_equal(values, wanted, count * sizeof *wanted);
}

/* ------------------------------------------------------------------ tests */

static void test_views_of_a_storage_come_back_row_major(void **state) {
    (void)state;
    blob b = {0};
    PUT(&b, "\x80\2}(");
    put_text(&b, "whole");
    put_tensor(&b, "FloatStorage", 6, 0, 2, 3, 3, 1);
    put_text(&b, "turned");
    put_tensor(&b, "FloatStorage", 6, 0, 3, 2, 1, 3);
    put_text(&b, "part");
    put_tensor(&b, "FloatStorage", 6, 1, 2, 2, 3, 1);
    put_text(&b, "again");
    put_tensor(&b, "FloatStorage", 6, 5, 2, 2, 0, 0);
    put_text(&b, "none");
    put_tensor(&b, "FloatStorage", 6, 0, 0, 3, 3, 1);
    put_text(&b, "epoch");
    put_integer(&b, -7);
    put_text(&b, "inner");
    PUT(&b, "](G\x3f\xf8\0\0\0\0\0\0\x88N");
    put_text(&b, "text");
    PUT(&b, "eu.");
    write_pickle(&b);
    hoi_weights *w = hoi_weights_open(path);
    assert_non_null(w);
    assert_string_equal(hoi_weights_container(w), "torch");
    assert_int_equal(hoi_weights_count(w), 5);
    assert_string_equal(hoi_weights_at(w, 0)->name, "again");
    check_floats(w, "whole", six, 6);
    check_floats(w, "turned", (float[]){1, 4, 2, 5, 3, 6}, 6);
    check_floats(w, "part", (float[]){2, 3, 5, 6}, 4);
    check_floats(w, "again", (float[]){6, 6, 6, 6}, 4);
    check_floats(w, "none", six, 0);
    assert_string_equal(hoi_weights_metadata(w, "epoch"), "-7");
    assert_string_equal(hoi_weights_metadata(w, "inner.0"), "1.5");
    assert_string_equal(hoi_weights_metadata(w, "inner.1"), "true");
    assert_string_equal(hoi_weights_metadata(w, "inner.3"), "text");
    assert_null(hoi_weights_metadata(w, "inner.2"));
    assert_null(hoi_weights_find(w, "epoch"));
    assert_int_equal(hoi_weights_metadata_count(w), 4);
    hoi_weights_close(w);
}

static void test_a_pickle_that_would_run_something_is_refused_by_its_name(void **state) {
    (void)state;
    static const char *const names[][2] = {
        {"os\nsystem\n", "'os.system'"},           {"posix\nsystem\n", "'posix.system'"},
        {"builtins\neval\n", "'builtins.eval'"},   {"subprocess\nPopen\n", "'subprocess.Popen'"},
        {"builtins\ngetattr\n", "builtins.getat"}, {"torchx\nload\n", "'torchx.load'"},
        {"runpy\nrun_path\n", "'runpy.run_path'"}, {"__main__\nNet\n", "'__main__.Net'"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        blob b = {0};
        PUT(&b, "\x80\2c");
        put(&b, names[i][0], strlen(names[i][0]));
        put_text(&b, "touch /tmp/hoi-was-run");
        PUT(&b, "\x85R.");
        refused_pickle(&b, names[i][1]);
    }
    blob b = {0};
    PUT(&b, "\x80\4\x8c\2os\x8c\6system\x93\x8c\4true\x85R.");
    refused_pickle(&b, "'os.system', which no file of tensors needs: nothing was run");
    b.size = 0;
    PUT(&b, "(S'true'\nios\nsystem\n.");
    refused_pickle(&b, "opcode 0x69");
    b.size = 0; /* harmless by its module, and not run either: an object that means nothing */
    PUT(&b, "\x80\2ctorch.hub\nload\n");
    put_text(&b, "x");
    PUT(&b, "\x85R.");
    write_pickle(&b);
    hoi_weights *w = hoi_weights_open(path);
    assert_non_null(w);
    assert_int_equal(hoi_weights_count(w) + hoi_weights_metadata_count(w), 0);
    hoi_weights_close(w);
    assert_int_not_equal(access("/tmp/hoi-was-run", F_OK), 0);
}

static void test_tensors_that_do_not_fit_their_storage_are_refused(void **state) {
    (void)state;
    blob b = usual_pickle(7, 0, 2, 3, 3, 1);
    refused_pickle(&b, "'w': its storage '0' has 24 bytes, 7 values of F32 need");
    b = usual_pickle(6, 1, 2, 3, 3, 1);
    refused_pickle(&b, "'w' reaches to its element 7, its storage has 6");
    b = usual_pickle(6, -1, 2, 3, 3, 1);
    refused_pickle(&b, "'w': a shape or stride that is negative or too large");
    b = usual_pickle(6, 0, 2, 3, -3, 1);
    refused_pickle(&b, "negative or too large");
    b = usual_pickle(6, 0, -2, 3, 3, 1);
    refused_pickle(&b, "negative or too large");
    b = usual_pickle(6, 0, INT32_MAX, INT32_MAX, INT32_MAX, 1);
    refused_pickle(&b, "reaches to its element 4611686014132420609");
    b = usual_pickle(6, 0, INT32_MAX, 2, 0, 0);
    refused_pickle(&b, "'w' makes 17179869176 bytes out of 24");
    b = usual_pickle(-1, 0, 2, 3, 3, 1);
    refused_pickle(&b, "a persistent id that is no storage");
    b.size = 0;
    PUT(&b, "\x80\2");
    put_tensor(&b, "QUInt8Storage", 6, 0, 2, 3, 3, 1);
    PUT(&b, ".");
    refused_pickle(&b, "a storage of type 'torch QUInt8Storage'");
    b = usual_pickle(6, 0, 2, 3, 3, 1);
    write_archive(false, "archive/data.pkl", (const void *)b.bytes, b.size, (const char *)NULL);
    refused("'w' lies in 'data/0', which the archive lacks");
}

static void test_nesting_cycles_and_repetition_end(void **state) {
    (void)state;
    blob b = {0};
    for (int i = 0; i < 100; i++)
        PUT(&b, "]");
    for (int i = 0; i < 99; i++)
        PUT(&b, "a");
    PUT(&b, ".");
    refused_pickle(&b, "nested more than 64 deep");
    b.size = 0;
    PUT(&b, "]q\0h\0a."); /* a list in itself */
    refused_pickle(&b, "a cycle?");
    b.size = 0;
    PUT(&b, "}q\0");
    put_text(&b, "a");
    PUT(&b, "h\0s.");
    refused_pickle(&b, "a cycle?");
    b.size = 0;
    PUT(&b, "K\1");
    for (int i = 0; i < 40; i++)
        PUT(&b, "q\0h\0\x86"); /* two of what was there */
    PUT(&b, ".");
    refused_pickle(&b, "more than 1000000 values");
    b.size = 0;
    PUT(&b, "}(");
    for (int i = 0; i < 2; i++) {
        put_text(&b, "w");
        put_tensor(&b, "FloatStorage", 6, 0, 2, 3, 3, 1);
    }
    PUT(&b, "u.");
    refused_pickle(&b, "two arrays 'w'");
}

static void test_pickles_that_are_none_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
#define CASE(bytes, message) {bytes, sizeof(bytes) - 1, message}
        CASE("", "cut short?"),
        CASE(".", "the stack is empty"),
        CASE("\x80\6N.", "protocol 6"),
        CASE("a.", "the stack is empty"),
        CASE("Na.", "the stack is empty"),
        CASE("NNa.", "items are added to what is no list"),
        CASE("NNNs.", "items are added to what is no dictionary"),
        CASE("Ns.", "the stack is empty"),
        CASE("](a.", "the stack is empty"),
        CASE("e.", "no mark on the stack"),
        CASE("t.", "no mark on the stack"),
        CASE("1.", "no mark on the stack"),
        CASE("(e.", "the stack is empty"),
        CASE("(NNNd.", "a key without a value"),
        CASE("}(Nu.", "a key without a value"),
        CASE("h\0.", "nothing at memo place 0"),
        CASE("j\xff\xff\xff\xff.", "nothing at memo place"),
        CASE("Nr\xff\xff\xff\xff.", "memo place 4294967295 of a pickle"),
        CASE("Np99999999999\n.", "memo place that is no number"),
        CASE("gx\n.", "memo place that is no number"),
        CASE("X\xff\xff\xff\xff.", "4294967295 bytes are wanted"),
        CASE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "bytes are wanted"),
        CASE("\x8b\xff\xff\xff\x7f.", "bytes are wanted"),
        CASE("NR.", "the stack is empty"),
        CASE("NNR.", "a call without a tuple"),
        CASE("N)R.", "a call of what is no function"),
        CASE("N)\x81.", "an instance of what is no class"),
        CASE("NQ.", "a persistent id that is no storage"),
        CASE("NN\x93.", "a name that is no text"),
        CASE("Ix\n.", "is no number"),
        CASE("I1", "a line has no end"),
        CASE("\x82\1.", "opcode 0x82"),
        CASE("ctorch._utils\n_rebuild_tensor_v2\n)R.", "not made of storage, offset, shape"),
        CASE("ccollections\nOrderedDict\n](NNee\x85R.", "no mark"),
        CASE("}X\1\0\0\0\xffK\1s.", "not UTF-8"),
        CASE("}X\3\0\0\0a\0bK\1s.", "not UTF-8 text"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        blob b = {0};
        put(&b, cases[i].bytes, cases[i].size);
        refused_pickle(&b, cases[i].message);
    }
}

/* Opens what is there and reads all of it; says whether it could be opened. */
static bool open_and_read(const void *bytes, size_t size) {
    hoi_weights *w = hoi_weights_open_memory(bytes, size, "cut");
    if (!w) {
        assert_true(strstr(hoi_error(), "cut") != NULL);
        return false;
    }
    for (size_t i = 0; i < hoi_weights_count(w); i++) {
        float values[1024];
        const hoi_entry *entry = hoi_weights_at(w, i);
        if (hoi_entry_elements(entry) <= 1024 && !hoi_weights_floats(w, entry, values))
            assert_true(*hoi_error() != 0);
    }
    hoi_weights_close(w);
    return true;
}

static void test_no_cut_and_no_wrong_byte_breaks_the_reader(void **state) {
    (void)state;
    blob b = usual_pickle(6, 0, 2, 3, 3, 1);
    for (int packed = 0; packed < 2; packed++) {
        write_archive(packed, "archive/data.pkl", (const void *)b.bytes, b.size, "archive/data/0",
                      (const void *)six, sizeof six, (const char *)NULL);
        blob file = read_file();
        assert_true(open_and_read(file.bytes, file.size));
        for (size_t size = 0; size < file.size; size++) {
            unsigned char *exact = malloc(size + 1); /* the sanitizer sees one byte too far */
            memcpy(exact, file.bytes, size);
            assert_false(open_and_read(exact, size));
            free(exact);
        }
        for (size_t i = 0; i < file.size; i++)
            for (int bit = 0; bit < 8; bit++) {
                blob wrong = file;
                wrong.bytes[i] ^= (unsigned char)(1 << bit);
                open_and_read(wrong.bytes, wrong.size);
            }
    }
}

static void test_a_wrong_sum_is_found_when_values_are_read(void **state) {
    (void)state;
    blob b = usual_pickle(6, 0, 2, 3, 3, 1);
    write_pickle(&b);
    blob file = read_file();
    float values[6];
    unsigned char *at = memmem(file.bytes, file.size, six, sizeof six);
    assert_non_null(at);
    at[5] ^= 1;
    hoi_weights *w = hoi_weights_open_memory(file.bytes, file.size, "sum");
    assert_non_null(w);
    assert_false(hoi_weights_floats(w, hoi_weights_find(w, "w"), values));
    assert_non_null(strstr(hoi_error(), "archive/data/0' can not be read: CRC error"));
    hoi_weights_close(w);
}

/* Gets the record of an entry in the archive's directory. */
static unsigned char *central(blob *file, const char *name) {
    for (unsigned char *at = file->bytes + file->size - 46; at > file->bytes; at--)
        if (memcmp(at, "PK\1\2", 4) == 0 && memcmp(at + 46, name, strlen(name)) == 0)
            return at;
    fail_msg("no record of %s", name);
    return NULL;
}

static void test_archives_that_lie_about_sizes_or_names_are_refused(void **state) {
    (void)state;
    unsigned char *at;
    static const unsigned char huge[4] = {0, 0, 0, 0xC0}, many[4] = {0, 0, 0x10, 0};
    blob b = usual_pickle(6, 0, 2, 3, 3, 1), zeros = {.size = 4096};
    write_archive(true, "a.npy", (const void *)zeros.bytes, zeros.size, "b.npy",
                  (const void *)zeros.bytes, zeros.size, (const char *)NULL);
    blob file = read_file();
    at = central(&file, "b.npy");
    memcpy(at + 24, huge, 4); /* unpacked */
    write_file(file.bytes, file.size);
    refused("'b.npy' would unpack to 3221225472 bytes");
    file = read_file();
    at = central(&file, "b.npy");
    memcpy(at + 20, many, 4); /* packed */
    write_file(file.bytes, file.size);
    refused("'b.npy' has 1048576 bytes, more than the file has for it");
    write_archive(false, "archive/data.pkl", (const void *)b.bytes, b.size, "archive/data/0",
                  (const void *)six, sizeof six, "archive/data/1", (const void *)six, sizeof six,
                  (const char *)NULL);
    file = read_file();
    while ((at = memmem(file.bytes, file.size, "data/1", 6)))
        at[5] = '0';
    write_file(file.bytes, file.size);
    refused("two entries 'archive/data/0'");
    write_archive(false, "x/data.pkl", (const void *)b.bytes, b.size, "y/data.pkl",
                  (const void *)b.bytes, b.size, (const char *)NULL);
    refused("two entries data.pkl");
    write_archive(false, "x/data.pkl", (const void *)b.bytes, b.size, "x/byteorder", "big",
                  (size_t)3, (const char *)NULL);
    refused("its byte order is 'big', wanted little");
    write_archive(false, "x/y/data.pkl", (const void *)b.bytes, b.size, (const char *)NULL);
    refused("lies too deep");
    write_archive(false, "photo.jpg", (const void *)b.bytes, b.size, (const char *)NULL);
    refused("'photo.jpg' in it is no array");
}

/* Writes a .npy with a header of a dictionary's text. */
static void write_npy(const char *dictionary, const void *data, size_t size) {
    blob b = {0};
    uint16_t length = (uint16_t)strlen(dictionary);
    PUT(&b, "\x93NUMPY\1\0");
    put(&b, &length, 2);
    put(&b, dictionary, length);
    put(&b, data, size);
    write_file(b.bytes, b.size);
}

static void test_numpys_arrays_come_back_or_say_why_not(void **state) {
    (void)state;
    write_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", six, sizeof six);
    hoi_weights *w = hoi_weights_open(path);
    assert_non_null(w);
    check_floats(w, "array", six, 6);
    hoi_weights_close(w);
    write_npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}\n", six, sizeof six);
    w = hoi_weights_open(path);
    assert_non_null(w);
    check_floats(w, "array", (float[]){1, 3, 5, 2, 4, 6}, 6);
    hoi_weights_close(w);
    write_npy("{'descr': '<i2', 'fortran_order': False, 'shape': (3,)}", (int16_t[]){-1, 2, -300},
              6);
    w = hoi_weights_open(path);
    assert_non_null(w);
    check_floats(w, "array", (float[]){-1, 2, -300}, 3);
    hoi_weights_close(w);
    static const char *const wrong[][2] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3)}", "elements of type '>f4'"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2, 3)}", "elements of type '|O'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "array of records"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4)}", "has 24 bytes, its shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}", "no header of NumPy's"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999, 9)}",
         "no header of NumPy's"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
         "the shape's product overflows"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,6)}", "at most 8"},
        {"{'descr': '<f4', 'fortran_order': False}", "no header of NumPy's"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (2, 3)}", "no header of NumPy's"},
        {"{'descr': '<f4'", "no header of NumPy's"},
        {"", "no header of NumPy's"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_npy(wrong[i][0], six, sizeof six);
        refused(wrong[i][1]);
    }
    write_file("\x93NUMPY\1\0\xff\xff{'descr'", 18);
    refused("a header of 65535 bytes");
    write_file("\x93NUMPY\7\0\3\0   ", 13);
    refused("does not begin as an array of NumPy 1 to 3 does");
    write_file("\x80\4N.", 4);
    refused("a plain pickle");
    write_file("", 0);
    refused("the file is empty");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_of_a_storage_come_back_row_major),
        cmocka_unit_test(test_a_pickle_that_would_run_something_is_refused_by_its_name),
        cmocka_unit_test(test_tensors_that_do_not_fit_their_storage_are_refused),
        cmocka_unit_test(test_nesting_cycles_and_repetition_end),
        cmocka_unit_test(test_pickles_that_are_none_are_refused),
        cmocka_unit_test(test_no_cut_and_no_wrong_byte_breaks_the_reader),
        cmocka_unit_test(test_a_wrong_sum_is_found_when_values_are_read),
        cmocka_unit_test(test_archives_that_lie_about_sizes_or_names_are_refused),
        cmocka_unit_test(test_numpys_arrays_come_back_or_say_why_not),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
