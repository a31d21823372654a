/*
 * Who we are to AWS. The first that is configured, as in AWS's own tools:
 *     1. static keys       AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *     2. web identity      AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE [AWS_ROLE_SESSION_NAME]; the file is read anew for
 *                          each renewal, since the kubelet rotates it
 *     3. container         AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, or AWS_CONTAINER_CREDENTIALS_FULL_URI
 *                          [AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or AWS_CONTAINER_AUTHORIZATION_TOKEN]
 *     4. instance metadata IMDSv2 only, unless AWS_EC2_METADATA_DISABLED=true
 *                          [AWS_EC2_METADATA_SERVICE_ENDPOINT]
 * 2 to 4 only where the environment is ours: whoever may write a Secret must not have our files read, our node's role
 * used or our token sent somewhere; nor may who writes a Provider: its endpoint gets no web identity of ours. On top of
 * any, where the Provider says so: AssumeRole. And the signature of every request.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "adapters/aws/auth_internal.h"
#include "adapters/common/sigv4.h"
#include "base/json.h"
#include "base/str.h"
#include "base/timefmt.h"

#define METADATA_ENDPOINT "http://169.254.169.254"
#define CONTAINER_ENDPOINT "http://169.254.170.2"
#define SESSION_NAME "trimtab"

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

enum err_class auth_take_value(const struct aws *aws, const char *id, const char *secret, const char *token,
                               const char *expiration, struct credentials_value *ret, struct error *err) {
    int64_t expires_at_ms;
    if (id[0] == '\0' || secret[0] == '\0' || token[0] == '\0' || !time_parse(expiration, &expires_at_ms))
        return error_set(err, ERR_RETRYABLE, "the reply holds no complete credential");
    if (!auth_is_word(id) || !auth_is_word(secret) || !auth_is_word(token))
        return error_set(err, ERR_RETRYABLE, "the reply holds a credential with blanks or control characters");
    *ret = (struct credentials_value){.id = mem_strdup(id),
                                      .secret = mem_strdup(secret),
                                      .token = mem_strdup(token),
                                      .expires_at_ms = expires_at_ms - aws->host.clock_offset_ms};
    return ERR_NONE;
}

enum err_class auth_read_token(const char *variable, const char *path, char to[AUTH_TOKEN_SIZE_MAX],
                               struct error *err) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(err, ERR_PERMISSION, "%s %s: %m", variable, path);
    size_t size = fread(to, 1, AUTH_TOKEN_SIZE_MAX - 1, file);
    fclose(file);
    bool is_full = size == AUTH_TOKEN_SIZE_MAX - 1;
    while (size > 0 && strchr(" \t\r\n", to[size - 1]) != NULL)
        size--;
    to[size] = '\0';
    if (size == 0 || is_full)
        return error_set(err, ERR_PERMISSION, "%s %s: %s", variable, path, size == 0 ? "empty" : "too large");
    return ERR_NONE;
}

void auth_value_wipe(struct credentials_value *value) {
    char *const texts[] = {value->id, value->secret, value->token};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i] != NULL)
            mem_wipe(texts[i], strlen(texts[i]));
        mem_free(texts[i]);
    }
    *value = (struct credentials_value){0};
}

bool auth_is_word(const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c == 0x7f)
            return false;
    }
    return text[0] != '\0';
}

const struct credentials_source auth_static_keys = {.name = "the access key"};

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

/* *ret NULL: none is configured. */
static enum err_class open_static(struct aws *aws, const struct adapter_config *config,
                                  const struct credentials_source **ret, struct error *err) {
    const char *id = find(config, "AWS_ACCESS_KEY_ID"), *secret = find(config, "AWS_SECRET_ACCESS_KEY");
    const char *token = find(config, "AWS_SESSION_TOKEN");
    *ret = NULL;
    if ((id != NULL) != (secret != NULL))
        return error_set(err, ERR_PERMANENT, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together: %s is missing",
                         id != NULL ? "the secret" : "the id");
    if (id == NULL)
        return ERR_NONE;
    if (!auth_is_word(id) || !auth_is_word(secret) || (token != NULL && !auth_is_word(token)))
        return error_set(err, ERR_PERMANENT, "the AWS access key holds blanks or control characters");
    aws->auth.base_value =
        (struct credentials_value){.id = mem_strdup(id), .secret = mem_strdup(secret), .token = mem_strdup(token)};
    *ret = &auth_static_keys;
    return ERR_NONE;
}

static enum err_class open_container(struct aws *aws, const struct adapter_config *config,
                                     const struct credentials_source **ret, struct error *err) {
    const char *relative = find(config, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = find(config, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const char *file = find(config, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = find(config, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct aws_auth *auth = &aws->auth;
    *ret = NULL;
    if (relative == NULL && full == NULL)
        return ERR_NONE;
    if (relative != NULL && (relative[0] != '/' || !auth_is_word(relative)))
        return error_set(err, ERR_PERMANENT, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path");
    auth->container_uri = relative != NULL ? mem_printf("%s%s", CONTAINER_ENDPOINT, relative) : mem_strdup(full);
    if (!auth_container_uri_is_allowed(auth->container_uri))
        return error_set(err, ERR_PERMANENT,
                         "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor on the loopback or link-local "
                         "addresses that AWS uses");
    if (token != NULL && !auth_is_word(token))
        return error_set(err, ERR_PERMANENT, "AWS_CONTAINER_AUTHORIZATION_TOKEN holds blanks or control characters");
    auth->container_token_file = mem_strdup(file);
    auth->container_token = mem_strdup(token);
    *ret = &auth_container;
    return ERR_NONE;
}

/* The sources that read files of this machine or ask services beside it. */
static enum err_class open_environment(struct aws *aws, const struct adapter_config *config,
                                       const struct credentials_source **ret, struct error *err) {
    struct aws_auth *auth = &aws->auth;
    const char *role = find(config, "AWS_ROLE_ARN"), *file = find(config, "AWS_WEB_IDENTITY_TOKEN_FILE");
    if (role != NULL && file != NULL) {
        /* Whoever gets the token can use it. Names below amazonaws.com are for sale too. */
        if (config->endpoint != NULL && !exchange_url_is_loopback(config->endpoint))
            return error_set(
                err, ERR_PERMANENT,
                "spec.endpoint: the controller's own web identity goes to AWS only; remove the endpoint, or "
                "name a Secret with an access key");
        auth->role_arn = mem_strdup(role);
        auth->token_file = mem_strdup(file);
        *ret = &auth_web_identity;
        return ERR_NONE;
    }
    if (open_container(aws, config, ret, err) != ERR_NONE || *ret != NULL)
        return err->class;
    const char *disabled = find(config, "AWS_EC2_METADATA_DISABLED");
    if (disabled != NULL && strcasecmp(disabled, "true") == 0)
        return error_set(err, ERR_PERMISSION,
                         "no AWS credentials: neither AWS_ACCESS_KEY_ID nor AWS_ROLE_ARN with "
                         "AWS_WEB_IDENTITY_TOKEN_FILE is set");
    const char *endpoint = find(config, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    auth->metadata_endpoint = without_slash(endpoint != NULL ? endpoint : METADATA_ENDPOINT);
    *ret = &auth_metadata;
    return ERR_NONE;
}

/* parameters.assumeRole: {"roleArn", "externalId"}. */
static enum err_class open_assume(struct aws *aws, const struct adapter_config *config, struct error *err) {
    const struct json *block = json_get(config->parameters, "assumeRole");
    if (block == NULL)
        return ERR_NONE;
    const char *arn = json_string(json_get(block, "roleArn"), "");
    const char *external_id = json_string(json_get(block, "externalId"), NULL);
    if (!auth_is_word(arn) || !str_has_prefix(arn, "arn:") || strstr(arn, ":role/") == NULL)
        return error_set(err, ERR_PERMANENT,
                         "spec.aws.assumeRole.roleArn is no role's ARN like arn:aws:iam::123456789012:role/trimtab");
    if (external_id != NULL && !auth_is_word(external_id))
        return error_set(err, ERR_PERMANENT, "spec.aws.assumeRole.externalId is empty or holds blanks");
    aws->auth.assume_arn = mem_strdup(arn);
    aws->auth.assume_external_id = mem_strdup(external_id);
    return ERR_NONE;
}

enum err_class aws_auth_open(struct aws *aws, const struct adapter_config *config, struct error *err) {
    struct aws_auth *auth = &aws->auth;
    const struct credentials_source *source;
    if (open_static(aws, config, &source, err) != ERR_NONE || open_assume(aws, config, err) != ERR_NONE)
        return err->class;
    if (source == NULL && !config->is_environment)
        return error_set(err, ERR_PERMISSION,
                         "the Secret holds no AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY; a role of this pod or node "
                         "is used where the Provider names no Secret");
    if (source == NULL && open_environment(aws, config, &source, err) != ERR_NONE)
        return err->class;
    const char *session = find(config, "AWS_ROLE_SESSION_NAME");
    auth->session_name = mem_strdup(session != NULL ? session : SESSION_NAME);
    auth->base = source;
    credentials_init(&aws->host.credentials, aws->host.runtime, aws->host.http,
                     auth->assume_arn != NULL ? &auth_assume_role : source, aws);
    if (auth->assume_arn == NULL && source == &auth_static_keys) {
        const struct credentials_value *value = &auth->base_value;
        credentials_set(&aws->host.credentials, value->id, value->secret, value->token);
        auth_value_wipe(&auth->base_value);
    }
    return ERR_NONE;
}

void aws_auth_release(struct aws *aws) {
    struct aws_auth *auth = &aws->auth;
    char **const texts[] = {&auth->role_arn,          &auth->session_name,      &auth->token_file,
                            &auth->metadata_endpoint, &auth->metadata_token,    &auth->metadata_role,
                            &auth->container_uri,     &auth->container_token,   &auth->container_token_file,
                            &auth->assume_arn,        &auth->assume_external_id};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        mem_free(*texts[i]);
        *texts[i] = NULL;
    }
    auth_value_wipe(&auth->base_value);
}
