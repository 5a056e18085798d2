// Everything that can go wrong between a checkpoint and an artefact, apart from malformed files (FormatError).

/// Why a checkpoint can't be compiled as asked; one line, or a list of tensors below it.
public struct CompileError: Error, Equatable, CustomStringConvertible {
  /// The text for the user.
  public let description: String
  /// An error with its text.
  public init(_ description: String) { self.description = description }
}
