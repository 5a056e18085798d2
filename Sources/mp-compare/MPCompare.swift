// mp-compare: a model, labelled texts and policies in, a report of what each policy costs and saves out.

import ArgumentParser
import MagicPyramid
import PyramidFormats
import PyramidPolicyTesting
import PyramidTools

@main
struct MPCompare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mp-compare",
    abstract: "Compares policies with the dense model on labelled texts: accuracy, operations, wall-clock.",
    discussion: """
      With a checkpoint folder, each policy is compiled for itself and dense is the model without policies. A compiled \
      model can only run the kinds of policies that it was compiled with; dense then is that model with never-exit and \
      keep-all, and without --policy its own policies are compared. A part that a policy leaves out is none. All \
      contenders are measured in turn on the same few texts, so that whatever else the machine does hits them alike.

      EXAMPLES
        mp-compare Graphs/dbpedia14 --data Graphs/dbpedia14/sample.tsv \\
          --policy 'both: exit=entropy(threshold=0.1) prune=received-attention' \\
          --policy 'exit only: exit=entropy'
        mp-compare pyramid.mpc --data test.tsv --limit 1000 \\
          --output report.md --output report.json
      """,
    version: ToolVersion.text(of: "mp-compare"))

  @Argument(help: "Checkpoint folder, or a compiled model made by mp-compile.", completion: .file())
  var model: String

  @Option(help: "File of labelled texts; - for standard input.", completion: .file())
  var data: String

  @OptionGroup var reading: InputOptions

  @Option(help: "'NAME: exit=SPEC prune=SPEC', either part optional; repeatable.", transform: { try PolicyOption($0) })
  var policy: [PolicyOption] = []

  @Option(help: "Number format that a checkpoint is compiled with: f32 (default), bf16, int8.")
  var precision: Precision?

  @Option(
    help: "Profile from mp-run --write-profile, for the policies that it was written with; repeatable.",
    completion: .file())
  var profile: [String] = []

  @Option(help: "Times that every text is measured.")
  var repetitions = 5

  @Option(help: "Most samples computed at once in the throughput measurement.")
  var batch = 32

  @Option(help: "Use only the first rows of the data.")
  var limit: Int?

  @OptionGroup var team: ThreadOptions

  @Option(
    help: "Write the report to a file that ends in .json or .md, not to standard output; repeatable.",
    completion: .file())
  var output: [String] = []

  @OptionGroup var plugins: PluginOptions

  @Flag(help: "No notes or progress on standard error.")
  var quiet = false

  func validate() throws {
    guard (1...1000).contains(repetitions) else { throw ValidationError("--repetitions must be 1 to 1000") }
    guard batch >= 1 else { throw ValidationError("--batch must be at least 1") }
    if let limit, limit < 1 { throw ValidationError("--limit must be at least 1") }
    for path in output where !path.hasSuffix(".json") && !path.hasSuffix(".md") {
      throw ValidationError("--output wants a file that ends in .json or .md, not \(path)")
    }
    let names = policy.map(\.name)
    if names.contains("dense") {
      throw ValidationError("'dense' names the model without policies; choose another name")
    }
    if let name = names.first(where: { name in names.count { $0 == name } > 1 }) {
      throw ValidationError("two policies are named '\(name)'")
    }
  }

  func run() throws {
    let terminal = Terminal(quiet: quiet)
    // A path that can't be written should be known before minutes of measuring, not after.
    for path in output { _ = try OutputFile(path: path) }
    var options = ClassifierOptions()
    options.threads = team.threads
    options.batchSamples = batch
    let source = try ModelSource(
      path: model, precision: precision, profiles: try profile.map { try PolicyProfile(path: $0) },
      registry: plugins.registry(), options: options)
    defer { terminal.endProgress() }
    let contenders = try source.contenders(policy, progress: terminal.progress)
    let texts = try LabelledDataSet(
      path: data, labels: contenders[0].classifier.labels, limit: limit, layout: reading.layout(of: data, else: .tsv))
    let workload = try Workload(texts, classifier: contenders[0].classifier, batch: batch)
    let measurement = try Measurement(contenders, workload, repetitions: repetitions, progress: terminal.progress)
    let report = ComparisonReport(measurement, source: source, command: ShellText.command, threads: team.threads)
    terminal.endProgress()
    try write(report, terminal)
  }

  private func write(_ report: ComparisonReport, _ terminal: Terminal) throws {
    if output.isEmpty {
      let out = StandardOutput()
      try out.print(report.markdown, terminator: "")
      try out.flush()
    }
    for path in output {
      try OutputFile.write(path.hasSuffix(".json") ? report.jsonText : report.markdown, to: path)
      terminal.note("wrote \(path)")
    }
  }
}
