/*
 * Charts: well-formed, inside the frame, for any data.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <expat.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/plot.h"

#define COUNT 300

static void check_attributes(void *ctx, const char *name, const char **attributes) {
    size_t *elements = ctx;
    ++*elements;
    for (size_t i = 0; attributes[i]; i += 2) {
        bool is_y = strchr("xy", attributes[i][0]) && (!attributes[i][1] || strchr("12", attributes[i][1]));
        if (!is_y || !strcmp(name, "svg"))
            continue;
        double value = strtod(attributes[i + 1], NULL);
        cr_expect(value >= 0 && value <= 1000, "%s %s=\"%s\"", name, attributes[i], attributes[i + 1]);
    }
}

/* Returns the number of elements. */
static size_t check_svg(const struct plot *plot) {
    struct buf out = {0};
    plot_print(plot, &out);
    cr_expect_null(strstr(buf_text(&out), "nan"));
    cr_expect_null(strstr(buf_text(&out), "inf"));
    size_t elements = 0;
    XML_Parser parser = XML_ParserCreate(NULL);
    XML_SetUserData(parser, &elements);
    XML_SetStartElementHandler(parser, check_attributes);
    cr_expect_eq(XML_Parse(parser, out.data, (int)out.size, 1), XML_STATUS_OK, "%s",
                 XML_ErrorString(XML_GetErrorCode(parser)));
    XML_ParserFree(parser);
    buf_release(&out);
    return elements;
}

static double line[COUNT], low[COUNT], high[COUNT];

static struct plot plot_of(size_t count) {
    return (struct plot){.title = "a <title> & \"more\"",
                         .subtitle = "sub",
                         .start_ms = INT64_C(1700000000000),
                         .step_ms = 300000,
                         .count = count,
                         .lines = {{"line", "#000000", line, false, PLOT_STRAIGHT}},
                         .line_count = 1,
                         .bands = {{"band", "#cccccc", low, high}},
                         .band_count = 1,
                         .marker = count / 2,
                         .marker_label = "now"};
}

Test(plot, is_well_formed_for_any_data) {
    static const double scales[] = {0, 1, -1, 1e-12, 1e30, -5e7};
    for (size_t k = 0; k < sizeof(scales) / sizeof(*scales); k++) {
        for (size_t i = 0; i < COUNT; i++) {
            line[i] = i % 7 == 3 ? NAN : scales[k] * (double)(i % 50);
            low[i] = i > 150 ? line[i] : NAN;
            high[i] = i > 150 ? line[i] + fabs(scales[k]) : NAN;
        }
        struct plot plot = plot_of(COUNT);
        cr_expect_gt(check_svg(&plot), 20, "scale %g", scales[k]);
    }
}

Test(plot, of_nothing_or_one_point_is_well_formed) {
    line[0] = low[0] = high[0] = 5;
    for (size_t count = 0; count <= 1; count++) {
        struct plot plot = plot_of(count);
        check_svg(&plot);
    }
    line[0] = NAN;
    struct plot plot = plot_of(1);
    check_svg(&plot);
}

Test(plot, has_few_ticks_for_any_span) {
    static const int64_t steps_ms[] = {1, 1000, 60000, 300000, 3600000, 86400000, INT64_C(31) * 86400000};
    for (size_t i = 0; i < sizeof(steps_ms) / sizeof(*steps_ms); i++) {
        struct plot plot = plot_of(COUNT);
        plot.step_ms = steps_ms[i];
        cr_expect_lt(check_svg(&plot), 80, "step %lld", (long long)steps_ms[i]);
    }
}

Test(plot, that_cannot_be_written_says_why) {
    struct plot plot = plot_of(COUNT);
    struct error err = {0};
    cr_assert_eq(plot_write(&plot, "/nonexistent/plot.svg", &err), ERR_RETRYABLE);
    cr_assert_not_null(strstr(err.message, "/nonexistent/plot.svg: No such file"));
}

/* A day by the hour, from midnight to midnight: the last tick stands on the right edge. */
Test(plot, labels_stay_inside_and_the_year_is_told) {
    struct plot plot = plot_of(25);
    struct buf out = {0};
    plot.start_ms = INT64_C(1704067200000);
    plot.step_ms = 3600000;
    plot_print(&plot, &out);
    cr_expect_not_null(strstr(buf_text(&out), ">2024-01-01 to 2024-01-02, UTC</text>"));
    const char *label = strstr(buf_text(&out), "<line x1=\"984.0\" y1=\"392.0\"");
    cr_assert_not_null(label);
    label = strstr(label, "<text ");
    cr_assert_not_null(label);
    cr_expect_eq(strncmp(label, "<text x=\"960.0\"", strlen("<text x=\"960.0\"")), 0, "%.40s", label);
    buf_release(&out);
}
