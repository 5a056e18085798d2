// Expectations on the embedded model: kept, broken, and undecided by few texts; and what they say.

import PyramidFixtures
import PyramidPolicy
import PyramidPolicyTesting
import PyramidTestSupport
import Testing

/// Leaves at the second head whatever it says.
private struct Second: ExitPolicy {
  static let name = "second"
  let reads: Set<ExitSignal> = [.logits]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { head.layer == 2 }
}

@Suite("Expectations of policies")
struct PolicyComparisonTests {
  /// Made once: it compiles four models.
  private static let comparison = Result {
    var options = PolicyComparison.Options()
    (options.limit, options.seeds) = (120, 2)
    return try PolicyComparison(
      [
        "sure: exit=entropy(threshold=0.05)", "second: exit=second",
        "half: prune=top-k(fraction=0.5)", "random: prune=random-prune(fraction=0.02)",
      ], types: [Second.self], model: PyramidFixtures.dbpedia14, texts: PyramidFixtures.dbpedia14Texts, options)
  }

  @Test("What is so passes")
  func kept() throws {
    let comparison = try Self.comparison.get()
    try comparison.expectLoss(of: "sure", atMost: 5)
    try comparison.expectFewerOperations(of: "sure", atEqualLoss: 5)
    try comparison.expectFewerOperations(of: "sure", than: "second", atEqualLoss: 50)
    try comparison.expectMoreAccurate("sure", than: "random")
    try comparison.expectMoreAccurate("half", than: "random")
  }

  @Test("What is not so is a failure with the numbers and the table")
  func broken() throws {
    let comparison = try Self.comparison.get()
    let loss = #expect(throws: ExpectationFailure.self) { try comparison.expectLoss(of: "random", atMost: 1) }
    #expect(loss?.sentence.hasPrefix("random, seed 1 loses ") == true && loss?.table.contains("| sure") == true)
    #expect(loss?.description.contains("at most 1.0 expected\n\n") == true)
    #expect(throws: ExpectationFailure.self) {
      try comparison.expectFewerOperations(of: "second", than: "sure", atEqualLoss: 50)
    }
    #expect(throws: ExpectationFailure.self) { try comparison.expectMoreAccurate("random", than: "sure") }
  }

  @Test("What these texts can't tell is neither, and says how many it takes")
  func inconclusive() throws {
    let comparison = try Self.comparison.get()
    let few = #expect(throws: ExpectationInconclusive.self) { try comparison.expectLoss(of: "sure", atMost: 0.1) }
    #expect(few?.texts == 120 && few?.textsNeeded ?? 0 > 120)
    #expect(few?.description.hasPrefix("inconclusive: sure loses ") == true)
    #expect(throws: ExpectationInconclusive.self) { try comparison.expectMoreAccurate("sure", than: "dense") }
  }

  @Test("A contender that there is not, and times that were not taken, are errors of the comparison")
  func misuse() throws {
    let comparison = try Self.comparison.get()
    #expect(throws: ComparisonError("sure was not timed: give the comparison repetitions")) {
      try comparison.expectTimeSaved(by: "sure", atLeast: 0.8)
    }
    let error = #expect(throws: ComparisonError.self) { try comparison.expectLoss(of: "none", atMost: 1) }
    #expect(
      error?.description
        == "there is no contender 'none'; there are dense, sure, second, half, random, seed 1, random, seed 2")
  }

  @Test("A contender may come from another model, which has the same classes")
  func models() throws {
    var options = PolicyComparison.Options()
    options.limit = 40
    let model = PyramidFixtures.dbpedia14
    let comparison = try PolicyComparison(
      ["twin: model=\(model)", "sure: exit=entropy", "sure twin: model=\(model) exit=entropy"], model: model,
      texts: PyramidFixtures.dbpedia14Texts, options)
    let entries = comparison.report.policies
    #expect(entries.map(\.name) == ["twin", "sure", "sure twin"])
    #expect(entries[0].answers == comparison.report.dense.answers && entries[0].exit == nil)
    #expect(entries[1].answers == entries[2].answers && entries[1].answers != entries[0].answers)
    let folder = try TemporaryFolder()
    let other = try CheckpointRecipe().write(in: folder)
    let error = #expect(throws: ComparisonError.self) {
      try PolicyComparison(["other: model=\(other)"], model: model, texts: PyramidFixtures.dbpedia14Texts, options)
    }
    #expect(error?.description == "\(other): its classes are not those of \(model), in the same order")
  }

  @Test("Times are asked for, too")
  func timed() throws {
    var options = PolicyComparison.Options()
    (options.limit, options.repetitions, options.batch) = (16, 1, 8)
    let comparison = try PolicyComparison(
      ["second"].map { "\($0): exit=second" }, types: [Second.self], model: PyramidFixtures.dbpedia14,
      texts: PyramidFixtures.dbpedia14Texts, options)
    // However noisy the machine, something is saved, and nothing saves a thousand times what it may.
    try comparison.expectTimeSaved(by: "second", atLeast: 0.01)
    #expect(throws: ExpectationFailure.self) { try comparison.expectTimeSaved(by: "second", atLeast: 1000) }
  }
}
