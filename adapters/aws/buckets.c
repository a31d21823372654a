/*
 * S3 buckets: the list, then for each its tags, and where the list does not tell it, its region. One request a bucket,
 * bounded: what is beyond is cut, and said to be.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/aws/inventory.h"
#include "base/mem.h"
#include "base/str.h"

#define PAGE_SIZE "1000"
#define REQUESTS_MAX 1000 /* About buckets, in one call. */
#define DENIED_MAX 5      /* So many refused and none allowed: it is not the buckets' policies that refuse. */

static void begin(struct call *call, struct aws_list *list, const char *operation, const char *bucket) {
    call->label = operation;
    call->api = aws_s3.host;
    call->region = list->scope.region;
    aws_s3_begin(aws_of(call), &call->exchange, &list->scope, bucket, "");
}

bool aws_buckets_begin(struct aws_list *list) {
    list->bucket_first = list->count;
    list->buckets_are_listed = true;
    return true;
}

void aws_buckets_build(struct call *call, struct aws_list *list) {
    begin(call, list, "ListBuckets", "");
    aws_s3_query(&call->exchange, "bucket-region", list->region);
    aws_s3_query(&call->exchange, "max-buckets", PAGE_SIZE);
    if (call->page_token[0] != '\0')
        aws_s3_query(&call->exchange, "continuation-token", call->page_token);
}

static void add_bucket(struct aws_list *list, const struct xml_node *from) {
    const char *name = xml_text(from, "Name"), *region = xml_text(from, "BucketRegion");
    if (region[0] != '\0' && !str_eq(region, list->region))
        return; /* The server does not know the filter. */
    struct cloud_resource *to = aws_list_add(list, CLOUD_BUCKET, name);
    to->name = to->id;
    to->state = CLOUD_AVAILABLE;
    to->created_at_ms = aws_list_time(from, "CreationDate");
    list->buckets_lack_region |= region[0] == '\0';
}

enum exchange_next aws_buckets_read(struct call *call, struct aws_list *list, struct error *err) {
    const struct xml_node *root = aws_s3_reply(&call->exchange, "ListAllMyBucketsResult", err);
    const struct xml_node *buckets = xml_at(root, "Buckets");
    for (const struct xml_node *one = xml_first(buckets, "Bucket"); one != NULL; one = xml_next(one, "Bucket"))
        add_bucket(list, one);
    return root != NULL ? call_page(call, xml_text(root, "ContinuationToken"), err) : EXCHANGE_DONE;
}

/* Of each bucket: first where it is, if need be, then its tags. */

static struct cloud_resource *current(const struct aws_list *list) {
    return &list->items[list->bucket_at];
}

static bool is_located(const struct aws_list *list) {
    return list->is_bucket_located || !list->buckets_lack_region;
}

/* Goes to the next bucket that can be asked about. */
static enum exchange_next settle(struct aws_list *list) {
    for (; list->bucket_at < list->count; list->bucket_at++) {
        if (aws_s3_bucket_is_valid(current(list)->id))
            break;
        current(list)->state = CLOUD_STATE_UNKNOWN; /* A name of the old, laxer rules is nothing to build a URL of. */
    }
    if (list->bucket_at < list->count && list->bucket_requests >= REQUESTS_MAX) {
        list->count = list->bucket_at;
        list->is_cut = true;
    }
    return list->bucket_at < list->count ? EXCHANGE_MORE : EXCHANGE_DONE;
}

static enum exchange_next next_bucket(struct aws_list *list) {
    list->bucket_at++;
    list->is_bucket_located = false;
    return settle(list);
}

static enum exchange_next drop_bucket(struct aws_list *list) {
    *current(list) = list->items[--list->count]; /* The order is made at the end. */
    list->is_bucket_located = false;
    return settle(list);
}

/* One bucket with a policy of its own blinds us for no other; without its tags nothing may be done to it. */
static enum exchange_next deny_bucket(struct aws_list *list) {
    bool is_hopeless =
        list->buckets_denied == list->bucket_at - list->bucket_first && list->buckets_denied >= DENIED_MAX;
    size_t end = is_hopeless ? list->count : list->bucket_at + 1;
    for (size_t i = list->bucket_at; i < end; i++)
        list->items[i].state = CLOUD_STATE_UNKNOWN;
    list->buckets_denied++;
    list->bucket_at = end - 1;
    return next_bucket(list);
}

bool aws_bucket_tags_begin(struct aws_list *list) {
    if (!list->buckets_are_listed) /* The list was cut before: nothing in it is a bucket. */
        return false;
    list->bucket_at = list->bucket_first;
    return settle(list) == EXCHANGE_MORE;
}

void aws_bucket_tags_build(struct call *call, struct aws_list *list) {
    list->bucket_requests++;
    begin(call, list, is_located(list) ? "GetBucketTagging" : "GetBucketLocation", current(list)->id);
    aws_s3_query(&call->exchange, is_located(list) ? "tagging" : "location", "");
}

/* "" is the first region, and "EU" the first of Europe: they are older than the names of regions. */
static enum exchange_next read_location(struct call *call, struct aws_list *list, struct error *err) {
    const struct xml_node *root = aws_s3_reply(&call->exchange, "LocationConstraint", err);
    const char *region = xml_text(root, "");
    if (root == NULL)
        return EXCHANGE_DONE;
    if (region[0] == '\0')
        region = "us-east-1";
    else if (str_eq(region, "EU"))
        region = "eu-west-1";
    if (!str_eq(region, list->region))
        return drop_bucket(list);
    list->is_bucket_located = true;
    return EXCHANGE_MORE;
}

enum exchange_next aws_bucket_tags_read(struct call *call, struct aws_list *list, struct error *err) {
    if (!is_located(list))
        return read_location(call, list, err);
    const struct xml_node *root = aws_s3_reply(&call->exchange, "Tagging", err);
    if (root == NULL)
        return EXCHANGE_DONE;
    aws_list_tags(list, current(list), xml_at(root, "TagSet"), "Tag", "Key", "Value");
    return next_bucket(list);
}

enum exchange_next aws_bucket_tags_failed(struct aws_list *list, struct error *err) {
    enum exchange_next (*next)(struct aws_list *) = next_bucket;
    if (str_eq(err->code, "NoSuchBucket")) {
        next = drop_bucket; /* Gone meanwhile. */
    } else if (str_eq(err->code, "AccessDenied")) {
        next = deny_bucket;
    } else if (!str_eq(err->code, "NoSuchTagSet")) {
        return EXCHANGE_DONE;
    }
    *err = (struct error){0};
    return next(list);
}
