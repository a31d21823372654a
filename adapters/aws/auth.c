/*
 * Who we are to AWS. The first that is configured, as in AWS's own tools:
 *     1. static keys       AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *     2. web identity      AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE [AWS_ROLE_SESSION_NAME]; the file is read anew for
 *                          each renewal, since the kubelet rotates it
 *     3. instance metadata IMDSv2 only, unless AWS_EC2_METADATA_DISABLED=true
 *                          [AWS_EC2_METADATA_SERVICE_ENDPOINT]
 * And the signature of every request.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "adapters/aws/aws_internal.h"
#include "adapters/common/sigv4.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

#define TOKEN_FILE_SIZE_MAX 32768
#define STS_TIMEOUT_MS 15000
#define METADATA_TIMEOUT_MS 2000
#define METADATA_ENDPOINT "http://169.254.169.254"
#define METADATA_ROLES "/latest/meta-data/iam/security-credentials/"

void aws_sign_exchange(const struct aws *aws, struct exchange *exchange, const struct aws_scope *scope,
                       const struct credentials_value *value) {
    int64_t now_ms = call_host_now_ms(&aws->host);
    char date[SIGV4_DATE_SIZE], hash[SIGNING_SHA256_HEX_SIZE];
    bool is_s3 = scope->service == &aws_s3;
    sigv4_date(now_ms, date);
    exchange_header(exchange, "x-amz-date", "%s", date);
    if (is_s3) {
        signing_sha256_hex(buf_bytes(&exchange->body), hash);
        exchange_header(exchange, "x-amz-content-sha256", "%s", hash);
    }
    if (value->token != NULL)
        exchange_header(exchange, "x-amz-security-token", "%s", value->token);
    const char *path, *query;
    exchange_url_parts(exchange, &path, &query);
    struct sigv4_input input = {
        .method = exchange->request.method,
        .path = path,
        .query = query,
        .headers = exchange->headers,
        .header_count = exchange->header_count,
        .body = buf_bytes(&exchange->body),
        .path_verbatim = is_s3,
        .region = scope->region,
        .service = scope->service->signing,
        .key_id = value->id,
        .secret = value->secret,
        .time_ms = now_ms,
    };
    struct buf authorization = {0};
    sigv4_authorization(&input, &authorization);
    exchange_header(exchange, "authorization", "%s", buf_text(&authorization));
    buf_release(&authorization);
}

void aws_sign(struct call *call, const struct credentials_value *value) {
    aws_sign_exchange(aws_of(call), &call->exchange, call->state, value);
}

static enum err_class take_value(const char *id, const char *secret, const char *token, const char *expiration,
                                 struct credentials_value *ret, struct error *err) {
    int64_t expires_at_ms;
    if (id[0] == '\0' || secret[0] == '\0' || token[0] == '\0' || !time_parse(expiration, &expires_at_ms))
        return error_set(err, ERR_RETRYABLE, "the reply holds no complete credential");
    *ret = (struct credentials_value){
        .id = mem_strdup(id), .secret = mem_strdup(secret), .token = mem_strdup(token), .expires_at_ms = expires_at_ms};
    return ERR_NONE;
}

/* Web identity. */

static enum err_class read_token(const char *path, char *to, size_t to_size, struct error *err) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(err, ERR_PERMISSION, "AWS_WEB_IDENTITY_TOKEN_FILE %s: %m", path);
    size_t size = fread(to, 1, to_size - 1, file);
    fclose(file);
    while (size > 0 && strchr(" \t\r\n", to[size - 1]) != NULL)
        size--;
    to[size] = '\0';
    if (size == 0 || size == to_size - 1)
        return error_set(err, ERR_PERMISSION, "AWS_WEB_IDENTITY_TOKEN_FILE %s: %s", path,
                         size == 0 ? "empty" : "too large");
    return ERR_NONE;
}

static enum err_class web_identity_build(void *ctx, struct exchange *exchange, uint32_t index, struct error *err) {
    (void)index;
    struct aws *aws = ctx;
    char token[TOKEN_FILE_SIZE_MAX];
    if (read_token(aws->auth.token_file, token, sizeof(token), err) != ERR_NONE)
        return err->class;
    struct aws_scope scope = {&aws_sts, aws->region};
    aws_query_begin(aws, exchange, &scope, "AssumeRoleWithWebIdentity");
    aws_query_put(exchange, "RoleArn", aws->auth.role_arn);
    aws_query_put(exchange, "RoleSessionName", aws->auth.session_name);
    aws_query_put(exchange, "WebIdentityToken", token);
    mem_wipe(token, sizeof(token));
    exchange->request.timeout_ms = STS_TIMEOUT_MS;
    return ERR_NONE;
}

static enum exchange_next web_identity_read(void *ctx, struct exchange *exchange, uint32_t index,
                                            struct credentials_value *ret, struct error *err) {
    (void)ctx, (void)index;
    if (exchange->request.status != 200) {
        aws_read_refusal(NULL, exchange, err);
        error_wrap(err, "AssumeRoleWithWebIdentity");
        err->http_status = exchange->request.status;
        err->retry_after_ms = exchange->request.retry_after_ms;
        return EXCHANGE_DONE;
    }
    const struct xml_node *root = aws_query_reply(exchange, "AssumeRoleWithWebIdentity", err);
    if (root == NULL)
        return EXCHANGE_DONE;
    const struct xml_node *found = xml_at(root, "AssumeRoleWithWebIdentityResult/Credentials");
    (void)!take_value(xml_text(found, "AccessKeyId"), xml_text(found, "SecretAccessKey"),
                      xml_text(found, "SessionToken"), xml_text(found, "Expiration"), ret, err);
    return EXCHANGE_DONE;
}

/* Instance metadata: a session token, the role's name, the role's keys. */

static enum err_class metadata_build(void *ctx, struct exchange *exchange, uint32_t index, struct error *err) {
    (void)err;
    struct aws_auth *auth = &((struct aws *)ctx)->auth;
    buf_puts(&exchange->url, auth->metadata_endpoint);
    if (index == 0) {
        exchange->request.method = "PUT";
        buf_puts(&exchange->url, "/latest/api/token");
        exchange_header(exchange, "x-aws-ec2-metadata-token-ttl-seconds", "300");
    } else {
        exchange->request.method = "GET";
        buf_puts(&exchange->url, METADATA_ROLES);
        if (index == 2)
            signing_append_encoded(&exchange->url, bytes_of(auth->metadata_role), "+=,@");
        exchange_header(exchange, "x-aws-ec2-metadata-token", "%s", auth->metadata_token);
    }
    exchange->request.timeout_ms = METADATA_TIMEOUT_MS;
    exchange->request.connect_timeout_ms = METADATA_TIMEOUT_MS / 2;
    return ERR_NONE;
}

static void read_metadata_keys(struct exchange *exchange, struct credentials_value *ret, struct error *err) {
    struct json *root;
    if (json_parse_trusted(buf_bytes(&exchange->request.reply), &root, err) != ERR_NONE) {
        /* The parser's message may quote the text, which holds the keys. */
        error_set(err, ERR_RETRYABLE, "the reply of the instance metadata is no JSON");
        return;
    }
    const char *code = json_string(json_get(root, "Code"), "Success");
    if (!str_eq(code, "Success"))
        error_set(err, ERR_PERMISSION, "the instance metadata says %s", code);
    else
        (void)!take_value(json_string(json_get(root, "AccessKeyId"), ""),
                          json_string(json_get(root, "SecretAccessKey"), ""), json_string(json_get(root, "Token"), ""),
                          json_string(json_get(root, "Expiration"), ""), ret, err);
    json_free(root);
}

static bool is_word(const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c == 0x7f)
            return false;
    }
    return text[0] != '\0';
}

static enum exchange_next metadata_read(void *ctx, struct exchange *exchange, uint32_t index,
                                        struct credentials_value *ret, struct error *err) {
    struct aws_auth *auth = &((struct aws *)ctx)->auth;
    uint32_t status = exchange->request.status;
    if (status == 404 && index == 1) {
        error_set(err, ERR_PERMISSION, "no static key, no web identity, and the instance has no role");
        return EXCHANGE_DONE;
    }
    if (status != 200) {
        error_set(err, status >= 500 ? ERR_RETRYABLE : ERR_PERMISSION, "the instance metadata answers %u", status);
        err->http_status = status;
        return EXCHANGE_DONE;
    }
    if (index == 2) {
        read_metadata_keys(exchange, ret, err);
        return EXCHANGE_DONE;
    }
    char **to = index == 0 ? &auth->metadata_token : &auth->metadata_role;
    const char *text = buf_text(&exchange->request.reply);
    mem_free(*to);
    *to = mem_strndup(text, strcspn(text, "\r\n"));
    if (!is_word(*to))
        error_set(err, ERR_RETRYABLE, "the instance metadata gives no %s", index == 0 ? "token" : "role");
    return err->class == ERR_NONE ? EXCHANGE_MORE : EXCHANGE_DONE;
}

static const struct credentials_source static_keys = {.name = "the access key"};
static const struct credentials_source web_identity = {
    .name = "web identity", .build = web_identity_build, .read = web_identity_read};
static const struct credentials_source metadata = {
    .name = "the instance metadata", .build = metadata_build, .read = metadata_read};

static const char *find(const struct adapter_config *config, const char *key) {
    const char *value = config->credential != NULL ? config->credential(config->credential_ctx, key) : NULL;
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static char *without_slash(const char *url) {
    size_t size = strlen(url);
    while (size > 0 && url[size - 1] == '/')
        size--;
    return mem_strndup(url, size);
}

static void use(struct aws *aws, const struct credentials_source *source) {
    credentials_init(&aws->host.credentials, aws->host.runtime, aws->host.http, source, aws);
}

enum err_class aws_auth_open(struct aws *aws, const struct adapter_config *config, struct error *err) {
    struct aws_auth *auth = &aws->auth;
    const char *id = find(config, "AWS_ACCESS_KEY_ID"), *secret = find(config, "AWS_SECRET_ACCESS_KEY");
    const char *token = find(config, "AWS_SESSION_TOKEN");
    if ((id != NULL) != (secret != NULL))
        return error_set(err, ERR_PERMANENT, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together: %s is missing",
                         id != NULL ? "the secret" : "the id");
    if (id != NULL) {
        if (!is_word(id) || !is_word(secret) || (token != NULL && !is_word(token)))
            return error_set(err, ERR_PERMANENT, "the AWS access key holds blanks or control characters");
        use(aws, &static_keys);
        credentials_set(&aws->host.credentials, id, secret, token);
        return ERR_NONE;
    }
    const char *role = find(config, "AWS_ROLE_ARN"), *file = find(config, "AWS_WEB_IDENTITY_TOKEN_FILE");
    if (role != NULL && file != NULL) {
        const char *session = find(config, "AWS_ROLE_SESSION_NAME");
        auth->role_arn = mem_strdup(role);
        auth->token_file = mem_strdup(file);
        auth->session_name = mem_strdup(session != NULL ? session : "trimtab");
        use(aws, &web_identity);
        return ERR_NONE;
    }
    const char *disabled = find(config, "AWS_EC2_METADATA_DISABLED");
    if (disabled != NULL && strcasecmp(disabled, "true") == 0)
        return error_set(err, ERR_PERMISSION,
                         "no AWS credentials: neither AWS_ACCESS_KEY_ID nor AWS_ROLE_ARN with "
                         "AWS_WEB_IDENTITY_TOKEN_FILE is set");
    const char *endpoint = find(config, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    auth->metadata_endpoint = without_slash(endpoint != NULL ? endpoint : METADATA_ENDPOINT);
    use(aws, &metadata);
    return ERR_NONE;
}

void aws_auth_release(struct aws *aws) {
    char **const texts[] = {&aws->auth.role_arn,          &aws->auth.session_name,   &aws->auth.token_file,
                            &aws->auth.metadata_endpoint, &aws->auth.metadata_token, &aws->auth.metadata_role};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        mem_free(*texts[i]);
        *texts[i] = NULL;
    }
}
