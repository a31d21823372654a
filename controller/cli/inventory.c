/*
 * trimtab inventory: what the adapters of the Providers in a manifest see, once. Each kind of each region is a call of
 * its own, so that a permission that is missing for one hides none of the others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "adapters/adapter.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/clouds.h"
#include "cli/inventory.h"
#include "cli/options.h"

#define COUNT_MAX_DEFAULT 100000

struct inventory;

struct listing { /* One provider, region, kind. */
    struct inventory *inventory;
    const char *provider; /* "namespace/name" */
    struct cloud_query query;
    struct adapter_call call;
    struct arena arena;
};

struct inventory {
    struct cli_clouds clouds;
    struct manifest_set set;
    struct cli_secrets secrets;
    int64_t count_max;
    struct arena arena;
    struct adapter **adapters;
    size_t adapter_count, adapters_open;
    struct listing **listings;
    size_t listing_count, listings_open;
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

static void on_listed(struct adapter_call *call) {
    struct listing *listing = call->ctx;
    listing->inventory->listings_open--;
}

static void listings_start(struct inventory *inv, const char *provider, const struct provider *spec,
                           struct adapter *adapter) {
    size_t regions = spec->region_count > 0 ? spec->region_count : 1; /* A Kubernetes cluster names none. */
    for (size_t region = 0; region < regions; region++) {
        for (uint32_t kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
            struct listing *it = mem_alloc(sizeof(*it));
            it->inventory = inv;
            it->provider = provider;
            it->query =
                (struct cloud_query){.kinds = 1u << kind,
                                     .region = spec->region_count > 0 ? spec->regions[region] : CLOUD_REGION_CLUSTER,
                                     .count_max = (size_t)inv->count_max};
            it->call = (struct adapter_call){.done = on_listed, .ctx = it, .arena = &it->arena};
            inv->listings = arena_push(&inv->arena, inv->listings, inv->listing_count, sizeof(struct listing *));
            inv->listings[inv->listing_count++] = it;
            inv->listings_open++;
            adapter->ops->list(adapter, &it->call, &it->query);
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
        .is_environment = spec->secret_name == NULL,
        .base_dir = spec->base_dir,
    };
    config.is_environment = config.credential_ctx == NULL;
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
        complain(inv, key, NULL, NULL, &err);
        return;
    }
    inv->adapters = arena_push(&inv->arena, inv->adapters, inv->adapter_count, sizeof(struct adapter *));
    inv->adapters[inv->adapter_count++] = adapter;
    inv->adapters_open++;
    listings_start(inv, key, spec, adapter);
}

/* ---- life ---- */

static void on_adapter_closed(void *ctx) {
    struct inventory *inv = ctx;
    inv->adapters_open--;
}

static void inventory_close(struct inventory *inv) {
    for (size_t i = 0; i < inv->adapter_count; i++)
        inv->adapters[i]->ops->close(inv->adapters[i], on_adapter_closed, inv);
    while (inv->adapters_open > 0)
        uv_run(&inv->clouds.loop, UV_RUN_ONCE);
    cli_clouds_close(&inv->clouds);
    for (size_t i = 0; i < inv->listing_count; i++) {
        arena_release(&inv->listings[i]->arena);
        mem_free(inv->listings[i]);
    }
    arena_release(&inv->arena);
}

static struct inventory_view *view_of(struct inventory *inv) {
    struct inventory_view *view = arena_alloc(&inv->arena, sizeof(*view));
    view->as_of_ms = runtime_wall_ms(inv->clouds.env.runtime);
    for (size_t i = 0; i < inv->listing_count; i++) {
        const struct listing *it = inv->listings[i];
        const struct adapter_reply *reply = &it->call.reply;
        if (reply->error.class != ERR_NONE) {
            enum cloud_kind kind = CLOUD_INSTANCE;
            while (!(it->query.kinds & 1u << kind))
                kind++;
            complain(inv, it->provider, it->query.region, cloud_kind_name(kind), &reply->error);
            continue;
        }
        view->truncated |= reply->truncated;
        for (size_t k = 0; k < reply->count; k++) {
            view->rows = arena_push(&inv->arena, view->rows, view->count, sizeof(*view->rows));
            view->rows[view->count++] = (struct inventory_row){it->provider, &reply->as.resources[k]};
        }
    }
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
    for (size_t i = 0; i < inv->set.entry_count; i++) {
        if (inv->set.entries[i].object->kind == OBJECT_PROVIDER)
            provider_start(inv, inv->set.entries[i].object);
    }
    while (inv->listings_open > 0)
        uv_run(&inv->clouds.loop, UV_RUN_ONCE);
    struct inventory_view *view = view_of(inv);
    if (str_eq(output, "json"))
        inventory_print_json(view, &out);
    else
        inventory_print_text(view, &out);
    fputs(buf_text(&out), stdout);
    fprintf(stderr, "%zu resource%s%s%s\n", view->count, view->count == 1 ? "" : "s",
            view->truncated ? "; there are more: raise --max" : "",
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
        {"max", 0, "COUNT", "Of each kind in each region (100000).", CLI_OPTION_INT, &inv.count_max, NULL, 1, 10000000},
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
