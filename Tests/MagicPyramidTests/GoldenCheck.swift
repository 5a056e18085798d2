// Compares one compiled checkpoint with one golden file. Where a score or an entropy lies so close to its threshold
// that PyTorch's own rounding decided, either outcome is right: such a sample is reported and passed over.

import MagicPyramid
import PyramidTestSupport
import Testing

struct GoldenCheck {
  /// Largest difference of a logit.
  static let tolerance: Float = 1e-4
  /// A decision this close to its threshold may fall either way.
  static let margin = 1e-5
  /// The exit threshold of the goldens.
  static let threshold = 0.1

  let samples: [GoldenSample]
  let compiled: CompiledCheckpoint
  /// Numbers of the samples with a pruning score at its threshold.
  let undecided: Set<Int>

  init(checkpoint: String, samples: [GoldenSample], _ set: InstructionSet) throws {
    self.samples = samples
    compiled = try CompiledCheckpoint(
      checkpoint, for: set, exit: "entropy(threshold=\(Self.threshold))", prune: "received-attention")
    let thresholds = try #require(compiled.compiler.lowered.learned["prune.thresholds"]).values
    undecided = Set(samples.indices.filter { Self.isUndecided(samples[$0], thresholds) })
    for index in undecided {
      print("golden \(index): a score lies within \(Self.margin) of its threshold; pruning is not compared")
    }
  }

  /// Scores are written to five decimals, hence the half unit of the last one.
  private static func isUndecided(_ sample: GoldenSample, _ thresholds: [Float]) -> Bool {
    zip(sample.receivedScores ?? [], thresholds).contains { scores, threshold in
      scores.contains { abs(Double($0) - Double(threshold)) <= margin + 5e-6 }
    }
  }

  /// Texts are cut into the ids of Hugging Face's tokenizer.
  func ids() throws {
    let classifier = try Classifier(model: compiled.model, registry: CompiledCheckpoint.registry.get())
    for (index, sample) in samples.enumerated() {
      #expect(classifier.encode(sample.text).ids == sample.ids, "golden \(index)")
    }
  }

  /// Logits of the head of each layer: made to answer by a fixed exit there. Tokens kept on the way to the last.
  func everyHead(isPruned: Bool) throws {
    let layers = compiled.model.graph.shape.layers
    for layer in 1...layers {
      let exit = layer < layers ? "fixed-layer(layer=\(layer))" : "never-exit"
      let answers = try run(exit: exit, prune: isPruned ? nil : "keep-all")
      for (index, (sample, answer)) in zip(samples, answers).enumerated() where !(isPruned && undecided.contains(index))
      {
        let expected = isPruned ? sample.prunedLogits[layer - 1] : sample.denseLogits[layer - 1]
        let difference = answer.logits.largestDifference(to: expected)
        #expect(
          difference <= Self.tolerance, "golden \(index), head \(layer), pruned \(isPruned): off by \(difference)")
        #expect(answer.exitLayer == layer, "golden \(index)")
        if isPruned {
          #expect(
            answer.alivePositions.map { Array($0.dropFirst()) } == Array(sample.keptAfterLayer.prefix(layer - 1)),
            "golden \(index)")
        }
      }
    }
  }

  /// Exit layers, answers and kept tokens with both policies as compiled.
  func exits() throws {
    for (index, (sample, answer)) in zip(samples, try run()).enumerated() where !undecided.contains(index) {
      if let head = sample.normalisedEntropy.dropLast().firstIndex(where: { abs($0 - Self.threshold) <= Self.margin }),
        head < max(sample.exitLayer, answer.exitLayer)
      {
        print(
          "golden \(index): entropy \(sample.normalisedEntropy[head]) after layer \(head + 1); exits are not compared")
        continue
      }
      #expect(answer.exitLayer == sample.exitLayer, "golden \(index)")
      let expected =
        sample.exitLayer > 0 ? sample.prunedLogits[sample.exitLayer - 1] : try #require(sample.entryLogits)
      #expect(answer.logits.largestDifference(to: expected) <= Self.tolerance, "golden \(index)")
      let layers = max(sample.exitLayer, 1)
      #expect(
        answer.alivePositions.map { Array($0.dropFirst()) }
          == Array(sample.keptAfterLayer.prefix(layers - 1)), "golden \(index)")
      #expect(
        answer.tokensAlive == [sample.ids.count] + sample.keptAfterLayer.prefix(layers - 1).map(\.count))
    }
  }

  private func run(exit: String? = nil, prune: String? = nil) throws -> [Answer] {
    let executor = try compiled.executor(exit: exit, prune: prune)
    let room = executor.options.samples
    return try stride(from: 0, to: samples.count, by: room).flatMap { start in
      try executor.run(PackedBatch(samples[start..<min(start + room, samples.count)].map(\.ids)))
    }
  }
}
