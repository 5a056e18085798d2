// mp-compare: a model, labelled texts and policies in, a report of what each policy costs and saves out.

import ArgumentParser
import MagicPyramid
import PyramidFormats
import PyramidPolicyTesting
import PyramidTools

@main
enum Main {
  static func main() { runTool(MPCompare.self, or: Calibrate.self) }
}

struct MPCompare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mp-compare",
    abstract: "Compares policies with the dense model on labelled texts: accuracy, operations, wall-clock.",
    usage: """
      mp-compare <model> --data <data> [<options>]
      mp-compare calibrate <model> --data <data> [<options>]
      """,
    discussion: """
      With a checkpoint folder, each policy is compiled for itself and dense is the model without policies. A compiled \
      model can only run the kinds of policies that it was compiled with; dense then is that model with never-exit and \
      keep-all, and without --policy its own policies are compared. A part that a policy leaves out is none. All \
      contenders are measured in turn on the same few texts, so that whatever else the machine does hits them alike.

      Null models are compared, too: a bag of words where the checkpoint has an entry (or --train has texts to learn it \
      from), that bag and then dense, and dense cut short where there are heads. A policy that one of them beats is \
      marked. A range in place of a number is a sweep: exit=entropy(threshold=0.01...0.8/12) stands for twelve policies. \
      model=PATH in a policy compares another model of the same classes: 'two layers: model=cut2'.

      EXAMPLES
        mp-compare Graphs/dbpedia14 --data Graphs/dbpedia14/sample.tsv \\
          --policy 'both: exit=entropy(threshold=0.1) prune=received-attention' \\
          --policy 'exit only: exit=entropy'
        mp-compare Graphs/dbpedia14 --data test.tsv --answers-only \\
          --policy 'exit=entropy(threshold=0.01...0.8/12)' --output sweep.html
        mp-compare pyramid.mpc --data test.tsv --limit 1000 \\
          --output report.md --output report.json
        mp-compare cross-encoder --data pairs.tsv --group-by text \\
          --policy 'exit=value-change(threshold=0.1...5/6)' --answers-only
        mp-compare calibrate my-model --data dev.tsv --max-drop 0.005
      """,
    version: ToolVersion.text(of: "mp-compare"), subcommands: [Calibrate.self])

  @Argument(help: "Checkpoint folder, or a compiled model made by mp-compile.", completion: .file())
  var model: String

  @Option(help: "File of labelled texts; - for standard input.", completion: .file())
  var data: String

  @OptionGroup var reading: InputOptions

  @Option(
    help: "'NAME: exit=SPEC prune=SPEC model=PATH', parts optional, numbers or ranges LOW...HIGH/COUNT; repeatable.",
    transform: { try PolicySweep($0) })
  var policy: [PolicySweep] = []

  @Option(
    help: """
      Rank the texts with the same value in this column (its name, in JSONL the key, or its number; text: the first text) \
      and compare nDCG@10 and MRR@10, labels being relevances: for models that answer with one number.
      """)
  var groupBy: TextColumn?

  @OptionGroup var windows: WindowOptions

  @Option(help: "A model with several labels answers those with at least this probability.")
  var labelThreshold: Float = 0.5

  @Option(help: "The contender that differences in accuracy are taken against.")
  var baseline = "dense"

  @Option(help: "The loss in accuracy, or in correlation or nDCG, that verdicts are about: 0.005 is half a point.")
  var margin = 0.005

  @Option(
    help: "Number format that a checkpoint is compiled with: f32 (default), bf16, int8; repeatable, side by side.")
  var precision: [Precision] = []

  @Option(
    help: "Profile from mp-run --write-profile, for the policies that it was written with; repeatable.",
    completion: .file())
  var profile: [String] = []

  @Option(help: "Labelled texts that the null models' bag of words is trained on.", completion: .file())
  var train: String?

  @Flag(help: "No null models.")
  var noNullModels = false

  @Option(help: "Seeds that policies which draw at random and name no seed are run under.")
  var seeds = 3

  @Flag(help: "No timing: answers and operations only, in seconds instead of minutes.")
  var answersOnly = false

  @Option(help: "Times that every text is measured; null models twice at most.")
  var repetitions = 5

  @Option(help: "Most samples computed at once in the throughput measurement.")
  var batch = 32

  @Option(help: "Use only the first rows of the data.")
  var limit: Int?

  @OptionGroup var team: ThreadOptions

  @Option(
    help: "Write the report to a file that ends in .md, .json, .csv or .html, not to standard output; repeatable.",
    completion: .file())
  var output: [String] = []

  @Option(help: "Write every answer of every contender to a file, a JSON object a line.", completion: .file())
  var perSample: String?

  @Flag(help: "Go on with the same command that was interrupted: what it measured lies beside the first --output.")
  var resume = false

  @OptionGroup var plugins: PluginOptions

  @Flag(help: "No notes or progress on standard error.")
  var quiet = false

  func validate() throws {
    guard (1...1000).contains(repetitions) else { throw ValidationError("--repetitions must be 1 to 1000") }
    guard batch >= 1 else { throw ValidationError("--batch must be at least 1") }
    guard (1...100).contains(seeds) else { throw ValidationError("--seeds must be 1 to 100") }
    if !(0...1).contains(labelThreshold) { throw ValidationError("--label-threshold must be 0 to 1") }
    guard margin > 0, margin < 1 else { throw ValidationError("--margin is a share between 0 and 1, such as 0.005") }
    if let limit, limit < 1 { throw ValidationError("--limit must be at least 1") }
    for path in output where ReportFormat(endingOf: path) == nil {
      throw ValidationError("--output wants a file that ends in .md, .json, .csv or .html, not \(path)")
    }
    if groupBy != nil && windows.isGiven {
      throw ValidationError("--group-by and --window don't go together: give one of them")
    }
    if resume && output.isEmpty { throw ValidationError("--resume wants the --output of the run that it goes on with") }
    if train != nil && noNullModels { throw ValidationError("--train is for null models: leave --no-null-models out") }
    if Set(precision.map(\.rawValue)).count < precision.count {
      throw ValidationError("--precision names a format twice")
    }
    let names = policy.flatMap(\.options).map(\.name)
    if names.contains("dense") {
      throw ValidationError("'dense' names the model without policies; choose another name")
    }
    if let name = names.first(where: { name in names.count { $0 == name } > 1 }) {
      throw ValidationError("two policies are named '\(name)'")
    }
  }

  func run() throws { try ComparisonSession(self).run() }
}

/// The kinds of files that a report can be written to.
enum ReportFormat: String {
  case md, json, csv, html

  init?(endingOf path: String) {
    guard let ending = path.split(separator: ".").last, path.utf8.contains(UInt8(ascii: ".")) else { return nil }
    self.init(rawValue: String(ending))
  }

  func text(_ report: ComparisonReport) -> String {
    switch self {
    case .md: report.markdown
    case .json: report.jsonText
    case .csv: report.csv
    case .html: report.html
    }
  }
}
