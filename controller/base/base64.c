/*
 * Base64; see base64.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool base64_decode(struct bytes text, struct buf *out) {
    size_t start = out->size;
    uint32_t bits = 0;
    size_t digits = 0, pads = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        int digit = digit_of(c);
        if (is_space(c))
            continue;
        if (c == '=' && digits % 4 + pads >= 2 && digits % 4 + pads < 4) {
            pads++;
            continue;
        }
        if (digit < 0 || pads) {
            out->size = start;
            return false;
        }
        bits = bits << 6 | (uint32_t)digit;
        digits++;
        if (digits % 4 != 1)
            buf_putc(out, (char)(uint8_t)(bits >> (6 - 2 * ((digits - 1) % 4))));
    }
    if (digits % 4 == 1 || (digits % 4 && pads != 4 - digits % 4)) {
        out->size = start;
        return false;
    }
    return true;
}

void base64_encode(struct bytes data, struct buf *out) {
    for (size_t i = 0; i < data.size; i += 3) {
        size_t left = data.size - i;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < left ? (uint8_t)data.data[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            buf_putc(out, k <= left ? alphabet[bits >> (18 - 6 * k) & 63] : '=');
    }
}
