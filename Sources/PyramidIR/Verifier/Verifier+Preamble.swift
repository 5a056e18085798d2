// Rules 1 to 5 of Verifier.swift: names, sizes, policies, dims and the order of sections.

import PyramidPolicy

extension Verifier {
  mutating func checkPreamble() {
    checkNames()
    checkShape()
    checkTasks()
    checkPolicies()
    checkPlacement()
    checkDims()
    checkWeightSizes()
    checkSections()
  }

  private mutating func checkNames() {
    if !isName(graph.name) { report(.graph, "`\(graph.name)` is not a name") }
    if !isWord(graph.shape.family) { report(.graph, "`\(graph.shape.family)` is not a model family") }
    var weights: Set<String> = []
    for (index, weight) in graph.weights.enumerated() {
      if !isName(weight.name) { report(.weight(index), "`\(weight.name)` is not a name") }
      if !weights.insert(weight.name).inserted { report(.weight(index), "the name is taken by an earlier weight") }
    }
    var values = Set<String>(minimumCapacity: graph.values.count)
    for index in graph.nodes.indices {
      for result in graph.nodes[index].results where isKnown(result) {
        let name = graph.values[result.index].name
        if !isName(name) { report(.node(index), "`\(name)` is not a name") }
        if !values.insert(name).inserted { report(.node(index), "%\(name) is the name of an earlier value") }
      }
    }
  }

  private mutating func checkShape() {
    let shape = graph.shape
    let sizes = [
      ("layers", shape.layers), ("hidden", shape.hidden), ("heads", shape.heads), ("intermediate", shape.intermediate),
      ("classes", shape.classes),
    ]
    for (name, size) in sizes where size < 1 || size > Self.largestAxis {
      report(.graph, "model: \(name) is \(size), expected 1 to \(Self.largestAxis)")
    }
    if shape.task == .ranking && shape.classes != 1 {
      report(.graph, "model: task ranking has one logit, classes is \(shape.classes)")
    }
  }

  private mutating func checkTasks() {
    let tasks = graph.shape.tasks
    guard !tasks.isEmpty else { return }
    var (names, sum) = (Set<String>(), 0)
    for task in tasks {
      if !TaskShape.isName(task.name) { report(.graph, "`\(task.name)` is not a name of a task") }
      if !names.insert(task.name).inserted { report(.graph, "task \(task.name) is declared twice") }
      let isSized = task.classes >= 1 && task.classes <= Self.largestAxis
      if !isSized || task.task == .ranking && task.classes != 1 {
        report(.graph, "task \(task.name): classes is \(task.classes)")
      }
      sum += isSized ? task.classes : 0
    }
    if sum != graph.shape.classes { report(.graph, "its tasks have \(sum) classes, the model \(graph.shape.classes)") }
    if graph.shape.task != .classification { report(.graph, "what logits are is said of each task, not of the model") }
    if graph.purpose != .classify { report(.graph, "a graph of several tasks does not train") }
  }

  private mutating func checkPolicies() {
    let asked = Set(graph.nodes.compactMap(\.op.policy))
    for (kind, policy) in graph.policies.all {
      if !asked.contains(policy.name) { report(.policy(kind), "no node asks it") }
      if (try? PolicySpec(policy.description)) != policy { report(.policy(kind), "`\(policy)` can't be read back") }
    }
  }

  private mutating func checkPlacement() {
    guard let placement = graph.placement else { return }
    for boundary in placement.exits.union(placement.prunes).sorted() {
      guard case .after(let layer) = boundary, layer < 0 || layer >= graph.shape.layers - 1 else { continue }
      report(.graph, "place: after layer \(layer) there is no boundary")
    }
  }

  private mutating func checkDims() {
    for (index, dim) in [Dim.admittedSamples, .admittedTokens].enumerated() {
      guard graph.dims.count > index, graph.dims[index].dim == dim else {
        report(graph.dims.count > index ? .dim(index) : .graph, "B0 and T0 must be declared first, in this order")
        break
      }
    }
    if graph.dims.count > Graph.maximumDims {
      report(.graph, "\(graph.dims.count) dims, at most \(Graph.maximumDims) are allowed")
      return
    }
    for (index, entry) in graph.dims.enumerated() {
      if declaration[entry.dim] != index { report(.dim(index), "declared twice") }
      if entry.dim.index == 0 { checkAdmitted(entry, at: index) } else { checkDataDependent(entry, at: index) }
    }
  }

  private mutating func checkAdmitted(_ entry: DimDeclaration, at index: Int) {
    if case .constant(let count) = entry.bound, count >= 1, count <= Self.largestCount {
      if entry.definedBy != nil { report(.dim(index), "an admitted dim is defined by the batch, not by a value") }
    } else {
      report(.dim(index), "an admitted dim needs a constant bound of 1 to \(Self.largestCount)")
    }
  }

  private mutating func checkDataDependent(_ entry: DimDeclaration, at index: Int) {
    if case .dim(let bound) = entry.bound, bound.family == entry.dim.family, let bounding = declaration[bound],
      bounding < index
    {
    } else {
      report(.dim(index), "the bound must be an earlier dim of family \(entry.dim.family.rawValue)")
    }
    guard let value = entry.definedBy else {
      report(.dim(index), "no value defines it (`by` is missing)")
      return
    }
    if definedDim[value] != entry.dim { report(.dim(index), "\(name(value)) defines an earlier dim already") }
    guard isKnown(value), let node = maker[value.index].map({ graph.nodes[$0] }) else {
      report(.dim(index), "no node makes \(name(value))")
      return
    }
    if !node.op.definesDim { report(.dim(index), "\(node.op.mnemonic), which makes \(name(value)), defines no dim") }
  }

  private mutating func checkWeightSizes() {
    for (index, weight) in graph.weights.enumerated() {
      var count = 1
      let isSized = weight.type.extents.allSatisfy { extent in
        guard case .fixed(let size) = extent, size >= 1, size <= Self.largestAxis else { return false }
        count = count > Self.largestWeight ? count : count * size
        return true
      }
      if !isSized || !(1...2).contains(weight.type.extents.count) || count > Self.largestWeight {
        report(.weight(index), "\(weight.type) is not a weight: one or two axes of 1 to \(Self.largestAxis) each")
      }
    }
  }

  private mutating func checkSections() {
    var layers: Set<Int> = []
    for index in graph.nodes.indices {
      let section = graph.nodes[index].section
      if index > 0, section < graph.nodes[index - 1].section {
        report(.node(index), "stands after \(graph.nodes[index - 1].section)")
      }
      guard case .layer(let number) = section else { continue }
      if number < 0 || number >= graph.shape.layers {
        report(.node(index), "the model has \(graph.shape.layers) layers")
      } else {
        layers.insert(number)
      }
    }
    if graph.purpose == .classify, layers.count < graph.shape.layers, graph.shape.layers <= Self.largestAxis {
      let missing = (0..<graph.shape.layers).first { !layers.contains($0) } ?? 0
      report(.graph, "layer \(missing) has no nodes")
    }
  }

  private func isName(_ text: String) -> Bool {
    (1...Lexer.longestName).contains(text.utf8.count) && text.utf8.allSatisfy(Lexer.isNameByte)
  }

  private func isWord(_ text: String) -> Bool { isName(text) && Lexer.startsWord(text.utf8.first ?? 0) }
}
