/*
 * Chance as a pure function: the same seed, time and name give the same roll, in any order of asking.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/simulated/simulated_internal.h"
#include "base/str.h"

uint64_t sim_mix(uint64_t x) {
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t sim_roll(const struct sim *sim, enum sim_chance chance, int64_t time_ms, const char *region, const char *id) {
    uint64_t name = str_hash_text(str_hash_text(STR_HASH_SEED, region), id);
    return sim_mix(sim_mix(sim_mix(sim->seed ^ (uint64_t)chance << 56) ^ (uint64_t)time_ms) ^ name);
}

bool sim_hits(const struct sim *sim, enum sim_chance chance, int64_t per_mille, int64_t time_ms, const char *region,
              const char *id) {
    return per_mille > 0 && sim_roll(sim, chance, time_ms, region, id) % 1000 < (uint64_t)per_mille;
}

uint64_t sim_jitter(uint64_t base, uint64_t roll) {
    uint64_t spread = base / 5;
    return base - spread + roll % (2 * spread + 1);
}
