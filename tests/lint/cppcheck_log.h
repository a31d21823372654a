/*
 * What cppcheck sees in place of base/log.h: cppcheck 2.10 does not know __VA_OPT__ and gives up on a file that logs.
 * It stands under that header's own guard; the values that are logged stay visible, so that they are checked too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_LOG_H
#define TRIMTAB_BASE_LOG_H
#define LOG_STR(k, v) (v)
#define LOG_INT(k, v) (v)
#define LOG_ERR(e) (e)
#define log_debug(msg, ...) log_seen(msg, ##__VA_ARGS__)
#define log_info(msg, ...) log_seen(msg, ##__VA_ARGS__)
#define log_warn(msg, ...) log_seen(msg, ##__VA_ARGS__)
#define log_error(msg, ...) log_seen(msg, ##__VA_ARGS__)
#endif
