/* test_record: a record that was cut off, changed or kept under another key is never taken for
   whole. */
#include "core/error.h"
#include "core/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static int make_path(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/hoi_record_%ld", (long)getpid());
    return 0;
}

static int drop_path(void **state) {
    (void)state;
    unlink(path);
    return 0;
}

static const char payload[] = "what was kept: \0 and more of it, 41 bytes";

static size_t write_and_read(unsigned char *file, size_t room) {
    assert_true(hoi_record_save(path, "key 1", payload, sizeof payload));
    FILE *in = fopen(path, "rb");
    size_t n = fread(file, 1, room, in);
    fclose(in);
    return n;
}

static void write_file(const unsigned char *bytes, size_t n) {
    FILE *out = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(out);
}

static hoi_record_state load(const char *key) {
    unsigned char *bytes = NULL;
    size_t n = 0;
    hoi_record_state state = hoi_record_load(path, key, &bytes, &n);
    if (state == HOI_RECORD_READ) {
        assert_int_equal(n, sizeof payload);
        assert_memory_equal(bytes, payload, n);
    } else {
        assert_null(bytes);
    }
    free(bytes);
    return state;
}

static void test_it_comes_back_under_its_key_alone(void **state) {
    (void)state;
    unlink(path);
    assert_int_equal(load("key 1"), HOI_RECORD_ABSENT);
    unsigned char file[256];
    write_and_read(file, sizeof file);
    assert_int_equal(load("key 1"), HOI_RECORD_READ);
    assert_int_equal(load("key 2"), HOI_RECORD_OTHER);
    assert_int_equal(load("key"), HOI_RECORD_OTHER);
}

static void test_cut_off_at_any_byte_it_is_damaged(void **state) {
    (void)state;
    unsigned char file[256];
    size_t n = write_and_read(file, sizeof file);
    for (size_t cut = 0; cut < n; cut++) {
        write_file(file, cut);
        assert_int_equal(load("key 1"), HOI_RECORD_DAMAGED);
        assert_non_null(strstr(hoi_error(), "cut off"));
    }
}

static void test_any_changed_bit_is_seen(void **state) {
    (void)state;
    unsigned char file[256];
    size_t n = write_and_read(file, sizeof file);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
        write_file(file, n);
        assert_int_equal(load("key 1"), HOI_RECORD_DAMAGED);
        assert_non_null(strstr(hoi_error(), path));
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    write_file(file, n);
    assert_int_equal(load("key 1"), HOI_RECORD_READ);
}

static void test_longer_than_it_says_it_is_damaged(void **state) {
    (void)state;
    unsigned char file[256] = {0};
    size_t n = write_and_read(file, sizeof file);
    write_file(file, n + 1);
    assert_int_equal(load("key 1"), HOI_RECORD_DAMAGED);
    (void)hoi_error();
}

static void test_what_can_not_be_written_or_read_says_why(void **state) {
    (void)state;
    assert_false(hoi_record_save("/tmp/no_such_folder_of_hoi/file", "key", payload, 1));
    assert_non_null(strstr(hoi_error(), "No such file"));
    unsigned char *bytes = NULL;
    size_t n;
    hoi_record_state read = hoi_record_load("/tmp", "key", &bytes, &n);
    assert_true(read == HOI_RECORD_DAMAGED || read == HOI_RECORD_FAILED);
    assert_non_null(strstr(hoi_error(), "/tmp"));
}

static void test_checksums_differ_by_content_length_and_order(void **state) {
    (void)state;
    assert_int_not_equal(hoi_record_checksum("", 0), hoi_record_checksum("\0", 1));
    assert_int_not_equal(hoi_record_checksum("\0", 1), hoi_record_checksum("\0\0", 2));
    assert_int_not_equal(hoi_record_checksum("12345678abcdefgh", 16),
                         hoi_record_checksum("abcdefgh12345678", 16));
    assert_int_equal(hoi_record_checksum("abc", 3), hoi_record_checksum("abcd", 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_comes_back_under_its_key_alone),
        cmocka_unit_test(test_cut_off_at_any_byte_it_is_damaged),
        cmocka_unit_test(test_any_changed_bit_is_seen),
        cmocka_unit_test(test_longer_than_it_says_it_is_damaged),
        cmocka_unit_test(test_what_can_not_be_written_or_read_says_why),
        cmocka_unit_test(test_checksums_differ_by_content_length_and_order),
    };
    return cmocka_run_group_tests(tests, make_path, drop_path);
}
