// The result: a Hugging Face folder that `transformers` loads and mp-compile compiles. Weights take the names that the
// family's class has in `transformers`; what the checkpoint's configuration said and the training did not change stays
// as it was, and the tokenizer's files are copied byte for byte.

import Glibc
import PyramidEvaluation
import PyramidFormats
import PyramidModels

/// Writes what a training leaves.
struct ResultFolder {
  let folder: TrainingFolder
  let context: TrainingContext
  /// The log of the training.
  let events: [JSONValue]
  /// What was asked for and read.
  let arguments: JSONObject
  /// Places in the training file, from 1, of the rows that nothing was learned from.
  let heldOutRows: [Int]

  /// The terms that a checkpoint's weights come under.
  private static let terms = ["LICENSE", "NOTICE"]
  /// Files beside the weights that a checkpoint may have: the tokenizer's, and the terms.
  private static let copied =
    [
      "tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
      "added_tokens.json",
    ] + terms

  /// Throws when a file of the checkpoint can't be copied: said before a training, it costs nothing.
  static func check(_ checkpoint: Checkpoint) throws(FormatError) {
    let source = try Folder(path: checkpoint.path)
    for name in copied where source.has(name) { _ = try CopiedFile(path: source.path(of: name)) }
  }

  /// Writes everything, the report last; with it the training is finished, and its state is removed.
  func write() throws {
    let source = try Folder(path: context.checkpoint.path)
    for name in Self.copied {
      guard source.has(name) else {
        // Of a training that was here before: a tokenizer.json would be read in place of the vocab.txt that is copied.
        // Terms may be of what else is in the folder.
        if !Self.terms.contains(name) { unlink(folder.file(name)) }
        continue
      }
      try CopiedFile(path: source.path(of: name)).write(to: folder.file(name))
    }
    try checkRange()
    let configuration = try configuration(of: JSONField(path: source.path(of: "config.json")))
    try OutputFile.write(JSONWriter.string(configuration, style: .pretty) + "\n", to: folder.file("config.json"))
    try writeWeights()
    try OutputFile.write(TrainingCurve(events).svg, to: folder.file("curve.svg"))
    try OutputFile.write(card, to: folder.file("README.md"))
    try OutputFile.write(JSONWriter.string(report, style: .lines(2)) + "\n", to: folder.file("training-report.json"))
    folder.removeState()
  }

  /// The state is f32 whatever is written, so that another format can be asked for when the training is over.
  private func checkRange() throws {
    guard context.options.weights == .f16 else { return }
    if let large = context.parameters.all.first(where: { $0.shape.count > 1 && $0.exceedsFloat16 }) {
      throw TrainingError(
        "\(large.name) holds numbers beyond 65504, which f16 can't: go on with --resume --weights f32")
    }
  }

  private func writeWeights() throws {
    let family = context.checkpoint.configuration.family
    let parameters = context.parameters.all.map { ($0, Weights.fileName($0.name, family: family)) }
    let format = context.options.weights
    let tensors = parameters.map { TensorDeclaration($1, format.type(dimensions: $0.shape.count), $0.shape) }
    var writer = try SafetensorsWriter(
      path: folder.file("model.safetensors"), tensors: tensors, metadata: [("format", "pt")], alignment: 1)
    for (parameter, name) in parameters { try writer.append(parameter.array, to: name) }
    try writer.finish()
  }

  /// The checkpoint's config.json with what the training decided.
  private func configuration(of root: JSONField) throws -> JSONValue {
    var object = try root.object()
    object["architectures"] = [.string(context.checkpoint.architecture)]
    if context.options.layers != nil {
      let turn = context.checkpoint.configuration.sharing?.inner ?? 1
      object[context.checkpoint.layersKey] = JSONValue(context.layers / turn)
    }
    object["problem_type"] = "single_label_classification"
    var (names, numbers) = (JSONObject(), JSONObject())
    for (number, label) in context.labels.enumerated() {
      names[String(number)] = .string(label)
      numbers[label] = JSONValue(number)
    }
    object["id2label"] = .object(names)
    object["label2id"] = .object(numbers)
    if object["num_labels"] != nil { object["num_labels"] = JSONValue(context.labels.count) }
    for key in ["torch_dtype", "dtype"] where object[key] != nil {
      object[key] = context.options.weights.configurationName
    }
    if let input = context.headInput {
      var own = try root.optional("magic_pyramid")?.object() ?? JSONObject()
      own["head_input"] = .string(input.rawValue)
      object["magic_pyramid"] = .object(own)
    }
    return .object(object)
  }

  private var report: JSONValue {
    [
      "arguments": .object(arguments), "weights": .string(context.options.weights.rawValue),
      "labels": .array(context.labels.map(JSONValue.string)),
      "train_rows": JSONValue(context.train.count), "dev_rows": JSONValue(context.dev.count),
      "truncated_rows": JSONValue(context.train.truncated + context.dev.truncated),
      "held_out_rows": .array(heldOutRows.map { JSONValue($0) }),
      "stages": .array(events.filter { $0["event"] == "stage" }),
    ]
  }

  /// A short model card.
  private var card: String {
    """
    # \((try? Folder(path: folder.path))?.name ?? folder.path)

    Trained by mp-train from \(context.checkpoint.configuration.name) to tell \(context.labels.count) classes apart: \
    \(context.labels.prefix(20).map { $0.printable(limit: 40) }.joined(separator: ", ")).

    \(StageSummary(events).markdown)
    What was asked for is in training-report.json, what happened in training-log.jsonl and curve.svg. It loads in
    `transformers` as \(context.checkpoint.architecture), and `mp-compile` compiles it.

    """
  }
}

extension Parameter {
  /// Whether a number of it rounds to infinity as f16.
  fileprivate var exceedsFloat16: Bool { values.contains { abs($0) >= 65520 } }
}
