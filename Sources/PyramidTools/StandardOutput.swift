// Standard output as the tools write it: buffered, because each answer would be a system call otherwise, and with an
// error that says what failed.

import Glibc
import PyramidFormats

/// Standard output, buffered; a reader that went away ends the tool quietly.
public final class StandardOutput {
  private var buffer: [UInt8] = []
  /// Where the process's standard output is once plugins have lost it; else nil.
  nonisolated(unsafe) private static var reserved: Int32?
  /// Looked at whenever something is written: plugins may be loaded meanwhile.
  private static var descriptor: Int32 { reserved ?? STDOUT_FILENO }
  private let isTerminal: Bool

  /// Standard output.
  public init() {
    isTerminal = isatty(Self.descriptor) == 1
    buffer.reserveCapacity(1 << 16)
  }

  /// Keeps standard output for the tool: whatever else the process prints from now on, such as a plugin, goes to standard
  /// error. Called before plugins are loaded, while there is one thread.
  public static func reserve() {
    guard reserved == nil else { return }
    let copy = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
    guard copy >= 0 else { return }
    fflush(nil)
    dup2(STDERR_FILENO, STDOUT_FILENO)
    reserved = copy
  }

  /// Appends text; written once 64 KiB are buffered. On a terminal what can't be seen is escaped.
  public func print(_ text: String, terminator: String = "\n") throws {
    buffer += (isTerminal ? text.visible : text).utf8
    buffer += terminator.utf8
    if buffer.count >= 1 << 16 { try flush() }
  }

  /// Writes what is buffered. Throws `OutputError` when that fails.
  public func flush() throws {
    guard writeAll(buffer, to: Self.descriptor) else {
      throw OutputError(file: "standard output", problem: String(cString: strerror(errno)))
    }
    buffer.removeAll(keepingCapacity: true)
  }
}

/// Writes all bytes to a descriptor; false, and the reason in `errno`, when that fails.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
  var rest = bytes[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count < 0 && errno == EINTR { continue }
    if count <= 0 { return false }
    rest = rest.dropFirst(count)
  }
  return true
}
