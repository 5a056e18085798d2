// What can go wrong when an artefact is run, apart from malformed files (FormatError).

/// Why a model can't run, in one line.
public struct RuntimeError: Error, Equatable, CustomStringConvertible {
  /// The text for the user.
  public let description: String
  /// An error with its text.
  public init(_ description: String) { self.description = description }
}
