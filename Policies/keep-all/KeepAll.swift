// A control: pruning is woven in and removes nothing, which shows that weaving it in changes no answer.

import PyramidPolicy

/// Keeps every token.
public struct KeepAll: PruningPolicy {
  public static let name = "keep-all"

  public let reads: Set<TokenSignal> = []

  public init(_ arguments: PolicyArguments) {}

  public func retention(afterLayer layer: Int) -> Retention { .all }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {}
}
