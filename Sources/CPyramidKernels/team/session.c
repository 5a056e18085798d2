// A session: one OpenMP region for a whole request. Its workers wait for kernels that the calling thread starts, so
// that starting one is a store to a shared word and not a region of its own.
//
// A request is 30 to 100 kernels of 1 to 500 microseconds. A region of libomp takes half a microsecond to one more to
// start and end than this does (measured with 2 threads), as much as the [CLS] row of a layer spends on some kernels.
//
// A kernel is cut into as many shares as it has threads. The calling thread does the first, and whoever is there takes the
// next one: a thread whose processor somebody else has taken is not waited for, unless it is in the middle of a share.
// Results do not depend on who took which.
#include "team/session.h"

#if defined(_OPENMP)  // else there is no team to wait for
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

extern int omp_get_num_threads(void);
extern int omp_get_thread_num(void);

/// What is left to take of a kernel, in one word with the kernel's number, so that nobody takes a share of another.
typedef struct {
  unsigned kernel, left;
  int is_together;  // each thread takes one share at most: they wait for each other within
} shares_left;

typedef struct {
  // Written by the calling thread while nobody has a share, read by who has taken one.
  mp_body *body;
  const void *job;
  int threads;
  int size, patience;
  _Alignas(64) atomic_ullong left;   // a `shares_left`
  _Alignas(64) atomic_uint done;     // shares of the kernel in hand
  _Alignas(64) atomic_uint arrived;  // at the barriers of the one in hand
  _Alignas(64) atomic_int is_over;
} mp_session;

/// The session that this thread is in.
static _Thread_local mp_session *current = NULL;

static unsigned long long packed_left(shares_left left) {
  return (unsigned long long)left.kernel << 32 | (left.is_together ? 1u << 31 : 0) | left.left;
}

static shares_left unpacked_left(unsigned long long word) {
  return (shares_left){(unsigned)(word >> 32), (unsigned)word & 0x7fffffff, (unsigned)word >> 31 != 0};
}

/// Turns that this thread waits before it lets others have its processor: few after somebody took it, twice as many after
/// every wait since, up to the session's. Where processes share processors, turns are time taken from those who are
/// waited for.
static _Thread_local unsigned patience = 0;
enum { LEAST_PATIENCE = 16 };

static long nanoseconds_since(struct timespec start) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec;
}

/// Lets others have this processor, and notes whether they were there.
static void give_way(void) {
  const long others_ran = 20000;
  struct timespec start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  sched_yield();
  if (nanoseconds_since(start) > others_ran) patience = LEAST_PATIENCE;
}

static void grow_patient(const mp_session *session) {
  const unsigned twice = 2 * patience, most = (unsigned)session->patience;
  patience = twice < LEAST_PATIENCE ? LEAST_PATIENCE : twice < most ? twice : most;
}

/// One turn of waiting: the other side is some microseconds away. When it is not, because a policy takes its time or
/// the processor was taken from a thread, others may have this one.
static void wait_a_turn(unsigned *turns) {
  const unsigned long_wait = 4096;
  const unsigned turn = (*turns)++;
  if (turn < patience) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  } else if (turn < patience + long_wait) {
    give_way();
  } else {
    usleep(20);
  }
}

/// Takes the next share, if there is one, unless it is a further one of a kernel whose threads are together: `last` is
/// the kernel that this thread had a share of, and becomes the one of this share.
static int take_share(mp_session *session, unsigned *last, int *share) {
  unsigned long long word = atomic_load_explicit(&session->left, memory_order_acquire);
  for (;;) {
    shares_left left = unpacked_left(word);
    if (left.left == 0 || (left.is_together && left.kernel == *last)) return 0;
    left.left--;
    if (!atomic_compare_exchange_weak_explicit(&session->left, &word, packed_left(left), memory_order_acq_rel,
                                               memory_order_acquire)) {
      continue;
    }
    *last = left.kernel;
    *share = session->threads - 1 - (int)left.left;
    return 1;
  }
}

static void do_share(mp_session *session, int share) {
  session->body(session->job, share, session->threads);
  atomic_fetch_add_explicit(&session->done, 1, memory_order_release);
}

/// Lets others have this processor once in a millisecond, while this thread has no share: the system would take it
/// from whoever has had it for some three, and then often in the middle of a share, for which all would wait.
static void make_way(struct timespec *since) {
  if (nanoseconds_since(*since) < 1000000) return;
  give_way();
  clock_gettime(CLOCK_MONOTONIC, since);
}

static void serve(mp_session *session) {
  struct timespec since;
  clock_gettime(CLOCK_MONOTONIC, &since);
  current = session;
  for (unsigned turns = 0, last = 0; !atomic_load_explicit(&session->is_over, memory_order_acquire);) {
    int share;
    if (take_share(session, &last, &share)) {
      grow_patient(session);
      do_share(session, share);
      make_way(&since);
      turns = 0;
    } else {
      wait_a_turn(&turns);
    }
  }
  current = NULL;
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
      atomic_store_explicit(&session.is_over, 1, memory_order_release);
    } else {
      serve(&session);
    }
  }
}

int mp_run_in_session(int threads, int is_together, mp_body *body, const void *job) {
  mp_session *session = current;
  if (!session) return 0;
  session->body = body;
  session->job = job;
  session->threads = threads < session->size ? threads : session->size;
  atomic_store_explicit(&session->done, 0, memory_order_relaxed);
  atomic_store_explicit(&session->arrived, 0, memory_order_relaxed);
  shares_left left = unpacked_left(atomic_load_explicit(&session->left, memory_order_relaxed));
  unsigned last = ++left.kernel;
  left.left = (unsigned)session->threads - 1;
  left.is_together = is_together;
  atomic_store_explicit(&session->left, packed_left(left), memory_order_release);
  int share = 0;
  do do_share(session, share);
  while (take_share(session, &last, &share));
  unsigned turns = 0;
  while (atomic_load_explicit(&session->done, memory_order_acquire) < (unsigned)session->threads) wait_a_turn(&turns);
  grow_patient(session);
  return 1;
}

int mp_barrier_in_session(int threads) {
  mp_session *session = current;
  if (!session) return 0;
  const unsigned all = (unsigned)threads, place = atomic_fetch_add_explicit(&session->arrived, 1, memory_order_acq_rel);
  const unsigned complete = (place / all + 1) * all;
  for (unsigned turns = 0; atomic_load_explicit(&session->arrived, memory_order_acquire) < complete;) {
    wait_a_turn(&turns);
  }
  return 1;
}
#endif
