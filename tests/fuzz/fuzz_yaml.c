/*
 * Any bytes as a YAML file. Properties: limits hold, nothing crashes, and what was read prints as JSON that our strict
 * parser reads back to the same print.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "manifest/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_identity(const struct json *root) {
    struct buf first = {0}, second = {0};
    struct json *again = NULL;
    struct error err = {0};
    json_print(root, &first);
    if (first.size <= JSON_SIZE_MAX) {
        ASSERT(json_parse(buf_bytes(&first), &again, &err) == ERR_NONE);
        json_print(again, &second);
        ASSERT(str_eq(buf_text(&first), buf_text(&second)));
    }
    json_free(again);
    buf_release(&first);
    buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct yaml_documents documents = {0};
    struct error err = {0};
    if (yaml_parse((struct bytes){(const char *)data, size}, &documents, &err) != ERR_NONE) {
        ASSERT(documents.count == 0 && err.message[0] >= '1' && err.message[0] <= '9');
        return 0;
    }
    for (size_t i = 0; i < documents.count; i++) {
        check_identity(documents.items[i].root);
        ASSERT(documents.items[i].line >= 1);
        ASSERT(yaml_line(&documents.items[i], "spec.a[0].b") >= 1);
    }
    yaml_documents_release(&documents);
    return 0;
}
