// The command-line tools' side of the terminal: notes and progress on standard error, the latter only when somebody
// watches, and a buffered standard output.

import Glibc
import PyramidFormats

/// Standard error of a tool.
public struct Terminal: Sendable {
  /// Whether notes and progress are wanted.
  public let isQuiet: Bool
  /// Whether standard error is a terminal.
  public let isInteractive: Bool

  /// The process's standard error.
  public init(quiet: Bool) {
    isQuiet = quiet
    isInteractive = isatty(STDERR_FILENO) == 1
  }

  /// A line that says what was done; nothing with `--quiet`.
  public func note(_ text: String) {
    if !isQuiet { Self.write("\(text)\n") }
  }

  /// A line about something wrong, also with `--quiet`.
  public func complain(_ text: String) { Self.write("\(text)\n") }

  /// A line that overwrites itself while somebody watches.
  public func progress(_ text: String) {
    if !isQuiet && isInteractive { Self.write("\r\u{1B}[K\(text)") }
  }

  /// Removes the progress line.
  public func endProgress() {
    if !isQuiet && isInteractive { Self.write("\r\u{1B}[K") }
  }

  private static func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return }
      bytes = bytes.dropFirst(count)
    }
  }
}

/// Standard output, buffered; a reader that went away ends the tool quietly.
public final class OutputStream {
  private var buffer: [UInt8] = []

  /// Standard output.
  public init() { buffer.reserveCapacity(1 << 16) }

  /// Appends text; written when 64 KiB have come together.
  public func print(_ text: String, terminator: String = "\n") throws {
    buffer += text.utf8
    buffer += terminator.utf8
    if buffer.count >= 1 << 16 { try flush() }
  }

  /// Writes what is buffered. Throws `OutputError` when that fails.
  public func flush() throws {
    var rest = buffer[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 {
        throw OutputError(file: "standard output", problem: String(cString: strerror(errno)))
      }
      rest = rest.dropFirst(count)
    }
    buffer.removeAll(keepingCapacity: true)
  }
}
