// Which tensors a state may hold. Stages add, remove and replace heads and thresholds, so that a state's are not the
// checkpoint's; but whatever stages leave follows from its sizes, and all that reads them counts on that.

import PyramidFormats
import PyramidIR
import PyramidModels

extension TrainingContext {
  /// Throws what is wrong with tensors of these names and shapes as the parameters of this training in some stage: one of
  /// the model's or of a head that is missing, misshapen, or unknown. Names that are nobody's may be a stage's own.
  func check(_ shapes: [String: [Int]], of file: String) throws(FormatError) {
    var (known, needed) = stageShapes(shapes)
    for parameter in parameters.all where !Self.isOfStages(parameter.name) { needed[parameter.name] = parameter.shape }
    known.merge(needed) { $1 }
    func failure(_ name: String, _ problem: String) -> FormatError {
      FormatError(file: file, place: "value/\(name.printable(limit: 80))", problem: problem)
    }
    if let name = needed.keys.filter({ shapes[$0] == nil }).min() { throw failure(name, "is missing") }
    for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) {
      guard let expected = known[name] else {
        if Self.isOfStages(name) { throw failure(name, "is no tensor of this training") }
        continue
      }
      if shape != expected { throw failure(name, "has shape \(shape), expected \(expected)") }
    }
  }

  /// Whether a tensor is of those that this project adds to a checkpoint, and stages therefore may change.
  private static func isOfStages(_ name: String) -> Bool {
    ["exits.", "prune.", "policies.", "tasks."].contains(where: name.hasPrefix)
  }

  /// What heads and thresholds may be there, and what must be where these tensors are: a head is there as a whole.
  private func stageShapes(_ shapes: [String: [Int]]) -> (known: [String: [Int]], needed: [String: [Int]]) {
    let (words, boundaries) = (checkpoint.configuration.vocabularySize, max(layers - 1, 0))
    let known = [
      "exits.temperatures": [boundaries], Graph.thresholds: [boundaries], "exits.entry.temperature": [1],
      "prune.entry.salience": [words], "prune.entry.threshold": [1],
    ]
    var heads: [(name: String, shape: [Int])] = []
    if ["table", "bigrams", "bias"].contains(where: { shapes["exits.entry.\($0)"] != nil }) {
      // Pairs are hashed to a power of two.
      let pairs = shapes["exits.entry.bigrams"]?.first.map { $0 > 0 && $0 & ($0 - 1) == 0 ? $0 : BagOptions.usualPairs }
      heads += EntryHead(vocabulary: words, pairs: pairs, skip: [], separator: 0).tensors(of: headShape)
    }
    var input: HeadInput?
    for layer in 0..<boundaries {
      guard let isLinear = ExitHead.isLinear(layer: layer, has: { shapes[$0] != nil }) else { continue }
      // All heads of a model read the same.
      let width = shapes["exits.\(layer).\(isLinear ? "classifier" : "dense").weight"]?.last
      let read = input ?? HeadInput.allCases.first { $0.width(hidden: headShape.hidden) == width } ?? .first
      input = read
      let head = ExitHead(layer: layer, input: read, isLinear: isLinear)
      heads += head.tensors(of: headShape)
      if ExitHead.addsEntry(layer: layer, has: { shapes[$0] != nil }) { heads += head.entryTensors(of: headShape) }
    }
    return (known, Dictionary(heads.map { ($0.name, $0.shape) }) { $1 })
  }
}
