// The OpenMP team: its settings, its place on the processors, and the one parallel region that all kernels run in.
//
// Separate so that a single place knows the runtime. libomp ships no header that Swift's clang finds, hence the
// declarations. Its defaults do not suit regions of a few microseconds with pauses between them: workers spin for 200
// ms when there is no more work, and after a pause the kernel often wakes a worker on the processor of the thread that
// waits for it. Measured on 2 processors, 30 layers of 15 us after 5 ms of sleep: 1.9 ms when waiting threads yield, 60
// ms when they don't, 0.6 ms when threads cannot meet on a processor.
#define _GNU_SOURCE
#include "team/session.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

extern void omp_set_num_threads(int);
extern void omp_set_dynamic(int);
extern int omp_get_num_threads(void);
extern int omp_get_thread_num(void);

/// The processors that the process started with: a thread that is already placed no longer sees them.
static cpu_set_t processors;
static int placement_wanted = 0;

/// libomp trusts OMP_NUM_THREADS: it reserves memory for as many threads as it says, gigabytes for a slip of the finger,
/// and does so without end for a number with a letter behind it. What is no list of numbers is taken away, and too many
/// threads become 1024.
static void check_thread_variable(void) {
  enum { MOST_THREADS = 1024 };
  const char *text = getenv("OMP_NUM_THREADS");
  if (!text) return;
  const long long first = strtoll(text, NULL, 10);
  if (first < 1 || strspn(text, "0123456789, ") != strlen(text)) {
    unsetenv("OMP_NUM_THREADS");
  } else if (first > MOST_THREADS || strlen(text) > 64) {
    setenv("OMP_NUM_THREADS", "1024", 1);
  }
}

/// The settings are read by libomp when it starts, which is at the first region; the user's own win. Waiting threads
/// yield only when there are more of them than processors (2), and sleep after a millisecond (1): longer than the gap
/// between two kernels, short enough to be idle between requests.
__attribute__((constructor)) static void choose_waiting_policy(void) {
  const int user_places = getenv("OMP_PROC_BIND") || getenv("OMP_PLACES") || getenv("KMP_AFFINITY");
  const int is_known = sched_getaffinity(0, sizeof processors, &processors) == 0;
  placement_wanted = is_known && !user_places;
  check_thread_variable();
  setenv("KMP_USE_YIELD", "2", 0);
  setenv("KMP_BLOCKTIME", "1", 0);
}

/// Gives the calling thread every `threads`-th of the processors, counted from `thread`: no two threads of the team
/// share one, and the kernel still has a choice when there are more processors than threads. One thread may run
/// anywhere; so may all when there are too few processors. A refusal is no error: it only costs speed.
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

void mp_set_team(int threads) {
  const int count = threads < 1 ? 1 : threads;
  omp_set_dynamic(0);
  omp_set_num_threads(count);
  if (!placement_wanted) return;
#pragma omp parallel num_threads(count)
  place_thread(omp_get_thread_num(), omp_get_num_threads());
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
  if (mp_run_in_session(threads, body, job)) return;
#pragma omp parallel num_threads(threads)
  body(job, omp_get_thread_num(), omp_get_num_threads());
}

void mp_barrier(int threads) {
  if (threads <= 1 || mp_barrier_in_session(threads)) return;
#pragma omp barrier
}
