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

  /// Bounds the dim that `value` defines by the one that `bound` defines, which takes its place among the declarations.
  public mutating func bound(dimDefinedBy value: ValueID, by bound: ValueID) {
    guard let place = dims.firstIndex(where: { $0.definedBy == value }),
      let later = dims.lastIndex(where: { $0.definedBy == bound })
    else { return }
    let declaration = dims.remove(at: later)
    dims.insert(declaration, at: place)
    dims[place + 1].bound = .dim(declaration.dim)
  }

  /// Numbers the dims of each family in the order of their declarations.
  public mutating func renumberDims() {
    var numbers: [DimFamily: Int] = [:]
    var renumbered: [Dim: Dim] = [:]
    for dim in dims.map(\.dim) {
      renumbered[dim] = Dim(dim.family, numbers[dim.family, default: 0])
      numbers[dim.family, default: 0] += 1
    }
    for index in dims.indices {
      dims[index].dim = renumbered[dims[index].dim]!
      if case .dim(let dim) = dims[index].bound { dims[index].bound = .dim(renumbered[dim] ?? dim) }
    }
    for index in values.indices {
      let type = values[index].type
      values[index].type = TensorType(
        type.element,
        type.extents.map { extent in
          switch extent {
          case .fixed: extent
          case .dim(let dim): .dim(renumbered[dim] ?? dim)
          case .dimPlusOne(let dim): .dimPlusOne(renumbered[dim] ?? dim)
          }
        })
    }
  }

  /// Gives every result the type that follows from its operands, in program order.
  public mutating func inferTypes() throws {
    for node in nodes {
      let newDim = node.op.definesDim ? self[node.results[0]].type.rows.dim : nil
      let types = try node.op.resultTypes(
        inputs: node.inputs.map { self[$0].type }, weights: node.weights.map { self[$0].type }, newDim: newDim)
      for (result, type) in zip(node.results, types) { self[result].type = type }
    }
  }

  /// Index in `nodes` of the node that makes each value.
  public var producers: [ValueID: Int] {
    var table: [ValueID: Int] = [:]
    for (index, node) in nodes.enumerated() { for result in node.results { table[result] = index } }
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

  /// The node that makes a value.
  public func producer(of value: ValueID) -> Node? { nodes.last { $0.results.contains(value) } }

  /// The stretches of nodes that stand in one section, in program order.
  public var sections: [ArraySlice<Node>] {
    let starts = nodes.indices.filter { $0 == 0 || nodes[$0].section != nodes[$0 - 1].section }
    return zip(starts, starts.dropFirst() + [nodes.count]).map { nodes[$0..<$1] }
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
  public mutating func remove(_ ids: Set<NodeID>) { nodes.removeAll { ids.contains($0.id) } }

  /// Forgets the values that were made after the last one that a node makes.
  public mutating func dropLastValues() {
    let used = 1 + (nodes.flatMap(\.results).map(\.index).max() ?? -1)
    values.removeLast(max(0, values.count - used))
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

  private mutating func uniqueName(_ name: String) -> String {
    if namedValues > values.count { (valueNames, namedValues) = ([], 0) }
    valueNames.formUnion(values[namedValues...].lazy.map(\.name))
    namedValues = values.count
    if !valueNames.contains(name) { return name }
    var number = 1
    while valueNames.contains("\(name).\(number)") { number += 1 }
    return "\(name).\(number)"
  }
}
