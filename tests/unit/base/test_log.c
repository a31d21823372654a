/*
 * Log lines: both formats, and that no value can forge one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

/* 2026-11-24T10:00:00.123Z */
static int64_t fixed_wall_ms(void *ctx) {
    (void)ctx;
    return INT64_C(1795514400123);
}

static void text_format(void) {
    log_configure(LOG_INFO, LOG_FORMAT_TEXT);
    log_set_clock(fixed_wall_ms, NULL);
    cr_redirect_stderr();
}

static void json_format(void) {
    log_configure(LOG_DEBUG, LOG_FORMAT_JSON);
    log_set_clock(fixed_wall_ms, NULL);
    cr_redirect_stderr();
}

static void assert_logged(const char *expected) {
    fflush(stderr);
    cr_assert_stderr_eq_str(expected);
}

Test(base_log, text_line, .init = text_format) {
    log_info("scaled", LOG_STR("policy", "checkout/web"), LOG_INT("from", 3), LOG_INT("to", -5));
    assert_logged("2026-11-24T10:00:00.123Z INFO  scaled policy=checkout/web from=3 to=-5\n");
}

Test(base_log, a_message_without_fields, .init = text_format) {
    log_warn("lease lost");
    assert_logged("2026-11-24T10:00:00.123Z WARN  lease lost\n");
}

Test(base_log, text_values_are_quoted_when_they_must_be, .init = text_format) {
    log_error("x", LOG_STR("a", "two words"), LOG_STR("b", "k=v"), LOG_STR("c", "say \"hi\""), LOG_STR("d", ""),
              LOG_STR("e", NULL), LOG_STR("f", "\xe6\x97\xa5"), LOG_STR("g", "back\\slash"));
    assert_logged("2026-11-24T10:00:00.123Z ERROR x a=\"two words\" b=\"k=v\" c=\"say \\\"hi\\\"\" d=\"\" e=null "
                  "f=\xe6\x97\xa5 g=\"back\\\\slash\"\n");
}

#define HOSTILE                                                                                                        \
    "a\nb\r\x1b[31m\x7f\xc2\x9b"                                                                                       \
    "2J\xe2\x80\xa8\xff"
#define HOSTILE_ESCAPED "a\\nb\\r\\u001b[31m\\u007f\\u009b2J\\u2028\xef\xbf\xbd"

Test(base_log, control_characters_never_reach_the_stream_in_text, .init = text_format) {
    log_info("m\nforged", LOG_STR("v", HOSTILE));
    assert_logged("2026-11-24T10:00:00.123Z INFO  m\\nforged v=\"" HOSTILE_ESCAPED "\"\n");
}

Test(base_log, control_characters_never_reach_the_stream_in_json, .init = json_format) {
    log_info("m\nforged", LOG_STR("v", HOSTILE));
    assert_logged(
        "{\"time\":\"2026-11-24T10:00:00.123Z\",\"level\":\"info\",\"msg\":\"m\\nforged\",\"v\":\"" HOSTILE_ESCAPED
        "\"}\n");
}

Test(base_log, json_line_is_json, .init = json_format) {
    log_debug("scaled", LOG_STR("policy", "a b"), LOG_INT("to", 5), LOG_STR("none", NULL));
    const char *line =
        "{\"time\":\"2026-11-24T10:00:00.123Z\",\"level\":\"debug\",\"msg\":\"scaled\",\"policy\":\"a b\","
        "\"to\":5,\"none\":null}\n";
    assert_logged(line);
    struct json *root;
    struct error err;
    cr_assert_eq(json_parse(bytes_of(line), &root, &err), ERR_NONE);
    json_free(root);
}

Test(base_log, an_error_shows_class_code_status_and_message, .init = text_format) {
    struct error err;
    error_set(&err, ERR_THROTTLED, "slow down");
    log_warn("list failed", LOG_ERR(&err));
    strcpy(err.code, "SlowDown");
    err.http_status = 503;
    log_warn("list failed", LOG_ERR(&err));
    assert_logged("2026-11-24T10:00:00.123Z WARN  list failed class=Throttled error=\"slow down\"\n"
                  "2026-11-24T10:00:00.123Z WARN  list failed class=Throttled code=SlowDown status=503 "
                  "error=\"slow down\"\n");
}

Test(base_log, a_lower_level_is_not_written_but_counted, .init = text_format) {
    log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
    log_set_clock(fixed_wall_ms, NULL);
    uint64_t before = log_count(LOG_WARN);
    cr_assert_not(log_enabled(LOG_WARN));
    log_warn("hidden");
    log_error("shown");
    cr_assert_eq(log_count(LOG_WARN), before + 1);
    assert_logged("2026-11-24T10:00:00.123Z ERROR shown\n");
}

Test(base_log, a_very_long_value_is_cut, .init = text_format) {
    char *text = mem_alloc(100001);
    memset(text, 'x', 100000);
    log_info("m", LOG_STR("v", text));
    memset(text, 0, 100001);
    memset(text, 'x', 4096);
    char *expected = mem_printf("2026-11-24T10:00:00.123Z INFO  m v=%s\n", text);
    assert_logged(expected);
    mem_free(expected);
    mem_free(text);
}
