// Standard output as the tools write it: buffered, because each answer would be a system call otherwise, and with an
// error that says what failed.

import Glibc
import PyramidFormats

/// Standard output, buffered; a reader that went away ends the tool quietly.
public final class StandardOutput {
  private var buffer: [UInt8] = []

  /// Standard output.
  public init() { buffer.reserveCapacity(1 << 16) }

  /// Appends text; written once 64 KiB are buffered.
  public func print(_ text: String, terminator: String = "\n") throws {
    buffer += text.utf8
    buffer += terminator.utf8
    if buffer.count >= 1 << 16 { try flush() }
  }

  /// Writes what is buffered. Throws `OutputError` when that fails.
  public func flush() throws {
    guard writeAll(buffer, to: STDOUT_FILENO) else {
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
