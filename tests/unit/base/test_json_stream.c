/*
 * Streams: every split point gives the same values; limits, truncation, stopping.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/json_stream.h"
#include "base/mem.h"

/* Writes each value it is given on a line of its own, the envelope after "rest ". */
struct sink {
    struct buf lines;
    int stop_after; /* 0: never */
    int count;
};

static bool on_value(void *ctx, const struct json *value) {
    struct sink *sink = ctx;
    json_print(value, &sink->lines);
    buf_putc(&sink->lines, '\n');
    return ++sink->count != sink->stop_after;
}

static bool on_rest(void *ctx, const struct json *rest) {
    struct sink *sink = ctx;
    buf_puts(&sink->lines, "rest ");
    return on_value(ctx, rest) || sink->stop_after == 0;
}

static enum err_class run(enum json_stream_form form, struct bytes text, size_t split_at, size_t split_size,
                          struct sink *sink, struct error *err) {
    struct json_stream stream;
    json_stream_init(&stream, form, on_value, sink);
    stream.on_rest = on_rest;
    enum err_class class = ERR_NONE;
    for (size_t at = 0; at < text.size && class == ERR_NONE;) {
        size_t size = at == 0 && split_at > 0 ? split_at : split_size;
        size = size < text.size - at ? size : text.size - at;
        char *exact = mem_alloc(size);
        memcpy(exact, text.data + at, size);
        class = json_stream_feed(&stream, (struct bytes){exact, size}, err);
        mem_free(exact);
        at += size;
    }
    if (class == ERR_NONE)
        class = json_stream_finish(&stream, err);
    json_stream_release(&stream);
    return class;
}

static void assert_stream(enum json_stream_form form, const char *text, size_t split_at, size_t split_size,
                          const char *expected) {
    struct sink sink = {0};
    struct error err = {0};
    enum err_class class = run(form, bytes_of(text), split_at, split_size, &sink, &err);
    cr_assert_eq(class, ERR_NONE, "%s, split at %zu by %zu: %s", text, split_at, split_size, err.message);
    cr_assert_str_eq(buf_text(&sink.lines), expected);
    buf_release(&sink.lines);
}

static void assert_every_split(enum json_stream_form form, const char *text, const char *expected) {
    for (size_t at = 0; at <= strlen(text); at++)
        assert_stream(form, text, at, SIZE_MAX, expected);
    for (size_t size = 1; size <= 5; size++)
        assert_stream(form, text, 0, size, expected);
}

Test(base_json_stream, values_are_cut_at_any_split) {
    assert_every_split(JSON_STREAM_VALUES,
                       "{\"type\":\"ADDED\",\"object\":{\"a\":[1,{\"b\":\"}]\\\"\\\\\"}]}}\n"
                       "{\"x\":\"\\u65e5\xe6\x97\xa5\"} 12 \"s\\\\\" true\n[ ]{}-1.5e3",
                       "{\"type\":\"ADDED\",\"object\":{\"a\":[1,{\"b\":\"}]\\\"\\\\\"}]}}\n"
                       "{\"x\":\"\xe6\x97\xa5\xe6\x97\xa5\"}\n12\n\"s\\\\\"\ntrue\n[]\n{}\n-1500.0\n");
}

Test(base_json_stream, lists_are_cut_at_any_split) {
    assert_every_split(
        JSON_STREAM_LIST,
        " {\"kind\":\"PodList\",\"metadata\":{\"continue\":\"a,]}\",\"items\":[9]} , \"items\" : [ {\"a\":\"]\"} ,"
        " {\"items\":[1,2]},3 , \"x\" ] ,\"n\":null,\"last\":1.5 } \n",
        "{\"a\":\"]\"}\n{\"items\":[1,2]}\n3\n\"x\"\n"
        "rest {\"kind\":\"PodList\",\"metadata\":{\"continue\":\"a,]}\",\"items\":[9]},\"n\":null,\"last\":1.5}\n");
}

Test(base_json_stream, lists_without_items) {
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"{}", "rest {}\n"},
        {"{\"items\":[]}", "rest {}\n"},
        {"{\"items\":null,\"kind\":\"L\"}", "rest {\"kind\":\"L\"}\n"},
        {"{\"kind\":\"Status\",\"code\":410}", "rest {\"kind\":\"Status\",\"code\":410}\n"},
        {"{\"items\":[1],\"k\":2}", "1\nrest {\"k\":2}\n"},
        {"{\"k\":2,\"items\":[1]}", "1\nrest {\"k\":2}\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_every_split(JSON_STREAM_LIST, rows[i].text, rows[i].expected);
}

Test(base_json_stream, on_rest_may_be_absent) {
    struct sink sink = {0};
    struct error err;
    struct json_stream stream;
    json_stream_init(&stream, JSON_STREAM_LIST, on_value, &sink);
    cr_assert_eq(json_stream_feed(&stream, bytes_of("{\"k\":1,\"items\":[7]}"), &err), ERR_NONE);
    cr_assert_eq(json_stream_finish(&stream, &err), ERR_NONE);
    cr_assert_str_eq(buf_text(&sink.lines), "7\n");
    json_stream_release(&stream);
    buf_release(&sink.lines);
}

Test(base_json_stream, every_proper_prefix_of_a_list_is_truncated) {
    static const char text[] = "{\"kind\":\"L\",\"items\":[{\"a\":\"\\\\\"},2,\"\\\"\"],\"x\":{\"y\":[1]}}";
    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        struct sink sink = {0};
        struct error err = {0};
        enum err_class class = run(JSON_STREAM_LIST, (struct bytes){text, size}, 0, SIZE_MAX, &sink, &err);
        cr_assert_eq(class, ERR_RETRYABLE, "%.*s: %s", (int)size, text, err.message);
        cr_assert(strstr(err.message, "truncated"), "%s", err.message);
        buf_release(&sink.lines);
    }
}

Test(base_json_stream, an_unfinished_value_is_truncated_and_an_empty_stream_is_not) {
    static const struct {
        const char *text;
        enum err_class class;
    } rows[] = {
        {"", ERR_NONE},        {" \n", ERR_NONE},        {"1", ERR_NONE},          {"{}{", ERR_RETRYABLE},
        {"[1", ERR_RETRYABLE}, {"\"abc", ERR_RETRYABLE}, {"\"a\\", ERR_RETRYABLE}, {"tru", ERR_PERMANENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sink sink = {0};
        struct error err = {0};
        cr_assert_eq(run(JSON_STREAM_VALUES, bytes_of(rows[i].text), 0, 1, &sink, &err), rows[i].class, "%s",
                     rows[i].text);
        buf_release(&sink.lines);
    }
}

Test(base_json_stream, what_is_out_of_place_is_refused) {
    static const struct {
        enum json_stream_form form;
        const char *text;
    } rows[] = {
        {JSON_STREAM_VALUES, "}"},
        {JSON_STREAM_VALUES, "{} , {}"},
        {JSON_STREAM_VALUES, "[}"},
        {JSON_STREAM_VALUES, "{\"a\":1]"},
        {JSON_STREAM_VALUES, "NaN "},
        {JSON_STREAM_VALUES, "\"\xff\""},
        {JSON_STREAM_LIST, "[]"},
        {JSON_STREAM_LIST, "1"},
        {JSON_STREAM_LIST, "{} {}"},
        {JSON_STREAM_LIST, "{\"items\":5}"},
        {JSON_STREAM_LIST, "{\"items\":{}}"},
        {JSON_STREAM_LIST, "{\"items\":\"null\"}"},
        {JSON_STREAM_LIST, "{\"items\":[1 2]}"},
        {JSON_STREAM_LIST, "{\"items\":[1,]}"},
        {JSON_STREAM_LIST, "{\"items\":[,1]}"},
        {JSON_STREAM_LIST, "{\"items\":[1}}"},
        {JSON_STREAM_LIST, "{\"items\":[1]]"},
        {JSON_STREAM_LIST, "{\"a\":1,}"},
        {JSON_STREAM_LIST, "{\"a\" 1}"},
        {JSON_STREAM_LIST, "{a:1}"},
        {JSON_STREAM_LIST, "{\"a\":}"},
        {JSON_STREAM_LIST, "{\"a\":nope}"},
        {JSON_STREAM_LIST, "{,}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t split = 1; split < 4; split++) {
            struct sink sink = {0};
            struct error err = {0};
            enum err_class class = run(rows[i].form, bytes_of(rows[i].text), 0, split, &sink, &err);
            cr_assert_eq(class, ERR_PERMANENT, "%s: %s", rows[i].text, err.message);
            buf_release(&sink.lines);
        }
    }
}

Test(base_json_stream, a_nul_byte_is_refused_in_both_forms) {
    static const char values[] = "1\0"
                                 "2",
                      list[] = "{\0}";
    struct sink sink = {0};
    struct error err;
    cr_assert_eq(run(JSON_STREAM_VALUES, (struct bytes){values, 3}, 0, 1, &sink, &err), ERR_PERMANENT);
    cr_assert_eq(run(JSON_STREAM_LIST, (struct bytes){list, 3}, 0, 1, &sink, &err), ERR_PERMANENT);
    buf_release(&sink.lines);
}

Test(base_json_stream, the_reader_can_stop_it) {
    struct sink sink = {.stop_after = 2};
    struct error err = {0};
    cr_assert_eq(run(JSON_STREAM_VALUES, bytes_of("1 2 3 4 "), 0, SIZE_MAX, &sink, &err), ERR_CANCELLED);
    cr_assert_str_eq(buf_text(&sink.lines), "1\n2\n");
    buf_release(&sink.lines);
}

Test(base_json_stream, nothing_is_taken_after_an_error) {
    struct sink sink = {0};
    struct error err;
    struct json_stream stream;
    json_stream_init(&stream, JSON_STREAM_VALUES, on_value, &sink);
    cr_assert_eq(json_stream_feed(&stream, bytes_of("1 } 2 "), &err), ERR_PERMANENT);
    cr_assert_eq(json_stream_feed(&stream, bytes_of("3 "), &err), ERR_PERMANENT);
    cr_assert_eq(json_stream_finish(&stream, &err), ERR_PERMANENT);
    cr_assert_str_eq(buf_text(&sink.lines), "1\n");
    json_stream_release(&stream);
    buf_release(&sink.lines);
}

Test(base_json_stream, sizes_are_limited_by_value_and_envelope) {
    static const struct {
        enum json_stream_form form;
        const char *text;
        enum err_class class;
    } rows[] = {
        {JSON_STREAM_VALUES, "\"12345678\" \"12345678\" ", ERR_NONE},
        {JSON_STREAM_VALUES, "\"123456789\" ", ERR_PERMANENT},
        {JSON_STREAM_VALUES, "\"1234567890", ERR_PERMANENT},
        {JSON_STREAM_LIST, "{\"items\":[\"12345678\",\"12345678\",\"12345678\"]}", ERR_NONE},
        {JSON_STREAM_LIST, "{\"items\":[\"123456789\"]}", ERR_PERMANENT},
        {JSON_STREAM_LIST, "{\"a\":1,\"b\":2,\"c\":3}", ERR_PERMANENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sink sink = {0};
        struct error err = {0};
        struct json_stream stream;
        json_stream_init(&stream, rows[i].form, on_value, &sink);
        stream.value_size_max = 10;
        enum err_class class = json_stream_feed(&stream, bytes_of(rows[i].text), &err);
        cr_assert_eq(class, rows[i].class, "%s: %s", rows[i].text, err.message);
        json_stream_release(&stream);
        buf_release(&sink.lines);
    }
}

Test(base_json_stream, what_was_given_is_not_kept) {
    struct sink sink = {0};
    struct error err;
    struct json_stream stream;
    json_stream_init(&stream, JSON_STREAM_LIST, on_value, &sink);
    cr_assert_eq(json_stream_feed(&stream, bytes_of("{\"items\":["), &err), ERR_NONE);
    for (int i = 0; i < 10000; i++) {
        cr_assert_eq(json_stream_feed(&stream, bytes_of("{\"name\":\"a pod\"},"), &err), ERR_NONE);
        buf_clear(&sink.lines);
        cr_assert_leq(stream.pending.size, 16);
    }
    cr_assert_leq(stream.pending.capacity, 256);
    cr_assert_eq(sink.count, 10000);
    json_stream_release(&stream);
    buf_release(&sink.lines);
}
