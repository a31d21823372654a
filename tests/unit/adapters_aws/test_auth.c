/*
 * Credentials: which source, when they are fetched again, and the clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "adapters/aws/auth_internal.h"
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

Test(aws_auth, a_key_that_has_ended_already_is_an_error_and_not_fetched_for_ever) {
    open_web_identity();
    script_key("ASIA1", -60);
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
    cr_expect_eq(reply->error.class, ERR_PERMISSION);
    cr_expect_eq(reply->error.effect, EFFECT_NONE);
    cr_expect(strstr(reply->error.message, "clock") != NULL, "%s", reply->error.message);
    cr_expect_eq(bench.server.request_count, 1);
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

Test(aws_auth, our_web_identity_goes_to_no_endpoint_of_a_provider) {
    static const char *const endpoints[] = {"https://sts.example", "https://x.elb.us-east-1.amazonaws.com",
                                            "http://127.0.0.1.example:1", "http://127.0.0.1:1@sts.example",
                                            "http://localhost@[::2]:1"};
    struct error err = {0};
    bench_key(&bench, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/trimtab");
    bench_key(&bench, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere");
    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        bench.endpoint = endpoints[i];
        cr_expect_eq(bench_open(&bench, &err), ERR_PERMANENT, "%s", endpoints[i]);
        cr_expect(strstr(err.message, "spec.endpoint") != NULL, "%s", err.message);
    }
    bench.endpoint = "http://[::1]:1";
    cr_expect_eq(bench_open(&bench, &err), ERR_NONE, "%s", err.message);
}

/* A Secret is somebody else's text: it must not name our files, our node's role, or where a token is sent. */
Test(aws_auth, a_secret_names_no_file_and_no_service) {
    static const char *const keys[][2] = {
        {"AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/trimtab"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE", "/etc/hostname"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/"},
    };
    struct error err = {0};
    bench.is_secret = true;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        bench_key(&bench, keys[i][0], keys[i][1]);
    cr_expect_eq(bench_open(&bench, &err), ERR_PERMISSION);
    cr_expect(strstr(err.message, "the Secret holds no AWS_ACCESS_KEY_ID") != NULL, "%s", err.message);
    bench_static_keys(&bench);
    cr_assert_eq(bench_open(&bench, &err), ERR_NONE, "%s", err.message);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    cr_expect_eq(bench_list(&bench, GROUP_BIT, 9)->error.class, ERR_NONE);
}

/* Assume role. */

#define ASSUME "{\"assumeRole\":{\"roleArn\":\"arn:aws:iam::210987654321:role/far\",\"externalId\":\"a+b/c\"}}"

static void script_role(const char *id, int64_t lifetime_s) {
    char until[TIME_TEXT_MAX];
    time_format(runtime_wall_ms(&bench.runtime.base) + lifetime_s * 1000, until);
    char *body = mem_printf("<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId>"
                            "<SecretAccessKey>s3cr3t</SecretAccessKey><SessionToken>token-%s</SessionToken>"
                            "<Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
                            id, id, until);
    script_reply(&bench.server, 200, "", body);
    mem_free(body);
}

Test(aws_auth, a_role_is_assumed_with_the_static_key_and_renewed_before_it_ends) {
    bench.parameters = ASSUME;
    bench_open_static(&bench);
    script_role("ASIA1", 3600);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    cr_expect_eq(bench_list(&bench, GROUP_BIT, 9)->error.class, ERR_NONE);
    cr_expect(asked(0, "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A210987654321%3Arole%2Ffar&"
                       "RoleSessionName=trimtab&ExternalId=a%2Bb%2Fc"));
    cr_expect(asked(0, "Credential=" BENCH_ID "/") && asked(0, "/us-east-1/sts/aws4_request"));
    cr_expect(asked(1, "Credential=ASIA1/") && asked(1, "x-amz-security-token: token-ASIA1\r\n"));
    bench_advance(&bench, 3600 - 200);
    script_role("ASIA2", 3600);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    bench_list(&bench, GROUP_BIT, 9);
    while (bench.server.step_at < 4)
        uv_run(&bench.loop, UV_RUN_ONCE);
    cr_expect(asked(2, "Action=AssumeRole&") || asked(3, "Action=AssumeRole&"));
}

Test(aws_auth, a_role_is_assumed_with_a_web_identity_read_anew) {
    bench.parameters = ASSUME;
    open_web_identity();
    script_key("ASIA1", 3600);
    script_role("ASIA2", 3600);
    script_reply(&bench.server, 403, "", EXPIRED);
    script_key("ASIA3", 3600);
    script_role("ASIA4", 3600);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect(asked(1, "Credential=ASIA1/") && asked(1, "x-amz-security-token: token-ASIA1\r\n"));
    cr_expect(asked(2, "Credential=ASIA2/"));
    cr_expect(asked(4, "Credential=ASIA3/"));
    cr_expect(asked(5, "Credential=ASIA4/"));
}

Test(aws_auth, a_role_that_may_not_be_assumed_says_which) {
    bench.parameters = ASSUME;
    bench_open_static(&bench);
    script_reply(&bench.server, 403, "",
                 "<ErrorResponse><Error><Code>AccessDenied</Code><Message>" BENCH_SECRET "</Message></Error>"
                 "</ErrorResponse>");
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
    cr_expect_eq(reply->error.class, ERR_PERMISSION);
    cr_expect(strstr(reply->error.message, "role/far: AssumeRole: AccessDenied") != NULL, "%s", reply->error.message);
    cr_expect(strstr(reply->error.message, BENCH_SECRET) == NULL);
}

Test(aws_auth, a_source_below_the_role_that_fails_is_named) {
    bench.parameters = ASSUME;
    open_web_identity();
    script_reply(&bench.server, 400, "", "<ErrorResponse><Error><Code>IDPRejectedClaim</Code></Error></ErrorResponse>");
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
    cr_expect(strstr(reply->error.message, "web identity: AssumeRoleWithWebIdentity: IDPRejectedClaim") != NULL, "%s",
              reply->error.message);
}

Test(aws_auth, a_wrong_clock_is_set_before_the_role_is_assumed) {
    bench.parameters = ASSUME;
    bench_open_static(&bench);
    script_reply(&bench.server, 403, "Date: Fri, 01 Jan 2027 10:00:00 GMT\r\n",
                 "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>");
    script_reply(&bench.server, 200, "",
                 "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId>"
                 "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
                 "<Expiration>2027-01-01T11:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>");
    script_reply(&bench.server, 200, "", NO_GROUPS);
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
    cr_expect_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect(asked(1, "x-amz-date: 20270101T1000") && asked(2, "x-amz-date: 20270101T1000"));
}

Test(aws_auth, a_role_without_a_good_arn_is_refused_at_open) {
    static const char *const blocks[] = {
        "{\"assumeRole\":{}}",
        "{\"assumeRole\":{\"roleArn\":\"arn:aws:iam::1:user/x\"}}",
        "{\"assumeRole\":{\"roleArn\":\"arn:aws:iam::1:role/a b\"}}",
        "{\"assumeRole\":{\"roleArn\":\"arn:aws:iam::1:role/a\",\"externalId\":\"\"}}",
    };
    bench_static_keys(&bench);
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        struct error err = {0};
        bench.parameters = blocks[i];
        cr_expect_eq(bench_open(&bench, &err), ERR_PERMANENT, "%s", blocks[i]);
        cr_expect(strstr(err.message, "spec.aws.assumeRole") != NULL, "%s", err.message);
    }
}

/* Containers. */

static void open_container(void) {
    static char uri[64];
    struct error err = {0};
    snprintf(uri, sizeof(uri), "http://127.0.0.1:%d/v1/credentials", bench.server.port);
    bench_key(&bench, "AWS_CONTAINER_CREDENTIALS_FULL_URI", uri);
    cr_assert_eq(bench_open(&bench, &err), ERR_NONE, "%s", err.message);
}

#define CONTAINER_KEY(ID)                                                                                              \
    "{\"AccessKeyId\":\"" ID "\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"AccountId\":\"1\","                       \
    "\"Expiration\":\"2999-01-01T00:00:00Z\"}"

Test(aws_auth, a_container_is_given_its_key_for_the_token_in_the_file) {
    write_token("pod.jwt\n");
    bench_key(&bench, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_path);
    open_container();
    script_reply(&bench.server, 200, "", CONTAINER_KEY("ASIA1"));
    script_reply(&bench.server, 403, "", EXPIRED);
    script_reply(&bench.server, 200, "", CONTAINER_KEY("ASIA2"));
    script_reply(&bench.server, 200, "", NO_GROUPS);
    cr_expect_eq(bench_list(&bench, GROUP_BIT, 9)->error.class, ERR_NONE);
    cr_expect(asked(0, "GET /v1/credentials HTTP/1.1\r\n") && asked(0, "authorization: pod.jwt\r\n"));
    cr_expect(asked(3, "Credential=ASIA2/"));
    script_reply(&bench.server, 403, "", EXPIRED);
    write_token("two words");
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
    cr_expect_eq(reply->error.class, ERR_PERMISSION);
    cr_expect(strstr(reply->error.message, "two words") == NULL, "%s", reply->error.message);
}

Test(aws_auth, a_container_service_that_refuses_says_so) {
    static const struct {
        int status;
        enum err_class class;
    } rows[] = {{400, ERR_PERMISSION}, {404, ERR_PERMISSION}, {429, ERR_THROTTLED}, {500, ERR_RETRYABLE}};
    bench_key(&bench, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "tok");
    open_container();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        script_reply(&bench.server, rows[i].status, "", "{\"code\":\"x\",\"message\":\"tok\"}");
        const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
        cr_expect_eq(reply->error.class, rows[i].class, "%d", rows[i].status);
        cr_expect(strstr(reply->error.message, "tok") == NULL, "%s", reply->error.message);
    }
}

Test(aws_auth, a_container_uri_is_https_or_beside_us) {
    static const struct {
        const char *uri;
        bool is_allowed;
    } rows[] = {
        {"http://169.254.170.23/v1/credentials", true},
        {"http://169.254.170.2/x", true},
        {"http://[fd00:ec2::23]/v1/credentials", true},
        {"http://[FD00:EC2:0::0023]:80/v1", true},
        {"http://[::1]:8080/x", true},
        {"http://localhost/x", true},
        {"http://127.9.9.9:1/x", true},
        {"https://keys.example.com/x", true},
        {"http://keys.example.com/x", false},
        {"http://169.254.169.254/x", false},
        {"http://127.0.0.1.example.com/x", false},
        {"http://localhost@example.com/x", false},
        {"http://[fd00:ec2::24]/", false},
        {"http://[::1", false},
        {"http://", false},
        {"http:///x", false},
        {"ftp://127.0.0.1/", false},
        {"file:///etc/passwd", false},
        {"http://127.0.0.1/a b", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_expect_eq(auth_container_uri_is_allowed(rows[i].uri), rows[i].is_allowed, "%s", rows[i].uri);
    struct error err = {0};
    bench_key(&bench, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://keys.example.com/x");
    cr_expect_eq(bench_open(&bench, &err), ERR_PERMANENT);
}

Test(aws_auth, a_relative_uri_is_a_path) {
    struct error err = {0};
    bench_key(&bench, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@example.com/");
    cr_expect_eq(bench_open(&bench, &err), ERR_PERMANENT);
    cr_expect(strstr(err.message, "RELATIVE_URI") != NULL, "%s", err.message);
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
