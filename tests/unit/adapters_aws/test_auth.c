/*
 * Credentials: which source, when they are fetched again, and the clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "bench.h"

#define GROUP_BIT (1u << CLOUD_INSTANCE_GROUP)
#define NO_GROUPS                                                                                                      \
    "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups/>"                         \
    "</DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>"
#define EXPIRED "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>expired</Message></Error></ErrorResponse>"

static struct bench bench;
static char *token_path;

static void set_up(void) {
    bench_init(&bench);
    token_path = NULL;
}

static void tear_down(void) {
    bench_release(&bench);
    if (token_path != NULL)
        unlink(token_path);
    mem_free(token_path);
}

TestSuite(aws_auth, .init = set_up, .fini = tear_down);

static void write_token(const char *token) {
    int fd = token_path == NULL ? mkstemp(token_path = mem_printf("%s/trimtab-token-XXXXXX", P_tmpdir))
                                : open(token_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, token, strlen(token)), (ssize_t)strlen(token));
    close(fd);
}

static void open_web_identity(void) {
    struct error err = {0};
    write_token("first.jwt\n");
    bench_key(&bench, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/trimtab");
    bench_key(&bench, "AWS_WEB_IDENTITY_TOKEN_FILE", token_path);
    cr_assert_eq(bench_open(&bench, &err), ERR_NONE, "%s", err.message);
}

/* The token service gives the key `id`, good for so long. */
static void script_key(const char *id, int64_t lifetime_s) {
    char until[TIME_TEXT_MAX];
    time_format(runtime_wall_ms(&bench.runtime.base) + lifetime_s * 1000, until);
    char *body = mem_printf(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId>"
        "<SecretAccessKey>s3cr3t-%s</SecretAccessKey><SessionToken>token-%s</SessionToken><Expiration>%s</Expiration>"
        "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        id, id, id, until);
    script_reply(&bench.server, 200, "", body);
    mem_free(body);
}

static bool asked(size_t index, const char *part) {
    return strstr(script_request(&bench.server, index), part) != NULL;
}

Test(aws_auth, web_identity_is_asked_once_and_unsigned) {
    open_web_identity();
    script_key("ASIA1", 3600);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    cr_expect_eq(bench_list(&bench, GROUP_BIT, 9)->error.class, ERR_NONE);
    cr_expect_eq(bench_list(&bench, GROUP_BIT, 9)->error.class, ERR_NONE);
    cr_expect_eq(bench.server.request_count, 3);
    cr_expect(asked(0,
                    "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3A"
                    "role%2Ftrimtab&RoleSessionName=trimtab&WebIdentityToken=first.jwt"));
    cr_expect(!asked(0, "authorization:"));
    cr_expect(asked(1, "Credential=ASIA1/") && asked(1, "x-amz-security-token: token-ASIA1\r\n"));
    cr_expect(asked(2, "Credential=ASIA1/"));
}

Test(aws_auth, an_expired_key_is_renewed_once_with_the_rotated_token) {
    open_web_identity();
    script_key("ASIA1", 3600);
    script_reply(&bench.server, 403, "", EXPIRED);
    script_key("ASIA2", 3600);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    bench_call(&bench, 0);
    bench_submit_list(&bench, 0);
    while (bench.server.request_count < 2)
        uv_run(&bench.loop, UV_RUN_ONCE);
    write_token("second.jwt");
    bench_wait(&bench, 0);
    const struct adapter_reply *reply = &bench.calls[0].call.reply;
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect(asked(2, "WebIdentityToken=second.jwt"));
    cr_expect(asked(3, "Credential=ASIA2/"));
    cr_expect_eq(reply->request_count, 2, "those of the call itself");
}

Test(aws_auth, a_key_that_stays_expired_is_not_renewed_for_ever) {
    open_web_identity();
    script_key("ASIA1", 3600);
    script_reply(&bench.server, 403, "", EXPIRED);
    script_key("ASIA2", 3600);
    script_reply(&bench.server, 403, "", EXPIRED);
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
    cr_expect_eq(reply->error.class, ERR_PERMISSION);
    cr_expect_str_eq(reply->error.code, "ExpiredToken");
    cr_expect_eq(bench.server.request_count, 4);
}

Test(aws_auth, a_fixed_key_cannot_be_renewed) {
    bench_open_static(&bench);
    script_reply(&bench.server, 403, "", EXPIRED);
    cr_expect_eq(bench_list(&bench, GROUP_BIT, 9)->error.class, ERR_PERMISSION);
    cr_expect_eq(bench.server.request_count, 1);
}

Test(aws_auth, calls_at_the_same_time_share_one_fetch) {
    open_web_identity();
    script_key("ASIA1", 3600);
    for (size_t i = 0; i < 3; i++) {
        script_reply(&bench.server, 200, "", NO_GROUPS);
        bench_call(&bench, i);
        bench_submit_list(&bench, i);
    }
    for (size_t i = 0; i < 3; i++) {
        bench_wait(&bench, i);
        cr_expect_eq(bench.calls[i].call.reply.error.class, ERR_NONE);
    }
    cr_expect_eq(bench.server.request_count, 4);
}

Test(aws_auth, a_failed_fetch_fails_those_who_wait_and_has_no_effect) {
    open_web_identity();
    script_reply(&bench.server, 400, "",
                 "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>bad first.jwt</Message></Error>"
                 "</ErrorResponse>");
    const struct adapter_reply *reply = bench_scale(&bench, "web", 1);
    cr_expect_eq(reply->error.class, ERR_PERMISSION);
    cr_expect_eq(reply->error.effect, EFFECT_NONE);
    cr_expect_str_eq(reply->error.message,
                     "credentials from web identity: AssumeRoleWithWebIdentity: InvalidIdentityToken: ");
    script_raw(&bench.server, "");
    reply = bench_scale(&bench, "web", 1);
    cr_expect_eq(reply->error.class, ERR_RETRYABLE);
    cr_expect_eq(reply->error.effect, EFFECT_NONE, "the mutation itself was never sent");
}

Test(aws_auth, a_key_near_its_end_is_used_while_the_next_is_fetched) {
    open_web_identity();
    script_key("ASIA1", 3600);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    bench_list(&bench, GROUP_BIT, 9);
    bench_advance(&bench, 3600 - 200);
    script_reply(&bench.server, 500, "", ""); /* The renewal fails, which harms nobody yet... */
    script_reply(&bench.server, 500, "", "");
    bench_list(&bench, GROUP_BIT, 9);
    while (bench.server.step_at < 4)
        uv_run(&bench.loop, UV_RUN_ONCE);
    cr_expect(asked(2, "Credential=ASIA1/") != asked(3, "Credential=ASIA1/"));
    cr_expect(asked(2, "AssumeRole") != asked(3, "AssumeRole"));
    bench_advance(&bench, 200);
    script_key("ASIA2", 3600); /* ...and at the end there is no way around. */
    script_reply(&bench.server, 200, "", NO_GROUPS);
    cr_expect_eq(bench_list(&bench, GROUP_BIT, 9)->error.class, ERR_NONE);
    cr_expect(asked(4, "AssumeRole") && asked(5, "Credential=ASIA2/"));
}

Test(aws_auth, a_key_of_short_life_is_not_fetched_again_at_once) {
    open_web_identity();
    script_key("ASIA1", 60);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    bench_list(&bench, GROUP_BIT, 9);
    cr_expect_eq(bench_list(&bench, GROUP_BIT, 9)->error.class, ERR_NONE);
    cr_expect_eq(bench.server.request_count, 3);
}

Test(aws_auth, cancel_and_close_while_the_key_is_fetched) {
    open_web_identity();
    script_silence(&bench.server);
    for (size_t i = 0; i < 2; i++) {
        bench_call(&bench, i);
        bench_submit_list(&bench, i);
    }
    bench.adapter->ops->cancel(bench.adapter, &bench.calls[0].call);
    bench_wait(&bench, 0);
    cr_expect_eq(bench.calls[0].call.reply.error.class, ERR_CANCELLED);
    cr_expect_eq(bench.calls[1].done_count, 0);
    bench_release(&bench);
    cr_expect_eq(bench.calls[1].call.reply.error.class, ERR_CANCELLED);
    bench_init(&bench);
}

Test(aws_auth, a_missing_token_file_is_a_matter_of_permission) {
    open_web_identity();
    unlink(token_path);
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
    cr_expect_eq(reply->error.class, ERR_PERMISSION);
    cr_expect(strstr(reply->error.message, "No such file") != NULL, "%s", reply->error.message);
    write_token("");
}

static void open_metadata(void) {
    struct error err = {0};
    static char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d/", bench.server.port);
    bench_key(&bench, "AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint);
    cr_assert_eq(bench_open(&bench, &err), ERR_NONE, "%s", err.message);
}

Test(aws_auth, instance_metadata_gives_token_role_and_key) {
    open_metadata();
    script_reply(&bench.server, 200, "", "imds-token");
    script_reply(&bench.server, 200, "", "node-role\n");
    script_reply(&bench.server, 200, "",
                 "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIA9\",\"SecretAccessKey\":\"s\",\"Token\":\"t9\","
                 "\"Expiration\":\"2999-01-01T00:00:00Z\",\"Type\":\"AWS-HMAC\"}");
    script_reply(&bench.server, 200, "", NO_GROUPS);
    cr_expect_eq(bench_list(&bench, GROUP_BIT, 9)->error.class, ERR_NONE);
    cr_expect(asked(0, "PUT /latest/api/token HTTP/1.1\r\n") && asked(0, "x-aws-ec2-metadata-token-ttl-seconds: "));
    cr_expect(asked(1, "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\n"));
    cr_expect(asked(1, "x-aws-ec2-metadata-token: imds-token\r\n"));
    cr_expect(asked(2, "GET /latest/meta-data/iam/security-credentials/node-role HTTP/1.1\r\n"));
    cr_expect(asked(3, "Credential=ASIA9/") && asked(3, "x-amz-security-token: t9\r\n"));
}

Test(aws_auth, instance_metadata_that_is_wrong_says_how) {
    static const struct {
        int status;
        const char *body;
        enum err_class class;
        const char *message;
    } rows[] = {
        {404, "", ERR_PERMISSION, "the instance has no role"},
        {200, "two words", ERR_RETRYABLE, "gives no role"},
        {500, "", ERR_RETRYABLE, "answers 500"},
        {403, "", ERR_PERMISSION, "answers 403"},
    };
    open_metadata();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        script_reply(&bench.server, 200, "", "imds-token");
        script_reply(&bench.server, rows[i].status, "", rows[i].body);
        const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
        cr_expect_eq(reply->error.class, rows[i].class, "row %zu: %s", i, reply->error.message);
        cr_expect(strstr(reply->error.message, rows[i].message) != NULL, "row %zu: %s", i, reply->error.message);
    }
    static const char *const keys[] = {
        "{\"SecretAccessKey\": \"hunter2\", oops",
        "{\"Code\":\"Success\",\"SecretAccessKey\":\"hunter2\"}",
        "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        script_reply(&bench.server, 200, "", "imds-token");
        script_reply(&bench.server, 200, "", "node-role");
        script_reply(&bench.server, 200, "", keys[i]);
        const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
        cr_expect_neq(reply->error.class, ERR_NONE);
        cr_expect(strstr(reply->error.message, "hunter2") == NULL, "%s", reply->error.message);
    }
}

Test(aws_auth, what_cannot_work_is_refused_at_open) {
    struct error err = {0};
    bench_key(&bench, "AWS_EC2_METADATA_DISABLED", "TRUE");
    cr_expect_eq(bench_open(&bench, &err), ERR_PERMISSION);
    bench_key(&bench, "AWS_ACCESS_KEY_ID", "AKID");
    cr_expect_eq(bench_open(&bench, &err), ERR_PERMANENT);
    cr_expect(strstr(err.message, "the secret is missing") != NULL, "%s", err.message);
    bench_key(&bench, "AWS_SECRET_ACCESS_KEY", "with\r\nX-Injected: 1");
    cr_expect_eq(bench_open(&bench, &err), ERR_PERMANENT);
    cr_expect(strstr(err.message, "Injected") == NULL, "%s", err.message);
}

Test(aws_auth, a_clock_that_is_wrong_is_set_by_the_servers_date) {
    bench_open_static(&bench);
    script_reply(&bench.server, 403, "Date: Fri, 01 Jan 2027 10:00:00 GMT\r\n",
                 "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></Error>"
                 "</ErrorResponse>");
    script_reply(&bench.server, 200, "", NO_GROUPS);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    cr_expect_eq(bench_list(&bench, GROUP_BIT, 9)->error.class, ERR_NONE);
    cr_expect(!asked(0, "x-amz-date: 20270101T"));
    cr_expect(asked(1, "x-amz-date: 20270101T1000"));
    bench_list(&bench, GROUP_BIT, 9);
    cr_expect(asked(2, "x-amz-date: 20270101T1000"), "it is remembered");
}

Test(aws_auth, a_wrong_secret_is_not_tried_twice) {
    bench_open_static(&bench);
    script_reply(&bench.server, 403, "",
                 "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>");
    cr_expect_eq(bench_list(&bench, GROUP_BIT, 9)->error.class, ERR_PERMISSION);
    cr_expect_eq(bench.server.request_count, 1);
}
