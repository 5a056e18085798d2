// Weights of policies: declared, checked against the model, and handed over through the table.

import Testing

@testable import PyramidPolicy

/// Leaves as its weights say, so that a test sees them from outside.
private struct Weighted: ExitPolicy {
  static let name = "weighted"
  static let parameters: [PolicyParameter] = [
    .numbers("scale", default: .learned("exits.scale", orElse: [2]), in: 0...10, help: "the scale")
  ]
  static let tensors = [
    PolicyTensor("table", [.classes, .hidden]), .perBoundary("norm.bias", [.fixed(1), .any]),
  ]
  let reads: Set<ExitSignal> = []
  let told: [Float]
  init(_ arguments: PolicyArguments) throws {
    told =
      arguments.tensor("table").values + arguments.tensor("0.norm.bias").values
      + arguments.tensor("1.norm.bias").values + arguments.numbers("scale")
    guard arguments.tensor("table").shape == [2, 3], arguments.tensor("1.norm.bias").shape == [1, 2] else {
      throw PolicyError.rejected("shapes")
    }
  }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { told == [1, 2, 3, 4, 5, 6, 7, 8, 9, 2] }
}

@Suite struct PolicyTensorTests {
  private let model = ModelFacts(layers: 3, classes: 2, hidden: 3)
  private let learned: [String: LearnedTensor] = [
    "policies.weighted.table": LearnedTensor(shape: [2, 3], values: [1, 2, 3, 4, 5, 6]),
    "policies.weighted.0.norm.bias": LearnedTensor(shape: [1, 1], values: [7]),
    "policies.weighted.1.norm.bias": LearnedTensor(shape: [1, 2], values: [8, 9]),
  ]

  private func answer(_ learned: [String: LearnedTensor], origin: String = PolicyType.builtIn) throws -> Bool {
    let instance = try PolicyType(Weighted.self, origin: origin).make(
      PolicySpec("weighted"), model: model, learned: learned)
    return instance.withMemory { instance.shouldExit(ExitView(layer: 1, layers: 3), memory: $0) }
  }

  @Test func `Weights reach the policy through the table with their shapes, and by its arguments in a unit test`()
    throws
  {
    #expect(try answer(learned))
    let direct = try Weighted(PolicyArguments(for: Weighted.self, model: model, learned: learned))
    #expect(direct.told == [1, 2, 3, 4, 5, 6, 7, 8, 9, 2])
    #expect(try PolicyType(Weighted.self).tensors == Weighted.tensors)
  }

  @Test func `Learned numbers come before those that a default has for a checkpoint without`() throws {
    let more = learned.merging(["exits.scale": [3]]) { old, _ in old }
    let direct = try Weighted(PolicyArguments(for: Weighted.self, model: model, learned: more))
    #expect(direct.told.last == 3)
    #expect(throws: PolicyError.self) {
      try PolicyArguments("weighted(scale=#other)", for: Weighted.self, model: model)
    }
  }

  @Test func `A tensor that is missing or has another shape is refused with the command that fits it`() {
    var wrong = learned
    wrong["policies.weighted.table"] = nil
    let command = "fit it with `mp-train CHECKPOINT --data TRAIN.tsv --output DIR --fit-policy weighted`"
    let missing = #expect(throws: PolicyError.self) { try answer(wrong) }
    #expect(
      missing?.description
        == "policy 'weighted': the checkpoint has no tensor 'policies.weighted.table' [2, 3]; \(command)")
    // Nothing is fitted for a policy of somebody's own.
    let own = #expect(throws: PolicyError.self) { try answer(wrong, origin: "this program") }
    #expect(own?.description.hasSuffix("; write it into the checkpoint") == true)
    wrong["policies.weighted.table"] = [1, 2, 3, 4, 5, 6]
    let misshapen = #expect(throws: PolicyError.self) { try answer(wrong) }
    #expect(
      misshapen?.naming(checkpoint: "my-model").description
        == "policy 'weighted': tensor 'policies.weighted.table' has shape [6], expected [2, 3]; "
        + command.replacing("CHECKPOINT", with: "my-model"))
  }

  @Test(arguments: [Float.nan, .infinity]) func `A number that is not finite is refused`(value: Float) {
    var wrong = learned
    wrong["policies.weighted.0.norm.bias"] = LearnedTensor(shape: [1, 1], values: [value])
    #expect(throws: PolicyError.self) { try answer(wrong) }
  }

  @Test(arguments: ["a b", "", ".a", "a..b"]) func `A tensor whose name can't be one is a wrong declaration`(
    name: String
  ) {
    let text = PolicyDescription(kind: .exit, name: "x", parameters: [], tensors: [PolicyTensor(name, [.any])]).text
    #expect(throws: PolicyError.self) { try PolicyDescription(text) }
  }
}
