/*
 * The contract's odd cases in AWS's words: the adapter against a server that answers by script.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop_bed.h"

#include "adapters/aws/aws_internal.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "tests/support/script_server.h"

#define GROUPS_BEGIN "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups>"
#define GROUPS_END "</AutoScalingGroups>%s</DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>"

struct rig {
    struct loop_bed base;
    struct script_server server;
    char token_path[64];
};

static struct rig *rig_of(struct contract_bed *bed) {
    return CONTAINER_OF(bed, struct rig, base.bed);
}

/* Web identity: a credential that can be renewed. Cases that never script its endpoint get a static key. */
static const char *credential(void *ctx, const char *key) {
    const struct rig *rig = ctx;
    if (str_eq(key, "AWS_ROLE_ARN"))
        return "arn:aws:iam::123456789012:role/contract";
    return str_eq(key, "AWS_WEB_IDENTITY_TOKEN_FILE") ? rig->token_path : NULL;
}

static const char *static_key(void *ctx, const char *key) {
    (void)ctx;
    if (str_eq(key, "AWS_ACCESS_KEY_ID"))
        return "AKIDEXAMPLE";
    return str_eq(key, "AWS_SECRET_ACCESS_KEY") ? "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" : NULL;
}

static struct adapter *open_adapter(struct rig *rig, const char *(*key)(void *ctx, const char *key)) {
    static const char *const regions[] = {"us-east-1"};
    struct adapter *adapter;
    struct error err = {0};
    char *endpoint = mem_printf("http://127.0.0.1:%d", rig->server.port);
    const struct adapter_env env = {&rig->base.runtime.base, rig->base.http, NULL};
    const struct adapter_config config = {.name = "contract",
                                          .regions = regions,
                                          .region_count = 1,
                                          .endpoint = endpoint,
                                          .credential = key,
                                          .credential_ctx = rig,
                                          .is_environment = true};
    cr_assert_eq(adapter_aws.open(&adapter, &env, &config, &err), ERR_NONE, "%s", err.message);
    mem_free(endpoint);
    return adapter;
}

static struct contract_bed *rig_open(bool slow) {
    cr_assert(!slow);
    struct rig *rig = mem_alloc(sizeof(*rig));
    loop_bed_init(&rig->base);
    script_server_start(&rig->server, &rig->base.loop);
    rig->base.bed.region = "us-east-1";
    rig->base.bed.group = "web";
    rig->base.bed.adapter = open_adapter(rig, static_key);
    return &rig->base.bed;
}

static void rig_shut(struct contract_bed *bed) {
    struct rig *rig = rig_of(bed);
    loop_bed_release(&rig->base);
    script_server_stop(&rig->server);
    loop_bed_end(&rig->base);
    script_server_release(&rig->server);
    if (rig->token_path[0] != '\0')
        unlink(rig->token_path);
    mem_free(rig);
}

/* ---- the words ---- */

static char *page_text(size_t first, size_t count, const char *next) {
    struct buf body = {0};
    buf_puts(&body, GROUPS_BEGIN);
    for (size_t i = first; i < first + count; i++)
        buf_printf(&body, "<member><AutoScalingGroupName>web-%06zu</AutoScalingGroupName></member>", 999999 - i);
    char *token = next[0] != '\0' ? mem_printf("<NextToken>%s</NextToken>", next) : mem_strdup("");
    buf_printf(&body, GROUPS_END, token);
    mem_free(token);
    return buf_take(&body);
}

static void page(struct contract_bed *bed, size_t first, size_t count, const char *next) {
    cr_assert(strpbrk(next, "<>") == NULL);
    struct buf escaped = {0};
    for (const char *c = next; *c != '\0'; c++) {
        if (*c == '&')
            buf_puts(&escaped, "&amp;");
        else
            buf_putc(&escaped, *c);
    }
    char *text = page_text(first, count, buf_text(&escaped));
    script_reply(&rig_of(bed)->server, 200, "", text);
    mem_free(text);
    buf_release(&escaped);
}

static void strange(struct contract_bed *bed) {
    char *text = mem_printf(GROUPS_BEGIN "<member><AutoScalingGroupName>web</AutoScalingGroupName><Status>Dreaming"
                                         "</Status><Mood><Of>spring</Of></Mood><Instances><member><LifecycleState>"
                                         "Levitating</LifecycleState><HealthStatus>Blue</HealthStatus></member>"
                                         "</Instances></member>" GROUPS_END,
                            "<Weather/>");
    script_reply(&rig_of(bed)->server, 200, "", text);
    mem_free(text);
}

static char *endless_page(size_t number) {
    char next[32];
    snprintf(next, sizeof(next), "page-%zu", number + 1);
    return page_text(0, 0, next);
}

static void endless(struct contract_bed *bed) {
    rig_of(bed)->server.endless = endless_page;
}

/* The first makes the adapter one whose credential can be renewed. */
static void script_credential(struct contract_bed *bed) {
    struct rig *rig = rig_of(bed);
    if (rig->token_path[0] == '\0') {
        str_copy(rig->token_path, sizeof(rig->token_path), P_tmpdir "/trimtab-contract-XXXXXX");
        int fd = mkstemp(rig->token_path);
        cr_assert(fd >= 0);
        cr_assert_eq(write(fd, "a.b.c", 5), 5);
        close(fd);
        loop_bed_close_adapter(bed, bed->adapter);
        bed->adapter = open_adapter(rig, credential);
    }
    char until[TIME_TEXT_MAX];
    time_format(runtime_wall_ms(&rig->base.runtime.base) + INT64_C(3600000), until);
    char *text = mem_printf("<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                            "<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
                            "</SessionToken><Expiration>%s</Expiration></Credentials>"
                            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
                            until);
    script_reply(&rig->server, 200, "", text);
    mem_free(text);
}

static void refuse(struct contract_bed *bed, const struct contract_refusal *refusal) {
    script_reply(&rig_of(bed)->server, refusal->status, refusal->headers, refusal->body);
}

#define FAULT                                                                                                          \
    "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId>"    \
    "</ErrorResponse>"
#define EC2_FAULT "<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors></Response>"

static void expired(struct contract_bed *bed) {
    char *text = mem_printf(FAULT, "ExpiredToken", "The security token included in the request is expired");
    script_reply(&rig_of(bed)->server, 403, "", text);
    mem_free(text);
}

static size_t request_count(struct contract_bed *bed) {
    return rig_of(bed)->server.request_count;
}

/* AWS says it in as many ways as it has services. */
static const struct {
    const char *code;
    int status;
} throttles[] = {{"Throttling", 400},
                 {"ThrottlingException", 400},
                 {"RequestLimitExceeded", 503},
                 {"TooManyRequestsException", 429},
                 {"SlowDown", 503},
                 {"RequestThrottled", 400},
                 {"", 429}};

static struct contract_refusal throttle(size_t index, struct arena *arena) {
    const char *code = throttles[index].code;
    return (struct contract_refusal){
        .name = code[0] != '\0' ? code : "no code",
        .status = throttles[index].status,
        .headers = index % 2 == 0 ? "Retry-After: 7\r\n" : "Retry-After: 120\r\n",
        .body = code[0] != '\0' ? arena_printf(arena, index % 2 == 0 ? EC2_FAULT : FAULT, code, "Slower, please") : "",
        .class = ERR_THROTTLED,
        .retry_after_ms = index % 2 == 0 ? 7000 : 120000,
    };
}

/* A code that the row matches, in the status that AWS sends it with. What an earlier row takes is that row's. */
static bool refusal(size_t index, struct arena *arena, struct contract_refusal *ret) {
    if (index < ARRAY_LEN(throttles)) {
        *ret = throttle(index, arena);
        return true;
    }
    index -= ARRAY_LEN(throttles);
    if (index == aws_error_rule_count)
        return false;
    const struct error_rule *row = &aws_error_rules[index];
    struct buf code = {0};
    for (const char *c = row->code; c != NULL && *c != '\0'; c++) {
        if (*c == '*')
            buf_puts(&code, "Some");
        else
            buf_putc(&code, *c);
    }
    const char *text = row->message != NULL ? row->message : "in so many words";
    int status = row->status != 0 ? (int)row->status : row->effect == EFFECT_UNKNOWN ? 500 : 400;
    const struct error_rule *rule =
        error_table_find(aws_error_rules, aws_error_rule_count, buf_text(&code), text, (uint32_t)status);
    *ret = (struct contract_refusal){.name = arena_strdup(arena, buf_text(&code)),
                                     .status = status,
                                     .headers = "",
                                     .body = arena_printf(arena, FAULT, buf_text(&code), text),
                                     .class = rule->class,
                                     .effect = rule->effect};
    buf_release(&code);
    return true;
}

static const struct contract_script script = {
    .base = {.open = rig_open, .pump = loop_bed_pump, .settle = loop_bed_settle, .shut = rig_shut},
    .kinds = 1u << CLOUD_INSTANCE_GROUP,
    .page = page,
    .strange = strange,
    .credential = script_credential,
    .expired = expired,
    .refuse = refuse,
    .endless = endless,
    .request_count = request_count,
    .refusal = refusal,
    .throttle_count = ARRAY_LEN(throttles),
};

#define SCRIPT_CASE(name)                                                                                              \
    Test(contract_aws_script, name) {                                                                                  \
        contract_##name(&script);                                                                                      \
    }
CONTRACT_SCRIPT_CASES(SCRIPT_CASE)
