/*
 * The cases of AWS's published Signature Version 4 test suite, as rows: the request and the signature that it must
 * have. Key AKIDEXAMPLE, region us-east-1, service "service", 2015-08-30T12:36:00Z.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/common/sigv4.h"
#include "base/mem.h"
#include "base/timefmt.h"

#define EXAMPLE_TOKEN                                                                                                  \
    "AQoDYXdzEPT//////////"                                                                                            \
    "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwth"                     \
    "Ax7mSEI/qkPpKPi/"                                                                                                 \
    "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAki"               \
    "Y9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

struct row {
    const char *name, *method, *path, *query;
    struct signing_header extra[5]; /* Besides host and x-amz-date. */
    const char *body;
    const char *signed_headers, *signature;
};

#define HOST_DATE "host;x-amz-date"
#define GET_VANILLA "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"

static const struct row rows[] = {
    {.name = "get-vanilla", .signature = GET_VANILLA},
    {.name = "empty path", .path = "", .signature = GET_VANILLA},
    {.name = "get-unreserved",
     .path = "/" UNRESERVED,
     .signature = "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {.name = "get-utf8", .path = "/ሴ", .signature = "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {.name = "get-space",
     .path = "/example space/",
     .signature = "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {.name = "get-special-character",
     .path = "/example/$delete",
     .signature = "a853c9b21b528b19643d00910d35b83a10c366a10833ceefb45edd6c80e40f27"},
    {.name = "get-vanilla-empty-query-key",
     .query = "Param1=value1",
     .signature = "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {.name = "get-vanilla-query-order-key-case",
     .query = "Param2=value2&Param1=value1",
     .signature = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {.name = "get-vanilla-query-order-value",
     .query = "Param1=value2&Param1=value1",
     .signature = "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
    {.name = "get-vanilla-query-order-encoded",
     .query = "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
     .signature = "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
    {.name = "get-vanilla-query-unreserved",
     .query = UNRESERVED "=" UNRESERVED,
     .signature = "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {.name = "get-vanilla-utf8-query",
     .query = "ሴ=bar",
     .signature = "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {.name = "get-vanilla-with-session-token",
     .extra = {{"x-amz-security-token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"}},
     .signed_headers = "host;x-amz-date;x-amz-security-token",
     .signature = "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
    {.name = "get-header-value-trim",
     .extra = {{"my-header2", " \"a   b   c\""}, {"my-header1", " value1"}},
     .signed_headers = "host;my-header1;my-header2;x-amz-date",
     .signature = "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {.name = "get-header-value-order",
     .extra = {{"my-header1", "value4"}, {"my-header1", "value1"}, {"my-header1", "value3"}, {"my-header1", "value2"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {.name = "get-header-key-duplicate",
     .extra = {{"my-header1", "value2"}, {"my-header1", "value2"}, {"my-header1", "value1"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {.name = "post-vanilla",
     .method = "POST",
     .signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {.name = "post-vanilla-query",
     .method = "POST",
     .query = "Param1=value1",
     .signature = "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
    {.name = "post-header-value-case",
     .method = "POST",
     .extra = {{"my-header1", "VALUE1"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {.name = "post-x-www-form-urlencoded",
     .method = "POST",
     .extra = {{"content-type", "application/x-www-form-urlencoded"}},
     .body = "Param1=value1",
     .signed_headers = "content-type;host;x-amz-date",
     .signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {.name = "post-x-www-form-urlencoded-parameters",
     .method = "POST",
     .extra = {{"content-type", "application/x-www-form-urlencoded; charset=utf8"}},
     .body = "Param1=value1",
     .signed_headers = "content-type;host;x-amz-date",
     .signature = "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
    {.name = "post-sts-header-before",
     .method = "POST",
     .extra = {{"x-amz-security-token", EXAMPLE_TOKEN}},
     .signed_headers = "host;x-amz-date;x-amz-security-token",
     .signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
};

static struct sigv4_input input_of(const struct row *row, struct signing_header *headers) {
    size_t count = 0;
    for (; count < ARRAY_LEN(row->extra) && row->extra[count].name != NULL; count++)
        headers[count] = row->extra[count];
    headers[count++] = (struct signing_header){"x-amz-date", "20150830T123600Z"};
    headers[count++] = (struct signing_header){"host", "example.amazonaws.com"};
    struct sigv4_input input = {
        .method = row->method != NULL ? row->method : "GET",
        .path = row->path != NULL ? row->path : "/",
        .query = row->query != NULL ? row->query : "",
        .headers = headers,
        .header_count = count,
        .body = bytes_of(row->body != NULL ? row->body : ""),
        .region = "us-east-1",
        .service = "service",
        .key_id = "AKIDEXAMPLE",
        .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    };
    cr_assert(time_parse("2015-08-30T12:36:00Z", &input.time_ms));
    return input;
}

Test(sigv4, signs_as_the_published_suite_says) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct signing_header headers[8];
        struct sigv4_input input = input_of(&rows[i], headers);
        struct buf expected = {0}, actual = {0}, canonical = {0};
        buf_printf(&expected,
                   "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                   "SignedHeaders=%s, Signature=%s",
                   rows[i].signed_headers != NULL ? rows[i].signed_headers : HOST_DATE, rows[i].signature);
        sigv4_authorization(&input, &actual);
        sigv4_canonical_request(&input, &canonical);
        cr_expect_str_eq(buf_text(&actual), buf_text(&expected), "%s:\n%s", rows[i].name, buf_text(&canonical));
        buf_release(&expected);
        buf_release(&actual);
        buf_release(&canonical);
    }
}

Test(sigv4, string_to_sign_has_algorithm_date_scope_and_hash) {
    struct signing_header headers[8];
    struct sigv4_input input = input_of(&rows[0], headers);
    struct buf text = {0};
    sigv4_string_to_sign(&input, &text);
    cr_assert_str_eq(buf_text(&text), "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
                                      "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63");
    buf_release(&text);
}

Test(sigv4, encodes_a_path_twice_unless_told_that_it_is_verbatim) {
    const struct row row = {.path = "/a%20b"};
    struct signing_header headers[8];
    struct sigv4_input input = input_of(&row, headers);
    struct buf twice = {0}, once = {0};
    sigv4_canonical_request(&input, &twice);
    input.path_verbatim = true;
    sigv4_canonical_request(&input, &once);
    cr_expect(strncmp(buf_text(&twice), "GET\n/a%2520b\n", 13) == 0);
    cr_expect(strncmp(buf_text(&once), "GET\n/a%20b\n", 11) == 0);
    buf_release(&twice);
    buf_release(&once);
}

Test(sigv4, any_change_of_what_is_signed_changes_the_signature) {
    struct signing_header headers[8];
    struct sigv4_input base = input_of(&rows[0], headers), changed[6];
    for (size_t i = 0; i < ARRAY_LEN(changed); i++)
        changed[i] = base;
    changed[0].secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ";
    changed[1].body = bytes_of("x");
    changed[2].region = "us-east-2";
    changed[3].service = "servicf";
    changed[4].time_ms += 1000;
    changed[5].query = "a";
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        struct buf text = {0};
        sigv4_authorization(&changed[i], &text);
        cr_expect(strstr(buf_text(&text), GET_VANILLA) == NULL, "change %zu", i);
        buf_release(&text);
    }
}
