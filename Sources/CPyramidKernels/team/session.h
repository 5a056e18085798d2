// What team.c needs of a session (session.c).
#ifndef MP_SESSION_H
#define MP_SESSION_H

#include "operations/kernel_table.h"

/// Calls work(argument) on the calling thread with a team of `threads` standing by; `processors` that they may use.
void mp_run_session(int threads, int processors, void (*work)(void *), void *argument);

/// As `mp_run`, or `mp_run_together`, and `mp_barrier` inside a session; 0, and nothing is done, outside of one.
int mp_run_in_session(int threads, int is_together, mp_body *body, const void *job);
int mp_barrier_in_session(int threads);

#endif
