/*
 * charges: rows of the FOCUS export in S3 where the Provider names one, else of Cost Explorer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/aws/charges.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"

/* parameters.focusExport: {"bucket", "prefix", "region"} */
enum err_class aws_charges_open(struct aws *aws, const struct adapter_config *config, struct error *err) {
    const struct json *block = json_get(config->parameters, "focusExport");
    if (block == NULL)
        return ERR_NONE;
    const char *bucket = json_string(json_get(block, "bucket"), "");
    const char *prefix = json_string(json_get(block, "prefix"), "");
    const char *region = json_string(json_get(block, "region"), aws->region);
    if (!aws_s3_bucket_is_valid(bucket))
        return error_set(err, ERR_PERMANENT, "spec.aws.focusExport.bucket: not a bucket: \"%s\"", bucket);
    if (!aws_region_is_valid(region))
        return error_set(err, ERR_PERMANENT, "spec.aws.focusExport.region: not a region of AWS: \"%s\"", region);
    prefix += strspn(prefix, "/");
    bool is_closed = prefix[0] == '\0' || str_has_suffix(prefix, "/");
    aws->export_bucket = mem_strdup(bucket);
    aws->export_prefix = mem_printf("%s%s", prefix, is_closed ? "" : "/"); /* "focus" is not "focus2". */
    aws->export_region = mem_strdup(region);
    return ERR_NONE;
}

void aws_charges_release(struct aws *aws) {
    mem_free(aws->export_bucket);
    mem_free(aws->export_prefix);
    mem_free(aws->export_region);
}

const char *aws_cursor_parse(const char *cursor, uint64_t *ret_number) {
    int64_t number;
    char digits[24];
    size_t size = strcspn(cursor, "#");
    if (cursor[size] != '#' || size >= sizeof(digits))
        return NULL;
    memcpy(digits, cursor, size);
    digits[size] = '\0';
    if (!str_to_int64(digits, &number) || number < 0)
        return NULL;
    *ret_number = (uint64_t)number;
    return cursor + size + 1;
}

static void refuse(struct aws *aws, struct adapter_call *outer, const char *why) {
    static const struct call_verb refused_verb = {.name = "charges"};
    call_refuse(call_new(&aws->host, outer, &refused_verb, 0), "aws: charges: %s", why);
}

void aws_charges(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query) {
    if (query->from_ms < 0 || query->to_ms <= query->from_ms)
        refuse(aws, outer, "the range is empty");
    else if (query->count_max == 0)
        refuse(aws, outer, "no row is asked for");
    else if (aws->export_bucket != NULL)
        aws_charges_export(aws, outer, query);
    else
        aws_charges_explorer(aws, outer, query);
}
