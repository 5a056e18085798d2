// The error of outputs that are not files: standard output, temporary folders.

/// Why an output can't be written.
public struct OutputError: Error, CustomStringConvertible {
  /// One line.
  public let description: String
  /// An error with its text.
  public init(_ description: String) { self.description = description }
}
