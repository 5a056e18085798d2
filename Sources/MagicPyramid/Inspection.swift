// What a checkpoint is and what it would cost, for who is about to compile it: text for people; nothing reads it back. It
// compiles the graph without policies, for one precision after the other, and writes nothing.

import PyramidCompiler
import PyramidFormats
import PyramidIR
import PyramidModels
import PyramidText

extension ModelCompiler {
  /// One line for each thing that decides what the model answers or costs, then the notes.
  public func inspection(for target: InstructionSet) throws -> String {
    let sizes = try Precision.allCases.map { precision in
      let graph = try compile(.init(), options: CompileOptions(target: target, precision: precision))
      let bytes = graph.weights.reduce(0) { $0 + $1.storedCount(target) * ($1.precision == .f32 ? 4 : 1) }
      return "\(precision.rawValue) \(decimals(Double(bytes) / 1e6)) MB"
    }
    let parameters = lowered.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
    let answers =
      lowered.tasks.isEmpty
      ? [("task", task), ("labels", labels)]
      : zip(lowered.tasks, lowered.graph.shape.answered).map { heads, answered in
        ("task \(heads.task.name)", task(heads, Array(lowered.labels[answered.columns])))
      }
    var rows: [(String, String)] = [("family", family)] + answers
    rows += [
      ("tokenizer", tokenizer), ("texts", texts), ("exit heads", exitHeads), ("entry", entry), ("learned", learned),
      ("parameters", "\(parameters); without policies, for \(target.rawValue): \(sizes.joined(separator: ", "))"),
      ("precisions", try precisions(target)), ("dense cost", try cost(target)),
    ]
    rows += notes.map { ("note", $0) }
    let width = rows.map(\.0.count).max() ?? 0
    return rows.map { "\($0)\(String(repeating: " ", count: width - $0.count))  \($1)\n" }.joined()
  }

  private var family: String {
    let (c, shape) = (checkpoint.configuration, lowered.graph.shape)
    let shared = c.sharing.map { ", weights of \($0.groups * $0.inner) shared by all" } ?? ""
    let embedding = c.embeddingSize == c.hiddenSize ? "" : ", embeddings of \(c.embeddingSize)"
    return
      "\(shape.family) (\(c.architecture ?? checkpoint.architecture)): \(shape.layers) layers x \(shape.hidden)\(shared), "
      + "\(shape.heads) heads, feed-forward \(shape.intermediate), \(c.activation.rawValue)\(embedding)"
  }

  private var task: String {
    let score =
      checkpoint.configuration.scoreFunction.map { "; score: \($0.rawValue) of the logit, by activation_fn" } ?? ""
    return Self.kind(lowered.graph.shape.task, lowered.labels.count) + score
  }

  private static func kind(_ task: ModelTask, _ count: Int) -> String {
    switch task {
    case .classification: "one label of \(count)"
    case .multiLabel: "any of \(count) labels, a sigmoid each"
    case .ranking: "one logit, to rank by"
    case .regression: "regression, \(count == 1 ? "a number" : "\(count) numbers")"
    }
  }

  /// One of several tasks: what it answers, and where it has heads.
  private func task(_ heads: TaskHeads, _ labels: [String]) -> String {
    let layers = heads.exitHeads.sorted().map { "\($0 + 1)" }.joined(separator: ", ")
    let exits = layers.isEmpty ? "no exit heads" : "exit heads after layers \(layers)"
    return "\(Self.kind(heads.task.task, labels.count)) (\(list(labels))); \(exits)"
      + (heads.entryHead == nil ? "" : ", and at the entry")
  }

  private var labels: String { list(lowered.labels) }

  private func list(_ labels: [String]) -> String {
    let shown = labels.prefix(20).map { $0.printable(limit: 40) }.joined(separator: ", ")
    return shown + (labels.count > 20 ? ", and \(labels.count - 20) more" : "")
  }

  private var tokenizer: String {
    let rules = checkpoint.tokenizer.rules
    let kind =
      switch rules.model {
      case .wordPiece: "WordPiece" + (rules.bert.map { $0.lowercase ? ", lower case" : ", case kept" } ?? "")
      case .bytePairs: "byte pairs"
      case .unigram: "Unigram"
      case .characters: "characters"
      }
    let origin = checkpoint.tokenizerOrigin
    let files = origin.files.map { $0.split(separator: "/").last.map(String.init) ?? $0 }
    return "\(kind), \(rules.vocabulary.count) tokens, from \(files.joined(separator: " and ")); "
      + (origin.notes.first ?? origin.className)
  }

  private var texts: String {
    let tokenizer = checkpoint.tokenizer.rules.modelMaxLength.map { "model_max_length \($0)" } ?? "no model_max_length"
    return "up to \(checkpoint.maxTokens) tokens (\(tokenizer), \(checkpoint.configuration.maxPositions) positions)"
  }

  private var exitHeads: String {
    guard !lowered.exitHeads.isEmpty else { return "none" }
    func list(_ layers: some Sequence<Int>) -> String {
      layers.sorted().map { String($0 + 1) }.joined(separator: ", ")
    }
    guard lowered.tasks.isEmpty else { return "of all tasks after layers \(list(lowered.exitHeads))" }
    let dense = lowered.exitHeads.subtracting(lowered.linearHeads)
    let kinds = [("dense and tanh", dense), ("linear", lowered.linearHeads)].filter { !$0.1.isEmpty }
    let place = lowered.exitHeads.count == 1 ? "after layer" : "after layers"
    return "\(place) " + kinds.map { "\(list($1)) (\($0))" }.joined(separator: " and ")
      + (lowered.headInput == .first ? ", on [CLS]" : ", on [CLS] and the mean of the layer's input")
      + (lowered.entryReaders.isEmpty ? "" : "; what the entry says is added after \(list(lowered.entryReaders))")
      + (checkpoint.importedHeads.map { ", imported from \($0)" } ?? "")
  }

  private var entry: String {
    guard let head = lowered.entryHead else { return "no head" }
    return "a head over \(head.vocabulary) tokens" + (head.pairs.map { " and \($0) rows of pairs" } ?? "")
  }

  private var learned: String {
    let values = lowered.learned.sorted { $0.key < $1.key }.map { name, tensor in
      let shown = tensor.values.count <= 48 ? tensor.values.map { decimals(Double($0)) }.joined(separator: " ") : nil
      return name + (shown.map { " [\($0)]" } ?? " \(tensor.shape)")
    }
    return values.isEmpty ? "no thresholds, temperatures or weights of policies" : values.joined(separator: "; ")
  }

  private func precisions(_ target: InstructionSet) throws -> String {
    let groups = try compile(.init(), options: CompileOptions(target: target)).precisionGroups.map(ModelPart.text)
    return "one for each of \(groups.joined(separator: "; ")); tables and the layers of logits are f32"
  }

  private func cost(_ target: InstructionSet) throws -> String {
    let terms = try compile(.init(), options: CompileOptions(target: target)).denseOperations()
    let lengths = Set([32, 128, checkpoint.maxTokens].map { min($0, checkpoint.maxTokens) }).sorted()
    let costs = lengths.map { tokens in
      let operations = terms.reduce(0.0) { sum, term in
        let count = term.dim.family == .samples ? 1 : Double(tokens)
        return sum + Double(term.coefficient) * (term.power == 2 ? count * count : count)
      }
      return "\(tokens) tokens \(decimals(operations / 1e9)) GFLOP"
    }
    return "a text of " + costs.joined(separator: ", ")
  }
}

/// About three significant digits.
private func decimals(_ value: Double) -> String {
  let size = abs(value)
  return decimal(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 4)
}
