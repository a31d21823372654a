/*
 * Charts as SVG text. The layout is fixed; only the scales depend on the data.
 *
 *     title, subtitle                       legend
 *     y ticks | plot area                       |
 *             | x ticks (UTC)                   |
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "base/timefmt.h"

#define PNG_CONVERTER "rsvg-convert"
#define WIDTH 1000
#define HEIGHT 440
#define LEFT 76.0
#define RIGHT 984.0
#define TOP 78.0
#define BOTTOM 392.0
#define CROWD 600 /* More points than these want thinner lines. */
#define MARKER_ROOM 120
#define DAY_LABEL_HALF 20.0  /* Half the width of "01-31", */
#define TIME_LABEL_HALF 40.0 /* and of "01-31 09:00". */
#define INK "#24303d"
#define FAINT "#e3e7ec"
#define MUTED "#66727f"

struct scale {
    double low, high, tick;
};

static void escape(struct buf *out, const char *text) {
    for (; *text; text++) {
        if (*text == '&')
            buf_puts(out, "&amp;");
        else if (*text == '<')
            buf_puts(out, "&lt;");
        else if (*text == '>')
            buf_puts(out, "&gt;");
        else if (*text == '"')
            buf_puts(out, "&quot;");
        else
            buf_putc(out, *text);
    }
}

static void range_add(double *low, double *high, const double *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            continue;
        *low = fmin(*low, values[i]);
        *high = fmax(*high, values[i]);
    }
}

/* 1, 2, 2.5 or 5 times a power of ten, about five ticks. */
static double tick_size(double span) {
    double power = pow(10, floor(log10(span / 5)));
    double rest = span / 5 / power;
    return power * (rest <= 1 ? 1 : rest <= 2 ? 2 : rest <= 2.5 ? 2.5 : rest <= 5 ? 5 : 10);
}

static struct scale y_scale(const struct plot *plot) {
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < plot->line_count; i++)
        range_add(&low, &high, plot->lines[i].values, plot->count);
    for (size_t i = 0; i < plot->band_count; i++) {
        range_add(&low, &high, plot->bands[i].low, plot->count);
        range_add(&low, &high, plot->bands[i].high, plot->count);
    }
    if (!(low <= high))
        low = high = 0;
    if (low > 0 && low < 0.6 * high) /* Demand is read against zero unless that would flatten it. */
        low = 0;
    if (high - low <= 1e-9 * fabs(high))
        high = low + (fabs(low) > 0 ? fabs(low) : 1);
    double tick = tick_size(high - low);
    return (struct scale){floor(low / tick) * tick, ceil(high / tick - 1e-9) * tick, tick};
}

static double x_of(const struct plot *plot, double slot) {
    return LEFT + (RIGHT - LEFT) * slot / (double)(plot->count > 1 ? plot->count - 1 : 1);
}

static double y_of(const struct scale *s, double value) {
    return BOTTOM - (BOTTOM - TOP) * (value - s->low) / (s->high - s->low);
}

static void text_at(struct buf *out, double x, double y, const char *anchor, int size, const char *color,
                    const char *text) {
    buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\" fill=\"%s\">", x, y, anchor, size,
               color);
    escape(out, text);
    buf_puts(out, "</text>\n");
}

static void rule(struct buf *out, double x1, double y1, double x2, double y2, const char *style) {
    buf_printf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2, y2, style);
}

static void y_axis(const struct scale *s, struct buf *out) {
    int ticks = (int)lround((s->high - s->low) / s->tick);
    for (int i = 0; i <= ticks; i++) {
        double value = s->low + i * s->tick;
        char text[32];
        snprintf(text, sizeof(text), "%.6g", fabs(value) < s->tick * 1e-6 ? 0 : value);
        rule(out, LEFT, y_of(s, value), RIGHT, y_of(s, value), "stroke=\"" FAINT "\"");
        text_at(out, LEFT - 8, y_of(s, value) + 4, "end", 12, MUTED, text);
    }
}

/* The smallest round step in time that gives at most nine ticks. */
static int64_t time_tick(int64_t span_ms) {
    static const int64_t minutes[] = {1, 5, 10, 30, 60, 180, 360, 720, 1440, 2880, 10080, 40320, 525600};
    for (size_t i = 0; i < sizeof(minutes) / sizeof(*minutes); i++)
        if (span_ms / (minutes[i] * 60000) <= 9)
            return minutes[i] * 60000;
    return span_ms / 8;
}

static void x_axis(const struct plot *plot, struct buf *out) {
    int64_t span = (int64_t)(plot->count > 1 ? plot->count - 1 : 1) * plot->step_ms, tick = time_tick(span);
    if (tick < plot->step_ms)
        tick = plot->step_ms;
    int64_t at = plot->start_ms - plot->start_ms % tick;
    for (; at <= plot->start_ms + span; at += tick) {
        if (at < plot->start_ms)
            continue;
        char text[TIME_TEXT_MAX], label[16];
        time_format(at, text); /* 2026-01-31T09:00:00Z */
        bool is_day = tick % 86400000 == 0;
        snprintf(label, sizeof(label), is_day ? "%.5s" : "%.5s %.5s", text + 5, text + 11);
        double x = x_of(plot, (double)(at - plot->start_ms) / (double)plot->step_ms);
        rule(out, x, BOTTOM, x, BOTTOM + 5, "stroke=\"" MUTED "\"");
        /* The last one would stand out of the frame. */
        text_at(out, fmin(x, WIDTH - (is_day ? DAY_LABEL_HALF : TIME_LABEL_HALF)), BOTTOM + 20, "middle", 12, MUTED,
                label);
    }
    rule(out, LEFT, BOTTOM, RIGHT, BOTTOM, "stroke=\"" MUTED "\"");
    char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX], label[64];
    time_format(plot->start_ms, from);
    time_format(plot->start_ms + span, to);
    snprintf(label, sizeof(label), "%.10s to %.10s, UTC", from, to); /* The ticks name no year. */
    text_at(out, RIGHT, BOTTOM + 38, "end", 12, MUTED, label);
}

/* One polygon for each run without gaps: along the top, and back along the bottom. */
static void band_draw(const struct plot *plot, const struct scale *s, const struct plot_band *band, struct buf *out) {
    for (size_t from = 0, to; from < plot->count; from = to + 1) {
        to = from;
        while (to < plot->count && isfinite(band->low[to]) && isfinite(band->high[to]))
            to++;
        if (to == from)
            continue;
        buf_printf(out, "<polygon fill=\"%s\" points=\"", band->color);
        for (size_t i = from; i < to; i++)
            buf_printf(out, "%.1f,%.1f ", x_of(plot, (double)i), y_of(s, band->high[i]));
        for (size_t i = to; i-- > from;)
            buf_printf(out, "%.1f,%.1f ", x_of(plot, (double)i), y_of(s, band->low[i]));
        buf_puts(out, "\"/>\n");
    }
}

static void points_draw(const struct plot *plot, const struct scale *s, const struct plot_line *line, struct buf *out) {
    for (size_t i = 0; i < plot->count; i++)
        if (isfinite(line->values[i]))
            buf_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\" fill=\"%s\"/>\n", x_of(plot, (double)i),
                       y_of(s, line->values[i]), line->color);
}

static void line_draw(const struct plot *plot, const struct scale *s, const struct plot_line *line, struct buf *out) {
    buf_printf(out, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" stroke-linecap=\"round\"%s d=\"",
               line->color, plot->count > CROWD ? "1.1" : "1.6", line->is_dashed ? " stroke-dasharray=\"5 4\"" : "");
    bool down = false;
    for (size_t i = 0; i < plot->count; i++) {
        bool is_there = isfinite(line->values[i]);
        double x = x_of(plot, (double)i), y = is_there ? y_of(s, line->values[i]) : 0;
        if (is_there && down && line->style == PLOT_STAIRS)
            buf_printf(out, "H%.1fV%.1f", x, y);
        else if (is_there) /* A lone point is a line of no length: the round cap shows it. */
            buf_printf(out, down ? "L%.1f,%.1f" : "M%.1f,%.1fh0", x, y);
        down = is_there;
    }
    buf_puts(out, "\"/>\n");
}

static double legend_label(struct buf *out, double x, const char *label) {
    text_at(out, x + 24, 63, "start", 12, INK, label);
    return x + 24 + 7.2 * (double)strlen(label) + 18;
}

static double legend_line(struct buf *out, double x, const struct plot_line *line) {
    if (line->style == PLOT_POINTS)
        buf_printf(out, "<circle cx=\"%.1f\" cy=\"59\" r=\"3\" fill=\"%s\"/>\n", x + 9, line->color);
    else
        buf_printf(out, "<line x1=\"%.1f\" y1=\"59\" x2=\"%.1f\" y2=\"59\" stroke=\"%s\" stroke-width=\"2\"%s/>\n", x,
                   x + 18, line->color, line->is_dashed ? " stroke-dasharray=\"5 4\"" : "");
    return legend_label(out, x, line->label);
}

static void legend(const struct plot *plot, struct buf *out) {
    double x = LEFT;
    for (size_t i = 0; i < plot->line_count; i++)
        x = legend_line(out, x, &plot->lines[i]);
    for (size_t i = 0; i < plot->band_count; i++) {
        buf_printf(out, "<rect x=\"%.1f\" y=\"54\" width=\"18\" height=\"10\" fill=\"%s\"/>\n", x,
                   plot->bands[i].color);
        x = legend_label(out, x, plot->bands[i].label);
    }
}

void plot_print(const struct plot *plot, struct buf *out) {
    ASSERT(plot->line_count <= PLOT_LINES_MAX && plot->band_count <= PLOT_BANDS_MAX && plot->step_ms > 0);
    struct scale s = y_scale(plot);
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
               "font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif\" role=\"img\">\n<title>",
               WIDTH, HEIGHT, WIDTH, HEIGHT);
    escape(out, plot->title);
    buf_puts(out, "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    text_at(out, LEFT, 24, "start", 16, INK, plot->title);
    if (plot->subtitle)
        text_at(out, LEFT, 43, "start", 12, MUTED, plot->subtitle);
    legend(plot, out);
    y_axis(&s, out);
    for (size_t i = 0; i < plot->band_count; i++)
        band_draw(plot, &s, &plot->bands[i], out);
    for (size_t i = 0; i < plot->line_count; i++)
        if (plot->lines[i].style != PLOT_POINTS)
            line_draw(plot, &s, &plot->lines[i], out);
    for (size_t i = 0; i < plot->line_count; i++)
        if (plot->lines[i].style == PLOT_POINTS) /* On top of all. */
            points_draw(plot, &s, &plot->lines[i], out);
    if (plot->marker) {
        double x = x_of(plot, (double)plot->marker - 0.5);
        rule(out, x, TOP, x, BOTTOM, "stroke=\"" MUTED "\" stroke-dasharray=\"2 3\"");
        bool is_left = x < LEFT + MARKER_ROOM; /* No room for the label before it. */
        if (plot->marker_label)
            text_at(out, is_left ? x + 6 : x - 6, TOP + 12, is_left ? "start" : "end", 12, MUTED, plot->marker_label);
    }
    x_axis(plot, out);
    buf_puts(out, "</svg>\n");
}

static enum err_class write_svg(const struct buf *svg, const char *path, struct error *err) {
    FILE *file = fopen(path, "we");
    bool is_written = file && fwrite(svg->data, 1, svg->size, file) == svg->size;
    int reason = errno;
    if (file && fclose(file) != 0 && is_written) {
        is_written = false;
        reason = errno;
    }
    return is_written ? ERR_NONE : error_set(err, ERR_RETRYABLE, "%s: %s", path, strerror(reason));
}

/* Starts the converter with its standard input at *ret_fd. Returns 0 or an errno. */
static int converter_start(const char *path, pid_t *ret_pid, int *ret_fd) {
    char output[PATH_MAX + 16];
    int pipe_fds[2], reason;
    if (snprintf(output, sizeof(output), "--output=%s", path) >= (int)sizeof(output))
        return ENAMETOOLONG;
    char *argv[] = {(char[]){PNG_CONVERTER}, (char[]){"--zoom=2"}, output, NULL};
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return errno;
    posix_spawn_file_actions_t actions;
    reason = posix_spawn_file_actions_init(&actions);
    if (reason == 0)
        reason = posix_spawn_file_actions_adddup2(&actions, pipe_fds[0], STDIN_FILENO);
    if (reason == 0)
        reason = posix_spawnp(ret_pid, PNG_CONVERTER, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    close(pipe_fds[0]);
    if (reason != 0)
        close(pipe_fds[1]);
    *ret_fd = pipe_fds[1];
    return reason;
}

/* PNG takes fonts and a rasteriser, tens of megabytes that a controller has no use for: where librsvg's tool is
 * installed it is asked. It says on stderr itself what it could not do. */
static enum err_class write_png(const struct buf *svg, const char *path, struct error *err) {
    pid_t pid = -1;
    int fd = -1, status = 0, reason = converter_start(path, &pid, &fd);
    if (reason == ENOENT)
        return error_set(err, ERR_RETRYABLE,
                         "%s: a PNG takes " PNG_CONVERTER " (Debian's librsvg2-bin), which is not installed; name a "
                         "file .svg instead",
                         path);
    if (reason != 0)
        return error_set(err, ERR_RETRYABLE, "%s: " PNG_CONVERTER ": %s", path, strerror(reason));
    for (size_t done = 0; done < svg->size;) {
        ssize_t size = write(fd, svg->data + done, svg->size - done);
        if (size < 0 && errno != EINTR)
            break; /* It has ended: its status tells. */
        done += size > 0 ? (size_t)size : 0;
    }
    close(fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? ERR_NONE
               : error_set(err, ERR_RETRYABLE, "%s: " PNG_CONVERTER " failed", path);
}

enum err_class plot_write(const struct plot *plot, const char *path, struct error *err) {
    struct buf svg = {0};
    plot_print(plot, &svg);
    enum err_class class = str_has_suffix(path, ".png") ? write_png(&svg, path, err) : write_svg(&svg, path, err);
    buf_release(&svg);
    return class;
}
