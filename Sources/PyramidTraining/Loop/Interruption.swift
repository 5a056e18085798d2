// SIGINT and SIGTERM: they are noted, and the loop ends at the next point where its state is whole. A second signal of
// the same kind ends the process at once.

import Glibc
import Synchronization

/// A training that was asked to stop; its state is written.
public struct TrainingInterrupted: Error, Equatable {
  /// The signal.
  public let signal: Int32
}

/// Signals that ask for the end.
public enum Interruption {
  private static let received = Atomic<Int32>(0)

  /// From now on SIGINT and SIGTERM are noted, and a file that grows over the user's limit is an error, not a signal.
  public static func install() {
    received.store(0, ordering: .relaxed)
    var action = sigaction()
    action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
    action.__sigaction_handler.sa_handler = { Interruption.note($0) }
    // A parent may have blocked the signals for its threads, and with them for this process.
    var wanted = sigset_t()
    sigemptyset(&wanted)
    for signal in [SIGINT, SIGTERM] {
      sigaction(signal, &action, nil)
      sigaddset(&wanted, signal)
    }
    pthread_sigmask(SIG_UNBLOCK, &wanted, nil)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Notes a signal.
  static func note(_ signal: Int32) { received.store(signal, ordering: .relaxed) }

  /// Throws `TrainingInterrupted` once a signal has come.
  public static func check() throws {
    let signal = received.load(ordering: .relaxed)
    if signal != 0 { throw TrainingInterrupted(signal: signal) }
  }
}
