/*
 * Signature Version 4:
 *     canonical request -> its hash in the string to sign -> HMAC by a key derived from date, region and service.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/sigv4.h"

#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"

#define SCOPE_END "aws4_request"

void sigv4_date(int64_t time_ms, char to[SIGV4_DATE_SIZE]) {
    char text[TIME_TEXT_MAX];
    time_format(time_ms, text); /* "2015-08-30T12:36:00Z" */
    size_t size = 0;
    for (const char *c = text; *c != '\0' && size + 1 < SIGV4_DATE_SIZE; c++) {
        if (*c != '-' && *c != ':')
            to[size++] = *c;
    }
    to[size] = '\0';
}

static void append_path(const struct sigv4_input *input, struct buf *out) {
    const char *path = input->path[0] != '\0' ? input->path : "/";
    if (input->path_verbatim)
        buf_puts(out, path);
    else
        signing_append_encoded(out, bytes_of(path), "/");
}

static void canonical_request(const struct sigv4_input *input, struct buf *out, struct buf *names) {
    buf_printf(out, "%s\n", input->method);
    append_path(input, out);
    buf_putc(out, '\n');
    signing_canonical_query(input->query, out);
    buf_putc(out, '\n');
    signing_canonical_headers(input->headers, input->header_count, out, names);
    char hash[SIGNING_SHA256_HEX_SIZE];
    signing_sha256_hex(input->body, hash);
    buf_printf(out, "\n%s\n%s", buf_text(names), hash);
}

void sigv4_canonical_request(const struct sigv4_input *input, struct buf *out) {
    struct buf names = {0};
    canonical_request(input, out, &names);
    buf_release(&names);
}

static void string_to_sign(const struct sigv4_input *input, const char *date, struct buf *out, struct buf *names) {
    struct buf request = {0};
    canonical_request(input, &request, names);
    char hash[SIGNING_SHA256_HEX_SIZE];
    signing_sha256_hex(buf_bytes(&request), hash);
    buf_printf(out, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/" SCOPE_END "\n%s", date, date, input->region, input->service,
               hash);
    buf_release(&request);
}

void sigv4_string_to_sign(const struct sigv4_input *input, struct buf *out) {
    char date[SIGV4_DATE_SIZE];
    sigv4_date(input->time_ms, date);
    struct buf names = {0};
    string_to_sign(input, date, out, &names);
    buf_release(&names);
}

static void signing_key(const struct sigv4_input *input, const char *date, unsigned char key[SIGNING_SHA256_SIZE]) {
    struct buf first = {0};
    buf_printf(&first, "AWS4%s", input->secret);
    signing_hmac_sha256(first.data, first.size, (struct bytes){date, 8}, key);
    mem_wipe(first.data, first.size);
    buf_release(&first);
    const char *const parts[] = {input->region, input->service, SCOPE_END};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        unsigned char next[SIGNING_SHA256_SIZE];
        signing_hmac_sha256(key, SIGNING_SHA256_SIZE, bytes_of(parts[i]), next);
        memcpy(key, next, sizeof(next));
        mem_wipe(next, sizeof(next));
    }
}

void sigv4_authorization(const struct sigv4_input *input, struct buf *out) {
    char date[SIGV4_DATE_SIZE];
    sigv4_date(input->time_ms, date);
    struct buf text = {0}, names = {0};
    string_to_sign(input, date, &text, &names);

    unsigned char key[SIGNING_SHA256_SIZE], digest[SIGNING_SHA256_SIZE];
    signing_key(input, date, key);
    signing_hmac_sha256(key, sizeof(key), buf_bytes(&text), digest);
    mem_wipe(key, sizeof(key));

    char signature[SIGNING_SHA256_HEX_SIZE];
    signing_hex(digest, sizeof(digest), signature);
    buf_printf(out, "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/" SCOPE_END ", SignedHeaders=%s, Signature=%s",
               input->key_id, date, input->region, input->service, buf_text(&names), signature);
    buf_release(&text);
    buf_release(&names);
}
