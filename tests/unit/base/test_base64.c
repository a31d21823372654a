/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "base/base64.h"
#include "base/mem.h"

static const struct {
    const char *text, *data;
} rows[] = {{"", ""},
            {"Zg==", "f"},
            {"Zm8=", "fo"},
            {"Zm9v", "foo"},
            {"Zm9vYg==", "foob"},
            {"Zm9vYmE=", "fooba"},
            {"Zm9vYmFy", "foobar"},
            {"+/+/", "\xfb\xff\xbf"}};

Test(base64, knows_the_vectors_of_the_rfc_both_ways) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf decoded = {0}, encoded = {0};
        cr_assert(base64_decode(bytes_of(rows[i].text), &decoded), "row %zu", i);
        cr_assert_str_eq(buf_text(&decoded), rows[i].data, "row %zu", i);
        base64_encode(bytes_of(rows[i].data), &encoded);
        cr_assert_str_eq(buf_text(&encoded), rows[i].text, "row %zu", i);
        buf_release(&decoded);
        buf_release(&encoded);
    }
}

Test(base64, passes_over_white_space) {
    struct buf out = {0};
    cr_assert(base64_decode(bytes_of("Zm9v\nYmFy\n"), &out));
    cr_assert_str_eq(buf_text(&out), "foobar");
    buf_release(&out);
}

Test(base64, refuses_what_is_not_base64_and_leaves_the_buffer) {
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zg===", "Zm8", "Zm9v=", "Zm9v====", "Z*==", "Zg==Zg==", "=", "-_-_"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf out = {0};
        buf_puts(&out, "x");
        cr_assert_not(base64_decode(bytes_of(bad[i]), &out), "%s", bad[i]);
        cr_assert_eq(out.size, 1, "%s", bad[i]);
        buf_release(&out);
    }
}
