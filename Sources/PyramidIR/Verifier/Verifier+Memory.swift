// Rules 11 to 13 of Verifier.swift: what the last passes add. Lifetimes are taken from program order here,
// independently of `plan-memory`, so that a mistake of the plan is found and not repeated.

extension Verifier {
  mutating func checkLayouts() {
    var misused: Set<WeightID> = []
    var notReducible: Set<WeightID> = []
    for index in graph.nodes.indices {
      for (place, weight) in graph.nodes[index].weights.enumerated() {
        if !facts[index].packable.contains(place) { misused.insert(weight) }
        if !facts[index].reducible.contains(place) { notReducible.insert(weight) }
      }
    }
    for (index, weight) in graph.weights.enumerated() {
      if weight.precision != .f32, weight.type.extents.count != 2 || notReducible.contains(WeightID(index)) {
        report(.weight(index), "stored as \(weight.precision.rawValue), but not only read as the matrix of a product")
      }
      if weight.precision == .int8, weight.type.columns > Precision.deepestInt8 {
        report(.weight(index), "\(weight.type) is deeper than int8 sums go, \(Precision.deepestInt8)")
      }
      if graph.purpose == .train, weight.layout != .plain || weight.precision != .f32 {
        report(.weight(index), "a weight that is trained is plain and f32")
      }
      guard case .panels(let width) = weight.layout else { continue }
      if width < 1 || width > Self.largestAxis { report(.weight(index), "panels of \(width) columns") }
      if weight.type.extents.count != 2 { report(.weight(index), "\(weight.type) is packed but not a matrix") }
      if misused.contains(WeightID(index)) {
        report(.weight(index), "packed, but read as something other than #w of a linear layer")
      }
    }
  }

  mutating func checkSlots() {
    for (index, slot) in graph.slots.enumerated() where slot.bytesPerRow < 1 || slot.bytesPerRow > Self.largestCount {
      report(.slot(index), "\(slot.bytesPerRow) bytes for each row, expected 1 to \(Self.largestCount)")
    }
    var lastReader = producer
    for index in graph.nodes.indices {
      for input in graph.nodes[index].inputs where isKnown(input) { lastReader[input.index] = index }
      guard facts[index].training == .loss else { continue }
      for result in graph.nodes[index].results where isKnown(result) { lastReader[result.index] = graph.nodes.count }
    }
    var occupant: [ValueID?] = Array(repeating: nil, count: graph.slots.count)
    for (index, node) in graph.nodes.enumerated() {
      for result in node.results where isKnown(result) && producer[result.index] == index && !broken.contains(result) {
        guard let slot = graph.values[result.index].slot, checkFit(result, slot, of: node, at: index) else { continue }
        if let other = occupant[slot], let end = lastReader[other.index], end >= index,
          !(end == index && node.overwrites(other, facts[index]))
        {
          report(.node(index), "\(name(result)) takes slot \(slot), where \(name(other)) still lives")
        }
        occupant[slot] = longerLived(result, occupant[slot], lastReader)
      }
    }
  }

  /// After a clash the value that lives longer is the one that later ones in the slot are compared with.
  private func longerLived(_ value: ValueID, _ other: ValueID?, _ lastReader: [Int?]) -> ValueID {
    guard let other, let end = lastReader[value.index], let otherEnd = lastReader[other.index], otherEnd > end else {
      return value
    }
    return other
  }

  private mutating func checkFit(_ value: ValueID, _ index: Int, of node: Node, at place: Int) -> Bool {
    guard graph.slots.indices.contains(index) else {
      report(.node(place), "\(name(value)) is in slot \(index), but there are \(graph.slots.count)")
      return false
    }
    if case .input = node.op {
      report(.node(place), "an input has no slot: the caller provides it")
      return false
    }
    let slot = graph.slots[index]
    let type = graph[value].type
    if type.rows.dim?.family != slot.family {
      report(.node(place), "\(name(value)) has \(type.rows) rows, but slot \(index) scales with \(Dim(slot.family, 0))")
    }
    if type.columns * 4 > slot.bytesPerRow {
      report(
        .node(place), "a row of \(name(value)) takes \(type.columns * 4) bytes, slot \(index) has \(slot.bytesPerRow)")
    }
    return true
  }

  mutating func checkCosts() {
    let present = Set(graph.sections.map { $0.first!.section })
    var counted: Set<Section> = []
    for (index, cost) in graph.costs.enumerated() {
      if !present.contains(cost.section) { report(.cost(index), "the section has no nodes") }
      if !counted.insert(cost.section).inserted { report(.cost(index), "counted twice") }
      for term in cost.executed + cost.paper {
        if declaration[term.dim] == nil { report(.cost(index), "\(term) is over a dim that is not declared") }
        if term.coefficient < 0 { report(.cost(index), "\(term) is negative") }
        if term.power != 1, term.power != 2 || term.dim.family != .tokens {
          report(.cost(index), "\(term): a power is 1, or 2 for tokens")
        }
      }
    }
  }
}
