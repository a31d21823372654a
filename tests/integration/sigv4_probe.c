/*
 * Signs what it is told: a line of JSON in, {"authorization", "canonical"} out, until the end of input. For tests
 * that compare with another signer.
 *
 *     {"method", "path", "query", "headers": [[name, value]...], "body", "verbatim", "region", "service", "id",
 *      "secret", "timeMs"}
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/common/sigv4.h"
#include "base/json.h"
#include "base/mem.h"

#define HEADERS_MAX 32

static const char *text(const struct json *request, const char *key) {
    return json_string(json_get(request, key), "");
}

static void sign(const struct json *request) {
    struct signing_header headers[HEADERS_MAX];
    const struct json *list = json_get(request, "headers");
    size_t count = 0;
    for (; count < json_array_count(list) && count < HEADERS_MAX; count++) {
        const struct json *pair = json_array_at(list, count);
        headers[count] =
            (struct signing_header){json_string(json_array_at(pair, 0), ""), json_string(json_array_at(pair, 1), "")};
    }
    const struct sigv4_input input = {
        .method = text(request, "method"),
        .path = text(request, "path"),
        .query = text(request, "query"),
        .headers = headers,
        .header_count = count,
        .body = bytes_of(text(request, "body")),
        .path_verbatim = json_bool(json_get(request, "verbatim"), false),
        .region = text(request, "region"),
        .service = text(request, "service"),
        .key_id = text(request, "id"),
        .secret = text(request, "secret"),
        .time_ms = json_int(json_get(request, "timeMs"), 0),
    };
    struct buf authorization = {0}, canonical = {0}, out = {0};
    sigv4_authorization(&input, &authorization);
    sigv4_canonical_request(&input, &canonical);
    struct json_writer w = {.out = &out};
    jw_open(&w, '{');
    jw_put_string(&w, "authorization", buf_text(&authorization));
    jw_put_string(&w, "canonical", buf_text(&canonical));
    jw_close(&w, '}');
    puts(buf_text(&out));
    buf_release(&authorization);
    buf_release(&canonical);
    buf_release(&out);
}

int main(void) {
    char *line = NULL;
    size_t capacity = 0;
    int exit_code = 0;
    while (exit_code == 0 && getline(&line, &capacity, stdin) > 0) {
        struct json *request;
        struct error err;
        if (json_parse(bytes_of(line), &request, &err) != ERR_NONE) {
            fprintf(stderr, "%s\n", err.message);
            exit_code = 2;
            break;
        }
        sign(request);
        json_free(request);
    }
    free(line); /* getline's own. */
    return exit_code;
}
