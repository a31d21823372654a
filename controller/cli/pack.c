/*
 * `trimtab pack`: the cheapest purchase of machines for a list of demands, and how far from the cheapest it is at most.
 * No state, no cloud; the same input, in any order of rows, gives the same bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/csv_table.h"
#include "cli/options.h"
#include "cli/pack_previous.h"
#include "cli/pack_read.h"
#include "plan/pack.h"

#define EFFORT_DEFAULT 20
#define EFFORT_MAX 3600
#define OVERHEAD_COST_MAX (INT64_C(5000) * 1000000) /* As prices are bounded. */
#define WORK_A_SECOND UINT64_C(120000000)

struct arguments {
    const char *workloads, *prices, *previous, *overhead, *output;
    int64_t pieces_max, effort;
    bool stats;
};

/* As Kubernetes writes them: "200m", "0.2"; "512Mi", "1Gi"; rounded up to milli-vCPU and MiB. */
static bool quantity_read(const char *text, size_t size, bool is_cpu, int64_t *ret) {
    char copy[32];
    double value, factor = 1000;
    if (size == 0 || size >= sizeof(copy))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (is_cpu && copy[size - 1] == 'm') {
        copy[size - 1] = '\0';
        factor = 1;
    } else if (!is_cpu) {
        const char *units = "MGT", *unit = size > 2 && copy[size - 1] == 'i' ? strchr(units, copy[size - 2]) : NULL;
        if (!unit)
            return false; /* Bytes, or a unit that nobody means. */
        factor = pow(1024, (double)(unit - units));
        copy[size - 2] = '\0';
    }
    if (!str_to_double(copy, &value) || value < 0 || value * factor > (double)PACK_AMOUNT_MAX)
        return false;
    *ret = (int64_t)ceil(value * factor - 1e-6);
    return true;
}

static bool cost_read(const char *text, size_t size, money_micros *ret) {
    char copy[MONEY_TEXT_MAX];
    if (size >= sizeof(copy))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return money_parse(copy, ret) && *ret >= 0 && *ret <= OVERHEAD_COST_MAX;
}

/* "cpu=200m,memory=512Mi,hourlyCost=0.05" */
static bool overhead_read(const char *text, int64_t *ret, money_micros *ret_cost) {
    while (*text) {
        size_t size = strcspn(text, ",");
        if (str_has_prefix(text, "cpu=")) {
            if (!quantity_read(text + 4, size - 4, true, &ret[PACK_CPU]))
                return false;
        } else if (str_has_prefix(text, "memory=")) {
            if (!quantity_read(text + 7, size - 7, false, &ret[PACK_MEMORY]))
                return false;
        } else if (str_has_prefix(text, "hourlyCost=")) {
            if (!cost_read(text + 11, size - 11, ret_cost))
                return false;
        } else {
            return false;
        }
        text += size;
        if (*text && !*++text)
            return false; /* Ends in a comma. */
    }
    return true;
}

static double gap_percent(const struct pack_result *result) {
    double cost = (double)result->cost_hourly * 1e-6;
    return result->bound_hourly > 0 ? fmax(0, (cost / result->bound_hourly - 1) * 100) : 0;
}

/* ---- printing ---- */

static void print_offer(struct json_writer *w, const struct pack_offer *offer) {
    jw_put_string(w, "provider", offer->provider);
    jw_put_string(w, "region", offer->region);
    jw_put_string(w, "instanceType", offer->type);
    if (*offer->zone)
        jw_put_string(w, "zone", offer->zone);
}

/* Behind the means in `duals`; where no offer has a zone, the region is one. */
static void print_zone_duals(struct json_writer *w, const struct pack_problem *problem,
                             const struct pack_result *result) {
    jw_key(w, "zoneDuals");
    jw_open(w, '[');
    for (size_t t = 0; t < result->zone_dual_count; t++) {
        const struct pack_zone_dual *dual = &result->zone_duals[t];
        const struct pack_offer *offer = &problem->offers[dual->offer];
        jw_open(w, '{');
        jw_put_string(w, "workload", problem->demands[dual->demand].name);
        jw_put_string(w, "provider", offer->provider);
        jw_put_string(w, "region", offer->region);
        jw_put_string(w, "zone", offer->zone);
        jw_key(w, "dual");
        jw_double(w, dual->dual);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

static bool has_zones(const struct pack_problem *problem) {
    for (size_t k = 0; k < problem->offer_count; k++)
        if (*problem->offers[k].zone)
            return true;
    return false;
}

static void print_loads(struct json_writer *w, const struct pack_problem *problem,
                        const struct pack_purchase *purchase) {
    jw_key(w, "workloads");
    jw_open(w, '{');
    for (size_t t = 0; t < purchase->load_count; t++)
        jw_put_int(w, problem->demands[purchase->loads[t].demand].name, purchase->loads[t].count);
    jw_close(w, '}');
}

static void print_json(const struct pack_problem *problem, const struct pack_result *result, struct buf *out) {
    struct json_writer w = {.out = out};
    char money[MONEY_TEXT_MAX];
    jw_open(&w, '{');
    money_format(result->cost_hourly, 6, money);
    jw_key(&w, "hourlyCost");
    jw_raw(&w, money);
    jw_key(&w, "lowerBound");
    jw_double(&w, result->bound_hourly);
    jw_key(&w, "gapPercent");
    jw_double(&w, gap_percent(result));
    jw_put_bool(&w, "proven", result->is_proven);
    jw_key(&w, "dualBound");
    jw_double(&w, result->dual_bound_hourly);
    jw_put_int(&w, "nodes", result->machine_count);
    jw_key(&w, "purchases");
    jw_open(&w, '[');
    for (size_t i = 0; i < result->purchase_count; i++) {
        const struct pack_purchase *purchase = &result->purchases[i];
        jw_open(&w, '{');
        print_offer(&w, &problem->offers[purchase->offer]);
        jw_put_int(&w, "count", purchase->count);
        money_format(pack_price(problem, purchase->offer), 6, money);
        jw_key(&w, "priceHourly");
        jw_raw(&w, money);
        print_loads(&w, problem, purchase); /* On each of these nodes. */
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_key(&w, "patterns");
    jw_open(&w, '[');
    for (size_t i = 0; i < result->pattern_count; i++) {
        jw_open(&w, '{');
        print_offer(&w, &problem->offers[result->patterns[i].offer]);
        print_loads(&w, problem, &result->patterns[i]);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_key(&w, "duals");
    jw_open(&w, '{');
    for (size_t i = 0; i < problem->demand_count; i++) {
        jw_key(&w, problem->demands[i].name);
        jw_double(&w, result->duals[i]);
    }
    jw_close(&w, '}');
    if (result->zone_dual_count > 0)
        print_zone_duals(&w, problem, result);
    jw_key(&w, "unplaced");
    jw_open(&w, '[');
    for (size_t i = 0; i < result->unplaced_count; i++) {
        jw_open(&w, '{');
        jw_put_string(&w, "workload", problem->demands[result->unplaced[i].demand].name);
        jw_put_int(&w, "count", problem->demands[result->unplaced[i].demand].count);
        jw_put_string(&w, "whyNot", result->unplaced[i].why);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_close(&w, '}');
    buf_putc(out, '\n');
}

static void print_csv(const struct pack_problem *problem, const struct pack_result *result, struct buf *out) {
    bool with_zones = has_zones(problem);
    buf_printf(out, "node,provider,region,instance_type,workload,count%s\n", with_zones ? ",zone" : "");
    int64_t node = 0;
    for (size_t i = 0; i < result->purchase_count; i++) {
        const struct pack_purchase *purchase = &result->purchases[i];
        const struct pack_offer *offer = &problem->offers[purchase->offer];
        for (int64_t n = 0; n < purchase->count; n++, node++) {
            for (size_t t = 0; t < purchase->load_count; t++) {
                buf_printf(out, "%" PRId64 ",", node);
                csv_table_put(offer->provider, out);
                buf_putc(out, ',');
                csv_table_put(offer->region, out);
                buf_putc(out, ',');
                csv_table_put(offer->type, out);
                buf_putc(out, ',');
                csv_table_put(problem->demands[purchase->loads[t].demand].name, out);
                buf_printf(out, ",%" PRId64, purchase->loads[t].count);
                if (with_zones) {
                    buf_putc(out, ',');
                    csv_table_put(offer->zone, out);
                }
                buf_putc(out, '\n');
            }
            if (out->size > 1 << 16) {
                fwrite(out->data, 1, out->size, stdout);
                out->size = 0;
            }
        }
    }
}

static void print_text(const struct pack_problem *problem, const struct pack_result *result, struct buf *out) {
    char cost[MONEY_TEXT_MAX], price[MONEY_TEXT_MAX];
    size_t i = 0;
    bool with_zones = has_zones(problem);
    buf_printf(out, "%8s  %-10s %-20s %-28s %12s%s\n", "NODES", "PROVIDER", "REGION", "TYPE", "EACH, $/H",
               with_zones ? "  ZONE" : "");
    while (i < result->purchase_count) { /* Sorted by offer. */
        const struct pack_offer *offer = &problem->offers[result->purchases[i].offer];
        int64_t count = 0;
        money_format(pack_price(problem, result->purchases[i].offer), 6, price);
        for (size_t first = i;
             i < result->purchase_count && result->purchases[i].offer == result->purchases[first].offer; i++)
            count += result->purchases[i].count;
        buf_printf(out, "%8" PRId64 "  %-10s %-20s %-28s %12s%s%s\n", count, offer->provider, offer->region,
                   offer->type, price, with_zones ? "  " : "", with_zones ? offer->zone : "");
    }
    money_format(result->cost_hourly, 4, cost);
    buf_printf(out, "\n%" PRId64 " nodes for $%s/h; no purchase costs less than $%.4f/h (gap %.2f %%)\n",
               result->machine_count, cost, result->bound_hourly, gap_percent(result));
}

static void tell(const struct pack_problem *problem, const struct pack_result *result, bool stats) {
    for (size_t i = 0; i < result->unplaced_count; i++)
        fprintf(stderr, "trimtab pack: %s x %" PRId64 " is not placed: %s\n",
                problem->demands[result->unplaced[i].demand].name, problem->demands[result->unplaced[i].demand].count,
                result->unplaced[i].why);
    if (!stats)
        return;
    char first[MONEY_TEXT_MAX], cost[MONEY_TEXT_MAX];
    money_format(result->first_cost_hourly, 4, first);
    money_format(result->cost_hourly, 4, cost);
    fprintf(
        stderr,
        "trimtab pack: %zu distinct demands, %zu offers that none undercuts; first plan %s, %zu columns in %zu rounds, "
        "last plan %s, bound %.4f, gap %.3f %%, work %.2f\n",
        result->class_count, result->machine_type_count, first, result->column_count, result->round_count, cost,
        result->bound_hourly, gap_percent(result), (double)result->work / (double)WORK_A_SECOND);
}

static int print(const struct arguments *args, const struct pack_problem *problem, const struct pack_result *result) {
    struct buf out = {0};
    if (str_eq(args->output, "json"))
        print_json(problem, result, &out);
    else if (str_eq(args->output, "csv"))
        print_csv(problem, result, &out);
    else
        print_text(problem, result, &out);
    fwrite(out.data, 1, out.size, stdout);
    buf_release(&out);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return result->unplaced_count > 0 ? CLI_FAULTS : CLI_DONE;
    fprintf(stderr, "trimtab pack: cannot write the result\n");
    return CLI_FAILED;
}

int cli_pack(int argc, char **argv) {
    static const char *const outputs[] = {"text", "json", "csv", NULL};
    struct arguments args = {.overhead = "", .output = "text", .effort = EFFORT_DEFAULT};
    const struct cli_option options[] = {
        {"workloads", 'w', "W.csv",
         "demands: name,cpu_millis,memory_mib,count[,gpu,resource:NAME,max_per_node,max_skew,architecture]",
         CLI_OPTION_TEXT, &args.workloads, NULL, 0, 0},
        {"prices", 'p', "P.csv",
         "offers: "
         "provider,region,instance_type,vcpu,memory_gib,price_ondemand_usd_hr[,gpu_count,resource:NAME,zone,arch]",
         CLI_OPTION_TEXT, &args.prices, NULL, 0, 0},
        {"max-per-node", 0, "N", "pieces on one node at most", CLI_OPTION_INT, &args.pieces_max, NULL, 1,
         PACK_COUNT_MAX},
        {"overhead", 0, "LIST",
         "what each node keeps, and costs besides its price: cpu=200m,memory=512Mi,hourlyCost=0.05", CLI_OPTION_TEXT,
         &args.overhead, NULL, 0, 0},
        {"effort", 0, "N", "work at most, about seconds of CPU; 0: the first plan only (default 20)", CLI_OPTION_INT,
         &args.effort, NULL, 0, EFFORT_MAX},
        {"previous", 0, "PLAN.json", "an earlier run's -o json: its machines are kept where that is as good",
         CLI_OPTION_TEXT, &args.previous, NULL, 0, 0},
        {"output", 'o', "FORM", "text, json or csv", CLI_OPTION_CHOICE, &args.output, outputs, 0, 0},
        {"stats", 0, NULL, "say on stderr how it was found", CLI_OPTION_FLAG, &args.stats, NULL, 0, 0},
        {NULL, 0, NULL, NULL, CLI_OPTION_FLAG, NULL, NULL, 0, 0}};
    const struct cli_syntax syntax = {
        "trimtab pack --workloads W.csv --prices P.csv",
        "The cheapest purchase of machines for a list of demands, and its proven lower bound: the duals of -o json.\n",
        options,
        0,
        0,
        "Exit: 0 done, 1 something fits no machine or is at fault, 64 usage.\n"};
    size_t operands;
    int code = cli_options_parse(&syntax, argc, argv, &operands);
    if (code != CLI_GO_ON)
        return code;
    struct pack_problem problem = {.pieces_max = args.pieces_max, .work_max = (uint64_t)args.effort * WORK_A_SECOND};
    if (!args.workloads || !args.prices)
        return cli_usage_error(&syntax, "--workloads and --prices are both needed");
    if (!overhead_read(args.overhead, problem.overhead, &problem.overhead_hourly))
        return cli_usage_error(&syntax, "--overhead %s: a list like cpu=200m,memory=512Mi,hourlyCost=0.05 expected",
                               args.overhead);
    struct arena arena = {0};
    struct error err = {0};
    struct pack_result result;
    if (pack_read_demands(args.workloads, &arena, &problem, &err) != ERR_NONE ||
        pack_read_offers(args.prices, &arena, &problem, &err) != ERR_NONE ||
        (args.previous && pack_read_previous(args.previous, &arena, &problem, &err) != ERR_NONE)) {
        fprintf(stderr, "trimtab pack: %s\n", err.message);
        arena_release(&arena);
        return CLI_FAULTS;
    }
    mem_keep_freed(); /* The programmes' library takes and frees the same memory for each of thousands of solves. */
    pack_solve(&problem, &arena, &result);
    tell(&problem, &result, args.stats);
    code = print(&args, &problem, &result);
    arena_release(&arena);
    return code;
}
