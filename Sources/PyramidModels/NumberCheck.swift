// Whether a checkpoint's numbers are numbers. Training that diverged leaves NaN everywhere, and no answer is worth
// anything; but a row of the word table that was never trained concerns only the texts with that token.

import PyramidFormats
import PyramidIR
import PyramidText

extension LoweredModel {
  /// Says which tokens' rows of the word table hold NaN or infinity. Throws, with tensor and place, when another tensor
  /// does, or a row that every text reads. Learned thresholds may be infinite.
  public func numberNotes(of checkpoint: Checkpoint) throws -> [String] {
    let (weights, rules) = (checkpoint.weights, checkpoint.tokenizer.rules)
    var notes: [String] = []
    for (name, shape) in tensors {
      guard let (tensors, original) = weights.original(of: name) else { continue }
      let values = try tensors.floats(of: original)
      let mayBeInfinite = name.hasPrefix("prune.")
      func isBroken(_ value: Float) -> Bool { mayBeInfinite ? value.isNaN : !value.isFinite }
      guard let first = values.firstIndex(where: isBroken) else { continue }
      let (file, width) = (tensors.path(of: original), max(shape.dropFirst().reduce(1, *), 1))
      func failure(_ problem: String) -> FormatError {
        FormatError(file: file, place: original.printable(limit: 80), problem: problem)
      }
      guard name == wordTable else {
        let place = shape.count > 1 ? "row \(first / width), column \(first % width)" : "element \(first)"
        throw failure(
          "\(place) is \(values[first].isNaN ? "NaN" : "\(values[first])"), expected a finite number: did its training diverge?"
        )
      }
      let rows = (0..<values.count / width).filter { values[$0 * width..<($0 + 1) * width].contains(where: isBroken) }
      func token(_ row: Int) -> String {
        "\(row) " + (row < rules.vocabulary.count ? rules.vocabulary[row].quoted : "(of no token)")
      }
      if let everywhere = rows.first(where: { rules.template.ids.contains(Int32($0)) }) {
        throw failure("row \(token(everywhere)) holds NaN or infinity, and every text has that token")
      }
      let shown = rows.prefix(20).map(token).joined(separator: ", ")
      let more = rows.count > 20 ? ", and \(rows.count - 20) more" : ""
      notes.append(
        "\(file): \(original.printable(limit: 80)): NaN or infinity in the rows of tokens (\(rows.count)): \(shown)\(more): "
          + "a text with one of them gets no answer")
    }
    return notes
  }

  /// The canonical name of the table that token ids are looked up in.
  private var wordTable: String? {
    guard let embed = graph.nodes.first(where: { $0.op == .embed }) else { return nil }
    return graph[embed.weights[0]].sources.first.map { TensorSlice(source: $0).name }
  }
}
