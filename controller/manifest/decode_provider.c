/*
 * Provider: an account of a cloud, and who may use it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
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

/* The block named like the type: only there, and only `simulated` has one so far. */
static void decode_parameters(struct decoder *d, const struct place *spec, struct provider *ret) {
    struct place block = decode_object(d, spec, "simulated", NULL);
    if (!block.json)
        return;
    if (ret->type != PROVIDER_SIMULATED) {
        decode_fault(d, &block, "belongs to type simulated, but type is %s; remove one of them",
                     provider_type_name(ret->type));
        return;
    }
    decode_simulated(d, &block);
    ret->parameters_json = decode_raw(d, block.json);
}

const struct provider *decode_provider(struct decoder *d, const struct place *spec) {
    static const char *const keys[] = {"type",   "regions", "credentials", "endpoint", "sharing",
                                       "limits", "suspend", "simulated",   NULL};
    static const char *const credentials_keys[] = {"secretRef", NULL};
    static const char *const limits_keys[] = {"requestsPerSecond", NULL};
    struct place at = *spec;
    decode_object_at(d, &at, keys);

    struct provider *provider = arena_alloc(d->arena, sizeof(*provider));
    provider->type = (enum provider_type)decode_enum(d, &at, "type", type_name, PROVIDER_TYPE_COUNT, -1);
    /* A Kubernetes cluster is one place; everything else is looked at region by region. */
    size_t regions_min = json_get(at.json, "type") && provider->type != PROVIDER_KUBERNETES;
    provider->regions =
        decode_texts(d, &at, "regions", &text_region, regions_min, REGIONS_MAX, &provider->region_count);
    struct place credentials = decode_object(d, &at, "credentials", credentials_keys);
    provider->secret_name = decode_secret_ref(d, &credentials, false);
    provider->endpoint = decode_text(d, &at, "endpoint", &text_url, false);
    decode_sharing(d, &at, provider);
    struct place limits = decode_object(d, &at, "limits", limits_keys);
    provider->requests_per_second = decode_int(d, &limits, "requestsPerSecond", INT_RULE(.min = 1, .max = 10000));
    decode_parameters(d, &at, provider);
    provider->base_dir = arena_strdup(d->arena, d->options->base_dir);
    provider->hash = json_hash(at.json);
    return provider;
}
