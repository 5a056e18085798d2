// Exits, pruning and what they do to rows: which sample leaves when, with which answer, and which tokens go on.

import PyramidIR
import PyramidPolicy
import PyramidReference
import Testing

struct DecisionTests {
  private func exiting(_ type: any Policy.Type, _ reads: [ExitSignal] = [], layers: Int = 3) -> ModelRecipe {
    ModelRecipe(layers: layers, exit: (type.name, reads))
  }

  @Test func `a sample leaves at its layer with that head's logits, the others go on`() throws {
    let recipe = exiting(LeaveAtLayer.self, [.tokensAlive])
    let policy = try make(LeaveAtLayer.self, recipe.facts, ["layer": 2, "longer-than": 4])
    let answers = try recipe.interpreter(exit: policy).run(recipe.batch([3, 6, 4, 5]))
    #expect(answers.map(\.exitLayer) == [3, 2, 3, 2])
    #expect(answers.map(\.tokensAlive) == [[3, 3, 3], [6, 6], [4, 4, 4], [5, 5]])
    #expect(answers.map { $0.headLogits.keys.sorted() } == [[1, 2, 3], [1, 2], [1, 2, 3], [1, 2]])
    for answer in answers {
      #expect(answer.logits == answer.headLogits[answer.exitLayer])
      #expect(abs(answer.probabilities.reduce(0, +) - 1) < 1e-6)
      #expect(answer.logits[answer.label] == answer.logits.max())
    }
  }

  @Test func `without samples left the remaining nodes run on no rows`() throws {
    let recipe = exiting(LeaveAtOnce.self)
    var rows: [Int] = []
    let interpreter = try recipe.interpreter(exit: make(LeaveAtOnce.self, recipe.facts))
    let answers = try interpreter.run(recipe.batch([3, 2])) { node, _, tensor in
      if node.section == .output { rows.append(tensor.rows) }
    }
    #expect(answers.map(\.exitLayer) == [1, 1])
    #expect(!rows.isEmpty && rows.allSatisfy { $0 == 0 })
  }

  @Test func `the last layer answers the samples that are left, and equals the model without a policy`() throws {
    let recipe = exiting(LeaveAtLayer.self, [.tokensAlive])
    let never = try make(LeaveAtLayer.self, recipe.facts, ["layer": 0])
    let batch = recipe.batch([4, 7, 1])
    let dense = try ModelRecipe().interpreter().run(batch)
    let answers = try recipe.interpreter(exit: never).run(batch)
    #expect(answers.map(\.exitLayer) == [3, 3, 3])
    #expect(answers.map(\.logits) == dense.map(\.logits))
  }

  @Test(arguments: [Float.nan, .infinity])
  func `broken logits never exit`(broken: Float) throws {
    let recipe = exiting(LeaveAtOnce.self)
    let interpreter = try ReferenceInterpreter(
      graph: recipe.graph(),
      weight: {
        let values = ModelRecipe.values(of: $0)
        return $0.name == "exits.0.classifier.bias" ? [broken] + values.dropFirst() : values
      }, policies: PolicyPair(exit: make(LeaveAtOnce.self, recipe.facts)))
    #expect(try interpreter.run(recipe.batch([3, 2])).map(\.exitLayer) == [2, 2])
  }

  @Test func `ties are answered with the lower label`() throws {
    var scene = try Scene(classes: 3)
    let x = try scene.rows("x", [[1, 5, 5]])
    _ = try scene.values(answering: x)
    #expect(try scene.interpreter().run(scene.batch).map(\.label) == [1])
  }

  @Test func `each sample has one memory from its first head to the end`() throws {
    let recipe = exiting(LeaveAfterSixTokens.self, [.tokensAlive], layers: 4)
    let interpreter = try recipe.interpreter(exit: make(LeaveAfterSixTokens.self, recipe.facts))
    #expect(try interpreter.run(recipe.batch([2, 6, 1, 3])).map(\.exitLayer) == [3, 1, 4, 2])
    #expect(LeaveAfterSixTokens.Count.made.load(ordering: .relaxed) == 4)
    #expect(LeaveAfterSixTokens.Count.ended.load(ordering: .relaxed) == 4)
  }

  @Test func `an exit policy is shown every signal that it reads`() throws {
    let recipe = exiting(LeaveWhenShownAll.self, ExitSignal.allCases, layers: 4)
    let batch = ReferenceBatch(tokenIDs: [[2, 9, 3, 5, 3], [2, 7, 3], [2, 9, 3]])
    let answers = try recipe.interpreter(exit: make(LeaveWhenShownAll.self, recipe.facts)).run(batch)
    // The word 9 is what it waits for.
    #expect(answers.map(\.exitLayer) == [3, 4, 3])
  }

  @Test func `pruned tokens are gone from the next layer on, by original position`() throws {
    let recipe = ModelRecipe(prune: (KeepEvenPositions.name, [.position]))
    let interpreter = try recipe.interpreter(prune: make(KeepEvenPositions.self, recipe.facts))
    let answers = try interpreter.run(recipe.batch([5, 1, 2]))
    #expect(answers.map(\.tokensAlive) == [[5, 3, 3], [1, 1, 1], [2, 1, 1]])
    #expect(answers[0].alivePositions == [[0, 1, 2, 3, 4], [0, 2, 4], [0, 2, 4]])
    #expect(answers[2].alivePositions == [[0, 1], [0], [0]])
  }

  @Test func `retention follows the layer, and scores follow each sample's own tokens`() throws {
    let recipe = ModelRecipe(prune: (KeepLargeIDs.name, [.tokenID]))
    let interpreter = try recipe.interpreter(prune: make(KeepLargeIDs.self, recipe.facts))
    let answers = try interpreter.run(ReferenceBatch(tokenIDs: [[1, 5, 9, 7, 9], [30, 2, 8]]))
    #expect(answers[0].alivePositions == [[0, 1, 2, 3, 4], [0, 2, 4], [0, 2]])
    #expect(answers[1].alivePositions == [[0, 1, 2], [0, 1, 2], [0, 2]])
  }

  @Test func `NaN scores keep their tokens`() throws {
    let recipe = ModelRecipe(prune: (ScoreNaN.name, []))
    let interpreter = try recipe.interpreter(prune: make(ScoreNaN.self, recipe.facts))
    #expect(try interpreter.run(recipe.batch([4]))[0].tokensAlive == [4, 4, 4])
  }

  @Test func `a sample that leaves takes its tokens along, before pruning`() throws {
    let recipe = ModelRecipe(
      exit: (LeaveAtLayer.name, [.tokensAlive]), prune: (KeepAttended.name, [.receivedAttention]))
    let interpreter = try recipe.interpreter(
      exit: make(LeaveAtLayer.self, recipe.facts, ["layer": 1, "longer-than": 4]),
      prune: make(KeepAttended.self, recipe.facts, ["fraction": 0.5]))
    var rows: [String: [Int]] = [:]
    let answers = try interpreter.run(recipe.batch([3, 8, 4])) { _, name, tensor in
      if name.hasPrefix("context") { rows["context", default: []].append(tensor.rows) }
      if name.hasPrefix("segments") { rows["segments", default: []].append(tensor.rows) }
    }
    #expect(answers.map(\.exitLayer) == [3, 1, 3])
    #expect(answers.map(\.tokensAlive) == [[3, 2, 1], [8], [4, 2, 1]])
    #expect(answers[1].alivePositions == [Array(0..<8)])
    #expect(rows["context"] == [15, 4, 2])
    #expect(rows["segments"] == [4, 3, 3])
  }
}
