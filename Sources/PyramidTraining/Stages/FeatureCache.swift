// What exit heads read of a model that stays as it is: computed once, read in every epoch.

/// What exit heads read, and what the last head says, for all samples of some texts.
struct FeatureCache {
  /// Features of a batch.
  struct Features {
    /// [B, exits * width].
    var rows: [Float]
    /// [B, classes].
    var lastLogits: [Float]
  }

  /// More bytes than this are not kept, but computed again in each epoch.
  static let largest = 4 << 30

  private var rows: [Float] = []
  private var logits: [Float] = []
  private let width: Int
  private let classes: Int

  /// Computes the features of all texts, unless they are too many to be kept. Those that are in `files` are read, and the
  /// others go there.
  init(
    _ texts: EncodedTexts, _ context: TrainingContext, model: StageProgram, files: FeatureFiles?,
    progress: (Double) -> Void
  ) throws {
    (width, classes) = (model.featureWidth, context.labels.count)
    if texts.count * width * 4 > Self.largest { return }
    rows = [Float](repeating: 0, count: texts.count * width)
    logits = [Float](repeating: 0, count: texts.count * classes)
    let plan = BatchPlan(
      lengths: texts.lengths, budget: context.options.batchTokens, samples: context.options.batchSamples
    ).batches
    var files = files
    while let known = files?.next(of: plan, width: width, classes: classes) { set(known.features, of: known.samples) }
    var waiting = 0
    for number in (files?.batches ?? 0)..<plan.count {
      do { try Interruption.check() } catch {
        write(plan, upTo: number, to: &files)
        throw error
      }
      progress(Double(number) / Double(plan.count))
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
