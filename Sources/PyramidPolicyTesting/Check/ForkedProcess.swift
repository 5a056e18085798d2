// Runs a piece of work in a copy of this process. Foreign code that traps or never returns then ends the copy, and its
// last lines say where. Kept apart because it is the one place that forks.

import Glibc

/// A copy of the process that answers in lines.
enum ForkedProcess {
  /// How the copy ended.
  enum End: Equatable {
    case finished
    case signal(Int32)
    case timeOut
  }

  /// The lines that `body` says in a copy of the process, and how the copy ended, at the latest `seconds` (at least 1) after
  /// one of them.
  /// The copy has the calling thread only: `body` must not wait for others. Throws `ComparisonError` when there is no
  /// copy to be had.
  static func lines(seconds: Int, _ body: (@escaping (String) -> Void) throws -> Void) throws -> ([String], End) {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw failure("no pipe") }
    let child = fork()
    guard child >= 0 else {
      close(ends[0])
      close(ends[1])
      throw failure("no process")
    }
    if child == 0 {
      close(ends[0])
      run(seconds, writingTo: ends[1], body)
    }
    close(ends[1])
    let text = contents(of: ends[0])
    close(ends[0])
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 && errno == EINTR {}
    let signal = status & 0x7f
    let end: End = signal == SIGALRM ? .timeOut : signal != 0 ? .signal(signal) : .finished
    return (text.split(separator: "\n").map(String.init), end)
  }

  /// The copy's life. Handlers of the process, which print backtraces or report crashes, are not for an expected crash.
  private static func run(_ seconds: Int, writingTo end: Int32, _ body: (@escaping (String) -> Void) throws -> Void)
    -> Never
  {
    for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM] { signal(number, SIG_DFL) }
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    // A thread of a pool, which a test may run on, blocks the alarm.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigprocmask(SIG_SETMASK, &signals, nil)
    let limit = UInt32(clamping: max(1, seconds))
    alarm(limit)
    try? body { line in
      alarm(limit)
      var bytes = Array("\(line)\n".utf8)[...]
      while !bytes.isEmpty {
        let written = bytes.withUnsafeBytes { write(end, $0.baseAddress!, $0.count) }
        if written < 0 && errno != EINTR { _exit(1) }
        bytes = bytes.dropFirst(max(0, written))
      }
    }
    _exit(0)
  }

  private static func contents(of end: Int32) -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(end, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }

  private static func failure(_ what: String) -> ComparisonError {
    ComparisonError("\(what) to ask a policy in: \(String(cString: strerror(errno)))")
  }
}
