/*
 * The reader that the decoders of the kinds share. It walks a JSON tree by places: a place is a stack frame that points
 * to the frame of its parent, so that the path of a fault ("spec.disruption.windows[0].schedule") is put together only
 * when there is a fault. Every reader reports and then gives its fallback; the decoder goes on and finds the next fault
 * in the same pass.
 *
 * null is the same as absent. Arrays are allocated exactly, and only when they have elements.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_MANIFEST_DECODE_INTERNAL_H
#define TRIMTAB_MANIFEST_DECODE_INTERNAL_H

#include "manifest/decode.h"

struct decoder {
    struct arena *arena;
    struct manifest_faults *faults;
    size_t dropped; /* Faults beyond MANIFEST_FAULTS_MAX. */
    const struct decode_options *options;
    const char *namespace; /* Of the object: the default of references. */
};

struct place {
    const struct place *up; /* NULL: the document. */
    const char *key;        /* NULL: element `index` of the array above. */
    size_t index;
    const struct json *json; /* NULL: absent. */
};

struct place place_key(const struct place *up, const char *key);
struct place place_index(const struct place *up, size_t index);

void decode_fault(struct decoder *d, const struct place *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An object under a key, its type checked, unknown fields reported when strict (keys: NULL-ended; NULL: not checked).
 * Afterwards place.json is NULL if it is absent or of another type. */
struct place decode_object(struct decoder *d, const struct place *up, const char *key, const char *const *keys);
void decode_object_at(struct decoder *d, struct place *at, const char *const *keys);
/* An array under a key; place.json is NULL unless it is an array. Returns its count, cut at count_max. */
size_t decode_list(struct decoder *d, const struct place *up, const char *key, size_t count_min, size_t count_max,
                   struct place *ret);

/* ---- Scalars ---- */

struct text_rule { /* What a string must look like; mirrors maxLength and pattern of the CRD. */
    size_t size_max;
    bool (*is_good)(const char *text); /* NULL: anything. */
    const char *form;                  /* "must be ..." */
};
extern const struct text_rule text_any, text_label, text_subdomain, text_reference, text_region, text_id, text_url,
    text_time_zone, text_cron, text_template, text_instance_type, text_glob, text_uri, text_hash, text_reason,
    text_note, text_decimal, text_currency, text_date, text_file, text_context, text_role_arn, text_external_id,
    text_bucket, text_prefix, text_cpu, text_memory;

/* NULL if absent or wrong. The tree's own string: for what is only checked, or kept in another form. */
const char *decode_text_borrowed(struct decoder *d, const struct place *up, const char *key,
                                 const struct text_rule *rule, bool required);
/* The same, copied into the arena. */
const char *decode_text(struct decoder *d, const struct place *up, const char *key, const struct text_rule *rule,
                        bool required);
const char *decode_text_at(struct decoder *d, const struct place *at, const struct text_rule *rule);

struct int_rule {
    int64_t min, max, fallback;
    bool required;
};
int64_t decode_int(struct decoder *d, const struct place *up, const char *key, struct int_rule rule);
#define INT_RULE(...) ((struct int_rule){__VA_ARGS__})

struct duration_rule {
    int64_t min_ms, max_ms, fallback_ms;
    bool required;
};
int64_t decode_duration(struct decoder *d, const struct place *up, const char *key, struct duration_rule rule);
#define DURATION_RULE(...) ((struct duration_rule){__VA_ARGS__})
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

bool decode_bool(struct decoder *d, const struct place *up, const char *key, bool fallback);
/* RFC 3339; 0 if absent or wrong. */
int64_t decode_time(struct decoder *d, const struct place *up, const char *key);

/* A word of a closed list; name gives the word of each value below count. fallback -1: required (then 0 if wrong). */
typedef const char *enum_name_fn(int value);
int decode_enum(struct decoder *d, const struct place *up, const char *key, enum_name_fn *name, int count,
                int fallback);
/* A set of such words as bits; fallback where it is absent; a set that is there must not be empty. */
uint32_t decode_enum_set(struct decoder *d, const struct place *up, const char *key, enum_name_fn *name, int count,
                         uint32_t fallback);
/* The value of a word, or -1. */
int enum_find(const char *text, enum_name_fn *name, int count);

/* Amounts of a resource as Kubernetes writes them, whole: "cpu" in milli-vCPU, "memory" in MiB, rounded down. 0 if
 * absent or wrong. */
int64_t decode_cpu(struct decoder *d, const struct place *up);
int64_t decode_memory(struct decoder *d, const struct place *up);

/* ---- Composites ---- */

/* A set of strings: an element that stands twice is a fault. */
const char *const *decode_texts(struct decoder *d, const struct place *up, const char *key,
                                const struct text_rule *rule, size_t count_min, size_t count_max, size_t *ret_count);
#define TAGS_MAX 50
const struct tag *decode_tags(struct decoder *d, const struct place *up, const char *key, size_t *ret_count);
/* {matchLabels: {...}} */
const struct tag *decode_selector(struct decoder *d, const struct place *up, const char *key, size_t *ret_count);
/* "name" or "namespace/name" */
struct object_ref decode_reference_at(struct decoder *d, const struct place *at);
const struct object_ref *decode_references(struct decoder *d, const struct place *up, const char *key, size_t count_min,
                                           size_t count_max, size_t *ret_count);
/* {name} of a secretRef. */
const char *decode_secret_ref(struct decoder *d, const struct place *up, bool required);
int64_t decode_window_duration(struct decoder *d, const struct place *at);
/* schedule, timeZone and duration of a window. */
void decode_window(struct decoder *d, const struct place *at, struct schedule *ret, int64_t *ret_duration_ms);
/* Serialised; NULL if absent. */
const char *decode_raw(struct decoder *d, const struct json *json);

/* ---- The kinds ---- */

const struct provider *decode_provider(struct decoder *d, const struct place *spec);
const struct policy *decode_policy(struct decoder *d, const struct place *spec);
const struct budget *decode_budget(struct decoder *d, const struct place *spec);
const struct recommendation *decode_recommendation(struct decoder *d, const struct place *spec,
                                                   const struct place *status);
/* The adapters' own blocks of a Provider: checked; the adapter reads them from the serialised block. */
void decode_simulated(struct decoder *d, const struct place *at);
void decode_kubernetes(struct decoder *d, const struct place *at);
void decode_aws(struct decoder *d, const struct place *at);
void decode_commitments(struct decoder *d, const struct place *spec, struct provider *ret); /* regions are there. */

#endif
