// Early-exit checkpoints of other people's code, by the names that their tensors have there. What a table can say is a head
// that reads the first token's row through a dense layer with tanh, as this project's do; the rest is refused, or noted where
// it only decides when to leave.
//
// - DeeBERT (Xin et al. 2020; castorini/DeeBERT, and examples of `transformers`) and BERxiT (castorini/berxit):
//   `encoder.highway.<l>.{pooler.dense,classifier}`; that of the last layer is never used. Over RoBERTa the model's own head
//   is a pooler and one linear layer, like BERT's. BERxiT's DistilBERT has relu in its heads.
// - PABEE (Zhou et al. 2020; JetRunner/PABEE): `classifiers.<l>` after the model's own pooler, that of the last layer too.
// - LTP (Kim et al. 2022; kssteven418/LTP): `...self.pruner.keep_threshold`, what was learned on top of a threshold that rises
//   to `final_token_threshold`; absolute, of texts padded to 128 tokens.

import PyramidFormats

/// What a checkpoint says of exits and pruning in another code base's words.
struct ImportedExits {
  /// The checkpoint's tensors, under this project's names where they have others.
  private(set) var weights: Weights
  /// Whose heads they are; nil where nothing was renamed.
  private(set) var heads: String?
  /// `prune.thresholds`, relative to uniform attention; nil where there are none.
  private(set) var thresholds: [Float]?
  /// What was left out, a sentence each.
  private(set) var notes: [String] = []

  /// Looks through the tables. A checkpoint with heads of this project's own is left as it is. Throws when heads are of
  /// a kind that can't be expressed.
  init(
    _ weights: Weights, _ configuration: ModelConfiguration, _ family: any ModelFamily.Type, _ root: JSONField
  ) throws(FormatError) {
    self.weights = weights
    guard !weights.originals.keys.contains(where: { $0.hasPrefix("exits.") }) else { return }
    if let name = weights.originals["transformer.highway.0.pre_classifier.weight"] {
      throw FormatError(
        file: weights.tensors.path(of: name), place: name.printable(limit: 80),
        problem: "an exit head with relu (BERxiT's of DistilBERT) is not supported, only tanh; take the tensors "
          + "*.highway.* out and fit heads with: mp-train COPY --data TRAIN.tsv --output DIR --stages 4")
    }
    let turns = configuration.layers / (configuration.sharing?.inner ?? 1)
    if has("encoder.highway.0.classifier") { importHighways(turns, configuration, family) }
    if has("classifiers.0") { importClassifiers(turns, configuration, family) }
    try importThresholds(configuration, root)
  }

  private static let parts = [".weight", ".bias"]

  private func has(_ module: String) -> Bool { weights.originals[module + ".weight"] != nil }

  /// Gives weight and bias of a module another name; `keeps` leaves the old one in place.
  private mutating func rename(_ old: String, to new: String, keeps: Bool = false) {
    for part in Self.parts { weights.rename(old + part, to: new + part, keeps: keeps) }
  }

  /// The layer, from 0, after which the head of a turn stands.
  private func layer(_ turn: Int, _ configuration: ModelConfiguration) -> Int {
    let inner = configuration.sharing?.inner ?? 1
    return turn * inner + inner - 1
  }

  private mutating func importHighways(
    _ turns: Int, _ configuration: ModelConfiguration, _ family: any ModelFamily.Type
  ) {
    for turn in 0..<turns - 1 {
      let (old, new) = ("encoder.highway.\(turn)", "exits.\(layer(turn, configuration))")
      rename(old + ".pooler.dense", to: new + ".dense")
      rename(old + ".classifier", to: new + ".classifier")
    }
    for module in [".pooler.dense", ".classifier"] {
      for part in Self.parts { weights.leave("encoder.highway.\(turns - 1)" + module + part) }
    }
    // Over RoBERTa, their class ends in BERT's head.
    if family.classifier != "classifier", has("classifier"), has("pooler.dense") {
      rename("classifier", to: family.classifier)
      rename("pooler.dense", to: "classifier.dense")
    }
    heads = "DeeBERT's or BERxiT's highways"
    if has("encoder.lte_classifier") {
      for part in Self.parts { weights.leave("encoder.lte_classifier" + part) }
      notes.append(
        "encoder.lte_classifier is left unread: it says when to leave, as BERxiT's criterion; choose another, such as "
          + "--exit entropy")
    }
  }

  private mutating func importClassifiers(
    _ turns: Int, _ configuration: ModelConfiguration, _ family: any ModelFamily.Type
  ) {
    guard let pooler = ["pooler.dense", "pooler"].first(where: has), has("classifiers.\(turns - 1)") else { return }
    for turn in 0..<turns - 1 {
      let new = "exits.\(layer(turn, configuration))"
      rename(pooler, to: new + ".dense", keeps: true)
      rename("classifiers.\(turn)", to: new + ".classifier")
    }
    rename("classifiers.\(turns - 1)", to: family.classifier)
    heads = "PABEE's classifiers"
  }

  /// A token stays when the attention that it receives, averaged over heads and *padded* queries, reaches the threshold:
  /// 1/128 is uniform. Layer 0's threshold of 0 prunes nothing, others are at least 1e-5.
  private mutating func importThresholds(_ configuration: ModelConfiguration, _ root: JSONField) throws(FormatError) {
    func name(_ layer: Int) -> String { "encoder.layer.\(layer).attention.self.pruner.keep_threshold" }
    guard weights.originals[name(0)] != nil, weights.originals["prune.thresholds"] == nil else { return }
    if let mode = try root.optional("prune_mode"), try mode.string() != "absolute_threshold" {
      throw mode.failure("expected \"absolute_threshold\", which learned thresholds are of, found \(mode.found)")
    }
    let final = try root.optional("final_token_threshold")?.double() ?? 0
    var thresholds: [Float] = []
    for layer in 0..<configuration.layers {
      guard let tensor = try weights.learned(name(layer)), tensor.values.count == 1 else {
        throw FormatError(file: weights.tensors.files[0].path, place: name(layer), problem: "expected one number")
      }
      let absolute = Float(final) * Float(layer) / Float(configuration.layers) + tensor.values[0]
      thresholds.append(absolute == 0 ? 0 : max(1e-5, absolute) * 128)
      weights.leave(name(layer))
    }
    // Nothing is pruned after the last layer.
    self.thresholds = thresholds.dropLast()
    notes.append(
      "prune.thresholds are LTP's, times 128: they were learned on texts padded to that length, and are relative to "
        + "uniform attention here; [CLS] stays, which LTP's code may mask")
  }
}
