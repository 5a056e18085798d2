// The clock of all measurements.

import Glibc

/// Time since it was made, by the monotonic clock.
struct Stopwatch {
  private let start = Self.now()

  /// Seconds since it was made.
  var seconds: Double { Double(Self.now() - start) / 1e9 }

  private static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
