// A head's temperature, fitted after training, is learned for policies: a criterion may divide logits by it before it looks
// at probabilities. The heads' logits themselves, and what is answered, are as the head says.

import PyramidFormats

/// The tensors that hold temperatures.
enum Temperatures {
  /// [layers - 1], one for each layer but the last, whether it has an exit head or not.
  static let heads = "exits.temperatures"
  /// [1], of the bag head at the entry.
  static let entry = "exits.entry.temperature"

  /// Throws when a temperature of a checkpoint is not a number above 0.
  static func check(_ weights: Weights) throws(FormatError) {
    for name in [heads, entry] {
      guard let original = weights.originals[name], let values = try weights.learned(name)?.values else { continue }
      if let wrong = values.first(where: { !($0 > 0 && $0.isFinite) }) {
        throw FormatError(
          file: weights.tensors.path(of: original), place: name,
          problem: "a temperature is \(wrong), expected a number above 0")
      }
    }
  }
}
