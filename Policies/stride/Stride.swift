// A control: every second token stays, or every third. It keeps what is spread over the text and knows nothing of it.

import PyramidPolicy

/// Keeps the tokens whose position in the text is divisible by a step.
public struct Stride: PruningPolicy {
  public static let name = "stride"
  public static let parameters: [PolicyParameter] = [
    .integer("step", default: 2, in: 1...1_000_000, help: "tokens stay at positions 0, step, 2 step and so on")
  ]

  public let reads: Set<TokenSignal> = [.position]
  private let step: Int32

  public init(_ arguments: PolicyArguments) throws {
    step = Int32(arguments.integer("step"))
  }

  public func retention(afterLayer layer: Int) -> Retention { .above(1) }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let position = sample.position
    for token in position.indices { scores[token] = position[token] % step == 0 ? 1 : 0 }
  }
}
