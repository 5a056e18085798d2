// Rules 6, 7, 9, 10 and 14 of Verifier.swift: what one node may look like, in program order.

import PyramidPolicy

extension Verifier {
  mutating func checkNodes() {
    var kinds: Set<InputKind> = []
    var sources: Set<String> = []
    for (index, node) in graph.nodes.enumerated() {
      if case .input(let kind) = node.op, !kinds.insert(kind).inserted {
        report(.node(index), "\(kind.rawValue) is brought in a second time")
      }
      let facts = facts[index]
      let definesDim = node.op.definesDim
      if facts.training == .source, !sources.insert(node.op.mnemonic).inserted {
        report(.node(index), "\(node.op.mnemonic) C3: they are brought in a second time")
      }
      checkPurpose(of: node, at: index)
      checkPlace(of: node, at: index)
      checkKernel(of: node, facts, at: index)
      let operandsHold = checkOperands(of: node, at: index)
      checkResults(of: node, definesDim, at: index)
      if operandsHold, checkTypes(of: node, definesDim, at: index) { checkRows(of: node, at: index) }
    }
    if graph.purpose == .classify { checkClassify() }
  }

  /// Rule 10, as far as one node can break it.
  private mutating func checkPurpose(of node: Node, at index: Int) {
    switch graph.purpose {
    case .classify:
      if case .gradient = node.op {
        report(.node(index), "\(node.op.mnemonic) belongs in a graph that trains")
      } else if node.section == .gradients {
        report(.node(index), "a graph that classifies has no gradients")
      }
    case .train:
      if node.answered != nil { report(.node(index), "\(node.op.mnemonic): a graph that trains answers nothing") }
      if facts[index].training == .backward, node.section != .gradients {
        report(.node(index), "\(node.op.mnemonic) stands in \(node.section), not in gradients")
      }
    }
  }

  /// Rule 9, and the policy's kind.
  private mutating func checkPlace(of node: Node, at index: Int) {
    if case .decideExit(let policy, let boundary, _) = node.op { check(.exit, policy, boundary) }
    if case .decidePrune(let policy, let boundary, _, _, _) = node.op { check(.prune, policy, boundary) }
    func check(_ kind: PolicyKind, _ policy: String, _ boundary: Boundary) {
      let section = boundary.section
      if node.section != section { report(.node(index), "names \(section) but stands in \(node.section)") }
      if graph.policies[kind]?.name == policy { return }
      let article = kind == .exit ? "an exit" : "a pruning"
      report(.node(index), "\(node.op.mnemonic) C5: @\(policy) is not declared as \(article) policy")
    }
  }

  /// Rule 14.
  private mutating func checkKernel(of node: Node, _ facts: OpFacts, at index: Int) {
    guard let kernel = node.kernel, !node.op.kernelPrecisions(kernel.set, facts).contains(kernel.precision) else {
      return
    }
    report(.node(index), "there is no kernel \(node.op.mnemonic)\(kernel.suffix)")
  }

  private mutating func checkOperands(of node: Node, at index: Int) -> Bool {
    var holds = true
    for input in node.inputs {
      if !isKnown(input) || producer[input.index] == nil {
        report(.node(index), "reads \(name(input)) before a node makes it")
        holds = false
      } else if broken.contains(input) {
        holds = false
      }
    }
    for weight in node.weights {
      if !isKnown(weight) {
        report(.node(index), "reads a weight that does not exist")
        holds = false
      } else if !(1...2).contains(graph[weight].type.extents.count) {
        holds = false
      }
    }
    return holds
  }

  private mutating func checkResults(of node: Node, _ definesDim: Bool, at index: Int) {
    for result in node.results {
      guard isKnown(result) else {
        report(.node(index), "makes a value that does not exist")
        continue
      }
      if producer[result.index] != nil { report(.node(index), "\(name(result)) is made twice") }
      producer[result.index] = index
      if !hasUsableType(result) {
        report(
          .node(index), "\(graph[result].type) is not a type of a value: rows and up to \(Self.largestAxis) columns")
        broken.insert(result)
      }
    }
    if definesDim, let result = node.results.first, let dim = definedDim[result] { definedDims.insert(dim) }
    for result in node.results where !broken.contains(result) && isKnown(result) {
      for extent in graph.values[result.index].type.extents {
        guard let dim = extent.dim, dim != lastDim else { continue }
        if declaration[dim] == nil {
          report(.node(index), "\(name(result)) is over \(dim), which is not declared")
        } else if !definedDims.contains(dim) {
          report(.node(index), "\(name(result)) is over \(dim) before \(dim) is defined")
        } else {
          lastDim = dim
        }
      }
    }
  }

  private func hasUsableType(_ value: ValueID) -> Bool {
    let extents = graph[value].type.extents
    guard (1...2).contains(extents.count) else { return false }
    return extents.allSatisfy { extent in
      guard case .fixed(let size) = extent else { return true }
      return size >= 1 && size <= Self.largestAxis
    }
  }

  /// Whether the operation's constraints hold; declared types that differ are reported all the same.
  private mutating func checkTypes(of node: Node, _ definesDim: Bool, at index: Int) -> Bool {
    guard node.results.allSatisfy({ isKnown($0) && !broken.contains($0) }) else { return false }
    var newDim: Dim?
    if definesDim {
      newDim = node.results.first.flatMap { definedDim[$0] }
      guard newDim != nil else {
        report(.node(index), "the preamble declares no dim `by` \(node.results.first.map(name) ?? "its result")")
        return false
      }
    }
    let inferred: [TensorType]
    do {
      inferred = try node.op.resultTypes(
        inputs: node.inputs.map { graph[$0].type }, weights: node.weights.map { graph[$0].type }, newDim: newDim)
    } catch {
      report(.node(index), error.description)
      return false
    }
    guard inferred.count == node.results.count else {
      report(.node(index), "\(node.op.mnemonic) has \(inferred.count) results, found \(node.results.count)")
      return false
    }
    for (result, type) in zip(node.results, inferred) where graph[result].type != type {
      report(.node(index), "\(name(result)) is declared \(graph[result].type), the operation makes \(type)")
    }
    return true
  }

  private mutating func checkClassify() {
    let places = graph.nodes.indices.filter { if case .classify = graph.nodes[$0].op { true } else { false } }
    guard let last = places.last else {
      report(.graph, "nothing classifies: the last node must be `classify`")
      return
    }
    for place in places.dropLast() { report(.node(place), "a classify that is not the last node") }
    if last != graph.nodes.count - 1 { report(.node(last), "a classify that is not the last node") }
    if graph.nodes[last].section != .output { report(.node(last), "classify belongs in the output section") }
  }
}
