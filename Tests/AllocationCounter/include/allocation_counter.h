// Counts heap allocations of a whole process: a program that links this has its malloc and the like replaced.
#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

#include <stddef.h>

/// Calls of malloc, calloc, realloc and the aligned kinds so far, by any thread.
size_t allocation_count(void);

#endif
