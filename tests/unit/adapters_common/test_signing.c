/*
 * Canonical forms: the corners that the published vectors leave out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "adapters/common/signing.h"
#include "base/mem.h"

Test(signing, canonical_query_is_decoded_encoded_and_sorted) {
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"", ""},
        {"a", "a="},
        {"a=", "a="},
        {"b=2&a=1", "a=1&b=2"},
        {"a=2&a=1&a=", "a=&a=1&a=2"},
        {"a=1&&b=2&", "a=1&b=2"},
        {"a=x+y", "a=x%2By"},
        {"a=x%2By", "a=x%2By"},
        {"a=x%20y*~", "a=x%20y%2A~"},
        {"a=x y", "a=x%20y"},
        {"a=b=c", "a=b%3Dc"},
        {"a=%c3%a9", "a=%C3%A9"},
        {"a=%zz%4", "a=%25zz%254"},
        {"a=%41", "a=A"},
        {"A=1&a=1&B=1", "A=1&B=1&a=1"},
        {"Param-3=v&Param=v", "Param=v&Param-3=v"},
        {"a=%00b", "a=%00b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = {0};
        signing_canonical_query(rows[i].from, &out);
        cr_expect_str_eq(buf_text(&out), rows[i].to, "%s", rows[i].from);
        buf_release(&out);
    }
}

Test(signing, canonical_headers_are_sorted_trimmed_and_joined) {
    const struct signing_header headers[] = {
        {"b", "  x \t y  "}, {"a", "1"}, {"b", "2"}, {"c", ""}, {"ab", "3"},
    };
    struct buf out = {0}, names = {0};
    signing_canonical_headers(headers, ARRAY_LEN(headers), &out, &names);
    cr_expect_str_eq(buf_text(&out), "a:1\nab:3\nb:x y,2\nc:\n");
    cr_expect_str_eq(buf_text(&names), "a;ab;b;c");
    buf_release(&out);
    buf_release(&names);
}

Test(signing, digests_are_those_of_the_standards) {
    char hex[SIGNING_SHA256_HEX_SIZE];
    signing_sha256_hex(bytes_of(""), hex);
    cr_expect_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    signing_sha256_hex(bytes_of("abc"), hex);
    cr_expect_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    unsigned char mac[SIGNING_SHA256_SIZE]; /* RFC 4231, test case 2. */
    signing_hmac_sha256("Jefe", 4, bytes_of("what do ya want for nothing?"), mac);
    signing_hex(mac, sizeof(mac), hex);
    cr_expect_str_eq(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

Test(signing, keeps_only_the_characters_asked_for) {
    struct buf out = {0};
    signing_append_encoded(&out, (struct bytes){"a/b c\0d", 7}, "/");
    cr_expect_str_eq(buf_text(&out), "a/b%20c%00d");
    buf_release(&out);
}
