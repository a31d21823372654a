/*
 * Fuzz target: the replies of AWS, in every dialect that it speaks. fuzz_reply.h says how an input reads. The options
 * of our own:
 *
 *      8  prices: by type; usage: of memory; charges: of a FOCUS export in S3; account: the instance's keys
 *     16  a role is assumed first
 *     32  prices: of so many types that the region is walked through; usage: of instances; account: the container's
 *         keys, with 8 those of a web identity
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_reply.h"

#define OPTION_OTHER FUZZ_OWN
#define OPTION_ROLE (FUZZ_OWN * 2)
#define OPTION_WIDE (FUZZ_OWN * 4)

#define ORIGIN "http://127.0.0.1:1"
#define METADATA "http://169.254.169.254"
#define CONTAINER "http://169.254.170.2"
#define KEY_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define ROLE_TOKEN "r0leSessionToken" /* As the seeds' AssumeRole says. */
#define WEB_TOKEN "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQifQ.c2lnbmF0dXJl"
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define CHARGES_FROM_MS INT64_C(1772323200000) /* 2026-03-01 */
#define USAGE_FROM_MS INT64_C(1767312000000)   /* 2026-01-02 */
#define STEP_MS 300000

/* Where the keys come from. */
enum keys { KEYS_STATIC, KEYS_METADATA, KEYS_CONTAINER, KEYS_WEB_IDENTITY };

static const char *token_path(void) {
    static char path[64];
    if (path[0] == '\0') {
        int fd = memfd_create("token", 0);
        ASSERT(write(fd, WEB_TOKEN, strlen(WEB_TOKEN)) == (ssize_t)strlen(WEB_TOKEN));
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    return path;
}

static const char *credential(void *ctx, const char *key) {
    switch (*(const enum keys *)ctx) {
    case KEYS_STATIC:
        return str_eq(key, "AWS_ACCESS_KEY_ID")       ? "AKIDEXAMPLE"
               : str_eq(key, "AWS_SECRET_ACCESS_KEY") ? KEY_SECRET
                                                      : NULL;
    case KEYS_CONTAINER:
        return str_eq(key, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")   ? "/v2/credentials/x"
               : str_eq(key, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") ? token_path()
                                                                       : NULL;
    case KEYS_WEB_IDENTITY:
        return str_eq(key, "AWS_ROLE_ARN")                  ? "arn:aws:iam::123456789012:role/pod"
               : str_eq(key, "AWS_WEB_IDENTITY_TOKEN_FILE") ? token_path()
                                                            : NULL;
    case KEYS_METADATA:
        break;
    }
    return NULL;
}

#define TARGET(verb_, kind_, id_) .verb = verb_, .kind = kind_, .region = "us-east-1", .id = id_, .token = "t"
#define TAGS .tags = tags, .tag_count = 2
static const struct cloud_tag tags[] = {{"app", "web"}, {CLOUD_TAG_OWNER, "trimtab"}};
static const struct cloud_action actions[] = {
    {TARGET(CLOUD_SCALE, CLOUD_INSTANCE_GROUP, "web"), .count = 3},
    {TARGET(CLOUD_RESIZE, CLOUD_INSTANCE, "i-1"), .type = "m5.large"},
    {TARGET(CLOUD_START, CLOUD_INSTANCE, "i-1")},
    {TARGET(CLOUD_STOP, CLOUD_INSTANCE, "i-1")},
    {TARGET(CLOUD_CREATE, CLOUD_INSTANCE, "lt"), TAGS},
    {TARGET(CLOUD_DELETE, CLOUD_INSTANCE, "i-1")},
    {TARGET(CLOUD_DELETE, CLOUD_VOLUME, "vol-1")},
    {TARGET(CLOUD_TAKE_SNAPSHOT, CLOUD_VOLUME, "vol-1"), TAGS},
    {TARGET(CLOUD_TAG, CLOUD_INSTANCE, "i-1"), TAGS},
    {TARGET(CLOUD_TAG, CLOUD_INSTANCE_GROUP, "web"), TAGS},
    {TARGET(CLOUD_DELETE, CLOUD_ADDRESS, "eipalloc-1")},
    {TARGET(CLOUD_DELETE, CLOUD_SNAPSHOT, "snap-1")},
};

static bool holds(struct bytes text, const char *part) {
    return text.size > 0 && memmem(text.data, text.size, part, strlen(part)) != NULL;
}

/* What the last request held: what its refusal may not repeat. */
static const char *secret;

static bool holds_secret(const char *text) {
    return secret != NULL && strstr(text, secret) != NULL;
}

/* What only reads asks by a GET, or for an operation whose name says so. */
static void check_request(const struct http_request *request, enum fuzz_verb verb) {
    static const char role_header[] = "x-amz-security-token: " ROLE_TOKEN;
    bool is_read = str_eq(request->method, "GET") || holds(request->body, "Action=Describe") ||
                   holds(request->body, "Action=Get") || holds(request->body, "Action=AssumeRole") ||
                   str_has_prefix(request->url, METADATA "/latest/api/token");
    bool is_to_aws = str_has_prefix(request->url, ORIGIN);
    secret = holds(request->body, WEB_TOKEN) ? WEB_TOKEN : NULL;
    for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i] != NULL; i++) {
        const char *header = request->headers[i];
        bool is_target = strncasecmp(header, "x-amz-target:", strlen("x-amz-target:")) == 0;
        is_read |= is_target && (strstr(header, ".Get") != NULL || strstr(header, ".List") != NULL);
        if (strcasecmp(header, role_header) == 0)
            secret = ROLE_TOKEN;
        ASSERT(strstr(header, KEY_SECRET) == NULL);
        ASSERT(strstr(header, WEB_TOKEN) == NULL || str_has_prefix(request->url, CONTAINER));
        ASSERT(is_to_aws || strncasecmp(header, "x-amz-security-token:", strlen("x-amz-security-token:")) != 0);
    }
    ASSERT(verb >= FUZZ_POLL || is_read);
}

static const struct fuzz_target target = {
    .ops = &adapter_aws,
    .origins = (const char *const[]){ORIGIN, METADATA, CONTAINER, NULL},
    .holds_secret = holds_secret,
    .actions = actions,
    .action_count = sizeof(actions) / sizeof(actions[0]),
    .check_request = check_request,
};

static struct cloud_query query_of(const struct fuzz_input *input) {
    static const char *const types[] = {"m5.large", "g6.xlarge", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    static const char *const groups[] = {"web", "g"}, *const machines[] = {"i-1", "i-2"};
    bool is_other = (input->options & OPTION_OTHER) != 0, is_wide = (input->options & OPTION_WIDE) != 0;
    bool is_charges = input->verb == FUZZ_CHARGES;
    return (struct cloud_query){.region = "us-east-1",
                                .types = is_other || is_wide ? types : NULL,
                                .type_count = is_wide ? sizeof(types) / sizeof(types[0]) : 2,
                                .kind = is_wide ? CLOUD_INSTANCE : CLOUD_INSTANCE_GROUP,
                                .metric = is_other ? CLOUD_METRIC_MEMORY : CLOUD_METRIC_CPU,
                                .ids = is_wide ? machines : groups,
                                .id_count = 2,
                                .from_ms = is_charges ? CHARGES_FROM_MS : USAGE_FROM_MS,
                                .to_ms = is_charges ? CHARGES_FROM_MS + 2 * DAY_MS : USAGE_FROM_MS + DAY_MS,
                                .step_ms = STEP_MS};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const regions[] = {"us-east-1"};
    static const char *const blocks[] = {"{}", "{\"focusExport\":{\"bucket\":\"billing\",\"prefix\":\"a b/focus\"}}",
                                         "{\"assumeRole\":{\"roleArn\":\"arn:aws:iam::123456789012:role/trimtab\","
                                         "\"externalId\":\"x\"}}"};
    struct fuzz_input input;
    struct error err = {0};
    struct json *parameters = NULL;
    if (!fuzz_input_read(data, size, target.action_count, &input))
        return 0;
    bool is_export = input.verb == FUZZ_CHARGES && (input.options & OPTION_OTHER) != 0;
    size_t block = is_export ? 1 : (input.options & OPTION_ROLE) != 0 ? 2 : 0;
    ASSERT(json_parse(bytes_of(blocks[block]), &parameters, &err) == ERR_NONE);
    enum keys keys = input.verb == FUZZ_ACCOUNT
                         ? (enum keys)(input.options / OPTION_OTHER % 2 + input.options / OPTION_WIDE * 2)
                         : KEYS_STATIC;
    secret = NULL;
    const struct adapter_config config = {.name = "fuzz",
                                          .regions = regions,
                                          .region_count = 1,
                                          .endpoint = ORIGIN,
                                          .parameters = parameters,
                                          .credential = credential,
                                          .credential_ctx = &keys,
                                          .is_environment = true};
    const struct cloud_query query = query_of(&input);
    fuzz_adapter(&target, &config, &query, &input);
    json_free(parameters);
    return 0;
}
