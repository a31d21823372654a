/*
 * The AWS adapter's table, and its verb that has no file of its own: account.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/aws/aws_internal.h"
#include "base/mem.h"
#include "base/str.h"

static void aws_free(struct call_host *host) {
    struct aws *aws = CONTAINER_OF(host, struct aws, host);
    aws_auth_release(aws);
    aws_charges_release(aws);
    mem_free(aws->endpoint);
    mem_free(aws->region);
    mem_free(aws);
}

static const struct call_cloud cloud = {.sign = aws_sign, .refusal = aws_refusal, .free = aws_free};

static enum err_class check_config(const struct adapter_config *config, struct error *err) {
    for (size_t i = 0; i < config->region_count; i++) {
        if (!aws_region_is_valid(config->regions[i]))
            return error_set(err, ERR_PERMANENT, "not a region of AWS: \"%s\"", config->regions[i]);
    }
    if (config->region_count == 0)
        return error_set(err, ERR_PERMANENT, "aws needs at least one region");
    if (config->endpoint != NULL && !str_has_prefix(config->endpoint, "https://") &&
        !str_has_prefix(config->endpoint, "http://"))
        return error_set(err, ERR_PERMANENT, "not an http or https endpoint: \"%s\"", config->endpoint);
    return ERR_NONE;
}

static enum err_class aws_open(struct adapter **ret, const struct adapter_env *env, const struct adapter_config *config,
                               struct error *err) {
    if (env->http == NULL)
        return error_set(err, ERR_PERMANENT, "aws cannot be used without a network");
    if (check_config(config, err) != ERR_NONE)
        return err->class;
    struct aws *aws = mem_alloc(sizeof(*aws));
    call_host_init(&aws->host, &adapter_aws, &cloud, env);
    aws->host.gate = config->gate;
    aws->catalogue = env->catalogue;
    aws->region = mem_strdup(config->regions[0]);
    if (config->endpoint != NULL) {
        aws->endpoint = mem_strdup(config->endpoint);
        for (size_t size = strlen(aws->endpoint); size > 0 && aws->endpoint[size - 1] == '/'; size--)
            aws->endpoint[size - 1] = '\0';
    }
    if (aws_auth_open(aws, config, err) != ERR_NONE || aws_charges_open(aws, config, err) != ERR_NONE) {
        aws_free(&aws->host);
        return err->class;
    }
    *ret = &aws->host.adapter;
    return ERR_NONE;
}

static struct aws *from(struct adapter *self) {
    return CONTAINER_OF(self, struct aws, host.adapter);
}

/* account */

static void account_build(struct call *call) {
    aws_call_begin(call, call->state, "GetCallerIdentity");
}

static enum exchange_next account_read(struct call *call, struct error *err) {
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    const char *account = xml_text(root, "GetCallerIdentityResult/Account");
    if (account[0] == '\0')
        error_set(err, ERR_RETRYABLE, "the reply names no account");
    call->outer->reply.as.operation = arena_strdup(call->outer->arena, account);
    return EXCHANGE_DONE;
}

static const struct call_verb account_verb = {
    .name = "account", .priority = GATE_INVENTORY, .build = account_build, .read = account_read};

static void aws_account(struct adapter *self, struct adapter_call *outer) {
    struct aws *aws = from(self);
    struct call *call = call_new(&aws->host, outer, &account_verb, sizeof(struct aws_scope));
    *(struct aws_scope *)call->state = (struct aws_scope){&aws_sts, aws->region};
    call_start(call);
}

/* list */

static void aws_list_verb(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    aws_list(from(self), outer, query);
}

static void aws_prices_verb(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    aws_prices(from(self), outer, query);
}

static void aws_charges_verb(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    aws_charges(from(self), outer, query);
}

static void aws_usage_verb(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    aws_usage(from(self), outer, query);
}

static void aws_apply_verb(struct adapter *self, struct adapter_call *outer, const struct cloud_action *action) {
    aws_apply(from(self), outer, action);
}

static void aws_poll_verb(struct adapter *self, struct adapter_call *outer, const char *operation) {
    aws_poll(from(self), outer, operation);
}

static void aws_limits_verb(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    aws_limits(from(self), outer, query);
}

#define BIT(n) (1u << (n))

const struct adapter_ops adapter_aws = {
    .type = "aws",
    .kinds = BIT(CLOUD_INSTANCE_GROUP) | BIT(CLOUD_INSTANCE) | BIT(CLOUD_VOLUME) | BIT(CLOUD_SNAPSHOT) |
             BIT(CLOUD_BUCKET) | BIT(CLOUD_ADDRESS),
    .verbs =
        {
            [CLOUD_INSTANCE_GROUP] = BIT(CLOUD_SCALE) | BIT(CLOUD_TAG),
            [CLOUD_INSTANCE] = BIT(CLOUD_RESIZE) | BIT(CLOUD_START) | BIT(CLOUD_STOP) | BIT(CLOUD_CREATE) |
                               BIT(CLOUD_DELETE) | BIT(CLOUD_TAG),
            [CLOUD_VOLUME] = BIT(CLOUD_TAKE_SNAPSHOT) | BIT(CLOUD_DELETE) | BIT(CLOUD_TAG),
            [CLOUD_SNAPSHOT] = BIT(CLOUD_DELETE) | BIT(CLOUD_TAG),
            [CLOUD_ADDRESS] = BIT(CLOUD_DELETE) | BIT(CLOUD_TAG),
        },
    .tokens = BIT(CLOUD_CREATE),
    .open = aws_open,
    .close = call_host_close,
    .account = aws_account,
    .list = aws_list_verb,
    .prices = aws_prices_verb,
    .usage = aws_usage_verb,
    .charges = aws_charges_verb,
    .limits = aws_limits_verb,
    .apply = aws_apply_verb,
    .poll = aws_poll_verb,
    .cancel = call_host_cancel,
};
