// A session: one OpenMP region for a whole request. Its workers wait for kernels that the calling thread starts, so
// that starting one is a store to a shared word and not a region of its own.
//
// A request is 30 to 100 kernels of 1 to 500 microseconds. A region of libomp takes half a microsecond to one more to
// start and end than this does (measured with 2 threads), as much as the [CLS] row of a layer spends on some kernels.
#include "team/session.h"

#if defined(_OPENMP)  // else there is no team to wait for

#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

extern int omp_get_num_threads(void);
extern int omp_get_thread_num(void);

typedef struct {
  // Written by the calling thread before `epoch`, read by workers after it.
  mp_body *body;
  const void *job;
  int threads, size, is_over, patience;
  _Alignas(64) atomic_uint epoch;     // kernels started so far
  _Alignas(64) atomic_uint finished;  // workers that are done with the one in hand
  _Alignas(64) atomic_uint arrived;   // at the barriers of the one in hand
} mp_session;

/// The session that this thread is in.
static _Thread_local mp_session *current = NULL;

/// One turn of waiting: the other side is some microseconds away. When it is not, because a policy takes its time or
/// the processor was taken from a thread, others may have this one.
static void wait_a_turn(const mp_session *session, unsigned *turns) {
  const unsigned long_wait = 4096;
  const unsigned turn = (*turns)++;
  if (turn < (unsigned)session->patience) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  } else if (turn < (unsigned)session->patience + long_wait) {
    sched_yield();
  } else {
    usleep(20);
  }
}

static void serve(mp_session *session, int thread) {
  current = session;
  for (unsigned seen = 0;; seen++) {
    for (unsigned turns = 0; atomic_load_explicit(&session->epoch, memory_order_acquire) == seen;) {
      wait_a_turn(session, &turns);
    }
    if (session->is_over) break;
    if (thread < session->threads) session->body(session->job, thread, session->threads);
    atomic_fetch_add_explicit(&session->finished, 1, memory_order_release);
  }
  current = NULL;
}

static void start(mp_session *session) {
  atomic_store_explicit(&session->finished, 0, memory_order_relaxed);
  atomic_store_explicit(&session->arrived, 0, memory_order_relaxed);
  atomic_fetch_add_explicit(&session->epoch, 1, memory_order_release);
}

void mp_run_session(int threads, int processors, void (*work)(void *), void *argument) {
  if (threads <= 1 || current) {
    work(argument);
    return;
  }
  // Threads that share processors must not keep each other from them.
  mp_session session = {.size = 1, .patience = threads <= processors ? 8192 : 16};
#pragma omp parallel num_threads(threads)
  {
    if (omp_get_thread_num() == 0) {
      session.size = omp_get_num_threads();
      current = &session;
      work(argument);
      current = NULL;
      session.is_over = 1;
      start(&session);
    } else {
      serve(&session, omp_get_thread_num());
    }
  }
}

int mp_run_in_session(int threads, mp_body *body, const void *job) {
  mp_session *session = current;
  if (!session) return 0;
  session->body = body;
  session->job = job;
  session->threads = threads < session->size ? threads : session->size;
  start(session);
  body(job, 0, session->threads);
  const unsigned workers = (unsigned)session->size - 1;
  for (unsigned turns = 0; atomic_load_explicit(&session->finished, memory_order_acquire) < workers;) {
    wait_a_turn(session, &turns);
  }
  return 1;
}

int mp_barrier_in_session(int threads) {
  mp_session *session = current;
  if (!session) return 0;
  const unsigned all = (unsigned)threads, place = atomic_fetch_add_explicit(&session->arrived, 1, memory_order_acq_rel);
  const unsigned complete = (place / all + 1) * all;
  for (unsigned turns = 0; atomic_load_explicit(&session->arrived, memory_order_acquire) < complete;) {
    wait_a_turn(session, &turns);
  }
  return 1;
}
#endif
