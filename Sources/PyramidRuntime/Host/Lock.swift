// The two primitives between callers and the inference thread. `Synchronization.Mutex` hands its lock from waiter to
// waiter, which costs a switch of threads each; a pthread mutex lets the one that runs go on.

import Glibc

/// A mutex.
final class Lock: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() { pthread_mutex_init(mutex, nil) }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  func lock() { pthread_mutex_lock(mutex) }
  func unlock() { pthread_mutex_unlock(mutex) }
}

/// A counting semaphore, at first 0.
final class Semaphore: @unchecked Sendable {
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() { sem_init(semaphore, 0, 0) }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  func signal() { sem_post(semaphore) }

  /// Sleeps until there was one `signal` more than ends of `wait`.
  func wait() {
    while sem_wait(semaphore) != 0 {}
  }
}
