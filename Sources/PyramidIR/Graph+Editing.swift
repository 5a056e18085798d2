// What passes do to a graph: look up producers and readers, insert, replace, remove. Graphs have a few hundred nodes,
// so these walk the node list; a pass that needs a table builds it once from `producers` or `readers`.

extension Graph {
  /// Declares a weight symbol and returns its handle; a weight of the same name is returned as it is.
  public mutating func weight(_ name: String, _ type: TensorType, sources: [String]) -> WeightID {
    if let index = weights.firstIndex(where: { $0.name == name }) { return WeightID(index) }
    weights.append(Weight(name: name, type: type, sources: sources))
    return WeightID(weights.count - 1)
  }

  /// Makes a value that no node produces yet.
  public mutating func makeValue(_ name: String, _ type: TensorType) -> ValueID {
    values.append(Value(name: uniqueName(name), type: type))
    return ValueID(values.count - 1)
  }

  /// Makes a node without placing it.
  public mutating func makeNode(
    _ op: Op, _ inputs: [ValueID], _ weights: [WeightID], results: [ValueID], in section: Section
  ) -> Node {
    defer { nextSerial += 1 }
    return Node(
      id: NodeID(serial: nextSerial), op: op, inputs: inputs, weights: weights, results: results, section: section)
  }

  /// Declares the next dim of a family, bounded by `bound` and defined by `value`.
  public mutating func declareDim(_ family: DimFamily, boundedBy bound: Dim, definedBy value: ValueID) -> Dim {
    let dim = nextDim(family)
    dims.append(DimDeclaration(dim, bound: .dim(bound), definedBy: value))
    return dim
  }

  /// The dim that `declareDim` would make next: its defining value needs it in its type before it exists.
  public func nextDim(_ family: DimFamily) -> Dim {
    Dim(family, 1 + (dims.lazy.filter { $0.dim.family == family }.map(\.dim.index).max() ?? -1))
  }

  /// Index in `nodes` of the node that makes each value.
  public var producers: [ValueID: Int] {
    var table: [ValueID: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for result in node.results { table[result] = index }
    }
    return table
  }

  /// Indices in `nodes` of the nodes that read each value, in program order.
  public var readers: [ValueID: [Int]] {
    var table: [ValueID: [Int]] = [:]
    for (index, node) in nodes.enumerated() {
      for input in Set(node.inputs) { table[input, default: []].append(index) }
    }
    return table
  }

  /// Index of a node in program order.
  public func index(of id: NodeID) -> Int? { nodes.firstIndex { $0.id == id } }

  /// Makes every node read `new` where it read `old`.
  public mutating func replaceUses(of old: ValueID, by new: ValueID) {
    for index in nodes.indices {
      for operand in nodes[index].inputs.indices where nodes[index].inputs[operand] == old {
        nodes[index].inputs[operand] = new
      }
    }
  }

  /// Removes nodes by identity; their values become unused.
  public mutating func remove(_ ids: Set<NodeID>) {
    nodes.removeAll { ids.contains($0.id) }
  }

  /// Drops weights that no node reads, and renumbers the rest.
  public mutating func dropUnusedWeights() {
    let used = Set(nodes.flatMap(\.weights))
    var renumbered: [WeightID: WeightID] = [:]
    var kept: [Weight] = []
    for (index, weight) in weights.enumerated() where used.contains(WeightID(index)) {
      renumbered[WeightID(index)] = WeightID(kept.count)
      kept.append(weight)
    }
    weights = kept
    for index in nodes.indices { nodes[index].weights = nodes[index].weights.map { renumbered[$0]! } }
  }

  private func uniqueName(_ name: String) -> String {
    let taken = Set(values.map(\.name))
    if !taken.contains(name) { return name }
    var number = 1
    while taken.contains("\(name).\(number)") { number += 1 }
    return "\(name).\(number)"
  }
}
