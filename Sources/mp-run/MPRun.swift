// mp-run: artefact and texts in, labels out.

import ArgumentParser
import MagicPyramid
import PyramidFormats
import PyramidTools

@main
struct MPRun: ParsableCommand {
  static func main() { runTool(MPRun.self) }

  static let configuration = CommandConfiguration(
    commandName: "mp-run",
    abstract: "Classifies texts with a compiled model.",
    discussion: """
      Texts come as arguments, from a file, or from standard input; answers go to standard output in the same order. \
      A record that can't be read is reported with its line number and left out; the exit code is then 1.

      EXAMPLES
        mp-run pyramid.mpc 'The Bora River is a tributary of the Lotru River.'
        mp-run pyramid.mpc --input test.tsv --format jsonl
        mp-run pyramid.mpc --input reviews.csv --text-column review
        cat texts.txt | mp-run pyramid.mpc -
        mp-run pyramid.mpc --exit 'entropy(threshold=0.3)' 'A faster answer.'
        mp-run pyramid.mpc --input train.tsv \\
          --write-profile profile.json > /dev/null
      """,
    version: ToolVersion.text(of: "mp-run"))

  @Argument(help: "Compiled model, made by mp-compile.", completion: .file(extensions: ["mpc"]))
  var model: String

  @Argument(help: "Texts; a single - reads lines from standard input.")
  var texts: [String] = []

  @Option(help: "File of texts, or - for standard input.", completion: .file())
  var input: String?

  @OptionGroup var reading: InputOptions

  @Option(help: "pretty, jsonl or csv.")
  var format: AnswerFormat = .pretty

  @Option(help: "Exit policy in place of the compiled one.", transform: { try PolicySpec($0) })
  var exit: PolicySpec?

  @Option(help: "Pruning policy in place of the compiled one.", transform: { try PolicySpec($0) })
  var prune: PolicySpec?

  @Option(
    help: "Of a model of several tasks, those that are asked, joined by commas: a text leaves when they are sure.")
  var tasks: String?

  @OptionGroup var team: ThreadOptions

  @Option(help: "Most tokens computed at once, by default what the model admits; a longer text goes alone.")
  var batchTokens: Int?

  @Option(help: "A model with several labels answers those with at least this probability, by default 0.5.")
  var labelThreshold: Float?

  @Option(
    help: """
      A field of JSONL, or a column by name or number, whose value pairs that are ranked together share; `text` is the \
      first text. Answers have `group` and `rank`; the whole input is read first.
      """)
  var groupBy: TextColumn?

  @Option(help: "Give only so many answers of each group, the best first.")
  var topK: Int?

  @OptionGroup var windows: WindowOptions

  @Option(
    parsing: .upToNextOption,
    help: "Candidate labels, each asked of the text as a hypothesis; for a model of natural language inference.")
  var zeroShot: [String] = []

  @Option(help: "The hypothesis, with {} for the label; by default 'This example is {}.'")
  var hypothesis: String?

  @Flag(help: "Any number of the candidate labels may be true, not one.")
  var multiLabel = false

  @Option(help: "Draw which tokens of the first text lived how long: OUT.svg or OUT.html.", completion: .file())
  var pyramid: String?

  @Option(
    help: "Count which heads fire and which tokens live, for mp-compile --profile; compile without --profile for that.",
    completion: .file(extensions: ["json"]))
  var writeProfile: String?

  @OptionGroup var trace: TraceOptions

  @OptionGroup var plugins: PluginOptions

  @Flag(help: "Read the whole model first and compare it with the checksum that mp-compile stored.")
  var verify = false

  @Flag(help: "Read the model into memory instead of mapping it: nobody can then change it while it runs.")
  var copy = false

  @Flag(help: "Say what the model is, and what was proven about its exits; classify nothing.")
  var info = false

  @Flag(help: "No notes or progress on standard error.")
  var quiet = false

  func validate() throws {
    if info {
      let isMore =
        exit != nil || prune != nil || pyramid != nil || writeProfile != nil || batchTokens != nil
        || trace.trace != nil || tasks != nil || reading.isGiven || windows.isGiven || groupBy != nil
        || !zeroShot.isEmpty || labelThreshold != nil || team.threads != nil || format != .pretty
      if !texts.isEmpty || input != nil || isMore {
        throw ValidationError("--info classifies nothing: leave texts, policies and outputs out")
      }
    } else if texts.isEmpty && input == nil {
      throw ValidationError("no texts: give some, or --input FILE, or - for standard input")
    }
    if !texts.isEmpty && input != nil { throw ValidationError("texts are given both as arguments and by --input") }
    if reading.isGiven && input == nil && texts != ["-"] && !info {
      throw ValidationError("--input-format, --text-column and such are for --input FILE, or - for standard input")
    }
    if [groupBy != nil, windows.isGiven, !zeroShot.isEmpty].count(where: { $0 }) > 1 {
      throw ValidationError("--group-by, --window and --zero-shot don't go together: give one of them")
    }
    if zeroShot.isEmpty && (hypothesis != nil || multiLabel) {
      throw ValidationError("--hypothesis and --multi-label are for --zero-shot")
    }
    if topK != nil && groupBy == nil { throw ValidationError("--top-k is for --group-by") }
    if groupBy != nil && input == nil && texts != ["-"] {
      throw ValidationError("--group-by is for records: give --input FILE, or - for standard input")
    }
    if let topK, topK < 1 { throw ValidationError("--top-k must be at least 1, not \(topK)") }
    if let batchTokens, batchTokens < 1 { throw ValidationError("--batch-tokens must be at least 1") }
    if let labelThreshold, !(0...1).contains(labelThreshold) {
      throw ValidationError("--label-threshold must be 0 to 1")
    }
    if let pyramid, !pyramid.hasSuffix(".svg"), !pyramid.hasSuffix(".html") {
      throw ValidationError("--pyramid wants a file that ends in .svg or .html")
    }
  }

  private func layout(of path: String) -> TextLayout {
    var layout = reading.layout(of: path, else: .text)
    layout.group = groupBy
    return layout
  }

  /// What is made of each record.
  func plan(for classifier: Classifier) throws -> RecordPlan {
    if !zeroShot.isEmpty {
      return .zeroShot(
        try ZeroShot(
          zeroShot, hypothesis: hypothesis ?? "This example is {}.", isMulti: multiLabel,
          threshold: labelThreshold ?? ClassifierOptions().labelThreshold, for: classifier))
    }
    return try windows.plan(for: classifier)
  }

  func run() throws {
    var options = ClassifierOptions()
    options.policies = PolicyChoice(exit: exit, prune: prune)
    options.threads = team.threads
    options.batchTokens = batchTokens
    if let labelThreshold { options.labelThreshold = labelThreshold }
    options.recordsPositions = pyramid != nil
    options.trace = trace.recorder
    options.tasks = tasks?.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    if FileKind(at: model) == .folder {
      let folder = ShellText.quoted(model)
      throw FormatError(
        file: model, problem: "is a folder; compile it: mp-compile \(folder) -o model.mpc, and run that")
    }
    try checkOutputs([pyramid, writeProfile, trace.trace], inputs: [model, input] + plugins.plugin)
    let loaded = try LoadedModel(path: model, copying: copy)
    if verify { try loaded.verify() }
    if info { return try ModelInfo(loaded).print() }
    let isOfSeveralLabels = loaded.graph.shape.answered.contains { $0.task.task == .multiLabel }
    if labelThreshold != nil && !isOfSeveralLabels && !multiLabel {
      throw FormatError(file: model, problem: "answers with one label: --label-threshold is for a model of several")
    }
    let classifier = try Classifier(model: loaded, registry: plugins.registry(), options: options)
    // Refuses a place that can't be written before the work, not after it.
    if let writeProfile { _ = try OutputFile(path: writeProfile) }
    try trace.check()
    let session = try RunSession(self, classifier: classifier)
    let path = texts == ["-"] ? "-" : input
    let source: any RecordSource =
      if let path { try RecordReader(path: path, layout: layout(of: path)) } else {
        TextArray(texts)
      }
    let isWhole = try session.run(source)
    for note in try trace.write(options.trace) { Terminal(quiet: quiet).note(note) }
    if !isWhole { throw ExitCode(1) }
  }
}
