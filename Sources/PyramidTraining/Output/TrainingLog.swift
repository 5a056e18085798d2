// The log of a training, a JSON object a line, and what is read from it again: report and curve. The file is the one
// memory of what happened, so that a resumed training tells the whole story.

import Glibc
import PyramidFormats

/// The log file, open for appending.
final class TrainingLog {
  /// Bytes written.
  private(set) var byteCount: Int
  private let path: String
  private let descriptor: Int32

  /// Opens the log. What lies after `bytes` is of a time that is lived again and is cut off; nil keeps everything. Throws
  /// when bytes before that are gone, or are no events: table, report and curve would leave stages out, or fail when the
  /// training is over.
  init(path: String, keeping bytes: Int?) throws {
    self.path = path
    // No link's target is cut, which may be any file of the user's, and no pipe waited for.
    descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o666)
    var status = stat()
    let isOpen = descriptor >= 0 && fstat(descriptor, &status) == 0
    byteCount = bytes ?? Int(status.st_size)
    guard isOpen, status.st_mode & S_IFMT == S_IFREG else {
      let isOther = isOpen || errno == ELOOP || errno == ENXIO
      throw OutputError(
        file: path,
        problem: isOther ? "is not a regular file" : "cannot be written: \(String(cString: strerror(errno)))")
    }
    guard byteCount <= status.st_size else {
      throw FormatError(
        file: path,
        problem: "has \(status.st_size) bytes of the \(byteCount) that the state goes on from; --overwrite starts anew")
    }
    ftruncate(descriptor, byteCount)
    _ = try events()
  }

  deinit { close(descriptor) }

  /// Puts on disk what a state is going to count on.
  func flush() { fsync(descriptor) }

  /// Appends a line.
  func append(_ event: String, _ members: KeyValuePairs<String, JSONValue>) throws {
    var object = JSONObject()
    object["event"] = .string(event)
    for (key, value) in members { object[key] = value }
    let line = Array((JSONWriter.string(.object(object)) + "\n").utf8)
    var rest = line[...]
    while !rest.isEmpty {
      // A disk that fills takes a part of the line; only the next call says why.
      let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else {
        throw OutputError(file: path, problem: "cannot be written: \(String(cString: strerror(errno)))")
      }
      rest = rest.dropFirst(written)
    }
    byteCount += line.count
  }

  /// All events so far. Throws for a line that is none.
  func events() throws -> [JSONValue] {
    let reader = try LineReader(path: path)
    var events: [JSONValue] = []
    while let line = try reader.next() {
      guard case .bytes(let bytes) = line, let event = try? JSONReader.read(bytes, file: path), case .object = event
      else {
        throw FormatError(
          file: path, place: "line \(reader.lineNumber)", problem: "is no event of a log; --overwrite starts anew")
      }
      events.append(event)
    }
    return events
  }
}
