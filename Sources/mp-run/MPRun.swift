// mp-run: artefact and texts in, labels out.

import ArgumentParser
import MagicPyramid
import PyramidFormats
import PyramidTools

@main
struct MPRun: ParsableCommand {
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

  @OptionGroup var team: ThreadOptions

  @Option(help: "Most tokens computed at once, by default what the model admits; a longer text goes alone.")
  var batchTokens: Int?

  @Option(help: "A model with several labels answers those with at least this probability.")
  var labelThreshold: Float = 0.5

  @Option(help: "Draw which tokens of the first text lived how long: OUT.svg or OUT.html.", completion: .file())
  var pyramid: String?

  @Option(
    help: "Count which heads fire and which tokens live, for mp-compile --profile; compile without --profile for that.",
    completion: .file(extensions: ["json"]))
  var writeProfile: String?

  @OptionGroup var plugins: PluginOptions

  @Flag(help: "Say what the model is, and what was proven about its exits; classify nothing.")
  var info = false

  @Flag(help: "No notes or progress on standard error.")
  var quiet = false

  func validate() throws {
    if info {
      let isMore = exit != nil || prune != nil || pyramid != nil || writeProfile != nil || batchTokens != nil
      if !texts.isEmpty || input != nil || isMore {
        throw ValidationError("--info classifies nothing: leave texts, policies and outputs out")
      }
    } else if texts.isEmpty && input == nil {
      throw ValidationError("no texts: give some, or --input FILE, or - for standard input")
    }
    if !texts.isEmpty && input != nil { throw ValidationError("texts are given both as arguments and by --input") }
    if let batchTokens, batchTokens < 1 { throw ValidationError("--batch-tokens must be at least 1") }
    if !(0...1).contains(labelThreshold) { throw ValidationError("--label-threshold must be 0 to 1") }
    if let pyramid, !pyramid.hasSuffix(".svg"), !pyramid.hasSuffix(".html") {
      throw ValidationError("--pyramid wants a file that ends in .svg or .html")
    }
  }

  func run() throws {
    var options = ClassifierOptions()
    options.policies = PolicyChoice(exit: exit, prune: prune)
    options.threads = team.threads
    options.batchTokens = batchTokens
    options.labelThreshold = labelThreshold
    options.recordsPositions = pyramid != nil
    if FileKind(at: model) == .folder {
      let folder = ShellText.quoted(model)
      throw FormatError(
        file: model, problem: "is a folder; compile it: mp-compile \(folder) -o model.mpc, and run that")
    }
    try checkOutputs([pyramid, writeProfile], inputs: [model, input] + plugins.plugin)
    if info { return try ModelInfo(try LoadedModel(path: model)).print() }
    let classifier = try Classifier(path: model, registry: plugins.registry(), options: options)
    // Refuses a place that can't be written before the work, not after it.
    if let writeProfile { _ = try OutputFile(path: writeProfile) }
    let session = RunSession(self, classifier: classifier)
    let path = texts == ["-"] ? "-" : input
    let source: any RecordSource =
      if let path { try RecordReader(path: path, layout: reading.layout(of: path, else: .text)) } else {
        TextArray(texts)
      }
    if try !session.run(source) { throw ExitCode(1) }
  }
}
