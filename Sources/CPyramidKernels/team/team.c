// The OpenMP team: its settings, its place on the processors, and the one parallel region that all kernels run in.
//
// Separate so that a single place knows the runtime. libomp ships no header that Swift's clang finds, hence the
// declarations. Its defaults do not suit regions of a few microseconds with pauses between them: workers spin for 200
// ms when there is no more work, and after a pause the kernel often wakes a worker on the processor of the thread that
// waits for it. Measured on 2 processors, 30 layers of 15 us after 5 ms of sleep: 1.9 ms when waiting threads yield, 60
// ms when they don't, 0.6 ms when no two threads can be on one processor.
//
// Loading this library does nothing. libomp starts, and is given its settings, when the first team is made; what the
// user's variables say comes first, and the environment is left as it is.
#define _GNU_SOURCE
#include "team/session.h"

#if defined(_OPENMP)  // else alone.c

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void omp_set_num_threads(int);
extern void omp_set_dynamic(int);
extern int omp_get_max_threads(void);
extern int omp_get_num_threads(void);
extern int omp_get_thread_num(void);
extern void kmp_set_defaults(const char *settings);

/// The processors of the thread that made the first team: one that is already placed no longer sees them.
static cpu_set_t processors;
static int placement_wanted = 0;

/// libomp trusts OMP_NUM_THREADS: it reserves memory for as many threads as it says, gigabytes for a slip of the
/// finger, and does so without end for a number with a letter after it.
static int is_senseless(const char *count) {
  enum { MOST_THREADS = 1024, LONGEST_LIST = 64 };
  const long long first = strtoll(count, NULL, 10);
  return first < 1 || first > MOST_THREADS || strlen(count) > LONGEST_LIST
         || strspn(count, "0123456789, ") != strlen(count);
}

/// Starts libomp, which reads the environment then and no later. A senseless OMP_NUM_THREADS is kept from it by showing
/// it another list of the same variables for that moment; a team's size is set by `mp_set_team` in any case.
static void start_runtime(void) {
  static const char name[] = "OMP_NUM_THREADS=";
  static char **shown;  // kept: another thread may still be reading it
  char **const all = environ, *hidden = NULL;
  const char *count = getenv("OMP_NUM_THREADS");
  if (count && is_senseless(count)) {
    size_t variables = 0, kept = 0;
    while (all[variables]) variables++;
    shown = calloc(variables + 1, sizeof *shown);
    for (size_t i = 0; shown && i < variables; i++) {
      if (strncmp(all[i], name, sizeof name - 1) == 0) {
        hidden = all[i];
      } else {
        shown[kept++] = all[i];
      }
    }
  }
  if (hidden) environ = shown;
  (void)omp_get_max_threads();
  if (!hidden) return;
  if (environ == shown) {
    environ = all;
  } else {
    putenv(hidden);  // a variable was set meanwhile, which made a new list
  }
}

static pthread_once_t prepared = PTHREAD_ONCE_INIT;

/// A fork's libomp starts anew, and needs its settings again.
static void forget(void) { prepared = (pthread_once_t)PTHREAD_ONCE_INIT; }

/// Waiting threads yield only when there are more of them than processors (2), and sleep after a millisecond (1):
/// longer than the gap between two kernels, short enough to be idle between requests.
static void prepare(void) {
  (void)pthread_atfork(NULL, NULL, forget);
  const int user_places = getenv("OMP_PROC_BIND") || getenv("OMP_PLACES") || getenv("KMP_AFFINITY");
  const int is_known = sched_getaffinity(0, sizeof processors, &processors) == 0;
  placement_wanted = is_known && !user_places;
  start_runtime();
  if (!getenv("KMP_USE_YIELD")) kmp_set_defaults("KMP_USE_YIELD=2");
  if (!getenv("KMP_BLOCKTIME")) kmp_set_defaults("KMP_BLOCKTIME=1");
}

/// Gives the calling thread every `threads`-th of the processors, counted from `thread`: no two threads of the team
/// share one, and the kernel still has a choice when there are more processors than threads. One thread may run
/// anywhere; so may all when there are too few processors. A refusal is not an error: it only costs speed.
static void place_thread(int thread, int threads) {
  const int available = CPU_COUNT(&processors);
  cpu_set_t places;
  CPU_ZERO(&places);
  for (int cpu = 0, index = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &processors)) continue;
    if (threads > available || index % threads == thread) CPU_SET(cpu, &places);
    index++;
  }
  (void)sched_setaffinity(0, sizeof places, &places);
}

/// Apart from `mp_set_team`: a function that has a region starts libomp where it begins.
__attribute__((noinline)) static void place_team(int threads) {
#pragma omp parallel num_threads(threads)
  place_thread(omp_get_thread_num(), omp_get_num_threads());
}

void mp_set_team(int threads) {
  const int count = threads < 1 ? 1 : threads;
  pthread_once(&prepared, prepare);
  omp_set_dynamic(0);
  omp_set_num_threads(count);
  if (placement_wanted) place_team(count);
}

int mp_team_size(void) {
  int size = 1;
#pragma omp parallel
  {
#pragma omp single
    size = omp_get_num_threads();
  }
  return size;
}

void mp_with_team(int threads, void (*work)(void *argument), void *argument) {
  const int available = CPU_COUNT(&processors);  // 0 when the system did not say
  mp_run_session(threads, available > 0 ? available : threads, work, argument);
}

void mp_run(int threads, mp_body *body, const void *job) {
  if (threads <= 1) {
    body(job, 0, 1);
    return;
  }
  if (mp_run_in_session(threads, 0, body, job)) return;
#pragma omp parallel num_threads(threads)
  body(job, omp_get_thread_num(), omp_get_num_threads());
}

void mp_run_together(int threads, mp_body *body, const void *job) {
  if (threads > 1 && mp_run_in_session(threads, 1, body, job)) return;
  mp_run(threads, body, job);  // in a region each thread has one share
}

void mp_barrier(int threads) {
  if (threads <= 1 || mp_barrier_in_session(threads)) return;
#pragma omp barrier
}
#endif
