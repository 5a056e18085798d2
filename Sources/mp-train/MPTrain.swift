// mp-train: a checkpoint and labelled texts in, a checkpoint with exits and pruning thresholds out.

import ArgumentParser
import MagicPyramid
import PyramidTools
import PyramidTraining

@main
enum Main {
  static func main() { runTool(MPTrain.self, or: TrimVocabulary.self) }
}

struct MPTrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mp-train",
    abstract: "Fine-tunes a checkpoint, and gives it pruning thresholds and early exits.",
    usage: """
      mp-train <checkpoint> --data <data> --output <output> [<options>]
      mp-train trim-vocabulary <checkpoint> --data <data> --size <size> --output <output> [<options>]
      """,
    discussion: """
      Stages: entry (a bag of words before the first layer), 1 fine-tuning, 2 soft pruning, 3 hard pruning, 4 exits. \
      They run in this order; any of them may be left out. The result is a checkpoint folder for mp-compile and for \
      transformers. A folder given as --data holds train.tsv (or .csv, .jsonl), perhaps dev.tsv and LABELS.txt; without \
      dev rows a random 5% of train, at most 2,000 rows, is held out. Test rows are never read. What was trained when a \
      process ends, however it ends, is in the output folder; --resume goes on with it.

      EXAMPLES
        mp-train all-MiniLM-L6-v2 --data ag_news --output my-model
        mp-train my-bert --data reviews.csv --stages 4 --output with-exits \\
          --text-column review --label-column stars
        mp-train bert-base-uncased --data ag_news --output fastbert \\
          --stages 1,4 --exits 1,2,3,4,5,6,7,8,9,10,11
        mp-train bert-base-uncased --data ag_news --output ltp --stages 1,2,3
        mp-train my-bert --data ag_news --output with-entry --stages entry
        mp-train all-MiniLM-L6-v2 --data ag_news --output my-model --resume
        mp-train my-model --data ag_news --fit-policy prototype --output fitted
        mp-train trim-vocabulary all-MiniLM-L6-v2 --data ag_news \\
          --size 8000 --output MiniLM-8k
      """,
    version: ToolVersion.text(of: "mp-train"),
    subcommands: [TrimVocabulary.self])

  @Argument(help: "Checkpoint folder: a classifier, or an encoder that gets one.", completion: .directory)
  var checkpoint: String

  @OptionGroup(title: "Files") var files: FileOptions
  @OptionGroup(title: "Training") var choices: TrainingChoices
  @OptionGroup(title: "Running") var running: RunningOptions

  func validate() throws {
    guard let policy = files.fitPolicy else { return }
    if running.start != .new { throw ValidationError("--fit-policy takes a new or empty --output") }
    if let option = choices.ofTraining {
      throw ValidationError("--fit-policy trains nothing and keeps the whole checkpoint: leave \(option) out")
    }
    if !PolicyFit.all.contains(where: { $0.policy == policy }) {
      let names = PolicyFit.all.map(\.policy).joined(separator: ", ")
      throw ValidationError("--fit-policy: nothing is fitted for '\(policy)', but for \(names)")
    }
  }

  func run() throws {
    let terminal = Terminal(quiet: running.quiet)
    Interruption.install()
    let session = TrainingSession(self, terminal)
    do { try session.run() } catch let interruption as TrainingInterrupted {
      terminal.endProgress()
      let same = ShellText.command(with: "--resume", without: ["--resume", "--overwrite"])
      // A signal may come while texts are read, before the folder is this training's.
      let isBegun = session.isBegun || running.resume
      terminal.complain(
        isBegun ? "stopped; the same command with --resume goes on: \(same)" : "stopped; nothing was written")
      throw ExitCode(128 + interruption.signal)
    } catch {
      terminal.endProgress()
      throw error
    }
  }
}

/// What is read and written.
struct FileOptions: ParsableArguments {
  @Option(help: "Folder with train.tsv, or a file of labelled texts.", completion: .file())
  var data: String

  @Option(help: "Labelled texts that decide what is kept.", completion: .file())
  var dev: String?

  @Option(help: "Folder for the result.", completion: .directory)
  var output: String

  @Option(
    help: """
      Train nothing, but fit the weights of a policy to the checkpoint as it is: \
      \(PolicyFit.all.map(\.policy).joined(separator: ", ")).
      """)
  var fitPolicy: String?

  @OptionGroup var reading: InputOptions
}

/// What a training runs with, whatever its result.
struct RunningOptions: ParsableArguments {
  @OptionGroup var team: ThreadOptions

  @Option(help: "Most minutes of work that a killed process loses; 0 for one update.")
  var checkpointMinutes = 5.0

  @Flag(help: "Go on with the training in the output folder.")
  var resume = false

  @Flag(help: "Write into an output folder that holds something; only files of a training are replaced.")
  var overwrite = false

  @Flag(help: "No notes or progress on standard error.")
  var quiet = false

  func validate() throws {
    guard checkpointMinutes >= 0, checkpointMinutes <= 1e6 else {
      throw ValidationError("--checkpoint-minutes must be 0 to 1000000")
    }
    if resume && overwrite { throw ValidationError("--resume and --overwrite contradict each other") }
  }

  /// How the training starts.
  var start: TrainingStart { resume ? .resuming : overwrite ? .overwriting : .new }
}
