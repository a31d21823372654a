/*
 * Heap memory that cannot fail: out of memory ends the process. It is restartable by design: the journal is durable and
 * the loop is level-triggered. Every input is bounded elsewhere, so memory is. Raw malloc and free stay inside base/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_MEM_H
#define TRIMTAB_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);                     /* Zeroed. size 0 gives a valid pointer. */
void *mem_alloc_array(size_t count, size_t size); /* Zeroed; overflow of the product ends the process. */
void *mem_grow(void *old, size_t old_count, size_t new_count, size_t size); /* The added part is zeroed. */
void *mem_resize(void *old, size_t size); /* As realloc: what is added is not zeroed, nor touched. */
char *mem_strdup(const char *text);       /* NULL gives NULL. */
char *mem_strndup(const char *text, size_t size);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *ptr);  /* NULL is fine. */
void mem_trim(void);       /* Gives the system back what is free, after much was freed. */
void mem_keep_freed(void); /* From now on what is freed stays with the process: for a command that ends soon. */
void mem_wipe(void *ptr, size_t size); /* For secrets; not optimised away. */

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
