/*
 * See stock.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "observe/stock.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#define CHUNK_SIZE_MIN ((size_t)512)
#define CHUNK_SIZE_MAX ((size_t)64 << 10)
#define RADIX_BITS 8

/* ---- packing ---- */

/* Texts are laid end to end: an arena aligns each to 16 bytes, which for ids is half as much again. */
struct packer {
    struct arena *arena;
    char *chunk;
    size_t left, chunk_size;
    const char **slots; /* Open addressing: the texts that many bear. */
    size_t slot_count, used;
};

static const char *pack_text(struct packer *packer, const char *text) {
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    if (size == 1)
        return "";
    if (size > packer->left) {
        size_t next = packer->chunk_size ? packer->chunk_size * 2 : CHUNK_SIZE_MIN;
        packer->chunk_size = next < CHUNK_SIZE_MAX ? next : CHUNK_SIZE_MAX;
        packer->left = size > packer->chunk_size ? size : packer->chunk_size;
        packer->chunk = arena_alloc(packer->arena, packer->left);
    }
    char *copy = packer->chunk;
    memcpy(copy, text, size);
    packer->chunk += size;
    packer->left -= size;
    return copy;
}

static size_t slot_of(const struct packer *packer, const char *text) {
    size_t at = (size_t)str_hash_text(STR_HASH_SEED, text) & (packer->slot_count - 1);
    while (packer->slots[at] && strcmp(packer->slots[at], text) != 0)
        at = (at + 1) & (packer->slot_count - 1);
    return at;
}

static void slots_grow(struct packer *packer) {
    const char **old = packer->slots;
    size_t old_count = packer->slot_count;
    packer->slot_count = old_count ? old_count * 2 : 64;
    packer->slots = mem_alloc_array(packer->slot_count, sizeof(*packer->slots));
    for (size_t i = 0; i < old_count; i++)
        if (old[i])
            packer->slots[slot_of(packer, old[i])] = old[i];
    mem_free(old);
}

/* The same text for the same words. */
static const char *pack_word(struct packer *packer, const char *text) {
    if (!text || !*text)
        return text ? "" : NULL;
    if (packer->used * 2 >= packer->slot_count)
        slots_grow(packer);
    size_t at = slot_of(packer, text);
    if (!packer->slots[at]) {
        packer->slots[at] = pack_text(packer, text);
        packer->used++;
    }
    return packer->slots[at];
}

/* One load's text is often the one's before it. */
static const char *copy_text(struct arena *arena, const char *text, const char *before, const char *copy_of_before) {
    return str_eq(text, before) ? copy_of_before : arena_strdup(arena, text);
}

const struct cloud_node *stock_node_copy(struct arena *arena, const struct cloud_node *from) {
    static const struct cloud_load none;
    if (!from)
        return NULL;
    struct cloud_node *to = arena_memdup(arena, from, sizeof(*from));
    struct cloud_load *loads = arena_alloc_array(arena, from->load_count, sizeof(*loads));
    for (size_t i = 0; i < from->load_count; i++) {
        const struct cloud_load *before = i > 0 ? &from->loads[i - 1] : &none, *copy = i > 0 ? &loads[i - 1] : &none;
        loads[i] = from->loads[i];
        loads[i].workload = copy_text(arena, from->loads[i].workload, before->workload, copy->workload);
        loads[i].stays = copy_text(arena, from->loads[i].stays, before->stays, copy->stays);
        loads[i].keys = copy_text(arena, from->loads[i].keys, before->keys, copy->keys);
    }
    to->keep = arena_strdup(arena, from->keep);
    to->taints = arena_strdup(arena, from->taints);
    to->loads = loads;
    return to;
}

static void pack_resource(struct packer *packer, struct cloud_resource *to, const struct cloud_resource *from,
                          struct cloud_tag *tags) {
    *to = *from;
    to->zone = pack_word(packer, from->zone ? from->zone : "");
    to->id = pack_text(packer, from->id);
    to->name = str_eq(from->name, from->id) ? to->id : pack_word(packer, from->name ? from->name : "");
    to->type = pack_word(packer, from->type ? from->type : "");
    to->parent = pack_word(packer, from->parent);
    to->count_manager = pack_word(packer, from->count_manager);
    to->size_manager = pack_word(packer, from->size_manager);
    to->node = stock_node_copy(packer->arena, from->node);
    to->tags = tags;
    for (size_t i = 0; i < from->tag_count; i++) {
        tags[i].key = pack_word(packer, from->tags[i].key);
        tags[i].value = pack_word(packer, from->tags[i].value ? from->tags[i].value : "");
    }
}

/* ---- by tag ---- */

static uint64_t tag_hash(const char *key, const char *value) {
    uint64_t hash = str_hash_text(str_hash_text(STR_HASH_SEED, key), value ? value : "");
    return (hash ^ hash >> 32) << 32;
}

/* By the upper half, byte by byte from its lowest; those that are equal stay in order. */
static void sort_by_hash(uint64_t *items, size_t count) {
    uint64_t *from = items, *spare = mem_alloc_array(count, sizeof(*spare)), *to = spare;
    for (int shift = 32; shift < 64; shift += RADIX_BITS) {
        size_t at[1 << RADIX_BITS] = {0}, sum = 0;
        for (size_t i = 0; i < count; i++)
            at[from[i] >> shift & ((1 << RADIX_BITS) - 1)]++;
        for (size_t i = 0; i < ARRAY_LEN(at); i++) {
            size_t here = at[i];
            at[i] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++)
            to[at[from[i] >> shift & ((1 << RADIX_BITS) - 1)]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    ASSERT(from == items); /* An even number of passes. */
    mem_free(spare);
}

static void index_tags(struct stock *stock) {
    uint64_t *items = arena_alloc_array(&stock->arena, stock->tag_count, sizeof(*items));
    size_t count = 0;
    for (size_t i = 0; i < stock->count; i++)
        for (size_t k = 0; k < stock->resources[i].tag_count; k++)
            items[count++] = tag_hash(stock->resources[i].tags[k].key, stock->resources[i].tags[k].value) | (uint64_t)i;
    sort_by_hash(items, count);
    stock->by_tag = items;
}

size_t stock_tag_first(const struct stock *stock, const char *key, const char *value) {
    uint64_t wanted = tag_hash(key, value);
    size_t low = 0, high = stock->tag_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stock->by_tag[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct cloud_resource *stock_tag_next(const struct stock *stock, const char *key, const char *value,
                                            size_t *index) {
    if (*index >= stock->tag_count || stock->by_tag[*index] >> 32 != tag_hash(key, value) >> 32)
        return NULL;
    return &stock->resources[stock->by_tag[(*index)++] & UINT32_MAX];
}

/* ---- by id ---- */

static int id_cmp(const void *a, const void *b) {
    const struct cloud_resource *x = a, *y = b;
    return str_cmp(x->id, y->id);
}

const struct cloud_resource *stock_find(const struct stock *stock, const char *id) {
    const struct cloud_resource wanted = {.id = id};
    return stock->count ? bsearch(&wanted, stock->resources, stock->count, sizeof(wanted), id_cmp) : NULL;
}

/* Adapters sort: to sort again what is sorted would take as much memory once more. */
static void sort_by_id(struct stock *stock) {
    size_t i = 1;
    while (i < stock->count && id_cmp(&stock->resources[i - 1], &stock->resources[i]) <= 0)
        i++;
    if (i < stock->count)
        qsort(stock->resources, stock->count, sizeof(*stock->resources), id_cmp);
}

/* ---- the whole ---- */

/* What texts and the rest may take for a resource in an arena that is kept: a copy would take less than that only if
 * much were equal. */
#define LEAN_REST 96

static void adopt(struct stock *stock, struct cloud_resource *resources, size_t count, struct arena *arena) {
    stock->arena = *arena;
    *arena = (struct arena){0};
    stock->resources = resources;
    stock->count = count;
    for (size_t i = 0; i < count; i++) {
        resources[i].zone = resources[i].zone ? resources[i].zone : "";
        resources[i].name = resources[i].name ? resources[i].name : "";
        resources[i].type = resources[i].type ? resources[i].type : "";
    }
}

static void copy(struct stock *stock, enum cloud_kind kind, const struct cloud_resource *resources, size_t count,
                 size_t kept, struct arena *arena) {
    struct packer packer = {.arena = &stock->arena};
    stock->resources = arena_alloc_array(&stock->arena, kept, sizeof(*stock->resources));
    struct cloud_tag *tags = arena_alloc_array(&stock->arena, stock->tag_count, sizeof(*tags));
    for (size_t i = 0; i < count; i++) {
        if (resources[i].kind != kind)
            continue;
        pack_resource(&packer, &stock->resources[stock->count++], &resources[i], tags);
        tags += resources[i].tag_count;
    }
    mem_free(packer.slots);
    arena_release(arena);
}

void stock_fill(struct stock *stock, const char *region, enum cloud_kind kind, struct cloud_resource *resources,
                size_t count, int64_t as_of_ms, struct arena *arena) {
    size_t kept = 0;
    ASSERT(!stock->arena.head && count <= UINT32_MAX);
    for (size_t i = 0; i < count; i++) {
        kept += resources[i].kind == kind;
        stock->tag_count += resources[i].kind == kind ? resources[i].tag_count : 0;
    }
    if (kept == 0) {
        arena_release(arena);
        return;
    }
    size_t lean = kept * (sizeof(*resources) + LEAN_REST) + stock->tag_count * sizeof(struct cloud_tag);
    if (kept == count && arena->used <= lean)
        adopt(stock, resources, count, arena);
    else
        copy(stock, kind, resources, count, kept, arena);
    for (size_t i = 0; i < stock->count; i++) {
        stock->resources[i].region = region;
        stock->resources[i].as_of_ms = stock->resources[i].as_of_ms ? stock->resources[i].as_of_ms : as_of_ms;
    }
    sort_by_id(stock);
    index_tags(stock);
}

void stock_release(struct stock *stock) {
    arena_release(&stock->arena);
    *stock = (struct stock){0};
}

void stock_touch(struct stock *stock, const struct cloud_resource *resources, size_t count, int64_t as_of_ms) {
    for (size_t i = 0, at = 0; i < count && at < stock->count; i++)
        if (resources[i].kind == stock->resources[at].kind)
            stock->resources[at++].as_of_ms = resources[i].as_of_ms ? resources[i].as_of_ms : as_of_ms;
}

static uint64_t hash_text(uint64_t hash, const char *text) {
    return text ? str_hash_text(hash, text) : str_hash(hash, "\xff", 1); /* Of no text. */
}

static uint64_t hash_node(uint64_t hash, const struct cloud_node *node) {
    if (!node)
        return hash;
    const int64_t numbers[] = {node->pods_max,         node->fixed_pods, node->fixed_vcpu_milli,
                               node->fixed_memory_mib, node->pending,    (int64_t)node->load_count};
    hash = str_hash(hash, numbers, sizeof(numbers));
    hash = hash_text(hash_text(hash, node->keep), node->taints);
    for (size_t i = 0; i < node->load_count; i++) {
        const struct cloud_load *load = &node->loads[i];
        const int64_t parts[] = {load->count, load->vcpu_milli, load->memory_mib, load->is_apart};
        hash = str_hash(hash, parts, sizeof(parts));
        hash = hash_text(hash_text(hash_text(hash, load->workload), load->stays), load->keys);
    }
    return hash;
}

uint64_t stock_hash(enum cloud_kind kind, const struct cloud_resource *resources, size_t count) {
    uint64_t hash = STR_HASH_SEED;
    for (size_t i = 0; i < count; i++) {
        const struct cloud_resource *r = &resources[i];
        if (r->kind != kind)
            continue;
        const int64_t numbers[] = {(int64_t)r->state,   r->count,         r->count_min,
                                   r->count_max,        r->serving,       r->vcpu_milli,
                                   r->memory_mib,       r->created_at_ms, r->price_hourly,
                                   (int64_t)r->is_spot, r->drifted,       (int64_t)r->tag_count,
                                   r->state_since_ms};
        const char *const texts[] = {r->id, r->name, r->zone, r->type, r->parent, r->count_manager, r->size_manager};
        hash = str_hash(hash, numbers, sizeof(numbers));
        for (size_t k = 0; k < ARRAY_LEN(texts); k++)
            hash = hash_text(hash, texts[k]);
        hash = hash_node(hash, r->node);
        for (size_t k = 0; k < r->tag_count; k++)
            hash = hash_text(hash_text(hash, r->tags[k].key), r->tags[k].value);
    }
    return hash;
}
