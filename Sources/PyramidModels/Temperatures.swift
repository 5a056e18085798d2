// A head's temperature, fitted after training, divides its logits. A division of logits is one of the classifier's weight
// and bias, so it is made where these are read, and neither graph nor kernels know of it.

import PyramidFormats

/// The tensors that hold temperatures, and what they divide.
enum Temperatures {
  /// [layers - 1], one for each layer but the last, whether it has an exit head or not.
  static let heads = "exits.temperatures"
  /// [1], of the bag head at the entry.
  static let entry = "exits.entry.temperature"

  /// The divisor of each tensor that has one, by canonical name; `originals` are names in the file by canonical name.
  /// Throws when a temperature is not a number above 0.
  static func divisors(
    of tensors: TensorCollection, _ originals: [String: String]
  ) throws(FormatError) -> [String: Float] {
    var divisors: [String: Float] = [:]
    for (layer, temperature) in try values(heads, tensors, originals).enumerated() {
      for part in ["weight", "bias"] { divisors["exits.\(layer).classifier.\(part)"] = temperature }
    }
    if let temperature = try values(entry, tensors, originals).first {
      for part in ["table", "bigrams", "bias"] { divisors["exits.entry.\(part)"] = temperature }
    }
    return divisors
  }

  private static func values(
    _ name: String, _ tensors: TensorCollection, _ originals: [String: String]
  ) throws(FormatError) -> [Float] {
    guard let original = originals[name] else { return [] }
    let values = try tensors.floats(of: original)
    if let wrong = values.first(where: { !($0 > 0 && $0.isFinite) }) {
      throw FormatError(
        file: tensors.path(of: original), place: name, problem: "a temperature is \(wrong), expected a number above 0")
    }
    return values
  }
}
