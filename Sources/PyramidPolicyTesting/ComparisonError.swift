// Why a comparison can't be made as it was set up; files that are malformed (FormatError) and models that can't be
// compiled or run have errors of their own.

/// What is wrong with a comparison.
public enum ComparisonError: Error, Equatable, CustomStringConvertible {
  /// A precision or profiles were given for the compiled model at `path`.
  case optionsOfCheckpoints(path: String)
  /// No policies were given for a checkpoint folder.
  case noPolicies(path: String)
  /// The compiled model at `path` has no policies, and none were given.
  case compiledWithoutPolicies(path: String)
  /// A profile was written with policies that are not compared.
  case foreignProfile(file: String)
  /// The compiled model can't run without effect of its policies.
  case noDense(path: String, reason: String)
  /// A batch of more samples than the model admits.
  case batchTooLarge(Int, admitted: Int)
  /// No folder for compiled models could be made in `parent`.
  case noTemporaryFolder(parent: String, reason: String)

  /// One line.
  public var description: String {
    switch self {
    case .optionsOfCheckpoints(let path):
      "\(path): precision and profiles are for checkpoint folders; a compiled model has its own"
    case .noPolicies(let path): "\(path): nothing to compare: give at least one policy"
    case .compiledWithoutPolicies(let path): "\(path): nothing to compare: it was compiled without policies"
    case .foreignProfile(let file): "\(file): is of other policies than those compared"
    case .noDense(let path, let reason): "\(path): can't run dense, use the checkpoint folder instead (\(reason))"
    case .batchTooLarge(let batch, let admitted):
      "a batch of \(batch): the model admits at most \(admitted) samples in a batch"
    case .noTemporaryFolder(let parent, let reason): "no temporary folder in \(parent): \(reason)"
    }
  }
}
