// A training with stages that take microseconds, as a process that a test kills, starves of disk space and resumes. Prints a line after
// each batch, so that a test can choose its moment without looking at a clock.
//
//     training-probe FOLDER make                       writes FOLDER/model and FOLDER/train.tsv
//     training-probe FOLDER NAME new|resume MINUTES [BATCH]
//                                                      trains into FOLDER/NAME, and in that batch waits for a signal

import Glibc
import PyramidFormats
import PyramidModels
import PyramidTestSupport
import PyramidTraining

@main
enum TrainingProbe {
  static func main() {
    Interruption.install()
    let words = Array(CommandLine.arguments.dropFirst())
    do { try words[1] == "make" ? make(words[0]) : run(words) } catch let
      interruption as TrainingInterrupted
    {
      exit(128 + interruption.signal)
    } catch {
      say("error: \(error)")
      exit(1)
    }
  }

  /// Not buffered, so that whoever reads knows at once.
  private static func say(_ text: String) { write(STDOUT_FILENO, text + "\n", text.utf8.count + 1) }

  private static func make(_ folder: String) throws {
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.hidden, recipe.intermediate, recipe.vocabulary) = (1, 8, 8, 4000)
    try recipe.write(to: folder + "/model")
    let rows = (0..<300).map { row in
      "\(row % 3)\t" + (0...row % 5).map { "w\(5 + row % 3 * 40 + (row * 7 + $0 * 11) % 60)" }.joined(separator: " ")
        + "\n"
    }
    try OutputFile.write(rows.joined(), to: folder + "/train.tsv")
  }

  private static func run(_ words: [String]) throws {
    let (folder, name, start) = (words[0], words[1], words[2])
    let waits = words.count > 4 ? Int(words[4]) : nil
    var options = TrainingOptions()
    (options.stages, options.epochs) = ([.fineTuning, .exits], [3, 2])
    (options.batchTokens, options.accumulate) = (40, 2)
    let checkpoint = try Checkpoint(path: folder + "/model")
    let data = try TrainingData(
      path: folder + "/train.tsv", dev: nil, checkpoint: checkpoint.configuration.labels, seed: 1,
      layout: { _ in TextLayout(.tsv) })
    let training = try Training(checkpoint, data, options, threads: 1)
    let output = try TrainingFolder(
      path: "\(folder)/\(name)", start == "resume" ? .resuming : .new, arguments: training.arguments,
      source: folder + "/model")
    _ = try training.run(in: output, saveMinutes: Double(words[3])!, console: TrainingConsole()) {
      let stage = BagStage($0, $1)
      stage.disturbance = {
        say("batch \($0.number)")
        if $0.number == waits { while (try? Interruption.check()) != nil { sched_yield() } }
        return 0
      }
      return stage
    }
    say("done")
  }
}
