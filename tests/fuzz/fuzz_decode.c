/*
 * Any bytes as a manifest: YAML, then object_decode, strict and not. Properties: an object without a fault has its
 * spec; an object with faults has a summary; strings are copies (the tree is freed before the object is looked at).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "manifest/decode.h"
#include "manifest/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void policy_check(const struct policy *policy) {
    ASSERT(policy->selector.provider_count > 0 && policy->selector.kinds != 0 && policy->actions != 0);
    ASSERT(policy->capacity.min <= policy->capacity.max && policy->placement.vcpu_min <= policy->placement.vcpu_max);
    for (size_t i = 0; i < policy->selector.provider_count; i++)
        ASSERT(strlen(policy->selector.providers[i].name) > 0 && strlen(policy->selector.providers[i].namespace) > 0);
    for (size_t i = 0; i < policy->disruption.window_count; i++)
        ASSERT(schedule_next(&policy->disruption.windows[i].schedule, 1767225600000) >= 1767225600000);
    for (size_t i = 0; i < policy->forecast.event_count; i++) {
        const struct policy_event *event = &policy->forecast.events[i];
        ASSERT(*event->name && event->duration_ms > 0 && event->factor_percent > 0);
        ASSERT(!event->recurs || schedule_next(&event->schedule, 1767225600000) >= 1767225600000);
    }
}

static void object_check(const struct object *object, const struct manifest_faults *faults) {
    ASSERT(strlen(object->name) > 0 && (faults->count == 0) == (*object->fault == '\0'));
    ASSERT(faults->count <= MANIFEST_FAULTS_MAX);
    for (size_t i = 0; i < faults->count; i++)
        ASSERT(strlen(faults->items[i].message) > 0);
    if (*object->fault || object->kind == OBJECT_NAMESPACE)
        return;
    ASSERT(object->as.policy);
    if (object->kind == OBJECT_POLICY)
        policy_check(object->as.policy);
    if (object->kind == OBJECT_BUDGET)
        ASSERT(object->as.budget->amount > 0 && strlen(object->as.budget->currency) == 3);
    if (object->kind == OBJECT_RECOMMENDATION)
        ASSERT(strlen(object->as.recommendation->policy_name) > 0 && strlen(object->as.recommendation->target.id) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int strict = 0; strict < 2; strict++) {
        struct yaml_documents documents = {0};
        struct error err = {0};
        if (yaml_parse((struct bytes){(const char *)data, size}, &documents, &err) != ERR_NONE || documents.count == 0)
            return 0;
        struct arena arena = {0};
        struct object *object = NULL;
        struct manifest_faults faults = {0};
        struct decode_options options = {.strict = strict, .base_dir = "."};
        enum err_class class = object_decode(documents.items[0].root, &options, &arena, &object, &faults, &err);
        yaml_documents_release(&documents);
        ASSERT((class == ERR_NONE) == (object != NULL));
        if (object)
            object_check(object, &faults);
        arena_release(&arena);
    }
    return 0;
}
