/*
 * Keys from a service beside us: the instance's metadata (IMDSv2: a session token, the role's name, the role's keys),
 * or a container's (ECS, EKS Pod Identity: one request, with a token that the kubelet rotates in a file).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <string.h>

#include "adapters/aws/auth_internal.h"
#include "base/json.h"
#include "base/str.h"

#define METADATA_TIMEOUT_MS 2000
#define CONTAINER_TIMEOUT_MS 5000
#define METADATA_ROLES "/latest/meta-data/iam/security-credentials/"

/* {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}, and of an instance "Code". */
static void read_keys(const struct aws *aws, const char *who, struct exchange *exchange, struct credentials_value *ret,
                      struct error *err) {
    struct json *root;
    if (json_parse_trusted(buf_bytes(&exchange->request.reply), &root, err) != ERR_NONE) {
        /* The parser's message may quote the text, which holds the keys. */
        error_set(err, ERR_RETRYABLE, "the reply of %s is no JSON", who);
        return;
    }
    const char *code = json_string(json_get(root, "Code"), "Success");
    if (!str_eq(code, "Success"))
        error_set(err, ERR_PERMISSION, "%s says %s", who, code);
    else
        (void)!auth_take_value(
            aws, json_string(json_get(root, "AccessKeyId"), ""), json_string(json_get(root, "SecretAccessKey"), ""),
            json_string(json_get(root, "Token"), ""), json_string(json_get(root, "Expiration"), ""), ret, err);
    json_free(root);
}

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

static enum exchange_next metadata_read(void *ctx, struct exchange *exchange, uint32_t index,
                                        struct credentials_value *ret, struct error *err) {
    struct aws_auth *auth = &((struct aws *)ctx)->auth;
    uint32_t status = exchange->request.status;
    if (status == 404 && index == 1) {
        error_set(err, ERR_PERMISSION,
                  "no static key, no web identity, no container's role, and the instance has no role");
        return EXCHANGE_DONE;
    }
    if (status != 200) {
        error_set(err, status >= 500 ? ERR_RETRYABLE : ERR_PERMISSION, "the instance metadata answers %u", status);
        err->http_status = status;
        return EXCHANGE_DONE;
    }
    if (index == 2) {
        read_keys(ctx, "the instance metadata", exchange, ret, err);
        return EXCHANGE_DONE;
    }
    char **to = index == 0 ? &auth->metadata_token : &auth->metadata_role;
    const char *text = buf_text(&exchange->request.reply);
    mem_free(*to);
    *to = mem_strndup(text, strcspn(text, "\r\n"));
    if (!auth_is_word(*to))
        error_set(err, ERR_RETRYABLE, "the instance metadata gives no %s", index == 0 ? "token" : "role");
    return err->class == ERR_NONE ? EXCHANGE_MORE : EXCHANGE_DONE;
}

/* Containers. */

bool auth_container_uri_is_allowed(const char *uri) {
    bool is_plain = str_has_prefix(uri, "http://");
    if (!is_plain && !str_has_prefix(uri, "https://"))
        return false;
    const char *host = strstr(uri, "://") + 3;
    size_t size = strcspn(host, "/?#");
    if (size == 0 || !auth_is_word(uri) || memchr(host, '@', size) != NULL)
        return false;
    if (!is_plain)
        return true;
    char name[64];
    bool is_bracketed = host[0] == '[';
    size_t name_size = is_bracketed ? strcspn(host + 1, "]/?#") : strcspn(host, ":/?#");
    if (name_size >= sizeof(name) || (is_bracketed && host[1 + name_size] != ']'))
        return false;
    memcpy(name, host + (is_bracketed ? 1 : 0), name_size);
    name[name_size] = '\0';
    struct in6_addr six, pod, loopback = IN6ADDR_LOOPBACK_INIT;
    if (is_bracketed)
        return inet_pton(AF_INET6, name, &six) == 1 && inet_pton(AF_INET6, "fd00:ec2::23", &pod) == 1 &&
               (memcmp(&six, &pod, sizeof(six)) == 0 || memcmp(&six, &loopback, sizeof(six)) == 0);
    struct in_addr four;
    if (inet_pton(AF_INET, name, &four) == 1 && ntohl(four.s_addr) >> 24 == 127)
        return true;
    return str_eq(name, "localhost") || str_eq(name, "169.254.170.2") || str_eq(name, "169.254.170.23");
}

static enum err_class container_build(void *ctx, struct exchange *exchange, uint32_t index, struct error *err) {
    (void)index;
    struct aws_auth *auth = &((struct aws *)ctx)->auth;
    char token[AUTH_TOKEN_SIZE_MAX] = "";
    if (auth->container_token_file != NULL &&
        auth_read_token("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", auth->container_token_file, token, err) != ERR_NONE)
        return err->class;
    if (token[0] != '\0' && !auth_is_word(token))
        return error_set(err, ERR_PERMISSION, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE %s holds no token",
                         auth->container_token_file);
    buf_puts(&exchange->url, auth->container_uri);
    exchange->request.method = "GET";
    if (auth->container_token_file != NULL)
        exchange_header(exchange, "authorization", "%s", token);
    else if (auth->container_token != NULL)
        exchange_header(exchange, "authorization", "%s", auth->container_token);
    mem_wipe(token, sizeof(token));
    exchange_header(exchange, "accept", "application/json");
    exchange->request.timeout_ms = CONTAINER_TIMEOUT_MS;
    exchange->request.connect_timeout_ms = METADATA_TIMEOUT_MS;
    return ERR_NONE;
}

static enum exchange_next container_read(void *ctx, struct exchange *exchange, uint32_t index,
                                         struct credentials_value *ret, struct error *err) {
    (void)index;
    uint32_t status = exchange->request.status;
    if (status == 200) {
        read_keys(ctx, "the container's credentials", exchange, ret, err);
        return EXCHANGE_DONE;
    }
    error_set(err,
              status == 429   ? ERR_THROTTLED
              : status >= 500 ? ERR_RETRYABLE
                              : ERR_PERMISSION,
              "the container's credentials answer %u", status);
    err->http_status = status;
    err->retry_after_ms = exchange->request.retry_after_ms;
    return EXCHANGE_DONE;
}

const struct credentials_source auth_metadata = {
    .name = "the instance metadata", .build = metadata_build, .read = metadata_read};
const struct credentials_source auth_container = {
    .name = "the container's role", .build = container_build, .read = container_read};
