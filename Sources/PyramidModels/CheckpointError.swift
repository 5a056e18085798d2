// What can be wrong with a checkpoint whose files are each well-formed (those that are not: FormatError).

/// Why a checkpoint's tensors make no model; one line, or a list of tensors below it.
public struct CheckpointError: Error, Equatable, CustomStringConvertible {
  /// The text for the user.
  public let description: String
}
