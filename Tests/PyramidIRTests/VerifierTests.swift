// Each rule of the verifier that a text can break is broken in Graphs/filetests/verify; here are those that only a
// program can break, and the ones that need a whole model.

import PyramidIR
import PyramidPolicy
import Testing

@Suite struct VerifierTests {
  /// The messages of a graph's issues.
  private func issues(_ graph: Graph) -> [String] {
    do {
      try graph.verify()
      return []
    } catch {
      return error.issues.map(\.description)
    }
  }

  private func edited(_ edit: (inout Graph) throws -> Void) throws -> [String] {
    var graph = try SampleModel.pyramid()
    try edit(&graph)
    return issues(graph)
  }

  private func index(_ graph: Graph, _ mnemonic: String) throws -> Int {
    try #require(graph.nodes.firstIndex { $0.op.mnemonic == mnemonic })
  }

  @Test(arguments: [SampleModel.plain, SampleModel.pyramid])
  func aBuiltGraphIsWellFormed(build: @Sendable () throws -> Graph) throws {
    #expect(issues(try build()) == [])
  }

  @Test func aValueIsReadOnlyAfterItIsMade() throws {
    let found = try edited { graph in
      let place = try index(graph, "attention")
      graph.nodes.swapAt(place, place - 1)
    }
    #expect(found.first == "layer 0, %a0: reads %v0 before a node makes it")
  }

  @Test func anInt8WeightIsNoDeeperThanItsSums() throws {
    func issues(_ depth: Int) throws -> [String] {
      try edited { graph in
        let linear = try index(graph, "linear")
        let weight = graph.nodes[linear].weights[0]
        graph[weight].precision = .int8
        graph[weight].type = TensorType(.f32, [.fixed(4), .fixed(depth)])
      }
    }
    // (2^31 - 1) / (127 * 127) products of two signed bytes have room in 32 bits.
    #expect(try issues(1 << 17).allSatisfy { !$0.contains("is deeper than int8 sums go") })
    #expect(try issues((1 << 17) + 1).contains { $0.hasSuffix("is deeper than int8 sums go, 131072") })
  }

  @Test func anAnswerWithoutOperandsIsRefusedWhereNoneBelongs() throws {
    let found = try edited { graph in
      graph.purpose = .train
      graph.nodes[graph.nodes.count - 1].inputs = []
    }
    #expect(found.contains { $0.hasSuffix("classify C1: 0 values and 0 weights, expected 2 and 0") }, "\(found)")
  }

  @Test func aGraphClassifiesInItsOutputSection() throws {
    let found = try edited { graph in graph.nodes[graph.nodes.count - 1].section = .layer(1) }
    #expect(found.contains { $0.hasSuffix("classify belongs in the output section") }, "\(found)")
  }

  @Test func aValueIsMadeOnce() throws {
    let found = try edited { graph in graph.nodes.insert(graph.nodes[5], at: 6) }
    #expect(found.contains("embeddings, %e: %e is made twice"))
    #expect(found.contains("embeddings, %e: %e is the name of an earlier value"))
  }

  @Test func aRemovedProducerIsMissed() throws {
    let found = try edited { graph in graph.remove([graph.nodes[5].id]) }
    #expect(found == ["embeddings, %h0: reads %e before a node makes it"])
  }

  @Test func namesThatTheTextCannotCarryAreRefused() throws {
    let found = try edited { graph in
      graph.name = "two words"
      graph.shape = ModelShape(family: "1", layers: 2, hidden: 8, heads: 2, intermediate: 16, classes: 3)
      graph.weights[0].name = "a#b"
      graph[graph.nodes[0].results[0]].name = ""
    }
    #expect(
      found == [
        "graph: `two words` is not a name", "graph: `1` is not a model family", "weight #a#b: `a#b` is not a name",
        "embeddings, %: `` is not a name",
      ])
  }

  @Test func `a kernel that does not exist is refused`() throws {
    let found = try edited { graph in
      graph.nodes[0].kernel = Kernel(.avx2)
      graph.nodes[try index(graph, "attention")].kernel = Kernel(.avx2, .bf16)
      graph.nodes[graph.nodes.count - 1].kernel = Kernel(.portable)
    }
    #expect(
      found.map { $0.drop { $0 != ":" } } == [
        ": there is no kernel input.avx2", ": there is no kernel attention.avx2.bf16",
        ": there is no kernel classify.portable",
      ])
  }

  @Test func twoWeightsDoNotShareAName() throws {
    #expect(
      try edited { $0.weights[1].name = $0.weights[0].name }
        == ["weight #embeddings.word: the name is taken by an earlier weight"])
  }

  @Test(arguments: [-1, 0, 1 << 25, Int.max, Int.min])
  func sizesOfAModelAreBounded(size: Int) throws {
    let found = try edited {
      $0.shape = ModelShape(family: "bert", layers: size, hidden: size, heads: 2, intermediate: 16, classes: 3)
    }
    #expect(found.contains("graph: model: hidden is \(size), expected 1 to 16777216"))
    #expect(found.contains("graph: model: layers is \(size), expected 1 to 16777216"))
  }

  @Test(arguments: [[], [Extent.fixed(0)], [.fixed(-3)], [.fixed(.max), .fixed(.max)], [.dim(.admittedTokens)]])
  func aWeightHasFixedSizes(extents: [Extent]) throws {
    let found = try edited { $0.weights[0].type = TensorType(.f32, extents) }
    #expect(found.first?.contains("is not a weight") == true)
  }

  @Test(arguments: [[], [Extent.dim(.admittedTokens), .fixed(0)], [.fixed(1), .fixed(1), .fixed(1)]])
  func aValueWithoutAUsableTypeIsReportedOnce(extents: [Extent]) throws {
    let found = try edited { graph in
      graph[graph.nodes[5].results[0]].type = TensorType(.f32, extents)
    }
    #expect(found.count == 1)
    #expect(found.first?.contains("is not a type of a value") == true)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity])
  func policyNumbersAreFinite(number: Double) throws {
    let argument = PolicySpec.Argument(name: "threshold", value: .number(number))
    let found = try edited { $0.policies.exit = PolicySpec(name: "entropy", arguments: [argument]) }
    #expect(found == ["policy @entropy: `entropy(threshold=\(number))` can't be read back"])
  }

  @Test func aPolicyThatTheTextCannotCarryIsRefused() throws {
    let argument = PolicySpec.Argument(name: "threshold", value: .number(1))
    let twice = PolicySpec(name: "entropy", arguments: [argument, argument])
    #expect(
      try edited { $0.policies.exit = twice }
        == ["policy @entropy: `entropy(threshold=1, threshold=1)` can't be read back"])
    #expect(
      try edited { $0.policies.exit = PolicySpec(name: "Idle") }.prefix(2)
        == ["policy @Idle: no node asks it", "policy @Idle: `Idle` can't be read back"])
  }

  @Test func aNodeReadsAndMakesWhatTheTablesHold() throws {
    let (weights, values) = (try edited { $0.weights.removeLast() }, try edited { $0.values.removeLast() })
    #expect(weights.first == "output, %logits: reads a weight that does not exist", "\(weights)")
    #expect(values.first?.hasSuffix(": makes a value that does not exist") == true, "\(values)")
  }

  /// The verifier bounds widths before it asks; a caller of the shape rule need not.
  @Test func rowsSideBySideAreNoWiderThanCanBeCounted() {
    let rows = Extent.dim(.admittedSamples)
    let (wide, narrow) = (TensorType(.f32, [rows, .fixed(.max)]), TensorType(.f32, [rows, .fixed(1)]))
    let error = #expect(throws: GraphError.self) {
      try Op.concat.resultTypes(inputs: [wide, narrow], weights: [], newDim: nil)
    }
    #expect(error?.description == "concat C1: %a and %b are too wide")
  }

  @Test func theFirstHundredIssuesAreReported() throws {
    let found = try edited { graph in
      for number in 1000..<3000 { graph.dims.append(DimDeclaration(Dim(.tokens, number), bound: .constant(1))) }
    }
    #expect(found.count == 100)
    #expect(found.last == "dim T1049: no value defines it (`by` is missing)")
  }

  @Test func aDefinedDimIsDeclared() throws {
    let found = try edited { $0.dims.removeAll { $0.dim == Dim(.samples, 1) } }
    #expect(found.contains("layer 0, %stay0: the preamble declares no dim `by` %stay0"))
    #expect(found.contains("layer 0, %stay0: %stay0 is over B1, which is not declared"))
  }

  @Test func aDimIsDeclaredOnceAndByItsOwnValue() throws {
    let found = try edited { $0.dims.append($0.dims[3]) }
    #expect(found == ["dim T1: declared twice"])
    let moved = try edited { graph in
      let dim = graph.dims[3]
      graph.dims.append(DimDeclaration(Dim(.tokens, 2), bound: dim.bound, definedBy: dim.definedBy))
    }
    #expect(moved == ["dim T2: %keep0 defines an earlier dim already"])
  }

  @Test func aNodeHasAsManyResultsAsItsOperation() throws {
    let found = try edited { graph in
      let place = try index(graph, "attention")
      graph.nodes[place].op = .attention(heads: 2, emits: [])
    }
    #expect(found.contains("layer 0, %a0: attention has 1 results, found 2"))
  }

  @Test func anIssueKnowsItsPlace() throws {
    var graph = try SampleModel.pyramid()
    let place = try index(graph, "softmax")
    graph.nodes[place].section = .layer(1)
    let error = #expect(throws: VerifierError.self) { try graph.verify() }
    #expect(error?.issues.map(\.location) == [.node(place + 1)])
    #expect(error?.description == "layer 0, %stay0: stands after layer 1")
  }

  @Test func theMemoryOfAWholeModelIsCheckedByLifetimes() throws {
    var graph = try SampleModel.plain()
    // A slot for each value: no two share.
    for node in graph.nodes {
      if case .input = node.op { continue }
      for result in node.results {
        let type = graph[result].type
        graph[result].slot = graph.slots.count
        graph.slots.append(Slot(family: try #require(type.rows.dim).family, bytesPerRow: 4 * type.columns))
      }
    }
    #expect(issues(graph) == [])
    let values = Dictionary(uniqueKeysWithValues: graph.nodes.flatMap(\.results).map { (graph[$0].name, $0) })
    func slot(_ name: String) throws -> Int? { graph[try #require(values[name])].slot }
    // An elementwise result takes the place of an operand that dies; q0 is dead when g0 is made.
    graph[try #require(values["g0"])].slot = try slot("u0")
    graph[try #require(values["o0"])].slot = try slot("q0")
    #expect(issues(graph) == [])
    // m0 still lives when d0 is made: it is the residual of t0.
    graph[try #require(values["d0"])].slot = try slot("m0")
    #expect(issues(graph) == ["layer 0, %d0: %d0 takes slot \(try #require(try slot("m0"))), where %m0 still lives"])
  }
}
