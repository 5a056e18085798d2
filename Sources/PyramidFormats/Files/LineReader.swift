// Reads lines from a file or standard input without ever holding more than one of them and a block: an endless stream
// takes no more memory than a short one. A line over the limit is skipped to its end and reported as such; one that has
// no end to speak of is an error of the file, since sparse files of zeros would be walked for minutes.

import Glibc

/// Reads bytes line by line.
public final class LineReader {
  /// One line, without its newline (`\n` or `\r\n`).
  public enum Line: Equatable {
    case bytes([UInt8])
    /// The line was longer than the limit, in bytes.
    case tooLong(limit: Int)
  }

  /// Name for messages: the path, or `standard input`.
  public let name: String
  /// Lines handed out so far: the number of the last one, from 1.
  public private(set) var lineNumber = 0
  private let descriptor: Int32
  private let limit, skipLimit: Int
  private var block: [UInt8]
  private var position = 0
  private var filled = 0
  private var isAtEnd = false

  /// Opens `path`, or standard input for `-`. Throws for a directory and for what can't be opened. A line over `limit`
  /// is skipped, one over `skipLimit` ends the reading.
  public init(path: String, limit: Int = 16 << 20, skipLimit: Int = 1 << 30) throws(FormatError) {
    (self.limit, self.skipLimit) = (limit, skipLimit)
    block = [UInt8](repeating: 0, count: 1 << 16)
    if path == "-" {
      name = "standard input"
      descriptor = dup(0)
    } else {
      name = path
      descriptor = open(path, O_RDONLY | O_CLOEXEC)
    }
    guard descriptor >= 0 else { throw FormatError(file: name, problem: systemProblem("cannot be opened")) }
    var status = stat()
    if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      close(descriptor)
      throw FormatError(file: name, problem: "is a folder, expected a file of lines")
    }
  }

  deinit { close(descriptor) }

  /// Whether `next()` would have to wait for a writer: no whole line is here, and there is nothing to read yet.
  public var mustWait: Bool {
    if isAtEnd || block[position..<filled].contains(UInt8(ascii: "\n")) { return false }
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&request, 1, 0) == 0
  }

  /// The next line, or nil at the end. A last line without newline counts. Throws when reading fails, and for a line over
  /// `skipLimit`; nothing comes after that.
  public func next() throws(FormatError) -> Line? {
    var line: [UInt8] = []
    var length = 0
    var isTooLong = false
    var hasAny = false
    while true {
      if position == filled {
        try fill()
        if isAtEnd {
          guard hasAny else { return nil }
          return finish(&line, isTooLong)
        }
      }
      hasAny = true
      let end = block[position..<filled].firstIndex(of: UInt8(ascii: "\n"))
      let piece = block[position..<(end ?? filled)]
      length += piece.count
      if length > limit {
        isTooLong = true
        line = []
      }
      if length > max(limit, skipLimit) {
        (isAtEnd, position) = (true, filled)
        throw FormatError(
          file: name, place: "line \(lineNumber + 1)",
          problem: "has more than \(skipLimit) bytes and no end yet; is this a file of lines?")
      }
      if !isTooLong { line += piece }
      position = end.map { $0 + 1 } ?? filled
      if end != nil { return finish(&line, isTooLong) }
    }
  }

  /// UTF-16 or UTF-32, when the file begins like such a text: by its byte order mark, or by a zero byte beside its first
  /// character, which no UTF-8 text of people has. Called before the first line is read.
  func foreignEncoding() throws(FormatError) -> String? {
    if position == filled { try fill() }
    let start = Array(block[position..<min(filled, position + 4)])
    if start.starts(with: [0xFF, 0xFE, 0, 0]) || start.starts(with: [0, 0, 0xFE, 0xFF]) { return "UTF-32" }
    if start.starts(with: [0xFF, 0xFE]) || start.starts(with: [0xFE, 0xFF]) { return "UTF-16" }
    guard start.count == 4 else { return nil }
    if start[1] == 0, start[3] == 0, start[0] != 0, start[2] != 0 { return "UTF-16LE" }
    if start[0] == 0, start[2] == 0, start[1] != 0, start[3] != 0 { return "UTF-16BE" }
    return nil
  }

  private func finish(_ line: inout [UInt8], _ isTooLong: Bool) -> Line {
    lineNumber += 1
    if isTooLong { return .tooLong(limit: limit) }
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    return .bytes(line)
  }

  private func fill() throws(FormatError) {
    if isAtEnd { return }
    var count: Int
    repeat { count = read(descriptor, &block, block.count) } while count < 0 && errno == EINTR
    guard count >= 0 else { throw FormatError(file: name, problem: systemProblem("cannot be read")) }
    (position, filled, isAtEnd) = (0, count, count == 0)
  }
}
