// The contract of a policy as one line of a test. What a protocol can't say (a pure function, scores that are numbers, declared
// ranges that hold) is asked of the policy on seeded random samples, in a process of its own, so that a trap or an
// endless loop becomes a finding instead of the end of the test run. Throwing is what Swift Testing and XCTest share.

import PyramidPolicy

/// Asks a policy whether it keeps the contract of `Policy`, on samples that need no model.
///
/// ```swift
/// @Test func contract() throws { try PolicyCheck.run(Lead.self) }
/// ```
public struct PolicyCheck: Sendable {
  /// The policy's specification; nil for its name alone, with all defaults.
  public var spec: String?
  /// The model that the samples pretend to come from; where its answers are none that the policy is for, one with answers
  /// that are.
  public var model: ModelFacts
  /// The checkpoint's learned values that the policy's defaults and tensors name. Missing ones are made up.
  public var learned: [String: LearnedTensor]
  /// The number that makes the policy faster or slower: over its range exits must come ever earlier (or ever later), and
  /// the tokens that stay must be ever fewer (or more). A list has one number for all layers then. Nil for a parameter
  /// called `threshold` or `fraction`, if there is one that is a number.
  public var knob: String?
  /// Findings that are meant: a control may never exit.
  public var allowed: Set<PolicyFinding.Kind>
  /// The most time that one call may take on average, in microseconds.
  public var microsecondsPerCall: Double
  /// Seed of the samples.
  public var seed: UInt64
  /// Seconds, at least 1, that one kind of question may take: a policy that needs longer hangs.
  public var timeLimit: Int

  /// A check with these settings; see the properties of the same names.
  public init(
    spec: String? = nil, model: ModelFacts = ModelFacts(layers: 6, classes: 4, heads: 2, hidden: 8),
    learned: [String: LearnedTensor] = [:], knob: String? = nil, allowing allowed: Set<PolicyFinding.Kind> = [],
    microsecondsPerCall: Double = 1000, seed: UInt64 = 1, timeLimit: Int = 60
  ) {
    (self.spec, self.model, self.learned, self.knob, self.allowed) = (spec, model, learned, knob, allowed)
    (self.microsecondsPerCall, self.seed, self.timeLimit) = (microsecondsPerCall, seed, timeLimit)
  }

  private static let done = "to the end"

  /// Checks a policy. Throws `PolicyCheckFailure` with all that was found, and what `findings(of:)` throws.
  public static func run(_ type: any Policy.Type, _ check: PolicyCheck = PolicyCheck()) throws {
    let findings = try check.findings(of: type)
    if !findings.isEmpty { throw PolicyCheckFailure(policy: type.name, findings: findings) }
  }

  /// All that is wrong with a policy and not allowed, each kind once, in the order of checking. A policy that traps or
  /// hangs is asked no further. Throws `ComparisonError` when no process can be started.
  public func findings(of type: any Policy.Type) throws -> [PolicyFinding] {
    let policy: PolicyType
    do { policy = try PolicyType(type) } catch { return [PolicyFinding(.isDeclaredWrongly, "\(error)")] }
    var check = self
    if let answers = AnswerKind.allCases.first(where: policy.requires.contains),
      !policy.requires.contains(model.answers)
    {
      check.model = ModelFacts(
        layers: model.layers, classes: answers == .value ? 1 : model.classes, heads: model.heads, hidden: model.hidden,
        answers: answers)
    }
    func ask() throws -> ([String], ForkedProcess.End) {
      try ForkedProcess.lines(seconds: timeLimit) { [check] say in
        PolicyExamination(policy, check) { say($0.line) }.run()
        say(PolicyFinding(.asked, Self.done).line)
      }
    }
    var (lines, end) = try ask()
    // The copy has one thread: what another one held at the moment of copying is never given back. That is not the
    // policy's fault, and doesn't happen twice.
    if end == .timeOut, lines.count <= 1 { (lines, end) = try ask() }
    var found = lines.compactMap { PolicyFinding(line: $0) }
    let last = found.last { $0.kind == .asked }?.sentence ?? "before it was asked anything"
    found.removeAll { $0.kind == .asked }
    switch end {
    case .finished where last == Self.done: break
    case .finished: found.append(PolicyFinding(.traps, "it ended the process \(last)"))
    case .signal(let signal): found.append(PolicyFinding(.traps, "it trapped (signal \(signal)) \(last)"))
    case .timeOut: found.append(PolicyFinding(.hangs, "it did not answer within \(timeLimit) s \(last)"))
    }
    var seen = allowed
    return found.filter { seen.insert($0.kind).inserted }
  }
}

/// One thing that is wrong with a policy.
public struct PolicyFinding: Sendable, Equatable, CustomStringConvertible {
  /// What is wrong.
  public enum Kind: String, Sendable, CaseIterable {
    /// Name or parameters contradict themselves.
    case isDeclaredWrongly = "is-declared-wrongly"
    /// `init` throws for the specification that is checked, or there is no number of the knob's name.
    case refusesArguments = "refuses-arguments"
    /// `init` throws for a value that the declared range of a parameter holds.
    case refusesDeclaredValue = "refuses-declared-value"
    /// Two equal samples get different answers, or a sample's answer depends on the samples asked about in between.
    case isNotPure = "is-not-pure"
    /// A token of a sample whose signals are numbers gets the score NaN. An infinite score is one: it keeps its token
    /// wherever any stays.
    case scoresAreNotNumbers = "scores-are-not-numbers"
    /// A head whose logits or probabilities are NaN lets the sample leave.
    case leavesAtBrokenHead = "leaves-at-broken-head"
    /// Turning the knob one way makes some samples leave earlier and others later.
    case knobIsNotMonotone = "knob-is-not-monotone"
    /// No sample ever leaves, sure heads included.
    case neverExits = "never-exits"
    /// Only [CLS] stays of every sample.
    case keepsNothing = "keeps-nothing"
    /// A call takes longer than `microsecondsPerCall`.
    case isSlow = "is-slow"
    /// The process ended while the policy was asked.
    case traps
    /// The policy was asked and did not answer.
    case hangs
    /// What the policy is asked next; never reported.
    case asked
  }

  /// What is wrong.
  public let kind: Kind
  /// One sentence with the numbers.
  public let sentence: String

  init(_ kind: Kind, _ sentence: String) { (self.kind, self.sentence) = (kind, sentence) }

  /// The finding of a line that `line` made.
  init?(line: String) {
    let parts = line.split(separator: "\t", maxSplits: 1)
    guard parts.count == 2, let kind = Kind(rawValue: String(parts[0])) else { return nil }
    self.init(kind, String(parts[1]))
  }

  /// The finding as one line.
  var line: String { "\(kind.rawValue)\t\(sentence.split(whereSeparator: \.isNewline).joined(separator: " "))" }

  /// `kind: sentence`.
  public var description: String { "\(kind.rawValue): \(sentence)" }
}

/// A policy that does not keep its contract.
public struct PolicyCheckFailure: Error, CustomStringConvertible {
  /// The policy's name.
  public let policy: String
  /// What was found, at least one.
  public let findings: [PolicyFinding]

  /// A line for each finding.
  public var description: String {
    (["policy '\(policy)' breaks its contract:"] + findings.map { "  - \($0)" }).joined(separator: "\n")
  }
}
