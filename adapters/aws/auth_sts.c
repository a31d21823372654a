/*
 * Keys from the token service: by a web identity, whose token proves who we are and which is not signed; or by the keys
 * of any other source, with which AssumeRole is signed. That source is asked anew for each renewal, in the same fetch,
 * so that no second cache can go stale.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "adapters/aws/auth_internal.h"
#include "base/str.h"

#define STS_TIMEOUT_MS 15000
#define SKEW_MIN_MS (INT64_C(2) * 60 * 1000)

static enum err_class web_identity_build(void *ctx, struct exchange *exchange, uint32_t index, struct error *err) {
    (void)index;
    struct aws *aws = ctx;
    char token[AUTH_TOKEN_SIZE_MAX];
    if (auth_read_token("AWS_WEB_IDENTITY_TOKEN_FILE", aws->auth.token_file, token, err) != ERR_NONE)
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

static enum error_hint read_refusal(const char *action, struct exchange *exchange, struct error *err) {
    enum error_hint hint = aws_read_refusal(NULL, exchange, err);
    error_wrap(err, "%s", action);
    err->http_status = exchange->request.status;
    err->retry_after_ms = exchange->request.retry_after_ms;
    return hint;
}

static void read_keys(const struct aws *aws, const char *action, struct exchange *exchange,
                      struct credentials_value *ret, struct error *err) {
    const struct xml_node *root = aws_query_reply(exchange, action, err);
    if (root == NULL)
        return;
    const struct xml_node *found = xml_at(root, arena_printf(&exchange->arena, "%sResult/Credentials", action));
    (void)!auth_take_value(aws, xml_text(found, "AccessKeyId"), xml_text(found, "SecretAccessKey"),
                           xml_text(found, "SessionToken"), xml_text(found, "Expiration"), ret, err);
}

static enum exchange_next web_identity_read(void *ctx, struct exchange *exchange, uint32_t index,
                                            struct credentials_value *ret, struct error *err) {
    (void)index;
    if (exchange->request.status != 200)
        read_refusal("AssumeRoleWithWebIdentity", exchange, err);
    else
        read_keys(ctx, "AssumeRoleWithWebIdentity", exchange, ret, err);
    return EXCHANGE_DONE;
}

/* AssumeRole: the exchanges of the source below, if it has any, then one of our own, signed with what they gave. */

static bool has_base(const struct aws_auth *auth) {
    return auth->base_value.id != NULL;
}

static enum err_class assume_build(void *ctx, struct exchange *exchange, uint32_t index, struct error *err) {
    struct aws *aws = ctx;
    struct aws_auth *auth = &aws->auth;
    if (index == 0) {
        auth->has_adjusted_clock = false;
        if (auth->base->build != NULL)
            auth_value_wipe(&auth->base_value);
    }
    if (!has_base(auth)) {
        ASSERT(auth->base->build != NULL); /* A fixed value is there from the start. */
        if (auth->base->build(aws, exchange, index, err) != ERR_NONE)
            return error_wrap(err, "%s", auth->base->name);
        return ERR_NONE;
    }
    struct aws_scope scope = {&aws_sts, aws->region};
    aws_query_begin(aws, exchange, &scope, "AssumeRole");
    aws_query_put(exchange, "RoleArn", auth->assume_arn);
    aws_query_put(exchange, "RoleSessionName", auth->session_name);
    if (auth->assume_external_id != NULL)
        aws_query_put(exchange, "ExternalId", auth->assume_external_id);
    aws_sign_exchange(aws, exchange, &scope, &auth->base_value);
    exchange->request.timeout_ms = STS_TIMEOUT_MS;
    return ERR_NONE;
}

/* True: our clock was wrong, and the same is worth another try by the token service's. */
static bool adjust_clock(struct aws *aws, const struct exchange *exchange, enum error_hint hint) {
    int64_t server_ms;
    if (hint == ERROR_HINT_NONE || aws->auth.has_adjusted_clock ||
        !exchange_date_parse(exchange->request.date, &server_ms) ||
        llabs(server_ms - call_host_now_ms(&aws->host)) < SKEW_MIN_MS)
        return false;
    aws->auth.has_adjusted_clock = true;
    aws->host.clock_offset_ms = server_ms - runtime_wall_ms(aws->host.runtime);
    return true;
}

static enum exchange_next assume_read(void *ctx, struct exchange *exchange, uint32_t index,
                                      struct credentials_value *ret, struct error *err) {
    struct aws *aws = ctx;
    struct aws_auth *auth = &aws->auth;
    if (!has_base(auth)) {
        auth->base->read(aws, exchange, index, &auth->base_value, err);
        if (err->class != ERR_NONE)
            error_wrap(err, "%s", auth->base->name);
        return EXCHANGE_MORE; /* Its next; or, when it has given a value, ours. */
    }
    if (exchange->request.status != 200) {
        enum error_hint hint = read_refusal("AssumeRole", exchange, err);
        if (adjust_clock(aws, exchange, hint)) {
            *err = (struct error){0};
            return EXCHANGE_MORE;
        }
        error_wrap(err, "%s", auth->assume_arn);
    } else {
        read_keys(aws, "AssumeRole", exchange, ret, err);
    }
    if (auth->base->build != NULL)
        auth_value_wipe(&auth->base_value);
    return EXCHANGE_DONE;
}

const struct credentials_source auth_web_identity = {
    .name = "web identity", .build = web_identity_build, .read = web_identity_read};
const struct credentials_source auth_assume_role = {
    .name = "the role to assume", .build = assume_build, .read = assume_read};
