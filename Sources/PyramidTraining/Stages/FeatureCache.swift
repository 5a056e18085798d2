// What exit heads read of a model that stays as it is: computed once, read in every epoch.

import PyramidFormats

/// What exit heads read, and what the last head says, for all samples of some texts.
struct FeatureCache {
  /// Features of a batch.
  struct Features {
    /// [B, exits * width].
    var rows: [Float]
    /// [B, classes].
    var lastLogits: [Float]
  }

  private var rows: [Float] = []
  private var logits: [Float] = []
  private let width: Int
  private let classes: Int

  /// Computes the features of all texts, called `name`, unless they are too many to be kept. Those that are in files are
  /// read, and the others go there; `checksum` is that of the parameters that features depend on.
  init(
    _ texts: EncodedTexts, _ name: String, _ context: TrainingContext, model: StageProgram, checksum: String
  ) throws {
    (width, classes) = (model.featureWidth, context.labels.count)
    let (bytes, most) = (texts.count * width * 4, context.largestFeatures)
    if bytes > most {
      let sizes = "\(bytes >> 20) MiB, and at most \(most >> 20) MiB are kept"
      context.output?.note("features of \(name) take \(sizes), so that each epoch computes them again")
      return
    }
    rows = [Float](repeating: 0, count: texts.count * width)
    logits = [Float](repeating: 0, count: texts.count * classes)
    let plan = BatchPlan(
      lengths: texts.lengths, budget: context.options.batchTokens, samples: context.options.batchSamples
    ).batches
    var files = FeatureFiles(context, texts, name, model: checksum)
    while let known = files?.next(of: plan, width: width, classes: classes) { set(known.features, of: known.samples) }
    var waiting = 0
    let left = (files?.batches ?? 0)..<plan.count
    let computed = plan[left].reduce(0) { $0 + $1.count }
    try context.output?.log("features", ["stage": "4", "texts": .string(name), "computed": JSONValue(computed)])
    for number in left {
      do { try Interruption.check() } catch {
        write(plan, upTo: number, to: &files)
        throw error
      }
      context.progress("\(StageName.exits.title): features of \(name), \(100 * number / plan.count)%")
      set(try model.features(of: texts.batch(plan[number])), of: plan[number])
      waiting += plan[number].count
      if let files, !files.isDue(bytes: waiting * (width + classes) * 4) { continue }
      write(plan, upTo: number + 1, to: &files)
      waiting = 0
    }
    write(plan, upTo: plan.count, to: &files)
  }

  private mutating func set(_ features: Features, of samples: [Int]) {
    for (row, sample) in samples.enumerated() {
      for column in 0..<width { rows[sample * width + column] = features.rows[row * width + column] }
      for column in 0..<classes { logits[sample * classes + column] = features.lastLogits[row * classes + column] }
    }
  }

  /// Puts those of the batches before `end` that are in no file into one.
  private func write(_ plan: [[Int]], upTo end: Int, to files: inout FeatureFiles?) {
    guard let first = files?.batches, first < end else { return }
    let samples = plan[first..<end].flatMap { $0 }
    if let features = features(of: samples) {
      files?.write(features, samples: samples.count, batches: end - first)
    }
  }

  /// The features of some samples; nil when none are kept.
  func features(of samples: [Int]) -> Features? {
    if rows.isEmpty { return nil }
    return Features(
      rows: samples.flatMap { rows[$0 * width..<($0 + 1) * width] },
      lastLogits: samples.flatMap { logits[$0 * classes..<($0 + 1) * classes] })
  }
}
