// The questions of a policy check, in the order in which they are asked. It runs in a process of its own and says what
// it is about to ask before it asks, since the answer may be a trap.

import Glibc
import PyramidEvaluation
import PyramidPolicy

/// One policy being examined.
struct PolicyExamination {
  private let type: PolicyType
  private let check: PolicyCheck
  private let say: (PolicyFinding) -> Void

  init(_ type: PolicyType, _ check: PolicyCheck, say: @escaping (PolicyFinding) -> Void) {
    (self.type, self.check, self.say) = (type, check, say)
  }

  /// Asks everything.
  func run() {
    ask("in init")
    let policy: PolicyInstance
    do { policy = try make(PolicySpec(check.spec ?? type.name)) } catch {
      report(.refusesArguments, "init refuses '\(check.spec ?? type.name)': \(error)")
      return
    }
    if let name = check.knob, knob == nil {
      report(.refusesArguments, "there is no number '\(name)' to turn")
    }
    answers(of: policy, "with \(policy.spec)")
    ask("for its time")
    // Further questions to a slow policy would take long, and say nothing more.
    if isSlow(policy) { return }
    for (parameter, value) in extremes { examine(parameter, value, policy.spec) }
    if let knob { turn(knob, policy.spec) }
  }

  private func ask(_ what: String) { say(PolicyFinding(.asked, what)) }

  func report(_ kind: PolicyFinding.Kind, _ sentence: String) { say(PolicyFinding(kind, sentence)) }

  /// An instance; learned values that nobody gave are made up.
  private func make(_ spec: PolicySpec) throws -> PolicyInstance {
    var random = SeededRandom(seed: check.seed, stream: "policy check, weights")
    let learned = type.madeUp(for: check.model) { random.normal() }.merging(check.learned) { $1 }
    return try type.make(spec, model: check.model, learned: learned)
  }

  private func answers(of policy: PolicyInstance, _ place: String) {
    ask(place)
    switch policy.type.kind {
    case .exit: ExitExamination(policy, PolicySamples.exits(check.model, seed: check.seed), report).run()
    case .prune:
      TokenExamination(policy, PolicySamples.tokens(check.model, boundaries(of: policy), seed: check.seed), report)
        .run()
    }
  }

  /// Where a policy is asked.
  private func boundaries(of policy: PolicyInstance) -> [Int] {
    (0..<check.model.layers).filter(policy.isActive(afterLayer:))
  }

  // MARK: Parameters

  /// Each parameter with the ends of what it declares: a value that the declaration admits must make a policy. A whole
  /// number may count layers, of which the model has only so many.
  private var extremes: [(PolicyParameter, PolicySpec.Value)] {
    type.parameters.flatMap { parameter -> [(PolicyParameter, PolicySpec.Value)] in
      switch parameter.kind {
      case .number(_, let range): [range.lowerBound, range.upperBound].map { (parameter, .number($0)) }
      case .integer(_, let range):
        [range.lowerBound, min(range.upperBound, max(range.lowerBound, check.model.layers - 1))].map {
          (parameter, .number(Double($0)))
        }
      case .numbers(_, let range): [range.lowerBound, range.upperBound].map { (parameter, .numbers([$0])) }
      case .word(_, let choices): choices.map { (parameter, .word($0)) }
      case .flag: ["true", "false"].map { (parameter, .word($0)) }
      }
    }
  }

  private func examine(_ parameter: PolicyParameter, _ value: PolicySpec.Value, _ base: PolicySpec) {
    let place = "with \(parameter.name)=\(value)"
    ask("in init \(place)")
    do {
      let policy = try make(base.setting(parameter.name, to: value))
      ask(place)
      // What a policy answers at the end of a range is its own affair, as long as it answers, and answers numbers.
      switch policy.type.kind {
      case .exit: ExitExamination(policy, PolicySamples.exits(check.model, seed: check.seed), report).checkPurity()
      case .prune:
        TokenExamination(policy, PolicySamples.tokens(check.model, boundaries(of: policy), seed: check.seed), report)
          .checkPurity()
      }
    } catch {
      report(
        .refusesDeclaredValue,
        "\(parameter.name) declares \(parameter.expectation), but init refuses \(value): \(error)")
    }
  }

  // MARK: Knob

  /// The parameter that is turned, nil when there is none.
  private var knob: PolicyParameter? {
    type.parameters.first { parameter in
      switch parameter.kind {
      case .number: check.knob.map { $0 == parameter.name } ?? ["threshold", "fraction"].contains(parameter.name)
      case .integer, .numbers: check.knob == parameter.name
      case .word, .flag: false
      }
    }
  }

  /// Values across the range, dense around the default.
  private func values(of knob: PolicyParameter) -> [Double] {
    let (usual, range): (Double, ClosedRange<Double>)
    switch knob.kind {
    case .number(let value, let bounds): (usual, range) = (value, bounds)
    case .integer(_, let bounds):
      return Array(bounds.prefix(12)).map(Double.init)
    case .numbers(.values(let values), let bounds): (usual, range) = (values.first ?? 1, bounds)
    case .numbers(.learned, let bounds): (usual, range) = (bounds.contains(1) ? 1 : bounds.lowerBound, bounds)
    case .word, .flag: return []
    }
    let around = [0.0625, 0.125, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 4, 8].map { usual * $0 }
    let across = (0...8).map { range.lowerBound + min(range.upperBound - range.lowerBound, 64) * Double($0) / 8 }
    return Set((around + across).filter(range.contains)).sorted()
  }

  private func turn(_ knob: PolicyParameter, _ base: PolicySpec) {
    var before: (value: Double, costs: [[Int]])?
    var (earlier, later): (String?, String?)
    for value in values(of: knob) {
      ask("with \(knob.name)=\(value)")
      let setting: PolicySpec.Value = if case .numbers = knob.kind { .numbers([value]) } else { .number(value) }
      guard let policy = try? make(base.setting(knob.name, to: setting)) else { continue }
      let costs = costs(of: policy)
      if let before {
        let step = "from \(before.value) to \(value)"
        for (old, new) in zip(before.costs, costs) where old != new {
          if Set(new).isSubset(of: old) {
            earlier = earlier ?? step
          } else if Set(old).isSubset(of: new) {
            later = later ?? step
          } else {
            (earlier, later) = (earlier ?? step, later ?? step)
          }
        }
      }
      before = (value, costs)
    }
    if let earlier, let later {
      report(.knobIsNotMonotone, "\(knob.name) computes less \(earlier) and more \(later)")
    }
  }

  /// For each sample what is computed for it: the layers that it goes through, or the tokens that stay.
  private func costs(of policy: PolicyInstance) -> [[Int]] {
    switch policy.type.kind {
    case .exit:
      let samples = PolicySamples.exits(check.model, seed: check.seed)
      return samples.map { Array(0..<(ExitExamination.exit(policy, $0) ?? check.model.layers)) }
    case .prune:
      return PolicySamples.tokens(check.model, boundaries(of: policy), seed: check.seed).map {
        TokenExamination.kept(policy, $0).map { Int($0) }
      }
    }
  }

  // MARK: Time

  private func isSlow(_ policy: PolicyInstance) -> Bool {
    let calls: Int
    let time: Duration
    switch policy.type.kind {
    case .exit:
      let samples = PolicySamples.exits(check.model, seed: check.seed)
      calls = samples.count * boundaries(of: policy).count
      time = fastest { for sample in samples { _ = ExitExamination.exit(policy, sample, asksOn: true) } }
    case .prune:
      let samples = PolicySamples.tokens(check.model, boundaries(of: policy), seed: check.seed)
      calls = samples.count
      time = fastest { for sample in samples { _ = TokenExamination.kept(policy, sample) } }
    }
    let each = time / .microseconds(1) / Double(max(calls, 1))
    if each <= check.microsecondsPerCall { return false }
    report(.isSlow, "a call takes \(Int(each)) us, at most \(check.microsecondsPerCall) us are allowed")
    return true
  }

  /// The best of three, in time of this thread: a machine is never alone.
  private func fastest(_ body: () -> Void) -> Duration {
    func now() -> Duration {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
    let times = (0..<3).map { _ in
      let start = now()
      body()
      return now() - start
    }
    return times.min() ?? .zero
  }
}

extension PolicySpec {
  /// The specification with another value for one argument.
  fileprivate func setting(_ name: String, to value: Value) -> PolicySpec {
    var arguments = arguments.filter { $0.name != name }
    arguments.append(Argument(name: name, value: value))
    return PolicySpec(name: self.name, arguments: arguments)
  }
}
