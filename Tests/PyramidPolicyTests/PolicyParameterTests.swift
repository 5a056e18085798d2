// Declared parameters: values are checked, defaults filled in and learned values looked up before a policy is made.

import PyramidPolicy
import Testing

/// Declares each kind of parameter and keeps what it received.
private struct Every: ExitPolicy {
  static let name = "every"
  static let parameters: [PolicyParameter] = [
    .number("number", default: 0.25, in: 0...1, help: "a number"),
    .integer("integer", default: 3, in: 1...9, help: "a whole number"),
    .numbers("numbers", default: [1, 2], in: -5...5, help: "numbers"),
    .word("word", default: "mean", oneOf: ["mean", "max"], help: "a word"),
    .flag("flag", help: "true or\tfalse\non two lines"),
    .numbers("learned", default: .learned("prune.thresholds"), in: 0...100, help: "learned"),
  ]
  let reads: Set<ExitSignal> = []
  let accepts: Bool

  init(_ arguments: PolicyArguments) {
    accepts =
      arguments.number("number") == 0.25 && arguments.float("number") == 0.25 && arguments.integer("integer") == 3
      && arguments.numbers("numbers") == [1, 2] && arguments.word("word") == "mean" && !arguments.flag("flag")
      && arguments.numbers("learned") == [0.5, 0.1] && arguments.model == ModelFacts(layers: 6, classes: 2, heads: 12)
  }

  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { accepts }
}

/// A policy with one parameter that may be declared wrongly.
private struct Misdeclared: ExitPolicy {
  nonisolated(unsafe) static var declared: [PolicyParameter] = []
  static let name = "misdeclared"
  static var parameters: [PolicyParameter] { declared }
  let reads: Set<ExitSignal> = []
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { false }
}

@Suite(.serialized) struct PolicyParameterTests {
  let model = ModelFacts(layers: 6, classes: 2, heads: 12)
  let learned: [String: LearnedTensor] = ["prune.thresholds": [0.5, 0.1]]

  @Test("defaults are filled in, learned values stay symbolic, and the policy receives the numbers")
  func defaults() throws {
    let instance = try PolicyType(Every.self).make(PolicySpec("every"), model: model, learned: learned)
    let text = "every(number=0.25, integer=3, numbers=[1, 2], word=mean, flag=false, learned=#prune.thresholds)"
    #expect(instance.spec.description == text)
    let again = try PolicyType(Every.self).make(PolicySpec(text), model: model, learned: learned)
    #expect(again.spec == instance.spec)
    #expect(instance.exits(probabilities: [[1, 0]]) == [1])
  }

  @Test("declarations cross the table unchanged, except that help becomes one line")
  func declarationsCross() throws {
    let crossed = try PolicyType(Every.self).parameters
    #expect(crossed.map(\.name) == Every.parameters.map(\.name))
    #expect(crossed.map(\.kind) == Every.parameters.map(\.kind))
    #expect(crossed[4].help == "true or false on two lines")
  }

  @Test("a bare number is a list of one")
  func bareNumber() throws {
    let instance = try PolicyType(Every.self).make(
      PolicySpec("every(numbers=3, learned=1)"), model: model, learned: [:])
    #expect(instance.spec["numbers"] == .numbers([3]))
    #expect(instance.spec["learned"] == .numbers([1]))
  }

  @Test(
    "a value of another type or out of range is refused",
    arguments: [
      ("number", "2", "a number in 0...1"), ("number", "word", "a number in 0...1"),
      ("number", "nan", "a number in 0...1"), ("number", "inf", "a number in 0...1"),
      ("number", "[0.5]", "a number in 0...1"), ("number", "#prune.thresholds", "a number in 0...1"),
      ("integer", "2.5", "a whole number in 1...9"), ("integer", "10", "a whole number in 1...9"),
      ("integer", "1e+300", "a whole number in 1...9"),
      ("numbers", "[1, 6]", "a list of numbers in -5...5, as [a, b, c]"),
      ("word", "min", "one of mean, max"), ("word", "1", "one of mean, max"), ("flag", "yes", "true or false"),
    ])
  func badValues(parameter: String, value: String, expected: String) throws {
    let spec = try PolicySpec("every(\(parameter)=\(value))")
    #expect(throws: PolicyError.badValue(policy: "every", parameter: parameter, value: value, expected: expected)) {
      try PolicyType(Every.self).make(spec, model: model, learned: learned)
    }
  }

  @Test("an unknown parameter is refused with the list of those that exist")
  func unknownParameter() throws {
    let names = ["number", "integer", "numbers", "word", "flag", "learned"]
    #expect(throws: PolicyError.unknownParameter(policy: "every", parameter: "nmber", available: names)) {
      try PolicyType(Every.self).make(PolicySpec("every(nmber=1)"), model: model, learned: learned)
    }
  }

  @Test("learned values that the checkpoint lacks are an error naming parameter and training command")
  func missingLearned() throws {
    let error = PolicyError.missingLearned(policy: "every", parameter: "learned", symbol: "prune.thresholds")
    #expect(throws: error) { try PolicyType(Every.self).make(PolicySpec("every"), model: model, learned: [:]) }
    #expect(
      error.description.utf8.elementsEqual(
        """
        policy 'every': the checkpoint has no learned 'prune.thresholds' for parameter 'learned'; \
        fit it with `mp-train CHECKPOINT --data TRAIN.tsv --output DIR --stages 2,3`, or give learned=[...]
        """.utf8))
  }

  @Test("learned values that are not finite or out of range are refused", arguments: [Float.nan, .infinity, -1, 101])
  func badLearned(value: Float) throws {
    #expect(throws: PolicyError.self) {
      try PolicyType(Every.self).make(
        PolicySpec("every"), model: model, learned: ["prune.thresholds": [0.5, value]])
    }
  }

  @Test("a declaration that contradicts itself is refused when the type is made")
  func misdeclared() throws {
    let wrong: [[PolicyParameter]] = [
      [.number("Threshold", default: 0, in: 0...1, help: "")],
      [.number("threshold", default: 2, in: 0...1, help: "")],
      [.number("threshold", default: .nan, in: 0...1, help: "")],
      [.integer("count", default: .max, in: 0...(.max), help: "")],
      [.word("mode", default: "min", oneOf: ["max"], help: "")],
      [.word("mode", default: "a b", oneOf: ["a b"], help: "")],
      [.flag("on", help: ""), .flag("on", help: "")],
      (0..<65).map { .flag("flag\($0)", help: "") },
    ]
    for parameters in wrong {
      Misdeclared.declared = parameters
      #expect(throws: PolicyError.self, "\(parameters)") { try PolicyType(Misdeclared.self) }
    }
    Misdeclared.declared = [.number("threshold", default: 2, in: 0...(.infinity), help: "")]
    #expect(try PolicyType(Misdeclared.self).parameters == Misdeclared.declared)
  }
}
