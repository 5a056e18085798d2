// A small graph whose numbers are written beside it: rows are embedded from tables, so that a test states its matrix
// and its expectation and nothing else.

import PyramidIR
import PyramidPolicy
import PyramidReference

/// A graph under construction with its weights and the batch it will run on.
struct Scene {
  var builder: GraphBuilder
  var weights: [String: [Float]] = [:]
  let batch: ReferenceBatch
  let ids, positions, types, segments, samples: ValueID

  /// A graph over samples of given lengths; token r of the packed batch has id r.
  init(lengths: [Int] = [1], layers: Int = 1, classes: Int = 2) throws {
    let shape = ModelShape(family: "bert", layers: layers, hidden: 2, heads: 1, intermediate: 2, classes: classes)
    builder = GraphBuilder(Graph(name: "scene", shape: shape, samples: 16, tokens: 256))
    ids = try builder.add(.input(.tokenIDs), [], name: "ids")
    positions = try builder.add(.input(.positions), [], name: "positions")
    types = try builder.add(.input(.typeIDs), [], name: "types")
    segments = try builder.add(.input(.segments), [], name: "segments")
    samples = try builder.add(.input(.samples), [], name: "samples")
    var next: Int32 = 0
    var tokens: [[Int32]] = []
    for length in lengths {
      tokens.append((0..<Int32(length)).map { next + $0 })
      next += Int32(length)
    }
    batch = ReferenceBatch(tokenIDs: tokens)
  }

  /// Declares a vector.
  mutating func vector(_ name: String, _ values: [Float]) -> WeightID {
    weights[name] = values
    return builder.graph.weight(name, TensorType(.f32, [.fixed(values.count)]), sources: [name])
  }

  /// Declares a matrix by its rows.
  mutating func matrix(_ name: String, _ rows: [[Float]]) -> WeightID {
    weights[name] = rows.flatMap { $0 }
    return builder.graph.weight(name, TensorType(.f32, [.fixed(rows.count), .fixed(rows[0].count)]), sources: [name])
  }

  /// A value f32[T0, N] with one given row for each token of the batch.
  mutating func rows(_ name: String, _ rows: [[Float]]) throws -> ValueID {
    let words = matrix("\(name).words", rows)
    let longest = batch.tokenIDs.map(\.count).max() ?? 1
    let places = matrix("\(name).places", .init(repeating: .init(repeating: 0, count: rows[0].count), count: longest))
    return try builder.add(.embed, [ids, positions], [words, places], name: name)
  }

  mutating func add(
    _ op: Op, _ inputs: [ValueID], _ weights: [WeightID] = [], name: String = "y", more: [String] = []
  ) throws -> ValueID {
    try builder.addAll(op, inputs, weights, names: [name] + more)[0]
  }

  /// Ends the graph with the rows of [CLS] as logits, runs it, and returns its values by name.
  mutating func values(answering x: ValueID) throws -> [String: ReferenceTensor] {
    let logits = try builder.add(.firstRows, [x, segments], name: "logits")
    try builder.addEffect(.classify, [samples, logits])
    var values: [String: ReferenceTensor] = [:]
    _ = try interpreter().run(batch) { values[$1] = $2 }
    return values
  }

  func interpreter(exit: PolicyInstance? = nil, prune: PolicyInstance? = nil) throws -> ReferenceInterpreter {
    try ReferenceInterpreter(
      graph: builder.graph, weight: { weights[$0.name] ?? [] }, policies: PolicyPair(exit: exit, prune: prune))
  }
}

/// Whether two lists agree within a tolerance, relative to values above 1.
func isClose(_ a: [Float], _ b: [Float], tolerance: Float = 1e-7) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance * max(1, abs($1)) }
}
