// Compares the tensors that a lowering wants with those that the checkpoint has. Unknown and missing tensors are listed
// together, because together they tell what went wrong: a renamed layer, another family, a checkpoint without a head.

import PyramidFormats

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

  /// The tensors that a model in training has, by canonical name: those of the checkpoint, and a head that it lacks.
  /// Policies' weights are left behind: they were fitted on the model as it was.
  func trained(from weights: Weights) -> [(name: String, shape: [Int])] {
    wanted.filter { weights.originals[$0.key] != nil || !optional.contains($0.key) }
      .filter { !$0.key.hasPrefix(Weights.policies) }.sorted { $0.key < $1.key }
      .map { ($0.key, $0.value) }
  }

  /// Throws a list of missing, unknown and misshapen tensors, if any are missing or misshapen, or are unknown ones of this
  /// project's own; other unknown ones are harmless, and are what is returned: notes. Of a model that is going to be
  /// trained the head may be missing.
  func check(against weights: Weights, isTrained: Bool, buffers: [String]) throws(CheckpointError) -> [String] {
    let present = weights.originals
    let missing = wanted.keys.filter {
      !optional.contains($0) && present[$0] == nil && !(isTrained && head.contains($0))
    }.sorted()
    let unknown = present.keys.filter { wanted[$0] == nil }.sorted()
    let own = unknown.filter { Weights.own.contains($0.firstComponent) }
    var misshapen: [String] = []
    for (name, shape) in wanted {
      guard present[name] != nil, let found = weights.shape(of: name), found != shape else { continue }
      misshapen.append("\(name) has shape \(found), expected \(shape)")
    }
    if missing.isEmpty && own.isEmpty && misshapen.isEmpty {
      try checkUnread(weights)
      return notes(unknown, buffers)
    }
    var lines = ["the checkpoint's tensors do not fit its config.json:"]
    lines += Self.list("missing", missing)
    lines += Self.list("unknown", unknown)
    lines += Self.list("misshapen", misshapen.sorted())
    if missing.contains(where: head.contains) {
      lines.append("  (no classification head: is this a fine-tuned classifier?)")
    }
    throw CheckpointError(description: lines.joined(separator: "\n"))
  }

  /// Throws where the files hold far more that nothing reads than model. It is hashed with the rest, and copied where a
  /// checkpoint is: a small file with a hole in it may say that it is a large one.
  private func checkUnread(_ weights: Weights) throws(CheckpointError) {
    let (tensors, read) = (weights.tensors, Set(wanted.keys.compactMap { weights.originals[$0] }))
    let size = read.reduce(0) { $0 + tensors.byteCount(of: $1) }
    let unread = tensors.files.reduce(0) { $0 + $1.file.count } - size
    let others = tensors.names.filter { !read.contains($0) }
    guard unread > 4 * size * weights.cutLayers + 1 << 30,
      let largest = others.max(by: { tensors.byteCount(of: $0) < tensors.byteCount(of: $1) })
    else { return }
    throw CheckpointError(
      description: "\(tensors.path(of: largest)): \(unread) bytes are of tensors that nothing reads, "
        + "\(largest.printable(limit: 80)) for one, and \(size) of the model: save it without them")
  }

  /// What is said of tensors that nothing reads. `transformers` ignores them with a warning, whatever they are; those that
  /// stand among the model's own may be a part of it that is not known here, and are named apart.
  private func notes(_ unknown: [String], _ buffers: [String]) -> [String] {
    let parts = Set(wanted.keys.filter { !head.contains($0) }.map(\.firstComponent))
    func isWithin(_ name: String) -> Bool {
      parts.contains(name.firstComponent) && !buffers.contains(where: name.hasSuffix)
        || ["adapter", "lora_"].contains { name.contains($0) }
    }
    let groups = [
      ("left unread, as transformers does (other heads, buffers)", unknown.filter { !isWithin($0) }),
      (
        "left unread, as transformers does, though they stand within the model: is this another architecture?",
        unknown.filter(isWithin)
      ),
    ]
    return groups.flatMap { Self.list($0, $1) }.map { String($0.drop { $0 == " " }) }
  }

  private static func list(_ title: String, _ names: [String]) -> [String] {
    guard !names.isEmpty else { return [] }
    let shown = names.prefix(20).map { $0.printable(limit: 80) }.joined(separator: ", ")
    let more = names.count > 20 ? ", and \(names.count - 20) more" : ""
    return ["  \(title) (\(names.count)): \(shown)\(more)"]
  }
}

extension String {
  /// What stands before the first dot.
  var firstComponent: Substring { prefix { $0 != "." } }
}
