// mp-compare calibrate: the loosest setting of an exit policy whose loss is bounded, and a certificate of it.

import ArgumentParser
import MagicPyramid
import PyramidFormats
import PyramidPolicyTesting
import PyramidTools

struct Calibrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Finds the loosest setting of an exit policy whose loss is bounded, by texts it was not trained on.",
    usage: "mp-compare calibrate <model> --data <data> [<options>]",
    discussion: """
      Settings are walked from the safest to the riskiest, and each is tested by Hoeffding's and Bentkus' bounds (Learn \
      then Test); the first that fails ends the walk, so that the number of settings costs nothing. The bound holds for \
      texts of the same kind as these, which neither the model nor its heads may have learned from.

      EXAMPLES
        mp-compare calibrate my-model --data dev.tsv --max-drop 0.005
        mp-compare calibrate my-model --data dev.tsv --per-exit --against dense \\
          --exit 'max-probability(threshold=0.5...0.999/40)' \\
          --output certificate.json
        mp-compile my-model -o model.mpc --certificate certificate.json
      """,
    version: ToolVersion.text(of: "mp-compare"))

  @Argument(help: "Checkpoint folder, or a compiled model made by mp-compile.", completion: .file())
  var model: String

  @Option(help: "File of labelled texts for calibration.", completion: .file())
  var data: String

  @OptionGroup var reading: InputOptions

  @Option(help: "Exit policy; its first number is varied, or the one that has a range LOW...HIGH/COUNT.")
  var exit = "entropy"

  @Option(help: "Pruning policy that runs with it.")
  var prune: String?

  @Option(help: "The largest share of texts that may be lost.")
  var maxDrop = 0.005

  @Option(help: "How sure that has to be.")
  var confidence = 0.95

  @Option(
    help: "A text is lost when dense gets its label right and the exit wrong (labels), or when they differ (dense).")
  var against = Calibration.Reference.labels

  @Flag(help: "Bound the loss among the texts that leave at each exit, too; the bounds hold together.")
  var perExit = false

  @Option(help: "Count the misses of this class only; of several labels, of texts that have it.")
  var missClass: String?

  @Option(help: "Number format that a checkpoint is compiled with: f32 (default), bf16, int8.")
  var precision: Precision?

  @Option(help: "Use only the first rows of the data.")
  var limit: Int?

  @OptionGroup var team: ThreadOptions

  @Option(help: "Write the certificate, for mp-compile --certificate.", completion: .file(extensions: ["json"]))
  var output: String?

  @OptionGroup var plugins: PluginOptions

  @Flag(help: "No notes or progress on standard error.")
  var quiet = false

  func validate() throws {
    guard maxDrop > 0, maxDrop < 1 else { throw ValidationError("--max-drop is a share between 0 and 1") }
    guard confidence > 0, confidence < 1 else { throw ValidationError("--confidence is a share between 0 and 1") }
    if data == "-" { throw ValidationError("the certificate names the file of the texts: give one, not -") }
    if let limit, limit < 1 { throw ValidationError("--limit must be at least 1") }
  }

  func run() throws {
    let terminal = Terminal(quiet: quiet)
    try checkOutputs([output], inputs: [model, data] + plugins.plugin)
    if let output { _ = try OutputFile(path: output) }
    defer { terminal.endProgress() }
    var options = ClassifierOptions()
    options.threads = team.threads
    let source = try ModelSource(path: model, precision: precision, registry: plugins.registry(), options: options)
    let (labels, classes) = (source.labels, ClassNumbering(source.labels))
    let wanted = try missClass.map { name in
      guard let index = classes.index(of: name, by: .name) ?? classes.index(of: name, by: .number) else {
        throw ComparisonError("--miss-class \(name): the model has \(labels.prefix(20).joined(separator: ", "))")
      }
      return index
    }
    let goal = Calibration.Goal(
      maxDrop: maxDrop, confidence: confidence, reference: against, perExit: perExit, missClass: wanted)
    let checksum = try MappedFile(path: data).withBytes { Checksum.sha256(of: $0) }
    let texts = try LabelledDataSet(
      path: data, labels: labels, kind: source.task.labelKind, limit: limit,
      layout: reading.layout(of: data, else: .tsv))
    for note in texts.notes { terminal.note(note) }
    let found = try ExitCalibration(
      source, exit: exit, prune: prune, goal: goal, texts: texts, dataChecksum: checksum,
      progress: LongProgress(terminal).report)
    terminal.endProgress()
    let out = StandardOutput()
    try out.print(found.calibration.markdown, terminator: "")
    if let certificate = found.certificate {
      for line in certificate.lines { try out.print("- \(line)") }
    }
    try out.flush()
    guard let certificate = found.certificate else { throw ComparisonError(found.calibration.objection) }
    if let output {
      try OutputFile.write(JSONWriter.string(certificate.json, style: .pretty) + "\n", to: output)
      terminal.note("wrote \(output)")
    }
  }
}

extension Calibration.Reference: ExpressibleByArgument {}
