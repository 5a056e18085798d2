// The protocols that a policy author writes against. They are the whole contract: a policy is a criterion with declared
// parameters that reads one sample and answers, and the engine does everything else (selecting tokens, compacting,
// exits). Kept apart from the views and signals so that the contract reads on one page.

/// A criterion with declared parameters: what `ExitPolicy` and `PruningPolicy` have in common.
///
/// Conform to one of these two, never to `Policy` alone. A policy is a pure function of the one sample that it is
/// shown: same sample, same answer, whatever else is in the batch. Its calls may come from any thread, for different
/// samples at the same time. A plugin's file is named like its policy (`margin.swift` for
/// `Margin`), or ends with a list: `public let policies: [any Policy.Type] = [Margin.self]`.
public protocol Policy: Sendable {
  /// The name in kebab-case, as in `@name` of the IR, on the command line and in reports.
  static var name: String { get }

  /// The parameters that a specification may set; none by default.
  static var parameters: [PolicyParameter] { get }

  /// The weights that it needs of the checkpoint; none by default.
  static var tensors: [PolicyTensor] { get }

  /// Makes the policy from arguments that fit `parameters`: unknown names, wrong types and values out of range were
  /// refused before. What remains to check is whether they fit the model (`arguments.model`).
  ///
  /// - Throws: any error, best `PolicyError.rejected` with a sentence that says what would be right.
  init(_ arguments: PolicyArguments) throws

  /// The layers after which the policy is asked, 0 for the entry before the first; `.all` by default.
  var layers: LayerSet { get }

  /// How the engine reaches the policy. Supplied by `ExitPolicy` and `PruningPolicy`; an author never writes it.
  static var conformance: PolicyConformance { get }
}

extension Policy {
  public static var parameters: [PolicyParameter] { [] }
  public static var tensors: [PolicyTensor] { [] }
  public var layers: LayerSet { .all }
}

/// A policy that scores tokens; the engine then keeps those that `retention` admits.
///
/// [CLS] (token 0) never dies, ties go to the earlier token, order is kept, and a score that is NaN keeps its token.
public protocol PruningPolicy: Policy {
  /// The signals that `score` reads; nothing else is computed, and reading another one ends the run.
  var reads: Set<TokenSignal> { get }

  /// When in a layer the policy decides; `.afterAttention` by default.
  var moment: PruningMoment { get }

  /// What becomes of the rows of tokens that do not stay; `.dropped` by default.
  var remainder: Remainder { get }

  /// Which tokens stay after layer `layer` (counted from 1; 0 is the entry, for a policy that lists it in `layers`).
  func retention(afterLayer layer: Int) -> Retention

  /// Writes one score for each token of `sample` that is alive, higher meaning more worth keeping.
  ///
  /// `scores` has `sample.count` elements, which are 0 on entry. Not called where `retention` is `.all`. At the entry
  /// (`sample.layer` is 0) only `position` and `tokenID` are there to be read.
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>)
}

/// When in its layer a pruning policy decides.
public enum PruningMoment: String, CaseIterable, Sendable {
  /// After the layer's attention, which every token alive takes part in. Every signal can be read.
  case afterAttention = "after-attention"
  /// Before the layer, by the attention of [CLS] alone: that row is computed over the tokens that entered, and what
  /// dies is neither projected nor attended to in this layer. The policy reads `attentionFromCLS`, and besides it what
  /// is known at the layer's input: `hiddenNorm`, `position`, `tokenID`, `hidden`.
  case beforeLayer = "before-layer"
}

/// A pruning policy whose tokens die by going into others: it says which goes where, and scores nothing.
///
/// Rows go into each other after the layer's attention, each weighted by its size, the number of tokens of the text that
/// it stands for. From then on attention gives a row as much as its tokens together (ln(size) is added to its score).
public protocol MergingPolicy: PruningPolicy {
  /// Writes for each token the place, in `sample`, of the token that it goes into.
  ///
  /// `targets` has `sample.count` elements; on entry each holds its own place, which means that the token stays. A token
  /// goes into one that stays: [CLS], a token beyond the sample, or one that goes elsewhere itself takes nobody in, and
  /// who was sent there stays. Called where `retention` is not `.all`.
  func merge(_ sample: borrowing TokenView, into targets: inout MutableSpan<Int32>)
}

/// What becomes of the rows of a sample's tokens that do not stay at a boundary.
public enum Remainder: String, CaseIterable, Sendable {
  /// They are gone.
  case dropped
  /// They become one row, appended after those that stay: the mean of the rows after the layer's attention, weighted by
  /// the policy's scores (those below 0 count as 0; all alike where none is above). It is a token like any other from
  /// then on, with position and token id -1.
  case fused
  /// Each goes into the token that a `MergingPolicy` names.
  case merged
}

/// A policy that decides, at the exit head of a layer, whether the sample leaves with that head's answer.
///
/// The last layer always exits, so it is never asked there. The entry's head, before layer 1, counts as one: `head.layer`
/// is 0 there. A policy that reads `hidden` or `earlierHidden` is not asked at the entry, where there is none.
public protocol ExitPolicy: Policy {
  /// What is remembered of one sample from layer to layer; nothing (`Void`) by default.
  associatedtype Memory: Sendable = Void

  /// The answers that the criterion makes sense for; one class of several by default. A model that answers with anything
  /// else refuses the policy.
  static var requires: Set<AnswerKind> { get }

  /// The signals that `shouldExit` reads; nothing else is computed, and reading another one ends the run.
  var reads: Set<ExitSignal> { get }

  /// The memory of a sample before its first head.
  func makeMemory() -> Memory

  /// Whether the sample leaves at this head. Write conditions so that NaN answers `false`
  /// (`entropy < threshold` does, `!(entropy >= threshold)` does not): a broken number must not cost accuracy.
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Memory) -> Bool
}

extension ExitPolicy where Memory == Void {
  public func makeMemory() {}
}

extension PruningPolicy {
  public var moment: PruningMoment { .afterAttention }
  public var remainder: Remainder { .dropped }
  public static var conformance: PolicyConformance { PolicyConformance(pruning: Self.self) }
}

extension MergingPolicy {
  public var remainder: Remainder { .merged }
  /// Which tokens stay follows from `merge`.
  public func retention(afterLayer layer: Int) -> Retention { .above(-.infinity) }
  /// Nothing is scored.
  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {}
  public static var conformance: PolicyConformance { PolicyConformance(merging: Self.self) }
}

extension ExitPolicy {
  public static var requires: Set<AnswerKind> { [.probabilities] }
  public static var conformance: PolicyConformance { PolicyConformance(exit: Self.self) }
}
