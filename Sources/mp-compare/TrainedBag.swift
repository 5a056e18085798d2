// The null models' bag of words, where the checkpoint has none: learned from the user's training texts as `mp-train
// --stages entry` learns it, into a folder that lives as long as it is needed. The policies that are compared never see
// it: with an entry they would be asked there, too.

import MagicPyramid
import PyramidFormats
import PyramidModels
import PyramidPolicyTesting
import PyramidTools
import PyramidTraining

/// A checkpoint with an entry, in a temporary folder.
struct TrainedBag {
  private let folder: ScratchFolder

  /// The checkpoint's folder.
  var path: String { folder.path }

  /// Learns the bag of the texts at `train`.
  init(
    of checkpoint: String, train: String, layout: InputOptions, threads: Int?, progress: @escaping (String) -> Void
  ) throws {
    folder = try ScratchFolder()
    let whole = try Checkpoint(path: checkpoint)
    var options = TrainingOptions()
    options.stages = [.entry]
    let data = try TrainingData(
      path: train, dev: nil, checkpoint: whole.configuration.labels, seed: options.seed,
      layout: { layout.layout(of: $0, else: .tsv) })
    let training = try Training(whole, data, options, threads: threads, progress: progress)
    let result = try TrainingFolder(path: folder.path, .new, arguments: training.arguments, source: checkpoint)
    _ = try training.run(in: result, saveMinutes: 60, console: TrainingConsole(progress: progress))
  }
}
