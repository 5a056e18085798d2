// What the interpreter reports when a graph, a batch or a weight breaks a rule that only shows at run time. One type
// for all of it: tests compare the text, and no caller recovers from one kind and not from another.

/// A failed interpretation.
public struct ReferenceError: Error, Equatable, CustomStringConvertible {
  /// What is wrong, with the numbers that show it.
  public let problem: String
  /// The node that failed, `compact %x.1`; nil when no node was running.
  public let place: String?

  /// An error outside any node, or one whose node is added further up.
  public init(_ problem: String, at place: String? = nil) {
    self.problem = problem
    self.place = place
  }

  public var description: String { place.map { "\($0): \(problem)" } ?? problem }
}
