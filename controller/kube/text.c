/*
 * Facts read off JSON text; see text.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kube/text.h"

#include <string.h>

/* Behind the first `key`; NULL: none. */
static const char *find(struct bytes text, const char *key) {
    size_t size = strlen(key);
    const char *at = text.size ? memmem(text.data, text.size, key, size) : NULL;
    return at ? at + size : NULL;
}

struct bytes kube_text_resource_version(struct bytes text) {
    const char *start = find(text, "\"resourceVersion\":\"");
    const char *end = start ? memchr(start, '"', (size_t)(text.data + text.size - start)) : NULL;
    return end ? (struct bytes){start, (size_t)(end - start)} : (struct bytes){0};
}

int64_t kube_text_generation(struct bytes text) {
    const char *at = find(text, "\"generation\":");
    const char *end = text.data + text.size;
    int64_t value = 0;
    if (!at || at == end || *at < '0' || *at > '9')
        return -1; /* A label of that name has a quoted value. */
    for (; at < end && *at >= '0' && *at <= '9' && value < INT64_MAX / 16; at++)
        value = value * 10 + (*at - '0');
    return value;
}

bool kube_text_has(struct bytes text, const char *word) {
    return find(text, word) != NULL;
}

struct bytes kube_text_managed_fields(struct bytes text) {
    const char *start = find(text, "\"managedFields\":");
    const char *end = text.data + text.size;
    if (!start || start == end || *start != '[')
        return (struct bytes){0};
    int depth = 0;
    for (const char *at = start; at < end; at++) {
        if (*at == '"') {
            for (at++; at < end && *at != '"'; at++)
                at += *at == '\\';
        } else if (*at == '[' || *at == '{') {
            depth++;
        } else if ((*at == ']' || *at == '}') && --depth == 0) {
            return (struct bytes){start, (size_t)(at + 1 - start)};
        }
    }
    return (struct bytes){0};
}
