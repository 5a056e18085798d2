// The one error that every reader and writer of this module throws.
//
// It is separate because its text is a promise: one line that names the file, the place in it, and what was expected,
// whatever bytes the file holds. Text taken from a file therefore goes through `quoted`, which bounds its length and
// escapes what would break the line or hide a part of it.

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
    self.file = file
    self.place = place
    self.problem = problem
  }

  /// The three parts joined by `": "`, in one line.
  public var description: String {
    let file = file.printable(limit: 4096)
    return place.isEmpty ? "\(file): \(problem)" : "\(file): \(place): \(problem)"
  }
}

extension String {
  /// The string in double quotes, at most 80 scalars of it, with control and direction-changing characters escaped.
  var quoted: String { "\"\(printable(limit: 80))\"" }

  /// At most `limit` scalars of the string with everything escaped that a terminal would not show as one visible cell.
  public func printable(limit: Int) -> String {
    var result = ""
    for (index, scalar) in unicodeScalars.enumerated() {
      if index == limit { return result + "..." }
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default:
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
