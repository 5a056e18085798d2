// The tools' side of the terminal: notes and progress on standard error, the latter only where it is a terminal.
// Separate from standard output because that may be a file or a pipe while this is not.

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
  public func note(_ text: String) { if !isQuiet { Self.write("\(text.visible)\n") } }

  /// A line about something wrong, also with `--quiet`: its beginning and end where it quotes so much that it has more
  /// than 2,000 bytes.
  public func complain(_ text: String) {
    let shown = text.visible
    if shown.utf8.count <= 2000 { return Self.write("\(shown)\n") }
    let (start, end) = (Array(shown.utf8.prefix(1500)), Array(shown.utf8.suffix(490)))
    Self.write("\(String(decoding: start, as: UTF8.self)) ... \(String(decoding: end, as: UTF8.self))\n")
  }

  /// A line that overwrites itself; only where standard error is a terminal.
  public func progress(_ text: String) { if !isQuiet && isInteractive { Self.write("\r\u{1B}[K\(text.visible)") } }

  /// Removes the progress line.
  public func endProgress() { progress("") }

  private static func write(_ text: String) { _ = writeAll(Array(text.utf8), to: STDERR_FILENO) }
}

/// Progress of minutes or hours: a line that overwrites itself where there is a terminal, else one line a minute, so that
/// a log tells how far it is.
public final class LongProgress {
  private let terminal: Terminal
  private let clock = ContinuousClock()
  private var last: ContinuousClock.Instant

  /// The first line without a terminal comes after a minute.
  public init(_ terminal: Terminal) {
    self.terminal = terminal
    last = clock.now
  }

  /// Says what is being done.
  public func report(_ text: String) {
    if terminal.isInteractive { return terminal.progress(text) }
    guard clock.now - last >= .seconds(60) else { return }
    last = clock.now
    terminal.note(text)
  }
}
