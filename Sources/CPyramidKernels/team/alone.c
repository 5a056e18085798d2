// The team of a build without OpenMP: the calling thread. What team.c has, by the same names.
#include "team/session.h"

#if !defined(_OPENMP)
void mp_set_team(int threads) { (void)threads; }

int mp_team_size(void) { return 1; }

void mp_with_team(int threads, void (*work)(void *argument), void *argument) {
  (void)threads;
  work(argument);
}

void mp_run(int threads, mp_body *body, const void *job) {
  (void)threads;
  body(job, 0, 1);
}

void mp_run_together(int threads, mp_body *body, const void *job) { mp_run(threads, body, job); }

void mp_barrier(int threads) { (void)threads; }
#endif
