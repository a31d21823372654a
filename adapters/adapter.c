/*
 * The table of the clouds that this build knows. A new cloud is one line here and one declaration in adapter.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/adapter.h"

#include "base/str.h"

const struct adapter_ops *const adapter_all[] = {
    &adapter_aws,
    &adapter_kubernetes,
    &adapter_simulated,
    NULL,
};

const struct adapter_ops *adapter_find(const char *type) {
    for (size_t i = 0; adapter_all[i]; i++) {
        if (str_eq(adapter_all[i]->type, type)) {
            return adapter_all[i];
        }
    }
    return NULL;
}
