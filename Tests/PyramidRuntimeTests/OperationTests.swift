// What an answer says that it cost: the graph's polynomials, what the interpreter executed, and the papers' formula
// must agree, and a looser policy must never cost more.

import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

@Suite struct `Counted operations` {
  /// The interpreter counts multiplications one by one where it does them. Every sample runs alone, so that the rows of
  /// each dim are that sample's.
  @Test(
    arguments: [Sieve.prune, "cls-attention", "top-k(keep=5)", nil],
    [[], ["peek"], ["hoist-compaction", "fuse-qkv"], ["peek", "hoist-compaction", "last-layer-cls"]])
  func `are the sum over the nodes that ran, and its matrix part is what was multiplied`(
    prune: String?, passes: Set<String>
  ) throws {
    let compiled = try CompiledCheckpoint(
      Sieve.recipe, for: .portable, exit: Sieve.exit, prune: prune, disabling: passes)
    let graph = compiled.model.graph
    let interpreter = try compiled.interpreter()
    for sample in Sieve.samples {
      var rows: [Dim: Int] = [.admittedTokens: sample.count, .admittedSamples: 1]
      let expected = try interpreter.run(ReferenceBatch(tokenIDs: [sample])) { _, _, tensor in
        if case .dim(let dim) = tensor.type.rows { rows[dim] = tensor.rows }
      }
      let answer = try #require(try compiled.executor().run(PackedBatch([sample])).first)
      #expect(answer.operations.executed == graph.nodes.reduce(0) { $0 + graph.operations(of: $1, rows) })
      let matrices = graph.nodes.reduce(0) { $0 + graph.matrixOperations(of: $1, rows) }
      #expect(expected[0].executedMatrixOperations == matrices)
      #expect(answer.operations.executed > matrices)
    }
  }

  @Test func `by the papers' formula follow from the tokens alive`() throws {
    let compiled = try Sieve.compiled(.portable)
    let (d, wide) = (Sieve.recipe.hidden, Sieve.recipe.intermediate)
    for answer in try compiled.executor().run(PackedBatch(Sieve.samples)) {
      var sum = 0
      for (layer, entering) in answer.tokensAlive.enumerated() {
        let leaving = layer + 1 < answer.tokensAlive.count ? answer.tokensAlive[layer + 1] : entering
        sum += 2 * (4 * d * d * entering + 2 * d * entering * entering + 2 * d * wide * leaving)
      }
      #expect(answer.operations.paper == sum)
    }
  }

  @Test func `of the dense model are those of a model compiled without policies`() throws {
    let batch = PackedBatch(Sieve.samples)
    let pyramid = try Sieve.compiled(.portable).executor().run(batch)
    let dense = try Sieve.compiled(.portable, exit: nil, prune: nil).executor().run(batch)
    for (pyramid, dense) in zip(pyramid, dense) {
      #expect(pyramid.operations.dense == dense.operations.executed)
      #expect(pyramid.operations.densePaper == dense.operations.paper)
      #expect(
        dense.operations.dense == dense.operations.executed && dense.operations.densePaper == dense.operations.paper)
    }
  }

  @Test(arguments: [
    [0, 0.3, 0.6, 0.7, 0.8, 0.9, 1].map { "entropy(threshold=\($0))" },
    [4, 3, 2, 1].map { "patience(patience=\($0))" },
    [4, 3, 2, 1].map { "fixed-layer(layer=\($0))" },
  ])
  func `never grow with a looser exit`(exits: [String]) throws {
    let compiled = try Sieve.compiled(.portable, exit: exits[0].hasPrefix("patience") ? exits[0] : "entropy")
    let costs = try exits.map { try compiled.executor(exit: $0).run(PackedBatch(Sieve.samples)).map(\.operations) }
    expectDescending(costs, exits)
  }

  @Test(arguments: [
    [1, 0.9, 0.7, 0.5, 0.2, 0].map { "top-k(fraction=\($0))" }, [50, 20, 8, 3, 1].map { "top-k(keep=\($0))" },
    [1, 0.8, 0.5, 0].map { "random-prune(fraction=\($0))" },
  ])
  func `never grow with a looser pruning schedule`(prunes: [String]) throws {
    let compiled = try Sieve.compiled(.portable, exit: nil, prune: prunes[0])
    let costs = try prunes.map { try compiled.executor(prune: $0).run(PackedBatch(Sieve.samples)).map(\.operations) }
    expectDescending(costs, prunes)
  }

  /// Costs of all samples by setting: none may rise, and from first to last they must fall.
  private func expectDescending(_ costs: [[OperationCount]], _ specs: [String]) {
    for (step, (tighter, looser)) in zip(costs, costs.dropFirst()).enumerated() {
      for (before, after) in zip(tighter, looser) {
        #expect(
          after.executed <= before.executed && after.paper <= before.paper, "\(specs[step]) to \(specs[step + 1])")
      }
    }
    func total(_ costs: [OperationCount]?) -> Int { (costs ?? []).reduce(0) { $0 + $1.executed } }
    #expect(total(costs.last) < total(costs.first))
  }
}

extension Graph {
  /// A node's counted operations over the dims of one sample.
  fileprivate func operations(of node: Node, _ rows: [Dim: Int]) -> Int {
    executedOperations(of: node).reduce(0) { sum, term in
      let count = rows[term.dim] ?? 0
      return sum + term.coefficient * (term.power == 2 ? count * count : count)
    }
  }

  /// The multiply-adds of a node, twice, from the definition of its product.
  fileprivate func matrixOperations(of node: Node, _ rows: [Dim: Int]) -> Int {
    guard let result = node.results.first, let count = self[result].type.rows.dim.flatMap({ rows[$0] }) else {
      return 0
    }
    switch node.op {
    case .linear, .linearAddNorm: return 2 * count * self[node.weights[0]].type.columns * self[result].type.columns
    case .attention, .attentionQKV: return 4 * count * count * self[result].type.columns
    case .firstAttention(let heads, _):
      let depth = self[node.inputs[1]].type.columns
      let tokens = self[node.inputs[1]].type.rows.dim.flatMap { rows[$0] } ?? 0
      return 4 * count * self[result].type.columns * depth + 4 * heads * tokens * depth
    default: return 0
    }
  }
}
