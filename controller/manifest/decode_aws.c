/*
 * The `aws` block of a Provider, checked as its CRD does. Its values are read by adapters/aws from the serialised
 * block; nothing is kept here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "manifest/decode_internal.h"

void decode_aws(struct decoder *d, const struct place *block) {
    static const char *const keys[] = {"assumeRole", "focusExport", NULL};
    static const char *const role_keys[] = {"roleArn", "externalId", NULL};
    static const char *const export_keys[] = {"bucket", "prefix", "region", NULL};
    struct place at = *block;
    decode_object_at(d, &at, keys);
    struct place role = decode_object(d, &at, "assumeRole", role_keys);
    if (role.json) {
        decode_text_borrowed(d, &role, "roleArn", &text_role_arn, true);
        decode_text_borrowed(d, &role, "externalId", &text_external_id, false);
    }
    struct place focus = decode_object(d, &at, "focusExport", export_keys);
    if (focus.json) {
        decode_text_borrowed(d, &focus, "bucket", &text_bucket, true);
        decode_text_borrowed(d, &focus, "prefix", &text_prefix, false);
        decode_text_borrowed(d, &focus, "region", &text_region, false);
    }
}
