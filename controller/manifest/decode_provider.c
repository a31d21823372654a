/*
 * Provider: an account of a cloud, and who may use it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/mem.h"
#include "base/str.h"
#include "manifest/decode_internal.h"

#define SHARING_MAX 32
#define REGIONS_MAX 64

static const char *type_name(int value) {
    return provider_type_name((enum provider_type)value);
}

static void decode_sharing(struct decoder *d, const struct place *spec, struct provider *ret) {
    static const char *const keys[] = {"namespaceSelector", "requireTags", NULL};
    struct place list;
    size_t count = decode_list(d, spec, "sharing", 0, SHARING_MAX, &list);
    struct provider_sharing *sharing = count > 0 ? arena_alloc_array(d->arena, count, sizeof(*sharing)) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct place at = place_index(&list, i);
        decode_object_at(d, &at, keys);
        sharing[i].namespace_labels = decode_selector(d, &at, "namespaceSelector", &sharing[i].namespace_label_count);
        sharing[i].require_tags = decode_tags(d, &at, "requireTags", &sharing[i].require_tag_count);
    }
    ret->sharing = sharing;
    ret->sharing_count = count;
}

static const struct {
    enum provider_type type;
    void (*decode)(struct decoder *d, const struct place *block);
} blocks[] = {
    {PROVIDER_SIMULATED, decode_simulated},
    {PROVIDER_KUBERNETES, decode_kubernetes},
    {PROVIDER_AWS, decode_aws},
};

/* The adapter's own block is named like the type, and only there. */
static void decode_parameters(struct decoder *d, const struct place *spec, struct provider *ret) {
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        const char *name = provider_type_name(blocks[i].type);
        struct place block = decode_object(d, spec, name, NULL);
        if (!block.json)
            continue;
        if (ret->type != blocks[i].type) {
            decode_fault(d, &block, "belongs to type %s, but type is %s; remove one of them", name,
                         provider_type_name(ret->type));
            continue;
        }
        blocks[i].decode(d, &block);
        ret->parameters_json = decode_raw(d, block.json);
    }
}

/* A Kubernetes cluster is one place; everything else is looked at region by region. */
static void decode_regions(struct decoder *d, const struct place *spec, struct provider *ret) {
    static const char *const cluster[] = {CLOUD_REGION_CLUSTER};
    bool is_cluster = ret->type == PROVIDER_KUBERNETES, has_type = json_get(spec->json, "type");
    ret->regions =
        decode_texts(d, spec, "regions", &text_region, has_type && !is_cluster, REGIONS_MAX, &ret->region_count);
    if (!is_cluster)
        return;
    struct place at = place_key(spec, "regions");
    for (size_t i = 0; i < ret->region_count; i++)
        if (!str_eq(ret->regions[i], CLOUD_REGION_CLUSTER))
            decode_fault(d, &at, "a Kubernetes cluster is one place; remove the regions");
    ret->regions = cluster;
    ret->region_count = ARRAY_LEN(cluster);
}

const struct provider *decode_provider(struct decoder *d, const struct place *spec) {
    static const char *const keys[] = {"type",        "regions", "credentials", "endpoint",   "sharing", "limits",
                                       "commitments", "suspend", "simulated",   "kubernetes", "aws",     NULL};
    static const char *const credentials_keys[] = {"secretRef", NULL};
    static const char *const limits_keys[] = {"requestsPerSecond", NULL};
    struct place at = *spec;
    decode_object_at(d, &at, keys);

    struct provider *provider = arena_alloc(d->arena, sizeof(*provider));
    provider->type = (enum provider_type)decode_enum(d, &at, "type", type_name, PROVIDER_TYPE_COUNT, -1);
    decode_regions(d, &at, provider);
    struct place credentials = decode_object(d, &at, "credentials", credentials_keys);
    provider->secret_name = decode_secret_ref(d, &credentials, false);
    provider->endpoint = decode_text(d, &at, "endpoint", &text_url, false);
    decode_sharing(d, &at, provider);
    struct place limits = decode_object(d, &at, "limits", limits_keys);
    provider->requests_per_second = decode_int(d, &limits, "requestsPerSecond", INT_RULE(.min = 1, .max = 10000));
    decode_commitments(d, &at, provider);
    decode_parameters(d, &at, provider);
    provider->base_dir = arena_strdup(d->arena, d->options->base_dir);
    provider->hash = json_hash(at.json);
    return provider;
}
