/*
 * What the files of the AWS adapter share. Most services speak the query protocol: a POST of a form to "/", an answer
 * in XML. Newer ones speak JSON 1.1 (json.c), and S3 its own REST (s3.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_AWS_INTERNAL_H
#define TRIMTAB_ADAPTERS_AWS_INTERNAL_H

#include "adapters/common/call.h"
#include "adapters/common/xml.h"
#include "base/mem.h"

struct aws_service {
    const char *host;    /* The first label of the host name. */
    const char *signing; /* The service's name in the credential scope. */
    const char *version;
};
extern const struct aws_service aws_autoscaling, aws_ec2, aws_cloudwatch, aws_sts, aws_s3;

/* Where a request goes. The first member of every verb's state, so that the signature finds it. */
struct aws_scope {
    const struct aws_service *service;
    const char *region;
};

/* The sources of credentials; auth.c. NULL is what is not configured. */
struct aws_auth {
    char *role_arn, *token_file;          /* Web identity. */
    char *session_name;                   /* Of it, and of AssumeRole. */
    char *metadata_endpoint;              /* Instance metadata. */
    char *metadata_token, *metadata_role; /* Between the exchanges of one fetch. */
    char *container_uri, *container_token_file, *container_token;
    char *assume_arn, *assume_external_id;
    const struct credentials_source *base; /* The source below AssumeRole, */
    struct credentials_value base_value;   /* and what it gave: fixed, or during one fetch. */
    bool has_adjusted_clock;               /* In this fetch. */
};

struct aws {
    struct call_host host;
    const struct catalogue *catalogue;
    char *endpoint; /* Without a trailing slash; NULL: AWS's own. */
    char *region;   /* The first of the Provider's: for calls that concern the account. */
    struct aws_auth auth;
    char *export_bucket, *export_prefix, *export_region; /* Of the bill in S3; NULL: Cost Explorer. */
};

static inline struct aws *aws_of(const struct call *call) {
    return CONTAINER_OF(call->host, struct aws, host);
}

/* auth.c: chooses the source and sets host.credentials. */
enum err_class aws_auth_open(struct aws *aws, const struct adapter_config *config, struct error *err);
void aws_auth_release(struct aws *aws);
void aws_sign(struct call *call, const struct credentials_value *value);
void aws_sign_exchange(const struct aws *aws, struct exchange *exchange, const struct aws_scope *scope,
                       const struct credentials_value *value);

/* query.c: a region becomes part of a host name, so that only letters, digits and dashes are let through. */
bool aws_region_is_valid(const char *region);
const char *aws_domain(const char *region); /* "amazonaws.com", or that of the region's partition. */
/* Where the service is, ending in "/". */
void aws_url_begin(const struct aws *aws, struct exchange *exchange, const struct aws_scope *scope);
/* Begins the request of a verb: what it is, whose budget it is of, and the form's head. */
void aws_call_begin(struct call *call, const struct aws_scope *scope, const char *action);
void aws_query_begin(const struct aws *aws, struct exchange *exchange, const struct aws_scope *scope,
                     const char *action);
void aws_query_put(struct exchange *exchange, const char *name, const char *value);
void aws_query_put_int(struct exchange *exchange, const char *name, int64_t value);
/* The root element, which must be `action`Response; NULL with *err set. Lives in the exchange's arena. */
const struct xml_node *aws_query_reply(struct exchange *exchange, const char *action, struct error *err);
/* The same without the items, which are given to items->item one by one. */
const struct xml_node *aws_query_items(struct exchange *exchange, const char *action, const struct xml_items *items,
                                       struct error *err);

/* json.c: the JSON 1.1 protocol. target: "AWSPriceListService.GetProducts"; the caller writes the body with json_writer
 * into exchange->body. */
void aws_json_begin(const struct aws *aws, struct exchange *exchange, const struct aws_scope *scope,
                    const char *target);
/* An object, which the caller frees; NULL with *err set. */
struct json *aws_json_reply(struct exchange *exchange, struct error *err);

/* s3.c: a GET of a bucket's object; key "": of the bucket; bucket "": of the service. Then the query's parts, if any;
 * the scope's service must be aws_s3. Path-style at an endpoint of our own. */
void aws_s3_begin(const struct aws *aws, struct exchange *exchange, const struct aws_scope *scope, const char *bucket,
                  const char *key);
void aws_s3_query(struct exchange *exchange, const char *name, const char *value);
bool aws_s3_bucket_is_valid(const char *bucket);
/* The root element of that name; NULL with *err set. */
const struct xml_node *aws_s3_reply(struct exchange *exchange, const char *name, struct error *err);

/* errors.c */
extern const struct error_rule aws_error_rules[];
extern const size_t aws_error_rule_count;
/* Reads an error reply of any of the services' envelopes, in XML or JSON. call NULL: of the token service, whose text
 * is not quoted. */
enum error_hint aws_read_refusal(const struct call *call, struct exchange *exchange, struct error *err);
enum error_hint aws_refusal(struct call *call, struct error *err);

/* list.c */
void aws_list(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query);

/* autoscaling.c */
void aws_scale(struct aws *aws, struct adapter_call *outer, const struct cloud_action *action);

/* act.c: adapter_ops.apply and poll. */
void aws_apply(struct aws *aws, struct adapter_call *outer, const struct cloud_action *action);
void aws_poll(struct aws *aws, struct adapter_call *outer, const char *operation);

/* limits.c */
void aws_limits(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query);

/* prices.c */
void aws_prices(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query);

/* charges.c */
enum err_class aws_charges_open(struct aws *aws, const struct adapter_config *config, struct error *err);
void aws_charges_release(struct aws *aws);
void aws_charges(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query);

/* cloudwatch.c */
void aws_usage(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query);

#endif
