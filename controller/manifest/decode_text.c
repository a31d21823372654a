/*
 * What strings must look like: one table. Each row agrees with the maxLength and pattern of the same field in crds/
 * (tests/integration/test_crds.py holds the two together).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/money.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "manifest/decode_internal.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool is_made_of(const char *text, const char *characters) {
    return *text && text[strspn(text, characters)] == '\0';
}

static bool is_lower_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_label_span(const char *text, size_t size) {
    if (size == 0 || size > 63 || !is_lower_or_digit(text[0]) || !is_lower_or_digit(text[size - 1]))
        return false;
    return strspn(text, LOWER DIGITS "-") >= size;
}

static bool is_label(const char *text) {
    return is_label_span(text, strlen(text));
}

static bool is_subdomain(const char *text) {
    for (;;) {
        size_t size = strcspn(text, ".");
        if (!is_label_span(text, size))
            return false;
        if (text[size] == '\0')
            return true;
        text += size + 1;
    }
}

static bool is_reference(const char *text) {
    const char *slash = strchr(text, '/');
    if (!slash)
        return is_subdomain(text);
    return is_label_span(text, (size_t)(slash - text)) && is_subdomain(slash + 1);
}

static bool is_not_empty(const char *text) {
    return *text != '\0';
}

static bool has_white_space(const char *text) {
    return text[strcspn(text, " \t\n\v\f\r")] != '\0';
}

static bool is_url(const char *text) {
    const char *host = str_has_prefix(text, "https://") ? text + 8 : str_has_prefix(text, "http://") ? text + 7 : NULL;
    return host && strcspn(host, "/?#") > 0 && !has_white_space(host);
}

static bool is_uri(const char *text) {
    size_t scheme = strspn(text, LOWER DIGITS "+.-");
    return text[0] >= 'a' && text[0] <= 'z' && str_has_prefix(text + scheme, "://") && text[scheme + 3] &&
           !has_white_space(text);
}

static bool is_time_zone(const char *text) {
    return ((*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z')) &&
           is_made_of(text, LOWER UPPER DIGITS "_+/-");
}

static bool is_cron(const char *text) {
    return is_made_of(text, LOWER UPPER DIGITS "*,/- ") && text[0] != ' ' && text[strlen(text) - 1] != ' ';
}

static bool is_instance_type(const char *text) {
    return is_made_of(text, LOWER UPPER DIGITS "._-") && !strchr("._-", text[0]);
}

static bool is_glob(const char *text) {
    return is_made_of(text, LOWER UPPER DIGITS "._*?-");
}

static bool is_hash(const char *text) {
    return is_made_of(text, LOWER UPPER DIGITS ":._-");
}

static bool is_reason(const char *text) {
    return text[0] >= 'A' && text[0] <= 'Z' && is_made_of(text, LOWER UPPER DIGITS);
}

static bool is_decimal(const char *text) {
    size_t whole = strspn(text, DIGITS);
    if (whole == 0 || whole > 12 || (text[0] == '0' && whole > 1))
        return false;
    if (text[whole] == '\0')
        return true;
    size_t part = strspn(text + whole + 1, DIGITS);
    return text[whole] == '.' && part > 0 && part <= 6 && text[whole + 1 + part] == '\0';
}

static bool is_currency(const char *text) {
    return strlen(text) == 3 && is_made_of(text, UPPER);
}

static bool is_date(const char *text) {
    char time[TIME_TEXT_MAX];
    int64_t ignored;
    if (strlen(text) != 10 || !str_copy(time, sizeof(time), text))
        return false;
    memcpy(time + 10, "T00:00:00Z", sizeof("T00:00:00Z"));
    return time_parse(time, &ignored);
}

/* arn:aws:iam::123456789012:role/path/name, in any partition. */
static bool is_role_arn(const char *text) {
    if (!str_has_prefix(text, "arn:aws"))
        return false;
    const char *rest = text + 7 + strspn(text + 7, LOWER "-");
    if (!str_has_prefix(rest, ":iam::"))
        return false;
    rest += 6;
    return strspn(rest, DIGITS) == 12 && str_has_prefix(rest + 12, ":role/") &&
           is_made_of(rest + 18, LOWER UPPER DIGITS "+=,.@_/-");
}

static bool is_external_id(const char *text) {
    return strlen(text) >= 2 && is_made_of(text, LOWER UPPER DIGITS "_+=,.@:/-");
}

static bool is_bucket(const char *text) {
    size_t size = strlen(text);
    return size >= 3 && is_made_of(text, LOWER DIGITS ".-") && is_lower_or_digit(text[0]) &&
           is_lower_or_digit(text[size - 1]);
}

/* Digits, the first not 0, and one of the suffixes. */
static bool is_quantity(const char *text, size_t digits_max, const char *const *suffixes) {
    size_t digits = strspn(text, DIGITS);
    if (digits == 0 || digits > digits_max || text[0] == '0')
        return false;
    for (size_t i = 0; suffixes[i]; i++)
        if (str_eq(text + digits, suffixes[i]))
            return true;
    return false;
}

static bool is_cpu(const char *text) {
    static const char *const suffixes[] = {"", "m", NULL};
    return is_quantity(text, 9, suffixes);
}

static bool is_memory(const char *text) {
    static const char *const suffixes[] = {"", "Ki", "Mi", "Gi", "Ti", NULL};
    return is_quantity(text, 15, suffixes);
}

const struct text_rule text_any = {1024, NULL, ""};
const struct text_rule text_label = {63, is_label, "must be lower-case letters, digits and dashes, like checkout"};
const struct text_rule text_subdomain = {253, is_subdomain,
                                         "must be lower-case letters, digits, dashes and dots, like web-1"};
const struct text_rule text_reference = {317, is_reference, "must be name or namespace/name, in lower case"};
const struct text_rule text_region = {63, is_label, "must be a region as the cloud writes it, like us-east-1"};
const struct text_rule text_id = {512, is_not_empty, "must not be empty"};
const struct text_rule text_url = {512, is_url, "must be an http:// or https:// URL"};
const struct text_rule text_time_zone = {64, is_time_zone, "must be a time zone like Europe/Berlin or UTC"};
const struct text_rule text_cron = {100, is_cron, "must be a cron schedule of five fields, like \"0 2 * * *\""};
const struct text_rule text_template = {256, is_not_empty, "must not be empty"};
const struct text_rule text_instance_type = {128, is_instance_type, "must be an instance type, like m5.large"};
const struct text_rule text_glob = {128, is_glob, "must be a pattern over instance types, like t* or m5.large"};
const struct text_rule text_uri = {1024, is_uri, "must be a URI like s3://bucket/prefix"};
const struct text_rule text_hash = {128, is_hash, "must be letters, digits, and any of :._-"};
const struct text_rule text_reason = {64, is_reason, "must be one CamelCase word, like TooRisky"};
const struct text_rule text_note = {1024, NULL, ""};
const struct text_rule text_decimal = {19, is_decimal, "must be a decimal string like \"12000.00\""};
const struct text_rule text_currency = {3, is_currency, "must be an ISO 4217 code, like USD"};
const struct text_rule text_date = {10, is_date, "must be a date like 2026-01-31"};
const struct text_rule text_file = {512, is_not_empty, "must not be empty"};
const struct text_rule text_context = {256, is_not_empty, "must not be empty"};
const struct text_rule text_role_arn = {2048, is_role_arn,
                                        "must be the ARN of a role, like arn:aws:iam::123456789012:role/trimtab"};
const struct text_rule text_external_id = {1224, is_external_id,
                                           "must be 2 or more letters, digits, and any of _+=,.@:/-"};
const struct text_rule text_bucket = {63, is_bucket, "must be the name of a bucket, like billing-exports"};
const struct text_rule text_prefix = {512, is_not_empty, "must not be empty"};
const struct text_rule text_cpu = {10, is_cpu, "must be cores like 2 or thousandths like 500m"};
const struct text_rule text_memory = {17, is_memory, "must be a size like 512Mi or 2Gi"};
