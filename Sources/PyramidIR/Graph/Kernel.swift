// The kernel of a node: with which instructions and in which number format it runs. Typed, so that a graph can't name a
// kernel that does not exist; in text it is written `mnemonic.set[.precision]`, as in `linear.avx512.bf16`.

/// What computes a node.
public struct Kernel: Hashable, Sendable {
  /// The instructions, and the layout of packed weights.
  public let set: InstructionSet
  /// The format of the factors; sums are f32, of int8 whole numbers.
  public let precision: Precision

  /// The kernel of a set and a precision.
  public init(_ set: InstructionSet, _ precision: Precision = .f32) {
    (self.set, self.precision) = (set, precision)
  }

  /// As it is written after the operation's mnemonic.
  public var suffix: String { ".\(set.rawValue)" + (precision == .f32 ? "" : ".\(precision.rawValue)") }
}

extension Op {
  /// The precisions in which a set has kernels for the operation; none for moves and decisions, of which one version
  /// serves every set. Where a set multiplies bf16 no faster than f32, its attention, which has nothing to load, is
  /// f32. `facts` are the operation's.
  public func kernelPrecisions(_ set: InstructionSet, _ facts: OpFacts) -> [Precision] {
    if !facts.hasKernel { return [] }
    if case .relativeAttention = self { return [.f32] }
    if facts.attention?.isOfFirst == false { return set == .avx512 ? [.f32, .bf16] : [.f32] }
    if facts.roundsFactors { return [.f32, .bf16] }
    return facts.reducible.isEmpty ? [.f32] : Precision.allCases
  }
}
