/* test_tokenizer: ids equal to Hugging Face's, and a small vocabulary learnt, saved and read again.
   */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "core/error.h"
#include "core/tokenizer.h"
#include "core/words.h"

static cJSON *golden;
static hoi_tokenizer *clip; /* NULL: CLIP's own vocabulary is not there */

static char *read_file(const char *path) {
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return NULL;
    size_t size = 0, capacity = 1 << 20;
    char *text = malloc(capacity);
    assert_non_null(text);
    size = fread(text, 1, capacity - 1, stream);
    assert_true(size < capacity - 1);
    fclose(stream);
    text[size] = 0;
    return text;
}

static int open_golden(void **state) {
    (void)state;
    char *text = read_file("tests/golden/tokenizer.json");
    if (!text) {
        fprintf(stderr, "tests/golden/tokenizer.json is missing: run in the source folder\n");
        return -1;
    }
    golden = cJSON_Parse(text);
    free(text);
    const char *data = getenv("HOI_DATA");
    char folder[1024], file[1100];
    snprintf(folder, sizeof folder, "%s/tokenizer", data ? data : "../shared/data");
    snprintf(file, sizeof file, "%s/vocab.json", folder);
    if (access(file, F_OK) == 0) {
        clip = hoi_tokenizer_open(folder);
        if (!clip) {
            fprintf(stderr, "%s\n", hoi_error());
            return -1;
        }
    } else {
        fprintf(stderr, "no %s: the tests with CLIP's vocabulary are SKIPPED (set HOI_DATA)\n",
                file);
    }
    return golden ? 0 : -1;
}

static int close_golden(void **state) {
    (void)state;
    cJSON_Delete(golden);
    hoi_tokenizer_free(clip);
    return 0;
}

static const hoi_tokenizer *clip_or_skip(void) {
    if (!clip) {
        print_message(
            "SKIPPED: no CLIP vocabulary in ../shared/data/tokenizer or $HOI_DATA/tokenizer\n");
        skip();
    }
    return clip;
}

static void check_ids(const hoi_tokenizer *t, const char *text, const int *wanted, int count) {
    int *ids, made;
    if (!hoi_tokenizer_encode(t, text, &ids, &made))
        fail_msg("%s", hoi_error());
    bool same = made == count && memcmp(ids, wanted, (size_t)count * sizeof *ids) == 0;
    if (!same) {
        print_error("\"%s\"\n  wanted:", text);
        for (int i = 0; i < count; i++)
            print_error(" %d", wanted[i]);
        print_error("\n  found: ");
        for (int i = 0; i < made; i++)
            print_error(" %d", ids[i]);
        print_error("\n");
    }
    free(ids);
    assert_true(same);
}

static int check_strings(const hoi_tokenizer *t, const cJSON *strings) {
    int checked = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, strings) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(one, "ids"), *id;
        int ids[1024], count = 0;
        assert_true(cJSON_GetArraySize(list) <= 1024);
        cJSON_ArrayForEach(id, list) ids[count++] = id->valueint;
        check_ids(t, cJSON_GetObjectItemCaseSensitive(one, "text")->valuestring, ids, count);
        checked++;
    }
    return checked;
}

static void ids_equal_those_of_hugging_face(void **state) {
    (void)state;
    const cJSON *strings = cJSON_GetObjectItemCaseSensitive(golden, "strings");
    assert_true(check_strings(clip_or_skip(), strings) >= 200);
}

static void ids_equal_those_of_openai(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int ids[24];
    } vectors[] = {
        {"a diagram", {49406, 320, 22697, 49407}},
        {"hello world", {49406, 3306, 1002, 49407}},
        {"a photo of a dog.", {49406, 320, 1125, 539, 320, 1929, 269, 49407}},
        {"X X X X", {49406, 343, 343, 343, 343, 49407}},
        {"a photo of a yorkshire terrier, a type of pet.",
         {49406, 320, 1125, 539, 320, 8633, 14455, 267, 320, 3877, 539, 3703, 269, 49407}},
        {"a centered satellite photo of Annual Crop Land.",
         {49406, 320, 24584, 10316, 1125, 539, 2906, 9955, 973, 269, 49407}},
        {"banded texture.", {49406, 37804, 16505, 269, 49407}},
        {"a photo of a 747-400, a type of aircraft.",
         {49406, 320, 1125, 539, 320, 278, 275, 278, 268, 275, 271, 271, 267, 320, 3877, 539, 7706,
          269, 49407}},
        {"it's   a Caf\u00e9! 123", {49406, 585, 568, 320, 15304, 256, 272, 273, 274, 49407}},
        {"&lt;3 na\u00efve", {49406, 283, 274, 1097, 35689, 563, 49407}},
    };
    const hoi_tokenizer *t = clip_or_skip();
    assert_int_equal(hoi_tokenizer_size(t), 49408);
    assert_int_equal(hoi_tokenizer_start(t), 49406);
    assert_int_equal(hoi_tokenizer_end(t), 49407);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        int count = 1;
        while (vectors[i].ids[count - 1] != 49407)
            count++;
        check_ids(t, vectors[i].text, vectors[i].ids, count);
    }
}

static void check_text(const hoi_tokenizer *t, const char *text, const char *wanted) {
    int *ids, count;
    assert_true(hoi_tokenizer_encode(t, text, &ids, &count));
    size_t size;
    char *back = hoi_tokenizer_decode(t, ids, count, &size);
    assert_non_null(back);
    assert_string_equal(back, wanted);
    assert_int_equal(strlen(back), size);
    free(back);
    free(ids);
}

static void decoding_gives_the_words_back(void **state) {
    (void)state;
    const hoi_tokenizer *t = clip_or_skip();
    check_text(t, "", "");
    check_text(t, "A Photo of\ta dog.", "a photo of a dog .");
    check_text(t, "it's 42", "it 's 4 2");
    check_text(t, "Caf\u00e9 \u4eba \U0001f600", "caf\u00e9 \u4eba \U0001f600");
}

static void saved_vocabulary_of_clip_is_the_same(void **state) {
    (void)state;
    const hoi_tokenizer *t = clip_or_skip();
    char folder[] = "/tmp/hoi-tokenizer-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_true(hoi_tokenizer_save(t, folder));
    hoi_tokenizer *again = hoi_tokenizer_open(folder);
    assert_non_null(again);
    check_strings(again, cJSON_GetObjectItemCaseSensitive(golden, "strings"));
    hoi_tokenizer_free(again);
    char path[64];
    snprintf(path, sizeof path, "%s/vocab.json", folder);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/merges.txt", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* ------------------------------------------------------------------ a small vocabulary, always
   there */

static const cJSON *small(const char *key) {
    const cJSON *part = cJSON_GetObjectItemCaseSensitive(golden, "small");
    return cJSON_GetObjectItemCaseSensitive(part, key);
}

static hoi_tokenizer *learn_small(void) {
    const char *texts[64];
    size_t count = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, small("corpus")) {
        assert_true(count < 64);
        texts[count++] = one->valuestring;
    }
    hoi_tokenizer *t = hoi_tokenizer_learn(texts, count, small("merges")->valueint);
    if (!t)
        fail_msg("%s", hoi_error());
    return t;
}

static void learnt_merges_equal_the_plain_algorithm(void **state) {
    (void)state;
    hoi_tokenizer *t = learn_small();
    assert_int_equal(hoi_tokenizer_size(t), small("size")->valueint);
    assert_int_equal(hoi_tokenizer_end(t), hoi_tokenizer_size(t) - 1);
    char folder[] = "/tmp/hoi-tokenizer-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    assert_true(hoi_tokenizer_save(t, folder));
    snprintf(path, sizeof path, "%s/merges.txt", folder);
    char *merges = read_file(path), *line = merges;
    assert_non_null(merges);
    assert_int_equal(unlink(path), 0);
    assert_memory_equal(line, "#version: 0.2\n", 14);
    line += 14;
    const cJSON *one;
    cJSON_ArrayForEach(one, small("learned")) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = 0;
        assert_string_equal(line, one->valuestring);
        line = end + 1;
    }
    assert_int_equal(*line, 0);
    free(merges);
    snprintf(path, sizeof path, "%s/vocab.json", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    hoi_tokenizer_free(t);
}

static void learnt_ids_equal_those_of_hugging_face(void **state) {
    (void)state;
    hoi_tokenizer *t = learn_small();
    assert_true(check_strings(t, small("strings")) >= 10);
    hoi_tokenizer_free(t);
}

static void saved_and_read_again_it_encodes_the_same(void **state) {
    (void)state;
    hoi_tokenizer *t = learn_small();
    char parent[] = "/tmp/hoi-tokenizer-XXXXXX", folder[64], path[80];
    assert_non_null(mkdtemp(parent));
    snprintf(folder, sizeof folder, "%s/new", parent);
    assert_true(hoi_tokenizer_save(t, folder)); /* makes the folder */
    assert_true(hoi_tokenizer_save(t, folder)); /* and replaces what is there */
    hoi_tokenizer_free(t);
    t = hoi_tokenizer_open(folder);
    assert_non_null(t);
    check_strings(t, small("strings"));
    hoi_tokenizer_free(t);
    snprintf(path, sizeof path, "%s/merges.txt", folder);
    assert_int_equal(unlink(path), 0);
    assert_null(hoi_tokenizer_open(folder));
    const char *message = hoi_error();
    assert_non_null(strstr(message, path));
    snprintf(path, sizeof path, "%s/vocab.json", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(rmdir(parent), 0);
    snprintf(folder, sizeof folder, "%s/no/where", parent);
    t = learn_small();
    assert_false(hoi_tokenizer_save(t, folder));
    assert_non_null(strstr(hoi_error(), folder));
    hoi_tokenizer_free(t);
}

static void learnt_vocabulary_reads_what_it_lacks_as_question_marks(void **state) {
    (void)state;
    hoi_tokenizer *t = learn_small();
    check_text(t, "a person \u4eba\u4eba na\u00efve", "a person ?? na?ve");
    check_text(t, "\U0001f600 \x01", "? ?");
    hoi_tokenizer_free(t);
}

static void learning_from_nothing_gives_the_alphabet(void **state) {
    (void)state;
    hoi_tokenizer *t = hoi_tokenizer_learn(NULL, 0, 100);
    assert_non_null(t);
    assert_int_equal(hoi_tokenizer_size(t), 138);
    check_text(t, "Any text, still.", "any text , still .");
    hoi_tokenizer_free(t);
    assert_null(hoi_tokenizer_learn(NULL, 0, -1));
    assert_string_equal(hoi_error(), "tokenizer: -1 merges, wanted 0 to 65536");
}

static void rows_are_filled_with_end_tokens(void **state) {
    (void)state;
    hoi_tokenizer *t = learn_small();
    const int end = hoi_tokenizer_end(t);
    const char *const texts[] = {"", "a x", "x<|endoftext|>x"};
    int32_t ids[3][8], eot[3];
    assert_true(hoi_tokenizer_batch(t, texts, 3, 8, false, ids[0], eot));
    assert_int_equal(eot[0], 1);
    assert_int_equal(eot[1], 3);
    assert_int_equal(eot[2], 2); /* the first of them, as by argmax of the ids */
    for (int row = 0; row < 2; row++) {
        assert_int_equal(ids[row][0], hoi_tokenizer_start(t));
        for (int i = 1; i < 8; i++)
            assert_int_equal(ids[row][i] == end, i >= eot[row]);
    }
    hoi_tokenizer_free(t);
}

static void long_texts_are_refused_or_cut(void **state) {
    (void)state;
    hoi_tokenizer *t = learn_small();
    const char *const texts[] = {"x", "x x x x x"};
    int32_t ids[2][5], eot[2];
    assert_false(hoi_tokenizer_batch(t, texts, 2, 5, false, ids[0], eot));
    assert_string_equal(hoi_error(), "tokenizer: \"x x x x x\" has 7 tokens, the context is 5: "
                                     "shorten it or ask for truncation");
    assert_true(hoi_tokenizer_batch(t, texts, 2, 5, true, ids[0], eot));
    assert_int_equal(eot[0], 2);
    assert_int_equal(eot[1], 4);
    assert_int_equal(ids[1][3], ids[0][1]);
    assert_int_equal(ids[1][4], hoi_tokenizer_end(t));
    assert_false(hoi_tokenizer_batch(t, texts, 2, 1, true, ids[0], eot));
    assert_string_equal(hoi_error(), "tokenizer: a context of 1, wanted at least 2");
    hoi_tokenizer_free(t);
}

static void text_that_is_not_utf8_is_refused_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"ab\xffz", "byte 3 of the text (0xFF, after 'ab')"},
        {"\xc0\xaf", "byte 1 of the text (0xC0"},     /* overlong */
        {"\u00e9\xed\xa0\x80", "byte 3 of the text"}, /* a surrogate */
        {"x\xe4\xba", "byte 2 of the text (0xE4"},    /* cut short */
        {"xy\xf4\x90\x80\x80", "byte 3 of the text"}, /* beyond U+10FFFF */
    };
    hoi_tokenizer *t = learn_small();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int *ids, count;
        assert_false(hoi_tokenizer_encode(t, wrong[i].text, &ids, &count));
        assert_null(ids);
        const char *message = hoi_error();
        if (!strstr(message, wrong[i].message))
            fail_msg("'%s' does not say '%s'", message, wrong[i].message);
    }
    hoi_tokenizer_free(t);
}

static void ids_out_of_range_are_refused(void **state) {
    (void)state;
    hoi_tokenizer *t = learn_small();
    size_t size;
    const int ids[] = {0, hoi_tokenizer_size(t), -1};
    assert_null(hoi_tokenizer_decode(t, ids, 2, &size));
    assert_non_null(strstr(hoi_error(), "wanted 0 to"));
    assert_null(hoi_tokenizer_decode(t, ids + 2, 1, &size));
    assert_non_null(strstr(hoi_error(), "id -1"));
    hoi_tokenizer_free(t);
}

static void wrong_files_say_what_is_wrong(void **state) {
    (void)state;
#define ENDS "\"<|startoftext|>\":0,\"<|endoftext|>\":1"
    static const struct {
        const char *vocabulary, *merges, *message;
    } wrong[] = {
        {"", "", "vocab.json: no JSON from byte"},
        {"{\"a\":", "", "vocab.json: no JSON from byte"},
        {"{} x", "", "vocab.json: no JSON from byte"},
        {"[1]", "", "wanted an object"},
        {"{}", "", "no '<|startoftext|>'"},
        {"{\"<|startoftext|>\":0}", "", "no '<|endoftext|>'"},
        {"{" ENDS ",\"a\":\"b\"}", "", "the id of 'a' is not a whole number from 0 to 2"},
        {"{" ENDS ",\"a\":-1}", "", "the id of 'a'"},
        {"{" ENDS ",\"a\":1.5}", "", "the id of 'a'"},
        {"{" ENDS ",\"a\":3}", "", "the id of 'a'"},
        {"{" ENDS ",\"a\":1e300}", "", "the id of 'a'"},
        {"{" ENDS ",\"a\":1}", "", "'<|endoftext|>' and 'a' have the same id 1"},
        {"{" ENDS ",\"a\":2,\"a\":3}", "", "two ids of 'a'"},
        {"{" ENDS ",\"a\":2}", "#version: 0.2\na", "merges.txt: line 2 is 'a', wanted two symbols"},
        {"{" ENDS ",\"a\":2}", "a b c", "line 1 is 'a b c'"},
        {"{" ENDS ",\"a\":2}", " a", "line 1 is ' a'"},
        {"{" ENDS ",\"a\":2}", "a b", "line 1: the vocabulary has no 'b'"},
        {"{" ENDS ",\"a\":2}", "a a", "line 1: the vocabulary has no 'aa'"},
        {"{" ENDS ",\"a\":2,\"aa\":3}", "a a\r\n\r\na a\r\n", "line 3: the merge of 'a' and 'a'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_null(hoi_tokenizer_open_memory(wrong[i].vocabulary, wrong[i].merges));
        const char *message = hoi_error();
        if (!strstr(message, wrong[i].message))
            fail_msg("%zu: '%s' does not say '%s'", i, message, wrong[i].message);
    }
    hoi_tokenizer *t = hoi_tokenizer_open_memory("{" ENDS ",\"a\":2}", "");
    assert_non_null(t);
    int *ids, count;
    assert_false(hoi_tokenizer_encode(t, "ab", &ids, &count));
    assert_string_equal(hoi_error(), "tokenizer: the vocabulary has neither 'b' nor '?'");
    hoi_tokenizer_free(t);
    hoi_tokenizer_free(NULL);
    assert_null(hoi_tokenizer_open("/nonexistent"));
    assert_non_null(strstr(hoi_error(), "/nonexistent/vocab.json"));
}

/* "a a" first, then "aa a": the lowest rank wins wherever it is, the leftmost of equals. */
static void merges_go_by_rank_then_from_the_left(void **state) {
    (void)state;
    hoi_tokenizer *t = hoi_tokenizer_open_memory(
        "{" ENDS ",\"a\":2,\"a</w>\":3,\"aa\":4,\"aa</w>\":5,\"aaaa\":6,\"aaa</w>\":7}",
        "#version: 0.2\na a\naa aa\naa a</w>\na a</w>\n");
    assert_non_null(t);
    check_ids(t, "a", (const int[]){0, 3, 1}, 3);
    check_ids(t, "aa", (const int[]){0, 5, 1}, 3);
    check_ids(t, "aaa", (const int[]){0, 7, 1}, 3);
    check_ids(t, "aaaa", (const int[]){0, 4, 5, 1}, 4);
    check_ids(t, "aaaaa", (const int[]){0, 6, 3, 1}, 4);
    check_ids(t, "aaaaaa", (const int[]){0, 6, 5, 1}, 4);
    hoi_tokenizer_free(t);
}

static void one_long_word_does_not_take_quadratic_time(void **state) {
    (void)state;
    hoi_tokenizer *t = learn_small();
    const size_t size =
        1 << 20; /* a scan for each merge would take hours: the test's time limit ends it */
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'a', size);
    text[size] = 0;
    int *ids, count;
    assert_true(hoi_tokenizer_encode(t, text, &ids, &count));
    assert_in_range(count, 3, (int)size / 2);
    free(ids);
    free(text);
    hoi_tokenizer_free(t);
}

static void words_are_cut_at_each_change_of_kind(void **state) {
    (void)state;
    static const char *const wanted[] = {"ab", "'s", "1", "2",  "_-", "\u00e9",
                                         "",   "x",  "",  "!'", "re"};
    char *clean = hoi_words_clean("  AB's12_-e\u0301 <|startoftext|>X<|endoftext|>!'re");
    assert_non_null(clean);
    const char *cursor = clean;
    hoi_word word;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_true(hoi_words_next(&cursor, &word));
        assert_int_equal(word.kind, i == 6   ? HOI_WORD_START
                                    : i == 8 ? HOI_WORD_END
                                             : HOI_WORD_PLAIN);
        if (*wanted[i]) {
            assert_int_equal(word.size, strlen(wanted[i]));
            assert_memory_equal(word.bytes, wanted[i], word.size);
        }
    }
    assert_false(hoi_words_next(&cursor, &word));
    free(clean);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_equal_those_of_hugging_face),
        cmocka_unit_test(ids_equal_those_of_openai),
        cmocka_unit_test(decoding_gives_the_words_back),
        cmocka_unit_test(saved_vocabulary_of_clip_is_the_same),
        cmocka_unit_test(learnt_merges_equal_the_plain_algorithm),
        cmocka_unit_test(learnt_ids_equal_those_of_hugging_face),
        cmocka_unit_test(saved_and_read_again_it_encodes_the_same),
        cmocka_unit_test(learnt_vocabulary_reads_what_it_lacks_as_question_marks),
        cmocka_unit_test(learning_from_nothing_gives_the_alphabet),
        cmocka_unit_test(rows_are_filled_with_end_tokens),
        cmocka_unit_test(long_texts_are_refused_or_cut),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_with_its_place),
        cmocka_unit_test(ids_out_of_range_are_refused),
        cmocka_unit_test(wrong_files_say_what_is_wrong),
        cmocka_unit_test(merges_go_by_rank_then_from_the_left),
        cmocka_unit_test(one_long_word_does_not_take_quadratic_time),
        cmocka_unit_test(words_are_cut_at_each_change_of_kind),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
