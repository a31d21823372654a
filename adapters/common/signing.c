/*
 * Digests and canonical forms. Everything is a pure function of its arguments, so that published test vectors decide.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/signing.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

void signing_hex(const unsigned char *data, size_t size, char *to) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        to[2 * i] = digits[data[i] >> 4];
        to[2 * i + 1] = digits[data[i] & 15];
    }
    to[2 * size] = '\0';
}

void signing_sha256_hex(struct bytes data, char to[SIGNING_SHA256_HEX_SIZE]) {
    unsigned char digest[SIGNING_SHA256_SIZE];
    int ok = EVP_Digest(data.size > 0 ? data.data : "", data.size, digest, NULL, EVP_sha256(), NULL);
    ASSERT(ok == 1);
    signing_hex(digest, sizeof(digest), to);
}

void signing_hmac_sha256(const void *key, size_t key_size, struct bytes data, unsigned char to[SIGNING_SHA256_SIZE]) {
    unsigned int size = SIGNING_SHA256_SIZE;
    const unsigned char *text = (const unsigned char *)(data.size > 0 ? data.data : "");
    ASSERT(HMAC(EVP_sha256(), key, (int)key_size, text, data.size, to, &size) != NULL);
    ASSERT(size == SIGNING_SHA256_SIZE);
}

static bool is_unreserved(unsigned char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void signing_append_encoded(struct buf *out, struct bytes text, const char *keep) {
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (is_unreserved(c) || (c != '\0' && strchr(keep, c) != NULL))
            buf_putc(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* A percent sign that starts no escape stands for itself. */
static struct bytes decoded(struct arena *arena, struct bytes text) {
    char *to = arena_alloc(arena, text.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int high = -1, low = -1;
        if (text.data[i] == '%' && i + 2 < text.size) {
            high = hex_value(text.data[i + 1]);
            low = hex_value(text.data[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            to[size++] = (char)(high * 16 + low);
            i += 2;
        } else {
            to[size++] = text.data[i];
        }
    }
    return (struct bytes){to, size};
}

struct pair {
    const char *name; /* Encoded. */
    const char *value;
};

static const char *reencoded(struct arena *arena, struct bytes text) {
    struct buf encoded = {0};
    signing_append_encoded(&encoded, decoded(arena, text), "");
    const char *copy = arena_strdup(arena, buf_text(&encoded));
    buf_release(&encoded);
    return copy;
}

static int pair_cmp(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    int by_name = str_cmp(x->name, y->name);
    return by_name != 0 ? by_name : str_cmp(x->value, y->value);
}

void signing_canonical_query(const char *query, struct buf *out) {
    struct arena arena = {0};
    struct pair *pairs = NULL;
    size_t count = 0;
    for (const char *at = query; *at != '\0';) {
        size_t size = strcspn(at, "&");
        size_t name_size = strcspn(at, "=&");
        if (size > 0) {
            struct bytes name = {at, name_size};
            struct bytes value = {at + name_size + 1, name_size < size ? size - name_size - 1 : 0};
            pairs = arena_push(&arena, pairs, count, sizeof(*pairs));
            pairs[count++] = (struct pair){reencoded(&arena, name), reencoded(&arena, value)};
        }
        at += size + (at[size] == '&');
    }
    if (count > 1)
        qsort(pairs, count, sizeof(*pairs), pair_cmp);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%s=%s", i > 0 ? "&" : "", pairs[i].name, pairs[i].value);
    arena_release(&arena);
}

struct indexed_header {
    const struct signing_header *header;
    size_t index; /* Keeps the order of repeated names: qsort is not stable. */
};

static int header_cmp(const void *a, const void *b) {
    const struct indexed_header *x = a, *y = b;
    int by_name = str_cmp(x->header->name, y->header->name);
    return by_name != 0 ? by_name : (x->index > y->index) - (x->index < y->index);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void append_trimmed(struct buf *out, const char *value) {
    bool started = false, gap = false;
    for (const char *c = value; *c != '\0'; c++) {
        if (is_blank(*c)) {
            gap = started;
            continue;
        }
        if (gap)
            buf_putc(out, ' ');
        gap = false;
        started = true;
        buf_putc(out, *c);
    }
}

void signing_canonical_headers(const struct signing_header *headers, size_t count, struct buf *out, struct buf *names) {
    struct arena arena = {0};
    struct indexed_header *sorted = arena_alloc_array(&arena, count, sizeof(*sorted));
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct indexed_header){&headers[i], i};
    if (count > 1)
        qsort(sorted, count, sizeof(*sorted), header_cmp);
    for (size_t i = 0; i < count; i++) {
        const struct signing_header *header = sorted[i].header;
        bool repeated = i > 0 && str_eq(sorted[i - 1].header->name, header->name);
        if (repeated) {
            out->size--; /* The line feed of the line that goes on. */
            buf_putc(out, ',');
        } else {
            buf_printf(out, "%s:", header->name);
            buf_printf(names, "%s%s", i > 0 ? ";" : "", header->name);
        }
        append_trimmed(out, header->value);
        buf_putc(out, '\n');
    }
    arena_release(&arena);
}
