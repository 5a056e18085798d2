// A policy check finds what is wrong with policies that are wrong on purpose, one thing each, and nothing in the
// built-in ones.

import BuiltInPolicies
import Glibc
import PyramidPolicy
import PyramidPolicyTesting
import Synchronization
import Testing

@Suite("Policy check")
struct PolicyCheckTests {
  @Test("The built-in policies keep the contract", arguments: BuiltInPolicies.all.map { $0.name })
  func builtIn(name: String) throws {
    let type = try #require(BuiltInPolicies.all.first { $0.name == name })
    var check = PolicyCheck()
    // Prototypes that were made up are near to no sample.
    if ["never-exit", "prototype"].contains(name) { check.allowed = [.neverExits] }
    // Here policies are compiled for debugging.
    if name == "learned-skim" { check.microsecondsPerCall = 1e5 }
    check.learned = [
      "prune.entry.salience": LearnedTensor((0..<8000).map { Float($0 % 97) / 97 }), "prune.entry.threshold": [0.2],
    ]
    try PolicyCheck.run(type, check)
  }

  @Test(
    "Each fault is found, and found alone",
    arguments: [
      (Capital.self, .isDeclaredWrongly, "Capital"), (Refusing.self, .refusesArguments, "not today"),
      (Narrow.self, .refusesDeclaredValue, "threshold declares a number in 0...1, but init refuses 1"),
      (Counting.self, .isNotPure, "alone"), (Trusting.self, .leavesAtBrokenHead, "leaves at head 0"),
      (Zigzag.self, .knobIsNotMonotone, "threshold computes less from"), (Stubborn.self, .neverExits, "none of 64"),
      (Slow.self, .isSlow, "at most 1000.0 us"), (Trapping.self, .traps, "with trapping"),
      (Endless.self, .hangs, "2 s"), (Quitting.self, .traps, "it ended the process with quitting"),
      (Undefined.self, .scoresAreNotNumbers, "nan"), (Forgetful.self, .isNotPure, "other scores"),
      (Greedy.self, .keepsNothing, "only [CLS] stays"),
    ] as [(any Policy.Type, PolicyFinding.Kind, String)])
  func faults(type: any Policy.Type, kind: PolicyFinding.Kind, sentence: String) throws {
    let findings = try PolicyCheck(timeLimit: type is Endless.Type ? 2 : 60).findings(of: type)
    #expect(findings.map(\.kind) == [kind], "\(findings)")
    #expect(findings.first?.sentence.contains(sentence) == true, "\(findings)")
    let failure = #expect(throws: PolicyCheckFailure.self) {
      try PolicyCheck.run(type, PolicyCheck(timeLimit: type is Endless.Type ? 2 : 60))
    }
    #expect(
      failure?.description.hasPrefix("policy '\(type.name)' breaks its contract:\n  - \(kind.rawValue): ") == true)
  }

  @Test("A knob may be a whole number or a list, and must be there")
  func knobs() throws {
    #expect(try PolicyCheck(knob: "patience").findings(of: Patience.self).isEmpty)
    #expect(try PolicyCheck(knob: "fraction").findings(of: TopK.self).isEmpty)
    let missing = try PolicyCheck(knob: "treshold").findings(of: Entropy.self)
    #expect(missing.map(\.kind) == [.refusesArguments] && missing[0].sentence.contains("'treshold'"))
  }

  @Test("Where all tokens stay a policy is asked for no scores")
  func silence() throws { #expect(try PolicyCheck().findings(of: Late.self).isEmpty) }

  @Test("A finding that is allowed is none")
  func allowed() throws {
    #expect(try PolicyCheck(allowing: [.neverExits]).findings(of: Stubborn.self).isEmpty)
  }
}

private let thresholdParameter = PolicyParameter.number("threshold", default: 0.5, in: 0...1, help: "")

/// A name that is no name.
private struct Capital: ExitPolicy {
  static let name = "Capital"
  let reads: Set<ExitSignal> = [.probabilities]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { head.probabilities[0] > 0.5 }
}

private struct Refusing: ExitPolicy {
  static let name = "refusing"
  let reads: Set<ExitSignal> = [.probabilities]
  init(_ arguments: PolicyArguments) throws { throw PolicyError.rejected("not today") }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { head.probabilities[0] > 0.5 }
}

/// Its range ends where its initialiser says it doesn't.
private struct Narrow: ExitPolicy {
  static let name = "narrow"
  static let parameters = [thresholdParameter]
  let reads: Set<ExitSignal> = [.probabilities]
  let threshold: Float
  init(_ arguments: PolicyArguments) throws {
    threshold = arguments.float("threshold")
    if threshold == 1 { throw PolicyError.rejected("1 is too much") }
  }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { head.probabilities[0] > threshold }
}

/// Remembers, but not per sample.
private final class Counting: ExitPolicy {
  static let name = "counting"
  let reads: Set<ExitSignal> = [.probabilities]
  private let calls = Mutex(0)
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    calls.withLock {
      $0 += 1; return $0 % 7 == 0
    } && !head.probabilities[0].isNaN
  }
}

/// A comparison that NaN passes.
private struct Trusting: ExitPolicy {
  static let name = "trusting"
  let reads: Set<ExitSignal> = [.probabilities]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { !(head.probabilities[0] < 0.5) }
}

private struct Zigzag: ExitPolicy {
  static let name = "zigzag"
  static let parameters = [thresholdParameter]
  let reads: Set<ExitSignal> = [.probabilities]
  let threshold: Float
  init(_ arguments: PolicyArguments) { threshold = arguments.float("threshold") }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    let far = head.probabilities[0] - threshold
    return far > -0.2 && far < 0.2
  }
}

private struct Stubborn: ExitPolicy {
  static let name = "stubborn"
  let reads: Set<ExitSignal> = [.probabilities]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { head.probabilities[0] > 1 }
}

private struct Slow: ExitPolicy {
  static let name = "slow"
  let reads: Set<ExitSignal> = [.probabilities]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    let clock = ContinuousClock()
    let end = clock.now + .microseconds(1500)
    while clock.now < end {}
    return head.probabilities[0] > 0.5
  }
}

private struct Trapping: ExitPolicy {
  static let name = "trapping"
  let reads: Set<ExitSignal> = [.probabilities]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    head.probabilities[head.classes] > 0.5
  }
}

private struct Quitting: ExitPolicy {
  static let name = "quitting"
  let reads: Set<ExitSignal> = [.probabilities]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { _exit(0) }
}

/// Prunes after the second layer only, and has no scores for others.
private struct Late: PruningPolicy {
  static let name = "late"
  let reads: Set<TokenSignal> = [.valueNorm]
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { layer == 2 ? .fraction(0.5) : .all }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    precondition(sample.layer == 2)
    for token in scores.indices { scores[token] = sample.valueNorm[token] }
  }
}

private struct Endless: ExitPolicy {
  static let name = "endless"
  let reads: Set<ExitSignal> = [.probabilities]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    while head.probabilities[0] >= 0 {}
    return false
  }
}

private struct Undefined: PruningPolicy {
  static let name = "undefined"
  let reads: Set<TokenSignal> = [.valueNorm]
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { .fraction(0.5) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    for token in scores.indices { scores[token] = sample.valueNorm[token] * 0 / 0 }
  }
}

private final class Forgetful: PruningPolicy {
  static let name = "forgetful"
  let reads: Set<TokenSignal> = [.valueNorm]
  private let calls = Mutex(0)
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { .fraction(0.5) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let call = calls.withLock {
      $0 += 1; return $0
    }
    for token in scores.indices { scores[token] = sample.valueNorm[token] + Float(call) }
  }
}

private struct Greedy: PruningPolicy {
  static let name = "greedy"
  let reads: Set<TokenSignal> = [.valueNorm]
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { .above(1000) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    for token in scores.indices { scores[token] = sample.valueNorm[token] }
  }
}
