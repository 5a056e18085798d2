// Why a comparison can't be made as it was set up; files that are malformed (FormatError) and models that can't be
// compiled or run have errors of their own.

/// What is wrong with a comparison, or with the text of a policy to compare.
public struct ComparisonError: Error, Equatable, CustomStringConvertible {
  /// One line. For the text of a policy it says what was expected; the option and its text are for the caller to name.
  public let description: String

  package init(_ description: String) { self.description = description }
}
