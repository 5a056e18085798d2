// Stands in for libomp under ThreadSanitizer (Scripts/sanitize team): what the compiler's code and team.c call of it,
// with a thread created and joined for each member of each region. libomp is not instrumented, so that what it orders
// would look unordered; what is ordered here is a region's start and end and its barriers, and nothing else.
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef void microtask(int *global, int *bound, ...);

enum { MOST_ARGUMENTS = 4 };

typedef struct {
  microtask *body;
  void *arguments[MOST_ARGUMENTS];
  int size;
  pthread_barrier_t barrier;
} region;

typedef struct {
  region *region;
  int number;
} member;

/// The region that this thread is in, and its number there.
static _Thread_local region *within = NULL;
static _Thread_local int number = 0;
/// Of the next region that this thread starts, and of those whose size is not said.
static _Thread_local int next_size = 0, usual_size = 1;

/// Most threads of a region: libomp, too, gives fewer than were asked for when there are no more.
int mp_stand_in_most = 1024;

static void *take_part(void *argument) {
  const member *self = argument;
  within = self->region;
  number = self->number;
  int global = number, bound = number;
  void *const *a = within->arguments;
  within->body(&global, &bound, a[0], a[1], a[2], a[3]);
  return NULL;
}

void __kmpc_fork_call(void *location, int count, microtask *body, ...) {
  (void)location;
  region all = {.body = body, .size = next_size > 0 ? next_size : usual_size};
  next_size = 0;
  if (count > MOST_ARGUMENTS) abort();
  va_list arguments;
  va_start(arguments, body);
  for (int i = 0; i < count; i++) all.arguments[i] = va_arg(arguments, void *);
  va_end(arguments);
  if (all.size > mp_stand_in_most) all.size = mp_stand_in_most;
  region *const outer = within;
  const int outer_number = number;
  if (outer) all.size = 1;  // a region in a region is one thread's, as libomp's usually is
  pthread_barrier_init(&all.barrier, NULL, (unsigned)all.size);
  pthread_t threads[all.size];
  member members[all.size];
  for (int i = 0; i < all.size; i++) members[i] = (member){&all, i};
  for (int i = 1; i < all.size; i++) {
    if (pthread_create(&threads[i], NULL, take_part, &members[i]) != 0) abort();
  }
  take_part(&members[0]);
  for (int i = 1; i < all.size; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&all.barrier);
  within = outer;
  number = outer_number;
}

void __kmpc_push_num_threads(void *location, int global, int size) {
  (void)location, (void)global;
  next_size = size;
}

int __kmpc_global_thread_num(void *location) {
  (void)location;
  return number;
}

void __kmpc_barrier(void *location, int global) {
  (void)location, (void)global;
  if (within) pthread_barrier_wait(&within->barrier);
}

int __kmpc_single(void *location, int global) {
  (void)location, (void)global;
  return number == 0;
}

void __kmpc_end_single(void *location, int global) { (void)location, (void)global; }

int omp_get_thread_num(void) { return number; }
int omp_get_num_threads(void) { return within ? within->size : 1; }
int omp_get_max_threads(void) { return usual_size; }
void omp_set_num_threads(int size) { usual_size = size; }
void omp_set_dynamic(int is_dynamic) { (void)is_dynamic; }
void kmp_set_defaults(const char *settings) { (void)settings; }
