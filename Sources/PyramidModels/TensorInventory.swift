// Compares the tensors that a lowering wants with those that the checkpoint has. Unknown and missing tensors are listed
// together, because together they tell what went wrong: a renamed layer, another family, a checkpoint without a head.

/// Shapes wanted by canonical name.
struct TensorInventory {
  private var wanted: [String: [Int]] = [:]
  private var optional: Set<String> = []
  private var head: Set<String> = []

  /// Notes a tensor that the model needs; `isHead` for one of the classification head, which only a fine-tuned
  /// checkpoint has.
  mutating func want(_ name: String, _ shape: [Int], isHead: Bool = false) {
    wanted[name] = shape
    if isHead { head.insert(name) }
  }

  /// Notes a tensor that may be there.
  mutating func allow(_ name: String, _ shape: [Int]) {
    wanted[name] = shape
    optional.insert(name)
  }

  /// Throws a list of missing, unknown and misshapen tensors, if there are any.
  func check(against weights: Weights) throws(CheckpointError) {
    let present = weights.originals
    let missing = wanted.keys.filter { !optional.contains($0) && present[$0] == nil }.sorted()
    // A buffer that older versions of `transformers` saved beside the weights.
    let buffer = "embeddings.position_ids"
    let unknown = present.keys.filter { wanted[$0] == nil && $0 != buffer }.sorted()
    var misshapen: [String] = []
    for (name, shape) in wanted {
      guard let found = weights.shape(of: name), found != shape else { continue }
      misshapen.append("\(name) has shape \(found), expected \(shape)")
    }
    if missing.isEmpty && unknown.isEmpty && misshapen.isEmpty { return }
    var lines = ["the checkpoint's tensors do not fit its config.json:"]
    lines += Self.list("missing", missing)
    lines += Self.list("unknown", unknown)
    lines += Self.list("misshapen", misshapen.sorted())
    if missing.contains(where: head.contains) {
      lines.append("  (no classification head: is this a fine-tuned classifier?)")
    }
    throw CheckpointError(description: lines.joined(separator: "\n"))
  }

  private static func list(_ title: String, _ names: [String]) -> [String] {
    guard !names.isEmpty else { return [] }
    let shown = names.prefix(20).joined(separator: ", ")
    let more = names.count > 20 ? ", and \(names.count - 20) more" : ""
    return ["  \(title) (\(names.count)): \(shown)\(more)"]
  }
}
