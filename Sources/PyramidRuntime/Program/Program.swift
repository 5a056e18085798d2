// A compiled graph as the executor walks it: one step for each node, operands resolved to buffers, weights to
// addresses. Made once when a model is opened, so that running a batch looks nothing up by name.

import PyramidIR
import PyramidKernels

/// Where a value lies while a batch runs.
enum Location: Hashable, Sendable {
  /// A buffer that the batch fills.
  case input(InputKind)
  /// A slot of the memory plan.
  case slot(Int)
}

/// A resolved operand.
struct Operand: Sendable {
  let location: Location
  let rows: Extent
  let columns: Int
}

/// One node, resolved.
struct Step: @unchecked Sendable {
  let op: Op
  let section: Section
  let inputs: [Operand]
  let results: [Operand]
  /// Addresses of the weights in the mapped artefact, in the op's order; where the kernel's precision is not f32, what
  /// lies there is what the kernels' packing wrote. In training, f32 row by row.
  let weights: [UnsafePointer<Float>]
  /// Where the gradients of the weights lie, for training; nil for weights that are frozen.
  let gradients: [UnsafeMutablePointer<Float>?]
  /// Where the numbers of the samples alive lie, for steps that record something about samples.
  let samples: Location?
  /// Logical depth of the first weight; 0 without weights.
  let weightDepth: Int
  /// Rows of the second weight; 0 without one.
  let secondWeightRows: Int
  /// Cosines and sines of a rotation, or rows of a relative attention's tables; nil for other steps.
  let positionTable: PositionTable?
  /// What runs it. Moves and decisions, which name none, have the target's in f32.
  let kernel: Kernel
  /// What the step decides and by which operands, if it is a decision.
  let exit: ExitDecision<Operand>?
  let prune: PruneDecision<Operand>?
}

/// All steps of a graph and the facts that the executor needs beside them.
struct Program: Sendable {
  let steps: [Step]
  /// The steps by section, and what waits between sections.
  let sections: [ProgramSection]
  let slots: [Slot]
  /// How many dims of each family there are.
  let sampleDims: Int
  let tokenDims: Int
  /// The token dim that each layer's first attention reads, by layer.
  let layerTokens: [Int]
  let heads: Int
  let headSize: Int
  /// The kernels of the attention steps, which need scratch.
  let attentionKernels: Set<Kernel>
  /// Widest row that attention of first tokens reads; 0 when there is none.
  let firstAttentionDepth: Int
  /// Most operands of an exit decision, which bounds the earlier heads that it may read.
  let exitOperands: Int
  /// Deepest input of a linear layer of reduced precision; 0 when there is none, and in training.
  let reducedDepth: Int
  let meter: OperationMeter
  /// How many indices of a batch have a row in every table that they are read in: ids, positions, types.
  let indexLimits: [Int]
  /// The id of padding in a model whose positions start after padding's (RoBERTa); nil in others. There a text that
  /// holds the token itself has other positions, which are not brought.
  let paddingID: Int32?
  /// Positions that position tables have room for.
  let positionLimit: Int

  /// The graph's instruction set.
  let target: InstructionSet
  /// Whether the steps train: weights then lie as in the checkpoint.
  let trains: Bool

  /// Resolves a verified graph; `address` gives a weight's first element.
  init(_ graph: Graph, target: InstructionSet, address: (Weight) throws -> UnsafePointer<Float>) throws {
    try self.init(graph, target: target) { (try address($0), nil) }
  }

  /// Resolves a verified graph for training.
  init(_ graph: Graph, target: InstructionSet, weight: (Weight) throws -> TrainedWeight) throws {
    try self.init(graph, target: target) { symbol in
      let (found, count) = (try weight(symbol), symbol.storedCount(target))
      guard found.values.count == count, found.gradient?.count ?? count == count,
        let values = found.values.baseAddress
      else {
        throw RuntimeError("graph @\(graph.name): #\(symbol.name) has \(found.values.count) values, expected \(count)")
      }
      return (UnsafePointer(values), found.gradient?.baseAddress)
    }
  }

  private init(
    _ graph: Graph, target: InstructionSet,
    bind: (Weight) throws -> (values: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>?)
  ) throws {
    let check = ProgramCheck(graph: graph, target: target)
    try check.run()
    var locations = [Location?](repeating: nil, count: graph.values.count)
    for index in graph.nodes.indices {
      for result in graph.nodes[index].results {
        if case .input(let kind) = graph.nodes[index].op {
          locations[result.index] = .input(kind)
        } else if let slot = graph.values[result.index].slot {
          locations[result.index] = .slot(slot)
        } else {
          throw RuntimeError("graph @\(graph.name): %\(graph[result].name) has no slot; it was not compiled to the end")
        }
      }
    }
    func operand(_ value: ValueID) -> Operand {
      let type = graph.values[value.index].type
      return Operand(location: locations[value.index]!, rows: type.rows, columns: type.columns)
    }
    let trains = graph.purpose == .train
    (self.target, self.trains) = (target, trains)
    let recorded = try check.recordedSamples()
    var bound: [(values: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>?)?] = Array(
      repeating: nil, count: graph.weights.count)
    let limit = graph.admitted(.tokens)
    var tables = PositionTables(limit: limit)
    steps = try graph.nodes.enumerated().compactMap { index, node in
      if case .input = node.op { return nil }
      let weights = try node.weights.map { weight in
        if let known = bound[weight.index] { return known }
        let memory = try bind(graph[weight])
        bound[weight.index] = memory
        return memory
      }
      let inputs = node.inputs.map(operand)
      return Step(
        op: node.op, section: node.section, inputs: inputs, results: node.results.map(operand),
        weights: weights.map(\.values), gradients: weights.map(\.gradient),
        samples: recorded[index].map { locations[$0.index]! },
        weightDepth: node.weights.first.map { graph[$0].type.columns } ?? 0,
        secondWeightRows: node.weights.count > 1 ? graph[node.weights[1]].rowCount : 0,
        positionTable: tables.table(for: node.op), kernel: node.kernel ?? Kernel(target),
        exit: ExitDecision(node.op, inputs),
        prune: PruneDecision(node.op, inputs))
    }
    sections = try graph.programSections(location: { locations[$0.index]! }, recorded: recorded)
    slots = graph.slots
    sampleDims = 1 + (graph.dims.filter { $0.dim.family == .samples }.map(\.dim.index).max() ?? 0)
    tokenDims = 1 + (graph.dims.filter { $0.dim.family == .tokens }.map(\.dim.index).max() ?? 0)
    layerTokens = try trains ? [] : graph.layerTokens()
    attentionKernels = Set(
      zip(graph.nodes, check.facts).compactMap { node, facts -> Kernel? in
        facts.attention?.isOfFirst == false && !facts.readsPositions ? node.kernel ?? Kernel(target) : nil
      })
    heads = graph.shape.heads
    headSize = graph.shape.hidden / graph.shape.heads
    firstAttentionDepth =
      graph.nodes.map { if case .firstAttention = $0.op { graph[$0.inputs[1]].type.columns } else { 0 } }.max() ?? 0
    exitOperands = graph.nodes.map { if case .decideExit = $0.op { $0.inputs.count } else { 0 } }.max() ?? 0
    reducedDepth = trains ? 0 : steps.map { $0.kernel.precision == .f32 ? 0 : $0.weightDepth }.max() ?? 0
    meter = OperationMeter(graph, dense: check.dense)
    var limits = [Int.max, limit, Int.max]
    let embed = graph.nodes.first(where: \.isEmbed)
    if let embed {
      for (kind, weight) in zip(check.embedded(embed), embed.weights) {
        guard let place = InputKind.embedded.firstIndex(where: { $0 == kind }) else { continue }
        limits[place] = min(limits[place], graph[weight].rowCount)
      }
    }
    for index in graph.nodes.indices {
      guard case .bagLogits = graph.nodes[index].op else { continue }
      limits[0] = min(limits[0], graph[graph.nodes[index].weights[0]].rowCount)
    }
    (indexLimits, positionLimit) = (limits, limit)
    // The rows of the position table up to padding's are left out.
    let positions = embed?.weights.dropFirst().first.flatMap { graph[$0].sources.first }
    paddingID = positions.map { TensorSlice(source: $0).firstRow }.flatMap { $0 > 0 ? Int32(clamping: $0 - 1) : nil }
  }
}

/// The position tables of a program, each made once.
private struct PositionTables {
  let limit: Int
  private var turns: [Rotation: PositionTable] = [:]
  private var rows: [DistanceBuckets: PositionTable] = [:]

  init(limit: Int) { self.limit = limit }

  mutating func table(for op: Op) -> PositionTable? {
    switch op {
    case .rotate(let rotation):
      let angles = rotation.angles
      let table = turns[angles] ?? PositionTable(angles, positions: limit)
      turns[angles] = table
      return table
    case .relativeAttention(let relative, _):
      guard let buckets = relative.buckets else { return nil }
      let table = rows[buckets] ?? PositionTable(buckets, positions: limit)
      rows[buckets] = table
      return table
    default: return nil
    }
  }
}

extension InputKind {
  /// What may index a table of `embed`, in the order of its operands.
  static let embedded: [InputKind] = [.tokenIDs, .positions, .typeIDs]
}

extension Graph {
  /// The index of the token dim that each layer's first attention reads.
  fileprivate func layerTokens() throws -> [Int] {
    var found: [Int?] = Array(repeating: nil, count: shape.layers)
    for node in nodes {
      guard case .layer(let layer) = node.section, found[layer] == nil, let attention = node.op.facts.attention else {
        continue
      }
      found[layer] = self[node.inputs[attention.tokens]].type.rows.dim?.index
    }
    return try found.enumerated().map { layer, dim in
      if let dim { return dim }
      throw RuntimeError("graph @\(name): layer \(layer) has no attention")
    }
  }
}

extension Program {
  /// The step that makes a value of `graph`, by number, and where it lies then; nil when no step does.
  func maker(of value: ValueID, in graph: Graph) -> (step: Int, operand: Operand)? {
    let nodes = graph.nodes.filter { if case .input = $0.op { false } else { true } }
    for (index, node) in nodes.enumerated() {
      guard let place = node.results.firstIndex(of: value) else { continue }
      return (index, steps[index].results[place])
    }
    return nil
  }
}
