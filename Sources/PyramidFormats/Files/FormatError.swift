// The two errors of files: one that is malformed, and one that can't be written.
//
// They are separate because their text is a promise: one line that names the file, the place in it, and what was
// expected, whatever bytes the file holds. Text taken from a file therefore goes through `quoted`, which bounds its
// length and escapes what would break the line or hide a part of it.

import Glibc

/// A file that cannot be used, and why: `config.json: hidden_size: expected a positive integer, found -3`.
public struct FormatError: Error, CustomStringConvertible, Equatable, Sendable {
  /// The path of the file as the caller gave it.
  public let file: String
  /// Where in the file (a JSON path, a line and column, a tensor's name); empty when the whole file is meant.
  public let place: String
  /// What is wrong and, where it helps, what was expected or what to do.
  public let problem: String

  /// Makes an error of its three parts.
  public init(file: String, place: String = "", problem: String) {
    (self.file, self.place, self.problem) = (file, place, problem)
  }

  /// The three parts joined by `": "`, in one line.
  public var description: String { oneLine(file, place, problem) }
}

/// Why an output can't be written: a path, standard output, or what was to stand in it.
public struct OutputError: Error, CustomStringConvertible, Equatable, Sendable {
  /// The path as the caller gave it, or another name of the output.
  public let file: String
  /// Where in the output, such as a tensor's name; empty when all of it is meant.
  public let place: String
  /// What is wrong.
  public let problem: String

  /// Makes an error of its three parts.
  public init(file: String, place: String = "", problem: String) {
    (self.file, self.place, self.problem) = (file, place, problem)
  }

  /// The three parts joined by `": "`, in one line.
  public var description: String { oneLine(file, place, problem) }
}

private func oneLine(_ file: String, _ place: String, _ problem: String) -> String {
  let file = file.printable(limit: 4096)
  return place.isEmpty ? "\(file): \(problem)" : "\(file): \(place): \(problem)"
}

/// A problem that ends in the operating system's own words for the current `errno`.
func systemProblem(_ problem: String) -> String {
  let reason = errno == ENOENT ? "no such file or folder" : String(cString: strerror(errno))
  return "\(problem): \(reason)"
}

extension String {
  /// The string in double quotes, at most 80 scalars of it, with control and direction-changing characters escaped.
  public var quoted: String { "\"\(printable(limit: 80))\"" }

  /// The string as one word of a POSIX shell, in single quotes.
  public var shellQuoted: String {
    "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }

  /// At most `limit` scalars of the string with everything escaped that a terminal would not show as one visible cell.
  public func printable(limit: Int) -> String { escaped(limit: limit, besides: []) }

  /// The whole text with everything escaped that a terminal would not show, but for line breaks and tabs: what a
  /// downloaded file says must not move the cursor or rename the window.
  public var visible: String { escaped(limit: .max, besides: ["\n", "\t"]) }

  private func escaped(limit: Int, besides spared: [Unicode.Scalar]) -> String {
    let isPlain = utf8.allSatisfy { (0x20...0x7E).contains($0) || spared.contains(Unicode.Scalar($0)) }
    if isPlain, utf8.count <= limit { return self }
    var result = ""
    for (index, scalar) in unicodeScalars.enumerated() {
      if index == limit { return result + "..." }
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse:
        if spared.contains(scalar) {
          result.unicodeScalars.append(scalar)
        } else {
          result += "\\u{\(String(scalar.value, radix: 16))}"
        }
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
