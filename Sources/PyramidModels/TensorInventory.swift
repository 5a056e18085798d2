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

  /// First components of names of heads that pre-training leaves behind.
  private static let pretraining: Set<Substring> = [
    "cls", "discriminator_predictions", "generator_predictions", "generator_lm_head", "vocab_layer_norm",
    "vocab_projector", "vocab_transform",
  ]

  /// The tensors that a model in training has, by canonical name: those of the checkpoint, and a head that it lacks.
  /// Policies' weights are left behind: they were fitted on the model as it was.
  func trained(from weights: Weights) -> [(name: String, shape: [Int])] {
    wanted.filter { weights.originals[$0.key] != nil || !optional.contains($0.key) }
      .filter { !$0.key.hasPrefix(Weights.policies) }.sorted { $0.key < $1.key }
      .map { ($0.key, $0.value) }
  }

  /// Throws a list of missing, unknown and misshapen tensors, if there are any. Of a model that is going to be trained
  /// the head may be missing, and those of pre-training may be there.
  func check(against weights: Weights, isTrained: Bool) throws(CheckpointError) {
    let present = weights.originals.filter { name, _ in
      !isTrained || wanted[name] != nil || !Self.pretraining.contains(name.prefix { $0 != "." })
    }
    let missing = wanted.keys.filter {
      !optional.contains($0) && present[$0] == nil && !(isTrained && head.contains($0))
    }.sorted()
    // A buffer that older versions of `transformers` saved beside the weights.
    let buffer = "embeddings.position_ids"
    let unknown = present.keys.filter { wanted[$0] == nil && $0 != buffer }.sorted()
    var misshapen: [String] = []
    for (name, shape) in wanted {
      guard present[name] != nil, let found = weights.shape(of: name), found != shape else { continue }
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
