// Small checkpoints with seeded weights, written as a Hugging Face folder: config.json, vocab.txt, model.safetensors.
// Whatever works on a downloaded model works on these, in milliseconds. Tensor names are spelt out here,
// independently of the compiler.

import Glibc
import PyramidFormats

/// Sizes and family of a generated classifier.
public struct CheckpointRecipe: Sendable, CustomStringConvertible {
  /// Model families.
  public enum Family: String, Sendable, CaseIterable { case bert, distilbert, electra, roberta, albert }

  /// The family.
  public var family: Family
  /// Sizes of the network.
  public var layers = 3, hidden = 16, heads = 2, intermediate = 24, classes = 3
  /// Width of the embeddings; only ELECTRA's and ALBERT's may differ from `hidden`.
  public var embedding = 16
  /// Rows of the word table, of the position table (RoBERTa's has two more) and of the type table. DistilBERT has no types.
  public var vocabulary = 40, positions = 64, types = 2
  /// `hidden_act` as config.json spells it.
  public var activation = "gelu"
  /// Whether every layer but the last has an exit head.
  public var hasExits = true
  /// The layers, from 0, whose heads are linear.
  public var linearExits: Set<Int> = []
  /// The layers, from 0, whose heads are left out.
  public var withoutExit: Set<Int> = []
  /// Whether heads read the mean of their layer's input as well: `head_input`.
  public var readsMean = false
  /// `exits.temperatures`, one for each boundary; nil for a checkpoint without.
  public var temperatures: [Float]?
  /// What the entry's head reads.
  public enum Entry: Sendable, Equatable {
    /// A table of tokens.
    case tokens
    /// And one of pairs, with so many rows.
    case pairs(Int)
  }
  /// The head before layer 1; nil for a checkpoint without.
  public var entry: Entry?
  /// Whether every other head adds a linear layer of the entry's logits; only with an entry.
  public var addsEntry = false
  /// `exits.entry.temperature`; nil for a checkpoint without.
  public var entryTemperature: Float?
  /// `prune.entry.threshold`, with a seeded table of salience from 0 to 1; nil for a checkpoint without.
  public var salienceThreshold: Float?
  /// config.json's `problem_type`; nil for a checkpoint that is silent.
  public var problemType: String?
  /// `prune.thresholds`, one for each boundary; nil for a checkpoint without.
  public var thresholds: [Float]?
  /// The layer, from 0, whose feed-forward layer answers otherwise in bf16 and int8: what its input says is the
  /// difference of two large weights. Not for layers that share their weights.
  public var sensitiveLayer: Int?
  /// Tensors that are left out.
  public var leavesOut: Set<String> = []
  /// Tensors that are written in another shape.
  public var reshapes: [String: [Int]] = [:]
  /// A row of the word table that holds NaN: texts with that token meet it everywhere.
  public var brokenWord: Int?
  /// Weights depend on it.
  public var seed = "model"
  /// Weights of heads depend on it in place of `seed`.
  public var headSeed: String?
  /// Heads of further tasks, which BERT may have: those of another recipe of the same trunk, by the task's name.
  public var tasks: [(name: String, heads: CheckpointRecipe)] = []

  /// A recipe of a family with the sizes above.
  public init(_ family: Family = .bert) { self.family = family }

  public var description: String {
    "\(family.rawValue) \(layers)x\(hidden)/\(embedding) heads \(heads) ff \(intermediate) "
      + "classes \(classes) \(activation) \(seed)" + (readsMean ? " first+mean" : "")
  }

  /// Writes the checkpoint into a folder called `name` and returns its path.
  public func write(in folder: TemporaryFolder, name: String = "model") throws -> String {
    let path = folder.path(name)
    try write(to: path)
    return path
  }

  /// Writes the checkpoint into a folder at `path`, which is made.
  public func write(to path: String) throws {
    mkdir(path, 0o700)
    try OutputFile.write(configuration, to: path + "/config.json")
    try OutputFile.write(words.joined(separator: "\n") + "\n", to: path + "/vocab.txt")
    // Other families than BERT have other tokenizers unless this is said.
    try OutputFile.write(#"{"tokenizer_class": "BertTokenizer"}"#, to: path + "/tokenizer_config.json")
    let declarations = tensors.map { TensorDeclaration($0.name, .F32, $0.shape) }
    var writer = try SafetensorsWriter(
      path: "\(path)/model.safetensors", tensors: declarations, metadata: [("format", "pt")], alignment: 1)
    for tensor in tensors { try writer.append(values(of: tensor), to: tensor.name) }
    try writer.finish()
  }

  /// Samples of seeded ids, `[CLS]` first; no id is out of range.
  public func samples(lengths: [Int], seed: String) -> [[Int32]] {
    var random = SeededValues("\(seed) of \(self)")
    return lengths.map { length in
      [2] + (1..<max(length, 1)).map { _ in Int32(random.integer(in: 3...vocabulary - 1)) }
    }
  }

  /// The vocabulary: special tokens, then words `w5`, `w6` and so on.
  public var words: [String] {
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + (5..<vocabulary).map { "w\($0)" }
  }
}

extension CheckpointRecipe {
  private var configuration: String {
    let named = tasks.map { name, heads in
      let labels = (0..<heads.classes).map { "\"\($0)\": \"\(name) \($0)\"" }.joined(separator: ", ")
      let problem = heads.problemType.map { "\"problem_type\": \"\($0)\", " } ?? ""
      return "\"\(name)\": {\(problem)\"id2label\": {\(labels)}}"
    }
    let own =
      (readsMean ? [#""head_input": "first+mean""#] : [])
      + (tasks.isEmpty ? [] : ["\"tasks\": {\(named.joined(separator: ", "))}"])
    let input = own.isEmpty ? "" : "\"magic_pyramid\": {\(own.joined(separator: ", "))}, "
    let problem = problemType.map { "\"problem_type\": \"\($0)\", " } ?? ""
    let labels = (0..<classes).map { "\"\($0)\": \"class \($0)\"" }.joined(separator: ", ")
    let sizes =
      family == .distilbert
      ? """
      "dim": \(hidden), "n_layers": \(layers), "n_heads": \(heads), "hidden_dim": \(intermediate),
      "activation": "\(activation)",
      """
      : """
      "hidden_size": \(hidden), "num_hidden_layers": \(layers), "num_attention_heads": \(heads),
      "intermediate_size": \(intermediate), "hidden_act": "\(activation)", "type_vocab_size": \(types),
      "layer_norm_eps": 1e-12, "embedding_size": \(embedding),
      """
    return """
      {"model_type": "\(family.rawValue)", \(sizes)
       \(input)\(problem)"vocab_size": \(vocabulary), "max_position_embeddings": \(positionRows), "id2label": {\(labels)}}
      """
  }

  /// RoBERTa's first position is that after padding's, 1.
  private var positionRows: Int { family == .roberta ? positions + 2 : positions }

  private struct Tensor {
    let name: String
    let shape: [Int]
    /// Whose values it has; nil for the recipe's own.
    var origin: (recipe: CheckpointRecipe, name: String)?

    var isOfHead: Bool {
      ["exits.", "classifier", "pre_classifier"].contains(where: name.hasPrefix) || name.contains(".pooler")
    }
  }

  private var tensors: [Tensor] {
    let further = tasks.flatMap { task, recipe in
      recipe.wholeTensors.filter(\.isOfHead).map { tensor in
        let name = tensor.name.hasPrefix("bert.") ? String(tensor.name.dropFirst(5)) : tensor.name
        return Tensor(name: "tasks.\(task).\(name)", shape: tensor.shape, origin: (recipe, tensor.name))
      }
    }
    return (wholeTensors + further).filter { !leavesOut.contains($0.name) }.map {
      Tensor(name: $0.name, shape: reshapes[$0.name] ?? $0.shape, origin: $0.origin)
    }
  }

  private var wholeTensors: [Tensor] {
    var tensors: [Tensor] = []
    func linear(_ name: String, _ rows: Int, _ columns: Int) {
      tensors += [Tensor(name: name + ".weight", shape: [rows, columns]), Tensor(name: name + ".bias", shape: [rows])]
    }
    func norm(_ name: String, _ width: Int) {
      tensors += [Tensor(name: name + ".weight", shape: [width]), Tensor(name: name + ".bias", shape: [width])]
    }
    let root = family.rawValue + "."
    let width = [.electra, .albert].contains(family) ? embedding : hidden
    tensors.append(Tensor(name: root + "embeddings.word_embeddings.weight", shape: [vocabulary, width]))
    tensors.append(Tensor(name: root + "embeddings.position_embeddings.weight", shape: [positionRows, width]))
    if family != .distilbert {
      tensors.append(Tensor(name: root + "embeddings.token_type_embeddings.weight", shape: [types, width]))
    }
    norm(root + "embeddings.LayerNorm", width)
    if family == .electra && width != hidden { linear(root + "embeddings_project", hidden, width) }
    if family == .albert { linear(root + "encoder.embedding_hidden_mapping_in", hidden, width) }
    for layer in 0..<(family == .albert ? 1 : layers) {
      let names = layerNames(layer)
      for name in names[0..<4] { linear(root + name, hidden, hidden) }
      norm(root + names[4], hidden)
      linear(root + names[5], intermediate, hidden)
      linear(root + names[6], hidden, intermediate)
      norm(root + names[7], hidden)
    }
    linear(headNames.dense, hidden, hidden)
    linear(headNames.classifier, classes, hidden)
    for layer in 0..<(hasExits ? layers - 1 : 0) where !withoutExit.contains(layer) {
      let read = readsMean ? 2 * hidden : hidden
      if !linearExits.contains(layer) { linear("exits.\(layer).dense", hidden, read) }
      linear("exits.\(layer).classifier", classes, linearExits.contains(layer) ? read : hidden)
      if addsEntry { linear("exits.\(layer).entry", classes, classes) }
    }
    if let temperatures { tensors.append(Tensor(name: "exits.temperatures", shape: [temperatures.count])) }
    if let entry {
      tensors.append(Tensor(name: "exits.entry.table", shape: [vocabulary, classes]))
      if case .pairs(let rows) = entry { tensors.append(Tensor(name: "exits.entry.bigrams", shape: [rows, classes])) }
      tensors.append(Tensor(name: "exits.entry.bias", shape: [classes]))
    }
    if entryTemperature != nil { tensors.append(Tensor(name: "exits.entry.temperature", shape: [1])) }
    if salienceThreshold != nil {
      tensors.append(Tensor(name: "prune.entry.salience", shape: [vocabulary]))
      tensors.append(Tensor(name: "prune.entry.threshold", shape: [1]))
    }
    if let thresholds { tensors.append(Tensor(name: "prune.thresholds", shape: [thresholds.count])) }
    return tensors
  }

  private var headNames: (dense: String, classifier: String) {
    switch family {
    case .bert: ("bert.pooler.dense", "classifier")
    case .distilbert: ("pre_classifier", "classifier")
    case .electra, .roberta: ("classifier.dense", "classifier.out_proj")
    case .albert: ("albert.pooler", "classifier")
    }
  }

  /// Query, key, value, attention output, its norm, feed-forward in and out, its norm.
  private func layerNames(_ layer: Int) -> [String] {
    switch family {
    case .distilbert:
      return [
        "attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm", "ffn.lin1",
        "ffn.lin2", "output_layer_norm",
      ].map { "transformer.layer.\(layer).\($0)" }
    case .albert:
      return [
        "attention.query", "attention.key", "attention.value", "attention.dense", "attention.LayerNorm", "ffn",
        "ffn_output",
        "full_layer_layer_norm",
      ].map { "encoder.albert_layer_groups.0.albert_layers.0.\($0)" }
    case .bert, .electra, .roberta:
      return [
        "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
        "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
      ].map { "encoder.layer.\(layer).\($0)" }
    }
  }

  /// Matrices scaled so that activations neither die nor explode and attention is far from uniform; norms around 1.
  private func values(of tensor: Tensor) -> [Float] {
    if let (recipe, name) = tensor.origin { return recipe.values(of: Tensor(name: name, shape: tensor.shape)) }
    switch tensor.name {
    case "prune.thresholds": return thresholds ?? []
    case "exits.temperatures": return temperatures ?? []
    case "exits.entry.temperature": return entryTemperature.map { [$0] } ?? []
    case "prune.entry.threshold": return salienceThreshold.map { [$0] } ?? []
    default: break
    }
    if let sensitiveLayer, let values = sensitiveValues(of: tensor, layer: sensitiveLayer) { return values }
    return plainValues(of: tensor)
  }

  /// The first two channels of the layer's middle are 1 for every token, and the feed-forward layer reads them with
  /// weights 1024 + a and -1024; nil for other tensors. The a are lost where numbers have less than 9 bits.
  private func sensitiveValues(of tensor: Tensor, layer: Int) -> [Float]? {
    let (root, names) = (family.rawValue + ".", layerNames(layer))
    var values = plainValues(of: tensor)
    switch tensor.name {
    case root + names[4] + ".weight": values.replaceSubrange(0..<2, with: [0, 0])
    case root + names[4] + ".bias": values.replaceSubrange(0..<2, with: [1, 1])
    case root + names[5] + ".weight":
      var random = SeededValues("what \(tensor.name) says of \(seed)")
      for row in 0..<tensor.shape[0] {
        values[row * tensor.shape[1]] = 1024 + 3 * random.unit()
        values[row * tensor.shape[1] + 1] = -1024
      }
    default: return nil
    }
    return values
  }

  private func plainValues(of tensor: Tensor) -> [Float] {
    var random = SeededValues("\(tensor.name) of \(tensor.isOfHead ? headSeed ?? seed : seed)")
    let count = tensor.shape.reduce(1, *)
    if tensor.name == "prune.entry.salience" { return (0..<count).map { _ in abs(random.unit()) } }
    // Some bags are sure of their class, and others are not.
    if tensor.name.hasPrefix("exits.entry."), tensor.shape.count == 2 {
      return (0..<count).map { _ in 5 * random.unit() }
    }
    if tensor.name.hasSuffix("orm.weight") { return (0..<count).map { _ in 1 + random.unit() / 4 } }
    if tensor.shape.count == 1 { return (0..<count).map { _ in random.unit() / 4 } }
    let scale = 2.5 / Float(tensor.shape[1]).squareRoot()
    var values = (0..<count).map { _ in scale * random.unit() }
    if let brokenWord, tensor.name.hasSuffix("word_embeddings.weight") {
      let width = tensor.shape[1]
      for column in 0..<width { values[brokenWord * width + column] = .nan }
    }
    return values
  }
}
