// The null models' bag of words, where the checkpoint has none: learned from the user's training texts as `mp-train
// --stages entry` learns it, into a folder that lives as long as it is needed. The policies that are compared never see
// it: with an entry they would be asked there, too.

import Glibc
import MagicPyramid
import PyramidFormats
import PyramidModels
import PyramidPolicyTesting
import PyramidTools
import PyramidTraining

/// A checkpoint with an entry, in a temporary folder.
final class TrainedBag {
  /// The folder.
  let path: String
  private let parent: String

  /// Learns the bag of the texts at `train`.
  init(
    of checkpoint: String, train: String, layout: InputOptions, threads: Int?, progress: @escaping (String) -> Void
  ) throws {
    let given = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    var template = Array("\(given.isEmpty ? "/tmp" : given)/magic-pyramid-XXXXXX".utf8CString)
    guard let parent = template.withUnsafeMutableBufferPointer({ mkdtemp($0.baseAddress!).map { String(cString: $0) } })
    else { throw ComparisonError("no temporary folder for --train: \(String(cString: strerror(errno)))") }
    (self.parent, path) = (parent, "\(parent)/bag")
    let whole = try Checkpoint(path: checkpoint)
    var options = TrainingOptions()
    options.stages = [.entry]
    let data = try TrainingData(
      path: train, dev: nil, checkpoint: whole.configuration.labels, seed: options.seed,
      layout: { layout.layout(of: $0, else: .tsv) })
    let training = try Training(whole, data, options, threads: threads, progress: progress)
    let folder = try TrainingFolder(path: path, .new, arguments: training.arguments, source: checkpoint)
    _ = try training.run(in: folder, saveMinutes: .infinity, console: TrainingConsole(progress: progress))
  }

  deinit {
    for folder in [path, parent] {
      if let entries = opendir(folder) {
        while let entry = readdir(entries) {
          let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
          }
          if name != "." && name != ".." { unlink("\(folder)/\(name)") }
        }
        closedir(entries)
      }
      rmdir(folder)
    }
  }
}
