// Compares the tensors that a lowering wants with those that the checkpoint has. Unknown and missing tensors are listed
// together, because together they tell what went wrong: a renamed layer, another family, a checkpoint without a head.

import PyramidFormats

/// Shapes wanted by canonical name.
struct TensorInventory {
  private(set) var wanted: [String: [Int]] = [:]
  private(set) var optional: Set<String> = []

  /// Notes a tensor that the model needs.
  mutating func want(_ name: String, _ shape: [Int]) { wanted[name] = shape }

  /// Notes a tensor that may be there.
  mutating func allow(_ name: String, _ shape: [Int]) {
    wanted[name] = shape
    optional.insert(name)
  }

  /// Throws a list of missing, unknown and misshapen tensors, if there are any.
  func check(against tensors: TensorCollection) throws {
    let present = tensors.canonicalNames
    let missing = wanted.keys.filter { !optional.contains($0) && present[$0] == nil }.sorted()
    let unknown = present.keys.filter { wanted[$0] == nil && !Self.isBuffer($0) }.sorted()
    var misshapen: [String] = []
    for (name, shape) in wanted {
      guard let original = present[name], let found = tensors.shape(of: original) else { continue }
      if found != shape { misshapen.append("\(name) has shape \(found), expected \(shape)") }
    }
    if missing.isEmpty && unknown.isEmpty && misshapen.isEmpty { return }
    var lines = ["the checkpoint's tensors do not fit its config.json:"]
    lines += Self.list("missing", missing)
    lines += Self.list("unknown", unknown)
    lines += Self.list("misshapen", misshapen.sorted())
    if missing.contains(where: {
      $0.hasPrefix("classifier") || $0.hasPrefix("pooler") || $0.hasPrefix("pre_classifier")
    }) {
      lines.append("  (no classification head: is this a fine-tuned classifier?)")
    }
    throw CompileError(lines.joined(separator: "\n"))
  }

  /// Buffers that older versions of `transformers` saved beside the weights.
  private static func isBuffer(_ name: String) -> Bool { name == "embeddings.position_ids" }

  private static func list(_ title: String, _ names: [String]) -> [String] {
    guard !names.isEmpty else { return [] }
    let shown = names.prefix(20).joined(separator: ", ")
    let more = names.count > 20 ? ", and \(names.count - 20) more" : ""
    return ["  \(title) (\(names.count)): \(shown)\(more)"]
  }
}
