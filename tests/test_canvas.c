/* test_canvas: what is drawn is where it belongs: boxes, lines, labels, sheets, plots. */
#include "core/canvas.h"
#include "core/error.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* fontconfig keeps its tables until the end behind pointers that a leak checker can not follow. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libfontconfig";
}

enum { red = 0xFF0000, green = 0x00C000, ground = 0x203040 };

static hoi_image *plain(int width, int height) {
    hoi_image *image = hoi_image_new(width, height);
    assert_non_null(image);
    for (int i = 0; i < width * height; i++) {
        image->rgb[i * 3] = ground >> 16 & 255;
        image->rgb[i * 3 + 1] = ground >> 8 & 255;
        image->rgb[i * 3 + 2] = ground & 255;
    }
    return image;
}

static hoi_canvas *canvas_on(int width, int height, double scale) {
    hoi_image *image = plain(width, height);
    hoi_canvas *canvas = hoi_canvas_new(image, scale);
    assert_non_null(canvas);
    hoi_image_free(image);
    return canvas;
}

/* Takes the picture and drops the canvas. */
static hoi_image *take(hoi_canvas *canvas) {
    hoi_image *image = hoi_canvas_finish(canvas);
    assert_non_null(image);
    hoi_canvas_free(canvas);
    return image;
}

static unsigned pixel(const hoi_image *image, int x, int y) {
    const unsigned char *p = image->rgb + (y * image->width + x) * 3;
    return (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
}

static int count(const hoi_image *image, unsigned color) {
    int n = 0;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++)
            n += pixel(image, x, y) == color;
    return n;
}

/* ------------------------------------------------------------------ boxes and lines */

static void a_box_is_drawn_along_its_edges_in_its_color(void **state) {
    (void)state;
    hoi_canvas *canvas = canvas_on(100, 80, 1);
    hoi_canvas_box(canvas, (float[]){10, 20, 60, 70}, red);
    hoi_image *image = take(canvas);
    for (int x = 10; x < 60; x++) {
        assert_int_equal(pixel(image, x, 20), red);
        assert_int_equal(pixel(image, x, 21), red);
        assert_int_equal(pixel(image, x, 69), red);
    }
    for (int y = 20; y < 70; y++) {
        assert_int_equal(pixel(image, 10, y), red);
        assert_int_equal(pixel(image, 59, y), red);
    }
    assert_int_equal(count(image, red), 2 * (50 + 50) * 2 - 16);
    assert_int_equal(pixel(image, 35, 45), ground); /* the inside stays */
    assert_int_equal(pixel(image, 7, 45), ground);
    assert_int_equal(pixel(image, 62, 45), ground);
    hoi_image_free(image);
}

static void a_box_reaching_outside_shows_its_edges_at_the_border(void **state) {
    (void)state;
    hoi_canvas *canvas = canvas_on(100, 80, 1);
    hoi_canvas_box(canvas, (float[]){-30, -5, 130, INFINITY}, red);
    hoi_canvas_box(canvas, (float[]){NAN, 300, 400, 500}, green);
    hoi_image *image = take(canvas);
    assert_int_equal(pixel(image, 0, 40), red);
    assert_int_equal(pixel(image, 99, 40), red);
    assert_int_equal(pixel(image, 50, 0), red);
    hoi_image_free(image);
}

static void the_same_box_twice_shows_both_colors(void **state) {
    (void)state;
    hoi_canvas *canvas = canvas_on(100, 80, 1);
    for (int i = 0; i < 40; i++) /* many: the list of boxes grows */
        hoi_canvas_box(canvas, (float[]){(float)i, 1, 90, 79}, red);
    hoi_canvas_box(canvas, (float[]){10, 1, 90, 79}, green);
    hoi_image *image = take(canvas);
    assert_int_equal(pixel(image, 88, 40), red);
    assert_int_equal(pixel(image, 85, 40), green);
    hoi_image_free(image);
}

static void coordinates_are_the_given_pictures_at_any_scale(void **state) {
    (void)state;
    hoi_canvas *canvas = canvas_on(96, 96, 0);
    hoi_canvas_box(canvas, (float[]){10, 10, 50, 60}, red);
    hoi_image *image = take(canvas);
    assert_int_equal(image->width, 384);
    assert_int_equal(image->height, 384);
    assert_int_equal(pixel(image, 40, 100), red);
    assert_int_equal(pixel(image, 199, 100), red);
    assert_int_equal(pixel(image, 120, 239), red);
    hoi_image_free(image);

    image = take(canvas_on(640, 480, 0));
    assert_int_equal(image->width, 640);
    hoi_image_free(image);
    image = take(canvas_on(1, 3, 0));
    assert_int_equal(image->height, 48);
    hoi_image_free(image);
    image = take(canvas_on(100, 50, 0.5));
    assert_int_equal(image->width, 50);
    assert_int_equal(image->height, 25);
    assert_int_equal(count(image, ground), 50 * 25);
    hoi_image_free(image);

    image = plain(10, 10);
    assert_null(hoi_canvas_new(image, -1));
    assert_non_null(strstr(hoi_error(), "scale -1"));
    assert_null(hoi_canvas_new(image, NAN));
    assert_non_null(strstr(hoi_error(), "scale"));
    assert_null(hoi_canvas_new(image, 1e6));
    assert_non_null(strstr(hoi_error(), "scale"));
    hoi_image_free(image);
}

static void a_line_joins_the_centres_of_a_pair(void **state) {
    (void)state;
    hoi_canvas *canvas = canvas_on(400, 400, 1);
    hoi_canvas_interaction(canvas, (float[]){20, 100, 80, 300}, (float[]){220, 160, 320, 240},
                           "ride horse 0.83", red);
    hoi_image *image = take(canvas);
    assert_int_equal(pixel(image, 50, 200), red);
    assert_int_equal(pixel(image, 160, 200), red);
    assert_int_equal(pixel(image, 270, 200), red);
    assert_int_equal(pixel(image, 20, 250), red);
    assert_int_equal(pixel(image, 220, 230), red);
    hoi_image_free(image);

    canvas = canvas_on(400, 400, 1);
    hoi_canvas_interaction(canvas, (float[]){20, 100, 80, 300}, NULL, "walk 0.5", red);
    image = take(canvas);
    assert_int_equal(pixel(image, 20, 250), red);
    assert_int_equal(pixel(image, 50, 200), ground);
    hoi_image_free(image);
}

/* ------------------------------------------------------------------ labels */

/* Gets how many pixels of its color one label alone has. */
static int label_pixels(float x, float y, const char *text, unsigned color) {
    hoi_canvas *canvas = canvas_on(300, 200, 1);
    hoi_canvas_label(canvas, x, y, text, color);
    hoi_image *image = take(canvas);
    int n = count(image, color);
    hoi_image_free(image);
    return n;
}

static void a_label_never_leaves_the_picture(void **state) {
    (void)state;
    int whole = label_pixels(100, 100, "hold cup 0.7", red);
    assert_true(whole > 500);
    static const float corners[][2] = {{-50, -50}, {0, 0},        {299, 0},  {299, 199},
                                       {0, 500},   {1e9f, -1e9f}, {NAN, NAN}};
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++)
        assert_int_equal(label_pixels(corners[i][0], corners[i][1], "hold cup 0.7", red), whole);
}

static void labels_at_one_place_cover_none_of_each_other(void **state) {
    (void)state;
    enum { labels = 20 };
    int whole[labels];
    hoi_canvas *canvas = canvas_on(300, 200, 1);
    for (int i = 0; i < labels; i++) {
        char text[32];
        snprintf(text, sizeof text, "verb %d", i);
        whole[i] = label_pixels(20, 30, text, 0xA00000u + (unsigned)i);
        hoi_canvas_label(canvas, 20, 30, text, 0xA00000u + (unsigned)i);
    }
    hoi_image *image = take(canvas);
    for (int i = 0; i < labels; i++)
        assert_int_equal(count(image, 0xA00000u + (unsigned)i), whole[i]);
    hoi_image_free(image);
}

static void lines_of_one_label_stack(void **state) {
    (void)state;
    int one = label_pixels(100, 100, "ride", red), two = label_pixels(100, 100, "ride\nride", red);
    assert_in_range(two, one * 3 / 2, one * 2);
}

static void labels_lie_above_boxes_drawn_later(void **state) {
    (void)state;
    hoi_canvas *canvas = canvas_on(300, 200, 1);
    hoi_canvas_label(canvas, 100, 100, "ride", red);
    hoi_canvas_box(canvas, (float[]){90, 80, 200, 150}, green);
    hoi_canvas_line(canvas, 80, 90, 200, 95, green);
    hoi_image *image = take(canvas);
    assert_int_equal(count(image, red), label_pixels(100, 100, "ride", red));
    hoi_image_free(image);
}

static void text_that_is_long_or_no_text_at_all_is_survived(void **state) {
    (void)state;
    char *text = malloc(100001);
    memset(text, 'w', 100000);
    text[100000] = 0;
    int n = label_pixels(10, 100, text, red);
    assert_true(n > 300 && n < 300 * 40);
    free(text);
    assert_true(label_pixels(10, 100, "", red) > 0);
    assert_true(label_pixels(10, 100, "a\xff\xc3 b \xed\xa0\x80 \xf5\x80 \xe2\x82", red) > 300);
    assert_true(label_pixels(10, 100, "\xc3\xa9\xe4\xbd\xa0", red) > 0);
    assert_true(label_pixels(10, 100, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", red) > 0);
    hoi_canvas *canvas = canvas_on(2, 2, 1);
    hoi_canvas_label(canvas, 0, 0, "wide", red);
    hoi_canvas_legend(canvas, 1, (const char *const[]){"wide"}, (unsigned[]){green});
    hoi_image_free(take(canvas));
}

static void a_legend_shows_each_color_in_the_upper_right_corner(void **state) {
    (void)state;
    hoi_canvas *canvas = canvas_on(400, 300, 1);
    hoi_canvas_legend(canvas, 2, (const char *const[]){"truth", "found"}, (unsigned[]){red, green});
    hoi_canvas_label(canvas, 399, 0, "kept off", 0x123456); /* labels do not cover it */
    hoi_image *image = take(canvas);
    assert_int_equal(count(image, red), 144);
    assert_int_equal(count(image, green), 144);
    for (int y = 0; y < 300; y++)
        for (int x = 0; x < 200; x++)
            assert_int_equal(pixel(image, x, y), ground);
    hoi_image_free(image);
}

static void the_palette_has_eight_different_colors_and_begins_anew(void **state) {
    (void)state;
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < i; j++)
            assert_int_not_equal(hoi_canvas_color(i), hoi_canvas_color(j));
    assert_int_equal(hoi_canvas_color(8), hoi_canvas_color(0));
    assert_int_equal(hoi_canvas_color(-1), hoi_canvas_color(7));
}

/* ------------------------------------------------------------------ sheets */

static void a_sheet_shows_every_picture(void **state) {
    (void)state;
    hoi_image *big = plain(200, 100), *small = plain(50, 60);
    const hoi_image *images[] = {big, small, big};
    const char *captions[] = {"one", NULL, "two\nlines"};
    hoi_image *sheet = hoi_canvas_sheet(3, images, 2, captions),
              *bare = hoi_canvas_sheet(3, images, 0, NULL);
    assert_non_null(sheet);
    assert_non_null(bare);
    assert_int_equal(sheet->width, 2 * 208 + 8);
    assert_int_equal(count(sheet, ground), 2 * 200 * 100 + 50 * 60);
    assert_int_equal(count(bare, ground), 2 * 200 * 100 + 50 * 60);
    assert_int_equal(pixel(sheet, 8, 8), ground);
    assert_int_equal(bare->height, 2 * 108 + 8);
    assert_true(sheet->height > bare->height + 4 * 13);
    int dark = 0; /* the caption below the first picture */
    for (int y = 108; y < 126; y++)
        for (int x = 8; x < 60; x++)
            dark += (pixel(sheet, x, y) & 255) < 128;
    assert_true(dark > 10);
    hoi_image_free(sheet);
    hoi_image_free(bare);

    sheet = hoi_canvas_sheet(1, (const hoi_image *const[]){small}, 5,
                             NULL); /* small ones grow: 60 -> 240 */
    assert_non_null(sheet);
    assert_int_equal(sheet->width, 4 * 50 + 16);
    assert_int_equal(count(sheet, ground), 200 * 240);
    hoi_image_free(sheet);
    assert_null(hoi_canvas_sheet(0, images, 2, NULL));
    assert_non_null(strstr(hoi_error(), "sheet of 0 pictures"));
    hoi_image_free(big);
    hoi_image_free(small);
}

static void a_sheet_too_large_for_a_picture_is_refused(void **state) {
    (void)state;
    hoi_image *image = plain(1000, 10);
    const hoi_image *images[40];
    for (int i = 0; i < 40; i++)
        images[i] = image;
    assert_null(hoi_canvas_sheet(40, images, 40, NULL));
    assert_non_null(strstr(hoi_error(), "sheet of 40 pictures"));
    hoi_image_free(image);
}

/* ------------------------------------------------------------------ plots */

static void a_plot_shows_every_curve_and_band(void **state) {
    (void)state;
    double x[] = {1, 2, 3, 4}, up[] = {0.1, 0.2, 0.3, 0.4}, down[] = {0.4, NAN, 0.2, 0.1},
           d[] = {.05, .05, NAN, .05};
    hoi_series series[] = {{"up", 4, x, up, d}, {"down", 4, NULL, down, NULL}};
    hoi_plot plot = {"title", "epoch", "mAP", 0, 0, false, 0, NULL, 2, series};
    hoi_image *image = hoi_plot_draw(&plot);
    assert_non_null(image);
    assert_int_equal(image->width, 800);
    assert_int_equal(image->height, 500);
    assert_int_equal(pixel(image, 0, 0), 0xFFFFFF);
    assert_true(count(image, hoi_canvas_color(0)) > 500);
    assert_true(count(image, hoi_canvas_color(1)) > 200);
    int pale = 0, dark = 0; /* the band: a fifth of the color on white; the title */
    for (int i = 0; i < 800 * 500; i++)
        pale += abs(image->rgb[3 * i] - 0xCC) < 3 && abs(image->rgb[3 * i + 1] - 0xE3) < 3;
    assert_true(pale > 2000);
    for (int y = 0; y < 40; y++)
        for (int i = 300; i < 500; i++)
            dark += (pixel(image, i, y) & 255) < 100;
    assert_true(dark > 50);
    hoi_image_free(image);
}

/* Gets the height of the highest bar of a color. */
static int bar_height(const hoi_image *image, int from, int to, unsigned color) {
    int best = 0;
    for (int x = from; x < to; x++) {
        int n = 0;
        for (int y = 50; y < image->height; y++) /* below the legend */
            n += pixel(image, x, y) == color;
        best = n > best ? n : best;
    }
    return best;
}

static void bars_are_as_high_as_their_values(void **state) {
    (void)state;
    double a[] = {10, 20, -5}, b[] = {30, NAN, 15}, d[] = {1, 2, 1};
    const char *names[] = {"full", "seen",
                           "a name that is too long to stand below its bar without being turned"};
    hoi_series series[] = {{"a", 3, NULL, a, d}, {"b", 3, NULL, b, NULL}};
    hoi_plot plot = {"bars", NULL, NULL, 600, 400, true, 3, names, 2, series};
    hoi_image *image = hoi_plot_draw(&plot);
    assert_non_null(image);
    unsigned first = hoi_canvas_color(0), second = hoi_canvas_color(1);
    int third = image->width / 3;
    int thirty = bar_height(image, 0, third, second), ten = bar_height(image, 0, third, first);
    int twenty = bar_height(image, third, 2 * third, first),
        five = bar_height(image, 2 * third, 3 * third, first);
    assert_in_range(3 * ten, thirty - 6, thirty + 6);
    assert_in_range(3 * twenty, 2 * thirty - 6, 2 * thirty + 6);
    assert_in_range(6 * five, thirty - 9, thirty + 9);
    assert_int_equal(bar_height(image, third + 30, 2 * third - 10, second),
                     0); /* not a number: no bar */
    hoi_image_free(image);
}

static void every_bar_has_its_name(void **state) {
    (void)state;
    double y[200];
    const char *names[200];
    for (int i = 0; i < 200; i++) {
        y[i] = 1;
        names[i] = "W"; /* columns of dark pixels without a gap */
    }
    for (int n = 1; n <= 200; n = n * 2 + 1) {
        hoi_series series = {NULL, n, NULL, y, NULL};
        hoi_plot plot = {NULL, NULL, NULL, 800, 500, true, n, names, 1, &series};
        hoi_image *image = hoi_plot_draw(&plot);
        assert_non_null(image);
        int found = 0;
        for (int x = 0, inside = 0; x < 800; x++) {
            int dark = 0;
            for (int row = 475; row < 500; row++)
                dark += (pixel(image, x, row) & 255) < 150;
            found += dark && !inside;
            inside = dark;
        }
        if (n < 60)
            assert_int_equal(found, n);
        else /* as many as can be read */
            assert_in_range(found, 20, 70);
        hoi_image_free(image);
    }
}

static void odd_plots_are_drawn_or_refused_but_never_fatal(void **state) {
    (void)state;
    double one[] = {5}, same[] = {2, 2, 2}, bad[] = {NAN, INFINITY}, huge[] = {-1.7e308, 1.7e308},
           tiny[] = {1e-300, 2e-300};
    double big[] = {1e12, 3e12}, close[] = {1e17, 1e17 + 16}, none[] = {0, 0};
    double subnormal[] = {1e-310, 3e-310}, far[] = {1e200, 1e200};
    hoi_series series = {NULL, 1, one, one, NULL};
    hoi_plot plot = {NULL, NULL, NULL, 200, 100, false, 0, NULL, 1, &series};
    hoi_image *image = hoi_plot_draw(&plot);
    assert_non_null(image);
    assert_true(count(image, hoi_canvas_color(0)) > 0); /* a point alone is a dot */
    hoi_image_free(image);

    const struct {
        double *y;
        int n;
    } fine[] = {{same, 3}, {tiny, 2}, {big, 2}, {close, 2}, {none, 2}, {subnormal, 2}};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        for (int bars = 0; bars < 2; bars++) {
            series = (hoi_series){"x\xff", fine[i].n, NULL, fine[i].y, NULL};
            plot.bars = bars;
            image = hoi_plot_draw(&plot);
            if (!image)
                fail_msg("case %zu: %s", i, hoi_error());
            assert_true(count(image, hoi_canvas_color(0)) > 2);
            hoi_image_free(image);
        }
    plot.bars = false; /* steps too small to change a number must not be counted for ever */
    series = (hoi_series){"close", 2, close, none, NULL};
    hoi_image_free(hoi_plot_draw(&plot));
    series = (hoi_series){"far", 2, far, far, NULL};
    image = hoi_plot_draw(&plot);
    assert_non_null(image);
    hoi_image_free(image);
    series = (hoi_series){"bad", 2, NULL, bad, NULL};
    assert_null(hoi_plot_draw(&plot));
    assert_non_null(strstr(hoi_error(), "no finite value"));
    series = (hoi_series){"huge", 2, NULL, huge, NULL};
    assert_null(hoi_plot_draw(&plot));
    assert_non_null(strstr(hoi_error(), "too large"));
    plot.count = 0;
    assert_null(hoi_plot_draw(&plot));
    assert_non_null(strstr(hoi_error(), "0 series"));
    plot.width = 7;
    assert_null(hoi_plot_draw(&plot));
    assert_non_null(strstr(hoi_error(), "7 x 100"));
}

static void a_plot_is_saved_as_svg_and_leaves_nothing_beside_it(void **state) {
    (void)state;
    char folder[] = "/tmp/hoi_test_canvas_XXXXXX", path[64], text[6] = "";
    assert_non_null(mkdtemp(folder));
    double y[] = {1, 3, 2};
    hoi_series series = {"loss", 3, NULL, y, NULL};
    hoi_plot plot = {"title", NULL, NULL, 0, 0, false, 0, NULL, 1, &series};
    snprintf(path, sizeof path, "%s/loss.svg", folder);
    assert_true(hoi_plot_save(&plot, path));
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, 5, file), 5);
    fclose(file);
    assert_string_equal(text, "<?xml");
    unlink(path);
    snprintf(path, sizeof path, "%s/none/loss.svg", folder);
    assert_false(hoi_plot_save(&plot, path));
    assert_string_not_equal(hoi_error(), "unknown error");
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_box_is_drawn_along_its_edges_in_its_color),
        cmocka_unit_test(a_box_reaching_outside_shows_its_edges_at_the_border),
        cmocka_unit_test(the_same_box_twice_shows_both_colors),
        cmocka_unit_test(coordinates_are_the_given_pictures_at_any_scale),
        cmocka_unit_test(a_line_joins_the_centres_of_a_pair),
        cmocka_unit_test(a_label_never_leaves_the_picture),
        cmocka_unit_test(labels_at_one_place_cover_none_of_each_other),
        cmocka_unit_test(lines_of_one_label_stack),
        cmocka_unit_test(labels_lie_above_boxes_drawn_later),
        cmocka_unit_test(text_that_is_long_or_no_text_at_all_is_survived),
        cmocka_unit_test(a_legend_shows_each_color_in_the_upper_right_corner),
        cmocka_unit_test(the_palette_has_eight_different_colors_and_begins_anew),
        cmocka_unit_test(a_sheet_shows_every_picture),
        cmocka_unit_test(a_sheet_too_large_for_a_picture_is_refused),
        cmocka_unit_test(a_plot_shows_every_curve_and_band),
        cmocka_unit_test(bars_are_as_high_as_their_values),
        cmocka_unit_test(every_bar_has_its_name),
        cmocka_unit_test(odd_plots_are_drawn_or_refused_but_never_fatal),
        cmocka_unit_test(a_plot_is_saved_as_svg_and_leaves_nothing_beside_it),
    };
    return cmocka_run_group_tests_name("canvas", tests, NULL, NULL);
}
