// Whole models: fused equals plain, a sample's bits do not depend on its batch, counts equal polynomials, and bad input
// is an error with a place.

import PyramidIR
import PyramidPolicy
import PyramidReference
import Testing

struct ModelTests {
  @Test(arguments: [(false, false), (true, false), (true, true)])
  func `a fused graph equals the plain one bit for bit`(withPolicies: Bool, hasEntry: Bool) throws {
    var recipe = ModelRecipe(hasEntry: hasEntry)
    let layer = hasEntry ? 0.0 : 2
    var exit: PolicyInstance?
    var prune: PolicyInstance?
    if withPolicies {
      recipe.exit = (LeaveAtLayer.name, [.tokensAlive])
      recipe.prune = (KeepAttended.name, [.receivedAttention])
      exit = try make(LeaveAtLayer.self, recipe.facts, ["layer": layer, "longer-than": 2])
      prune = try make(KeepAttended.self, recipe.facts, ["fraction": 0.6])
    }
    let batch = recipe.batch([5, 2, 9, 1])
    let plain = try recipe.interpreter(exit: exit, prune: prune).run(batch)
    recipe.isFused = true
    #expect(try recipe.interpreter(exit: exit, prune: prune).run(batch) == plain)
    #expect(Set(plain.map(\.exitLayer)) == (withPolicies ? [Int(layer), 3] : [3]))
  }

  @Test(arguments: [false, true])
  func `a sample is answered alike alone, in a batch, and in another order`(hasEntry: Bool) throws {
    let recipe = ModelRecipe(
      layers: 4, exit: (LeaveAtLayer.name, [.tokensAlive]), prune: (KeepAttended.name, [.receivedAttention]),
      hasEntry: hasEntry)
    let interpreter = try recipe.interpreter(
      exit: make(LeaveAtLayer.self, recipe.facts, ["layer": hasEntry ? 0 : 2, "longer-than": 3]),
      prune: make(KeepAttended.self, recipe.facts, ["fraction": 0.7]))
    let batch = recipe.batch([7, 1, 12, 3, 5])
    let together = try interpreter.run(batch)
    let reversed = try interpreter.run(ReferenceBatch(tokenIDs: batch.tokenIDs.reversed()))
    #expect(reversed.reversed() == together)
    for (sample, tokens) in batch.tokenIDs.enumerated() {
      #expect(try interpreter.run(ReferenceBatch(tokenIDs: [tokens])) == [together[sample]])
    }
  }

  @Test func `type ids change the answer`() throws {
    let recipe = ModelRecipe()
    let interpreter = try recipe.interpreter()
    let one = try interpreter.run(ReferenceBatch(tokenIDs: [[1, 2, 3]]))
    let two = try interpreter.run(ReferenceBatch(tokenIDs: [[1, 2, 3]], typeIDs: [[0, 0, 1]]))
    #expect(one[0].logits != two[0].logits)
  }

  @Test func `an empty batch has no answers`() throws {
    #expect(try ModelRecipe().interpreter().run(ReferenceBatch(tokenIDs: [])).isEmpty)
  }

  @Test func `a dense model's matrix operations are those of the paper and the head`() throws {
    let recipe = ModelRecipe()
    let graph = try recipe.graph()
    let answers = try recipe.interpreter().run(recipe.batch([5, 9]))
    for (answer, length) in zip(answers, [5, 9]) {
      let paper = graph.countOperations().flatMap(\.paper).map { $0.operations(tokens: length) }.reduce(0, +)
      #expect(answer.executedMatrixOperations == paper + 2 * (8 * 8 + 8 * 3))
    }
  }

  @Test(arguments: [false, true])
  func `the graph's polynomials for a sample equal what was executed for it`(isFused: Bool) throws {
    let recipe = ModelRecipe(
      isFused: isFused, exit: (LeaveAtLayer.name, [.tokensAlive]), prune: (KeepAttended.name, [.receivedAttention]))
    let interpreter = try recipe.interpreter(
      exit: make(LeaveAtLayer.self, recipe.facts, ["layer": 2, "longer-than": 3]),
      prune: make(KeepAttended.self, recipe.facts, ["fraction": 0.7]))
    for length in [1, 4, 11] {
      var counts: [Dim: Int] = [:]
      let answer = try interpreter.run(recipe.batch([length])) { _, _, tensor in
        if case .dim(let dim) = tensor.type.rows { counts[dim] = tensor.rows }
      }
      let predicted = interpreter.graph.nodes.map { interpreter.graph.matrixOperations(of: $0, counts) }
      #expect(answer[0].executedMatrixOperations == predicted.reduce(0, +))
    }
  }

  @Test(arguments: [
    ([[1, 40]] as [[Int32]], "embed %embedded: index 40 does not lie in the 40 rows of #words"),
    ([[1, -1]], "embed %embedded: index -1 does not lie in the 40 rows of #words"),
    ([[1], []], "sample 1 has no token"),
    ([[Int32]](repeating: [1], count: 65), "65 rows do not fit B0 <= 64"),
    ([[Int32](repeating: 1, count: 1025)], "1025 rows do not fit T0 <= 1024"),
  ])
  func `a bad batch is an error that names its place`(tokens: [[Int32]], message: String) throws {
    let interpreter = try ModelRecipe().interpreter()
    let error = #expect(throws: ReferenceError.self) { try interpreter.run(ReferenceBatch(tokenIDs: tokens)) }
    #expect(error?.description == message)
  }

  @Test func `type ids that do not fit the tokens are an error`() throws {
    let interpreter = try ModelRecipe().interpreter()
    #expect(throws: ReferenceError("sample 0 has 2 tokens and 1 type ids")) {
      try interpreter.run(ReferenceBatch(tokenIDs: [[1, 2]], typeIDs: [[0]]))
    }
    #expect(throws: ReferenceError("1 samples, but type ids for 0")) {
      try interpreter.run(ReferenceBatch(tokenIDs: [[1, 2]], typeIDs: []))
    }
  }

  @Test func `a weight of the wrong size is an error`() throws {
    #expect(throws: ReferenceError("#words has 3 elements, expected 320 for f32[40, 8]")) {
      try ReferenceInterpreter(graph: ModelRecipe().graph(), weight: { _ in [1, 2, 3] })
    }
  }

  @Test func `a missing, foreign or too curious policy is an error before anything runs`() throws {
    let recipe = ModelRecipe(exit: (LeaveAtLayer.name, []))
    #expect(throws: ReferenceError("the graph asks exit policy @leave-at-layer, but none was given")) {
      try recipe.interpreter()
    }
    #expect(
      throws: ReferenceError(
        "the graph asks exit policy @leave-at-layer, but exit policy @leave-at-once was given")
    ) { try recipe.interpreter(exit: make(LeaveAtOnce.self, recipe.facts)) }
    #expect(throws: ReferenceError("@leave-at-layer reads tokens-alive, which the graph does not supply")) {
      try recipe.interpreter(exit: make(LeaveAtLayer.self, recipe.facts))
    }
    #expect(
      throws: ReferenceError(
        "@leave-at-layer was made for 9 layers and 3 classes, the graph has 3 and 3")
    ) { try recipe.interpreter(exit: make(LeaveAtLayer.self, ModelFacts(layers: 9, classes: 3))) }
  }
}

extension CostTerm {
  /// The term for one sample of so many tokens that are not pruned.
  fileprivate func operations(tokens: Int) -> Int {
    coefficient * (dim.family == .samples ? 1 : power == 2 ? tokens * tokens : tokens)
  }
}

extension Graph {
  /// A node's counted operations over given dims of one sample, less what its bias, activation, softmax and norm add.
  fileprivate func matrixOperations(of node: Node, _ counts: [Dim: Int]) -> Int {
    guard let first = node.results.first, let rows = self[first].type.rows.dim.flatMap({ counts[$0] }) else { return 0 }
    let all = executedOperations(of: node).map { term in
      (0..<term.power).reduce(term.coefficient) { product, _ in product * (counts[term.dim] ?? 0) }
    }
    let columns = self[first].type.columns
    switch node.op {
    case .linear(let activation): return all.reduce(0, +) - rows * columns * (1 + activation.operations)
    case .linearAddNorm: return all.reduce(0, +) - rows * columns * (1 + 1 + 7)
    case .attention(let heads, let emits), .attentionQKV(let heads, let emits):
      return all.reduce(0, +) - rows * rows * heads * (6 + emits.count) - rows * (heads + 1) * emits.count
    default: return 0
    }
  }
}
