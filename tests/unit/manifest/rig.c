/*
 * See rig.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rig.h"

#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/timefmt.h"

void rig_decode(struct rig *rig, const char *text, const struct decode_options *options) {
    *rig = (struct rig){0};
    cr_assert_eq(yaml_parse(bytes_of(text), &rig->documents, &rig->err), ERR_NONE, "%s\n%s", rig->err.message, text);
    cr_assert_gt(rig->documents.count, 0u);
    enum err_class class =
        object_decode(rig->documents.items[0].root, options, &rig->arena, &rig->object, &rig->faults, &rig->err);
    cr_assert_eq(class == ERR_NONE, rig->object != NULL);
}

void rig_spec(struct rig *rig, const char *kind, const char *spec) {
    char *text = mem_printf("apiVersion: trimtab.dev/v1alpha1\nkind: %s\n"
                            "metadata: {name: x, namespace: checkout}\nspec:\n%s\n",
                            kind, spec);
    rig_decode(rig, text, &(struct decode_options){.strict = true, .base_dir = "dir"});
    mem_free(text);
    cr_assert(rig->object, "%s", rig->err.message);
}

void rig_release(struct rig *rig) {
    yaml_documents_release(&rig->documents);
    arena_release(&rig->arena);
}

const char *rig_faults(struct rig *rig) {
    const char *all = "";
    for (size_t i = 0; i < rig->faults.count; i++)
        all = arena_printf(&rig->arena, "%s%s: %s\n", all, rig->faults.items[i].path, rig->faults.items[i].message);
    return all;
}

int64_t at(const char *time) {
    int64_t ms = 0;
    cr_assert(time_parse(time, &ms), "%s", time);
    return ms;
}
