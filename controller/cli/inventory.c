/*
 * trimtab inventory: what the adapters of the Providers in a manifest see, once. Each kind of each region is a call of
 * its own, so that a permission that is missing for one hides none of the others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "adapters/adapter.h"
#include "adapters/wrap/budget.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/clouds.h"
#include "cli/inventory.h"
#include "cli/options.h"

#define COUNT_MAX_DEFAULT 100000

/* Listings of a Provider that are under way at once; the rest wait for a place. */
#define IN_FLIGHT_MAX 8
/* What is kept of a Provider, in what is kept of one kind in one region. */
#define PROVIDER_FACTOR 2

struct inventory;

struct source { /* A Provider. */
    struct inventory *inventory;
    const char *key; /* "namespace/name" */
    struct adapter *adapter;
    struct listing **listings;
    size_t listing_count, started, in_flight;
    size_t held; /* Resources of the listings that have ended. */
};

struct listing { /* One Provider, region, kind. */
    struct source *source;
    enum cloud_kind kind;
    struct cloud_query query;
    struct adapter_call call;
    struct arena arena;
    size_t count; /* Of the reply, as many as are kept. */
    bool truncated;
};

struct inventory {
    struct cli_clouds clouds;
    struct manifest_set set;
    struct cli_secrets secrets;
    int64_t count_max;
    int64_t began_ms;
    struct arena arena;
    struct budget_registry *budgets;
    struct source **sources;
    size_t source_count, adapters_open, listings_open;
    bool has_errors;
};

/* ---- listing ---- */

static void complain(struct inventory *inv, const char *provider, const char *region, const char *kind,
                     const struct error *err) {
    inv->has_errors = true;
    fprintf(stderr, "trimtab: %s%s%s%s%s: %s%s%s%s\n", provider, region ? " " : "", region ? region : "",
            kind ? " " : "", kind ? kind : "", err->message, err->code[0] ? " (" : "", err->code,
            err->code[0] ? ")" : "");
}

static void on_listed(struct adapter_call *call);

static size_t room_of(const struct source *source) {
    size_t total_max = (size_t)source->inventory->count_max * PROVIDER_FACTOR;
    return source->held < total_max ? total_max - source->held : 0;
}

static void listings_run(struct source *source) {
    while (source->in_flight < IN_FLIGHT_MAX && source->started < source->listing_count) {
        struct listing *it = source->listings[source->started++];
        size_t room = room_of(source), count_max = (size_t)source->inventory->count_max;
        it->query.count_max = room == 0 ? 1 : room < count_max ? room : count_max;
        source->in_flight++;
        source->adapter->ops->list(source->adapter, &it->call, &it->query);
    }
}

static void on_listed(struct adapter_call *call) {
    struct listing *listing = call->ctx;
    struct source *source = listing->source;
    size_t room = room_of(source);
    if (call->reply.error.class == ERR_NONE) {
        listing->count = call->reply.count < room ? call->reply.count : room;
        listing->truncated = call->reply.truncated || listing->count < call->reply.count;
        source->held += listing->count;
    }
    source->in_flight--;
    source->inventory->listings_open--;
    listings_run(source);
}

static void listings_make(struct source *source, const struct provider *spec) {
    struct inventory *inv = source->inventory;
    size_t regions = spec->region_count > 0 ? spec->region_count : 1;
    for (size_t region = 0; region < regions; region++) {
        for (uint32_t kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
            if (!(source->adapter->ops->kinds >> kind & 1u))
                continue;
            struct listing *it = mem_alloc(sizeof(*it));
            it->source = source;
            it->kind = (enum cloud_kind)kind;
            it->query = (struct cloud_query){
                .kinds = 1u << kind, .region = spec->region_count > 0 ? spec->regions[region] : CLOUD_REGION_CLUSTER};
            it->call = (struct adapter_call){.done = on_listed, .ctx = it, .arena = &it->arena};
            source->listings =
                arena_push(&inv->arena, source->listings, source->listing_count, sizeof(struct listing *));
            source->listings[source->listing_count++] = it;
            inv->listings_open++;
        }
    }
}

static void provider_start(struct inventory *inv, const struct object *object) {
    const struct provider *spec = object->as.provider;
    const char *type = provider_type_name(spec->type);
    const char *key = arena_printf(&inv->arena, "%s/%s", object->namespace, object->name);
    const struct adapter_ops *ops = adapter_find(type);
    struct json *parameters = NULL;
    struct adapter *adapter = NULL;
    struct error err;
    struct adapter_config config = {
        .name = key,
        .regions = spec->regions,
        .region_count = spec->region_count,
        .endpoint = spec->endpoint,
        .credential = cli_credential,
        .credential_ctx = cli_secret_of(&inv->secrets, object),
        .base_dir = spec->base_dir,
    };
    config.is_environment = config.credential_ctx == NULL;
    config.gate =
        budget_gate_open(inv->budgets, &(struct budget_gate_options){.cloud = type,
                                                                     .provider = key,
                                                                     .endpoint = spec->endpoint,
                                                                     .requests_per_second = spec->requests_per_second});
    enum err_class class = ERR_NONE;
    if (!ops) {
        (void)error_set(&err, ERR_PERMANENT, "this build has no adapter for type %s", type);
        complain(inv, key, NULL, NULL, &err);
        return;
    }
    if (spec->parameters_json)
        class = json_parse(bytes_of(spec->parameters_json), &parameters, &err);
    config.parameters = parameters;
    if (class == ERR_NONE)
        class = ops->open(&adapter, &inv->clouds.env, &config, &err);
    json_free(parameters);
    if (class != ERR_NONE) {
        if (config.is_environment && spec->secret_name)
            (void)error_wrap(&err, "no Secret \"%s\" among the manifests, so the environment was tried",
                             spec->secret_name);
        complain(inv, key, NULL, NULL, &err);
        return;
    }
    struct source *source = arena_alloc(&inv->arena, sizeof(*source));
    *source = (struct source){.inventory = inv, .key = key, .adapter = adapter};
    inv->sources = arena_push(&inv->arena, inv->sources, inv->source_count, sizeof(struct source *));
    inv->sources[inv->source_count++] = source;
    inv->adapters_open++;
    listings_make(source, spec);
    listings_run(source);
}

/* ---- life ---- */

static void on_adapter_closed(void *ctx) {
    struct inventory *inv = ctx;
    inv->adapters_open--;
}

static void inventory_close(struct inventory *inv) {
    for (size_t i = 0; i < inv->source_count; i++)
        inv->sources[i]->adapter->ops->close(inv->sources[i]->adapter, on_adapter_closed, inv);
    while (inv->adapters_open > 0)
        uv_run(&inv->clouds.loop, UV_RUN_ONCE);
    budget_registry_free(inv->budgets);
    cli_clouds_close(&inv->clouds);
    for (size_t i = 0; i < inv->source_count; i++)
        for (size_t k = 0; k < inv->sources[i]->listing_count; k++) {
            arena_release(&inv->sources[i]->listings[k]->arena);
            mem_free(inv->sources[i]->listings[k]);
        }
    arena_release(&inv->arena);
}

static void view_add(struct inventory *inv, struct inventory_view *view, const struct listing *it) {
    const struct adapter_reply *reply = &it->call.reply;
    if (reply->error.class != ERR_NONE) {
        complain(inv, it->source->key, it->query.region, cloud_kind_name(it->kind), &reply->error);
        return;
    }
    if (it->truncated)
        fprintf(
            stderr,
            "trimtab: %s %s %s: cut at %zu, there are more: raise --max (%" PRId64 ", of a Provider %d times that)\n",
            it->source->key, it->query.region, cloud_kind_name(it->kind), it->count, inv->count_max, PROVIDER_FACTOR);
    view->truncated |= it->truncated;
    for (size_t k = 0; k < it->count; k++) {
        view->rows = arena_push(&inv->arena, view->rows, view->count, sizeof(*view->rows));
        view->rows[view->count++] = (struct inventory_row){it->source->key, &reply->as.resources[k]};
    }
}

static struct inventory_view *view_of(struct inventory *inv) {
    struct inventory_view *view = arena_alloc(&inv->arena, sizeof(*view));
    view->as_of_ms = inv->began_ms;
    for (size_t i = 0; i < inv->source_count; i++)
        for (size_t k = 0; k < inv->sources[i]->listing_count; k++)
            view_add(inv, view, inv->sources[i]->listings[k]);
    inventory_sort(view);
    return view;
}

static int manifests_check(const struct inventory *inv, const char *path) {
    size_t provider_count = 0;
    int code = cli_manifests_check(&inv->set);
    for (size_t i = 0; i < inv->set.entry_count; i++)
        provider_count += inv->set.entries[i].object->kind == OBJECT_PROVIDER;
    if (code != CLI_GO_ON || provider_count > 0)
        return code;
    fprintf(stderr, "trimtab: there is no Provider in %s\n", path);
    return CLI_FAULTS;
}

static int inventory(struct inventory *inv, const char *output) {
    struct buf out = {0};
    cli_clouds_open(&inv->clouds);
    inv->began_ms = runtime_wall_ms(inv->clouds.env.runtime);
    inv->budgets = budget_registry_new(inv->clouds.env.runtime, NULL);
    for (size_t i = 0; i < inv->set.entry_count; i++) {
        if (inv->set.entries[i].object->kind == OBJECT_PROVIDER)
            provider_start(inv, inv->set.entries[i].object);
    }
    while (inv->listings_open > 0)
        uv_run(&inv->clouds.loop, UV_RUN_ONCE);
    struct inventory_view *view = view_of(inv);
    if (str_eq(output, "json"))
        inventory_print_json(view, &out, stdout);
    else
        inventory_print_text(view, &out);
    fputs(buf_text(&out), stdout);
    fprintf(stderr, "%zu resource%s%s%s\n", view->count, view->count == 1 ? "" : "s",
            view->truncated ? "; there are more, see above" : "",
            inv->has_errors ? "; some could not be listed, see above" : "");
    buf_release(&out);
    inventory_close(inv);
    return inv->has_errors ? CLI_FAILED : CLI_DONE;
}

int cli_inventory(int argc, char **argv) {
    static const char *const outputs[] = {"text", "json", NULL};
    const char *output = "text", *file = NULL, *namespace = "default";
    struct inventory inv = {.count_max = COUNT_MAX_DEFAULT};
    const struct cli_option options[] = {
        {"file", 'f', "FILE",
         "Manifest of one or more Providers; their Secrets in it or\nbeside it, else the environment.", CLI_OPTION_TEXT,
         &file, NULL, 0, 0},
        {"namespace", 'n', "NAMESPACE", "Of objects that name none (default).", CLI_OPTION_TEXT, &namespace, NULL, 0,
         0},
        {"max", 0, "COUNT", "Of each kind in each region, of a Provider twice that\n(100000).", CLI_OPTION_INT,
         &inv.count_max, NULL, 1, 10000000},
        {"output", 'o', "text|json", "Default text.", CLI_OPTION_CHOICE, &output, outputs, 0, 0},
        {0},
    };
    const struct cli_syntax syntax = {
        .usage = "trimtab inventory -f PROVIDER.yaml",
        .summary = "Lists all that a Provider's adapter sees. Exit 2 when part of it could not be listed; what was\n"
                   "seen is printed all the same.\n",
        .options = options,
    };
    size_t count;
    int code = cli_options_parse(&syntax, argc, argv, &count);
    if (code != CLI_GO_ON)
        return code;
    if (!file)
        return cli_usage_error(&syntax, "--file is missing");
    manifest_load(&file, 1, namespace, false, &inv.set);
    inv.secrets.set = &inv.set;
    code = manifests_check(&inv, file);
    if (code == CLI_GO_ON)
        code = inventory(&inv, output);
    manifest_set_release(&inv.set);
    cli_secrets_release(&inv.secrets);
    return code;
}
