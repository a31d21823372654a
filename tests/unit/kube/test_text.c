/* Facts read off JSON text. SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "kube/text.h"

#define OBJECT                                                                                                         \
    "{\"apiVersion\":\"v1\",\"metadata\":{\"annotations\":{\"a\":\"{\\\"resourceVersion\\\":\\\"9\\\","                \
    "\\\"generation\\\":9}\"},"                                                                                        \
    "\"generation\":12,\"managedFields\":[{\"fieldsV1\":{\"f:x\":[1,\"]\\\"\"]}},{}],\"name\":\"n\","                  \
    "\"resourceVersion\":\"345\"},\"spec\":{\"generation\":7}}"

static bool is_text(struct bytes bytes, const char *text) {
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

Test(kube_text, reads_what_is_metadata_and_not_what_a_string_holds) {
    cr_assert(is_text(kube_text_resource_version(bytes_of(OBJECT)), "345"));
    cr_assert_eq(kube_text_generation(bytes_of(OBJECT)), 12);
    cr_assert(is_text(kube_text_managed_fields(bytes_of(OBJECT)), "[{\"fieldsV1\":{\"f:x\":[1,\"]\\\"\"]}},{}]"));
    cr_assert(kube_text_has(bytes_of(OBJECT), "\"name\":\"n\""));
    cr_assert_not(kube_text_has(bytes_of(OBJECT), "trimtab.dev/suspend"));
}

Test(kube_text, says_none_for_what_is_absent_or_cut) {
    static const char *const rows[] = {"",
                                       "{}",
                                       "{\"resourceVersion\":\"3",
                                       "{\"managedFields\":[{\"a\":\"b",
                                       "{\"generation\":\"5\"}",
                                       "{\"managedFields\":{}}",
                                       "{\"generation\":"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        cr_expect_eq(kube_text_resource_version(bytes_of(rows[i])).size, 0, "%s", rows[i]);
        cr_expect_eq(kube_text_generation(bytes_of(rows[i])), -1, "%s", rows[i]);
        cr_expect_eq(kube_text_managed_fields(bytes_of(rows[i])).size, 0, "%s", rows[i]);
    }
}
