/*
 * What may be done to the simulated cloud, and how it answers: the checks, the tokens, the capacity of its regions.
 * What takes time answers with a handle "wait/REGION/KIND/ID", which is done when the item has settled; the effect is
 * whole once it has begun, so that a poll changes nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/simulated/simulated_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define ITEMS_MAX 100000
#define TAGS_MAX 50
#define POLL_AFTER_MS 5000

static enum err_class refuse(struct error *err, enum err_class class, const char *code, uint32_t http_status) {
    err->http_status = http_status;
    (void)str_copy(err->code, sizeof(err->code), code);
    return class;
}

/* ---- capacity ---- */

/* What the quota of the region leaves, in milli-vCPU; INT64_MAX: it has none. */
static int64_t quota_left(const struct sim *sim, const char *region) {
    for (size_t i = 0; i < sim->quota_count; i++) {
        if (!str_eq(sim->quotas[i].region, region))
            continue;
        int64_t left = sim->quotas[i].vcpu_max * 1000;
        for (size_t g = 0; g < sim->group_count; g++)
            if (str_eq(sim->groups[g].region, region))
                left -= sim_group_desired(&sim->groups[g]) * sim->groups[g].vcpu_milli;
        for (size_t n = 0; n < sim->item_count; n++)
            if (sim->items[n].kind == CLOUD_INSTANCE && !sim->items[n].is_gone &&
                sim_item_final_state(&sim->items[n]) == CLOUD_RUNNING && str_eq(sim->items[n].region, region))
                left -= sim->items[n].vcpu_milli;
        return left > 0 ? left : 0;
    }
    return INT64_MAX;
}

/* How many machines more the region gives of this type; INT64_MAX: no limit is set. */
static int64_t capacity_left(const struct sim *sim, const char *region, const char *type) {
    for (size_t i = 0; i < sim->capacity_count; i++) {
        const struct sim_capacity *capacity = &sim->capacities[i];
        if (!str_eq(capacity->region, region) || !str_eq(capacity->type, type))
            continue;
        int64_t used = 0;
        for (size_t g = 0; g < sim->group_count; g++) {
            const struct sim_group *other = &sim->groups[g];
            if (str_eq(other->region, region) && str_eq(other->type, type))
                used += sim_group_desired(other);
        }
        for (size_t n = 0; n < sim->item_count; n++) {
            const struct sim_item *other = &sim->items[n];
            used += other->kind == CLOUD_INSTANCE && !other->is_gone && sim_item_final_state(other) == CLOUD_RUNNING &&
                    str_eq(other->region, region) && str_eq(sim_item_final_type(other), type);
        }
        return capacity->machines_max > used ? capacity->machines_max - used : 0;
    }
    return INT64_MAX;
}

static enum err_class no_capacity(const char *id, const char *region, const char *type, struct error *err) {
    error_set(err, ERR_CAPACITY, "%s: %s has no more %s", id, region, type);
    return refuse(err, ERR_CAPACITY, "InsufficientInstanceCapacity", 400);
}

/* ---- groups ---- */

/* Grants what there is, or nothing: clouds do both. */
static enum err_class grow(struct sim *sim, struct sim_group *group, int64_t target, struct error *err) {
    int64_t missing = target - sim_group_desired(group);
    int64_t left = capacity_left(sim, group->region, group->type);
    if (missing > 0 && missing > quota_left(sim, group->region) / (group->vcpu_milli > 0 ? group->vcpu_milli : 1)) {
        error_set(err, ERR_PERMANENT, "scale %s: more vCPU than the quota of %s leaves", group->name, group->region);
        return refuse(err, ERR_PERMANENT, "VcpuLimitExceeded", 400);
    }
    if (missing <= left) {
        sim_group_set_size(sim, group, target);
        return ERR_NONE;
    }
    int64_t now_ms = runtime_wall_ms(sim->runtime);
    bool partial = left > 0 && sim_roll(sim, SIM_PARTIAL, now_ms, group->region, group->name) % 2 == 0;
    if (partial)
        sim_group_set_size(sim, group, sim_group_desired(group) + left);
    error_set(err, ERR_CAPACITY, "scale %s: %s has no more %s (%lld of %lld machines granted)", group->name,
              group->region, group->type, partial ? (long long)left : 0LL, (long long)missing);
    err->effect = partial ? EFFECT_APPLIED : EFFECT_NONE;
    return refuse(err, ERR_CAPACITY, "InsufficientInstanceCapacity", 400);
}

static enum err_class scale(struct sim *sim, struct sim_group *group, const struct cloud_action *action,
                            struct error *err) {
    if (action->count < group->count_min || action->count > group->count_max) {
        error_set(err, ERR_PERMANENT, "scale %s: %lld is outside of %lld to %lld", action->id, (long long)action->count,
                  (long long)group->count_min, (long long)group->count_max);
        return refuse(err, ERR_PERMANENT, "ValidationError", 400);
    }
    sim_group_advance(sim, group);
    if (action->count > sim_group_desired(group))
        return grow(sim, group, action->count, err);
    sim_group_set_size(sim, group, action->count);
    return ERR_NONE;
}

/* ---- tags ---- */

/* The old tags with the new ones over them. */
static enum err_class set_tags(struct sim *sim, const struct cloud_action *action, const struct cloud_tag **tags,
                               size_t *tag_count, struct error *err) {
    size_t count = 0;
    struct cloud_tag *merged = arena_alloc_array(&sim->arena, *tag_count + action->tag_count, sizeof(*merged));
    for (size_t i = 0; i < *tag_count; i++) {
        bool is_replaced = false;
        for (size_t k = 0; k < action->tag_count; k++)
            is_replaced = is_replaced || str_eq((*tags)[i].key, action->tags[k].key);
        if (!is_replaced)
            merged[count++] = (*tags)[i];
    }
    for (size_t k = 0; k < action->tag_count; k++)
        merged[count++] = (struct cloud_tag){arena_strdup(&sim->arena, action->tags[k].key),
                                             arena_strdup(&sim->arena, action->tags[k].value)};
    if (count > TAGS_MAX) {
        error_set(err, ERR_PERMANENT, "tag %s: more than %d tags", action->id, TAGS_MAX);
        return refuse(err, ERR_PERMANENT, "TagLimitExceeded", 400);
    }
    if (count > 1)
        qsort(merged, count, sizeof(*merged), cloud_tag_cmp);
    *tags = merged;
    *tag_count = count;
    return ERR_NONE;
}

/* ---- instances ---- */

static enum err_class start(struct sim *sim, struct sim_item *item, struct error *err) {
    if (sim_item_final_state(item) == CLOUD_RUNNING)
        return ERR_NONE;
    if (capacity_left(sim, item->region, item->type) < 1)
        return no_capacity(item->id, item->region, item->type, err);
    item->state = CLOUD_PENDING;
    sim_item_plan(sim, item, CLOUD_RUNNING, NULL);
    return ERR_NONE;
}

static void stop(struct sim *sim, struct sim_item *item) {
    if (sim_item_final_state(item) == CLOUD_STOPPED)
        return;
    item->state = CLOUD_STOPPING;
    sim_item_plan(sim, item, CLOUD_STOPPED, NULL);
}

static enum err_class resize(struct sim *sim, struct sim_item *item, const struct cloud_action *action,
                             struct error *err) {
    struct cloud_offer offer;
    if (str_eq(sim_item_final_type(item), action->type))
        return ERR_NONE;
    if (action->type == NULL || sim->catalogue == NULL ||
        !catalogue_find(sim->catalogue, sim->prices, item->region, action->type, &offer)) {
        error_set(err, ERR_PERMANENT, "resize %s: %s has no type \"%s\"", item->id, item->region,
                  action->type != NULL ? action->type : "");
        return refuse(err, ERR_PERMANENT, "InvalidInstanceType", 400);
    }
    const char *type = arena_strdup(&sim->arena, action->type);
    if (item->state != CLOUD_RUNNING) {
        item->type = type;
        (void)sim_item_fill(sim, item);
        return ERR_NONE;
    }
    if (capacity_left(sim, item->region, type) < 1)
        return no_capacity(item->id, item->region, type, err);
    item->state = CLOUD_STOPPING;
    sim_item_plan(sim, item, CLOUD_STOPPED, NULL);
    sim_item_plan(sim, item, CLOUD_PENDING, type);
    sim_item_plan(sim, item, CLOUD_RUNNING, NULL);
    return ERR_NONE;
}

/* What a cloud does not allow while it is on its way from one state to another. */
static enum err_class not_settled(const struct sim_item *item, struct error *err) {
    error_set(err, ERR_CONFLICT, "%s: it is %s", item->id, cloud_state_name(item->state));
    return refuse(err, ERR_CONFLICT, "IncorrectInstanceState", 400);
}

static void destroy(struct sim *sim, struct sim_item *item) {
    item->turn_count = 0;
    item->state = CLOUD_DELETING;
    sim_item_plan(sim, item, CLOUD_DELETING, NULL);
    for (size_t i = 0; item->kind == CLOUD_INSTANCE && i < sim->item_count; i++) {
        struct sim_item *disk = &sim->items[i];
        if (disk->kind == CLOUD_VOLUME && str_eq(disk->parent, item->id)) {
            disk->parent = NULL;
            disk->state = CLOUD_AVAILABLE;
        }
    }
}

static enum err_class delete (struct sim *sim, struct sim_item *item, struct error *err) {
    if (item->kind == CLOUD_VOLUME &&
        item->parent != NULL){error_set(err, ERR_CONFLICT, "delete %s: it is attached to %s", item->id, item->parent);
                              return refuse(err, ERR_CONFLICT, "VolumeInUse", 400);}
if (sim_item_final_state(item) != CLOUD_DELETING) destroy(sim, item);
return ERR_NONE;
}

/* ---- what makes something new ---- */

/* Its id is a function of what asked for it, so that a run repeats. */
static const char *new_id(struct sim *sim, const char *prefix, const struct cloud_action *action) {
    uint64_t hash = str_hash_text(str_hash_text(STR_HASH_SEED, action->region), action->id);
    hash = sim_mix(hash ^ sim->seed ^ sim_mix(sim->item_count + 1));
    return arena_printf(&sim->arena, "%s-%016llx", prefix, (unsigned long long)hash);
}

static enum err_class create(struct sim *sim, const struct cloud_action *action, const char **ret_made,
                             struct error *err) {
    const char *type = action->type != NULL && action->type[0] != '\0' ? action->type : action->id;
    struct sim_item made = {.kind = CLOUD_INSTANCE, .name = "", .state = CLOUD_PENDING, .type = type};
    made.region = arena_strdup(&sim->arena, action->region);
    if (!sim_has_region(sim, action->region)) {
        error_set(err, ERR_PERMANENT, "create %s: no such region `%s`", action->id, action->region);
        return refuse(err, ERR_PERMANENT, "InvalidRegion", 400);
    }
    if (!sim_item_fill(sim, &made)) {
        error_set(err, ERR_PERMANENT, "create %s: no such template: here it is an instance type", action->id);
        return refuse(err, ERR_PERMANENT, "InvalidLaunchTemplate", 400);
    }
    if (capacity_left(sim, made.region, type) < 1)
        return no_capacity(action->id, made.region, type, err);
    struct sim_item *item = sim_item_add(sim);
    *item = made;
    item->type = arena_strdup(&sim->arena, type);
    item->zone = arena_strdup(&sim->arena, action->zone != NULL ? action->zone : "");
    item->id = new_id(sim, "i", action);
    item->created_at_ms = runtime_wall_ms(sim->runtime);
    item->boot_delay_ms = sim->boot_delay_ms;
    *ret_made = item->id;
    enum err_class class = set_tags(sim, action, &item->tags, &item->tag_count, err);
    sim_item_plan(sim, item, CLOUD_RUNNING, NULL);
    return class;
}

static enum err_class take_snapshot(struct sim *sim, const struct sim_item *volume, const struct cloud_action *action,
                                    const char **ret_made, struct error *err) {
    const struct sim_item from = *volume; /* It may move when the next is added. */
    struct sim_item *item = sim_item_add(sim);
    *item = (struct sim_item){.kind = CLOUD_SNAPSHOT,
                              .name = "",
                              .zone = "",
                              .type = from.type,
                              .region = from.region,
                              .parent = from.id,
                              .state = CLOUD_PENDING,
                              .memory_mib = from.memory_mib,
                              .boot_delay_ms = from.boot_delay_ms};
    item->id = new_id(sim, "snap", action);
    item->created_at_ms = runtime_wall_ms(sim->runtime);
    *ret_made = item->id;
    enum err_class class = set_tags(sim, action, &item->tags, &item->tag_count, err);
    sim_item_plan(sim, item, CLOUD_AVAILABLE, NULL);
    return class;
}

/* ---- the request ---- */

static uint64_t action_hash(const struct cloud_action *action) {
    uint64_t hash = str_hash_text(str_hash_text(STR_HASH_SEED, action->region), action->id);
    hash = str_hash_text(hash, action->type != NULL ? action->type : "");
    for (size_t i = 0; i < action->tag_count; i++)
        hash = str_hash_text(str_hash_text(hash, action->tags[i].key), action->tags[i].value);
    return sim_mix(hash ^ sim_mix((uint64_t)action->count)) ^ (uint64_t)action->verb << 8 ^ (uint64_t)action->kind;
}

static const struct sim_token *token_find(const struct sim *sim, uint64_t token) {
    for (size_t i = 0; token != 0 && i < SIM_TOKENS_MAX; i++) {
        if (sim->tokens[i].token == token)
            return &sim->tokens[i];
    }
    return NULL;
}

static const char *handle(const struct cloud_action *action, enum cloud_kind kind, const char *id,
                          struct arena *arena) {
    return arena_printf(arena, "wait/%s/%s/%s", action->region, cloud_kind_name(kind), id);
}

static enum err_class not_found(const struct cloud_action *action, struct error *err) {
    error_set(err, ERR_CONFLICT, "%s %s: no such %s in %s", cloud_verb_name(action->verb), action->id,
              cloud_kind_name(action->kind), action->region);
    return refuse(err, ERR_CONFLICT, action->kind == CLOUD_INSTANCE_GROUP ? "GroupNotFound" : "NotFound", 404);
}

static enum err_class act_on_group(struct sim *sim, const struct cloud_action *action, struct error *err) {
    struct sim_group *group = sim_group_find(sim, action->region, action->id);
    if (group == NULL)
        return not_found(action, err);
    if (action->verb == CLOUD_TAG)
        return set_tags(sim, action, &group->tags, &group->tag_count, err);
    return scale(sim, group, action, err);
}

static enum err_class act_on_item(struct sim *sim, const struct cloud_action *action, const char **ret_made,
                                  struct error *err) {
    struct sim_item *item = sim_item_find(sim, action->region, action->kind, action->id);
    if (item != NULL)
        sim_item_advance(sim, item);
    if (item == NULL || item->is_gone)
        return not_found(action, err);
    bool changes_state = action->verb == CLOUD_START || action->verb == CLOUD_STOP || action->verb == CLOUD_RESIZE;
    if (changes_state && !sim_item_is_settled(item) &&
        (action->verb == CLOUD_RESIZE
             ? !str_eq(sim_item_final_type(item), action->type)
             : sim_item_final_state(item) != (action->verb == CLOUD_START ? CLOUD_RUNNING : CLOUD_STOPPED)))
        return not_settled(item, err);
    switch (action->verb) {
    case CLOUD_START:
        return start(sim, item, err);
    case CLOUD_STOP:
        stop(sim, item);
        return ERR_NONE;
    case CLOUD_RESIZE:
        return resize(sim, item, action, err);
    case CLOUD_DELETE:
        return delete (sim, item, err);
    case CLOUD_TAKE_SNAPSHOT:
        return take_snapshot(sim, item, action, ret_made, err);
    case CLOUD_TAG:
        return set_tags(sim, action, &item->tags, &item->tag_count, err);
    case CLOUD_SCALE:
    case CLOUD_SET_BOUNDS:
    case CLOUD_CREATE:
    case CLOUD_VERB_COUNT:
        break;
    }
    ASSERT(!"the table of verbs has let it through");
    return ERR_PERMANENT;
}

/* The handle of what has been begun, "" if it is whole. */
static const char *operation_of(struct sim *sim, const struct cloud_action *action, const char *made,
                                struct arena *arena) {
    enum cloud_kind kind = action->verb == CLOUD_TAKE_SNAPSHOT ? CLOUD_SNAPSHOT : action->kind;
    const char *id = made != NULL ? made : action->id;
    const struct sim_item *item = sim_item_find(sim, action->region, kind, id);
    return item == NULL || sim_item_is_settled(item) ? "" : handle(action, kind, id, arena);
}

enum err_class sim_act(struct sim *sim, const struct cloud_action *action, struct arena *arena,
                       const char **ret_operation, const char **ret_made, struct error *err) {
    if (action->kind >= CLOUD_KIND_COUNT || (adapter_simulated.verbs[action->kind] & 1u << action->verb) == 0) {
        error_set(err, ERR_PERMANENT, "%s: %s of %s is not supported", action->id, cloud_verb_name(action->verb),
                  cloud_kind_name(action->kind));
        return refuse(err, ERR_PERMANENT, "InvalidAction", 400);
    }
    if (sim->item_count >= ITEMS_MAX && (action->verb == CLOUD_CREATE || action->verb == CLOUD_TAKE_SNAPSHOT)) {
        error_set(err, ERR_PERMANENT, "%s: more than %d things", action->id, ITEMS_MAX);
        return refuse(err, ERR_PERMANENT, "LimitExceeded", 400);
    }
    uint64_t token = action->token && *action->token ? str_hash_text(STR_HASH_SEED, action->token) | 1 : 0;
    const struct sim_token *known = token_find(sim, token);
    if (known != NULL && known->action == action_hash(action)) { /* What has happened since stays. */
        *ret_made = arena_strdup(arena, known->made);
        *ret_operation = operation_of(sim, action, known->made, arena);
        return ERR_NONE;
    }
    if (known != NULL) {
        error_set(err, ERR_PERMANENT, "%s %s: this token was used for another request", cloud_verb_name(action->verb),
                  action->id);
        return refuse(err, ERR_PERMANENT, "IdempotentParameterMismatch", 400);
    }
    const char *made = NULL;
    enum err_class class = action->kind == CLOUD_INSTANCE_GROUP ? act_on_group(sim, action, err)
                           : action->verb == CLOUD_CREATE       ? create(sim, action, &made, err)
                                                                : act_on_item(sim, action, &made, err);
    if (class != ERR_NONE)
        return class;
    if (token != 0) {
        sim->tokens[sim->token_next] = (struct sim_token){token, action_hash(action), made};
        sim->token_next = (sim->token_next + 1) % SIM_TOKENS_MAX;
    }
    *ret_made = arena_strdup(arena, made);
    *ret_operation = operation_of(sim, action, made, arena);
    return ERR_NONE;
}

enum err_class sim_poll_operation(struct sim *sim, const char *operation, struct arena *arena,
                                  struct adapter_reply *reply) {
    enum cloud_kind kind;
    char *copy = arena_strdup(arena, operation);
    char *parts[4] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(parts) && copy != NULL; i++)
        parts[i] = i + 1 < ARRAY_LEN(parts) ? strsep(&copy, "/") : copy;
    if (!str_eq(parts[0], "wait") || parts[3] == NULL || !cloud_kind_parse(parts[2], &kind))
        return error_set(&reply->error, ERR_PERMANENT, "%s: poll: not a handle of this cloud", sim->name);
    struct sim_item *item = sim_item_find(sim, parts[1], kind, parts[3]);
    if (item != NULL)
        sim_item_advance(sim, item);
    bool is_done = item == NULL || item->is_gone || sim_item_is_settled(item);
    reply->as.operation = is_done ? "" : arena_strdup(arena, operation);
    reply->poll_after_ms = is_done ? 0 : POLL_AFTER_MS;
    reply->id = item != NULL ? arena_strdup(arena, item->id) : NULL;
    return ERR_NONE;
}
