// Options that several tools take, and what the library's types need to be options: `--threads` is one thing in all.

import ArgumentParser
import Glibc
import MagicPyramid
import PyramidFormats

/// `--threads`.
public struct ThreadOptions: ParsableArguments {
  /// Size of the OpenMP team as given; nil for the default.
  @Option(help: "Threads; by default OMP_NUM_THREADS, else the CPUs that the process may use.")
  public var threads: Int?

  /// As the parser makes it.
  public init() {}

  /// Throws for a count that is out of range.
  public func validate() throws {
    if let threads, !(1...ThreadCount.limit).contains(threads) {
      throw ValidationError("--threads must be 1 to \(ThreadCount.limit)")
    }
  }
}

/// How texts and labels lie in a file.
public struct InputOptions: ParsableArguments {
  /// The format as given; nil for what the file's name ends in.
  @Option(
    help: """
      text: one per line; tsv: [label<TAB>]text[<TAB>text2]; csv: the same in CSV; jsonl: {"text": ..., "text_pair": \
      ..., "label": ..., "id": ...}. By default what the file's name ends in, else \(InputOptions.usual).
      """)
  public var inputFormat: TextFormat?

  /// The text.
  @Option(help: "Column of the texts: its name in the header (in JSONL the key), or its number from 1.")
  public var textColumn: TextColumn?

  /// The label.
  @Option(help: "Column of the labels.")
  public var labelColumn: TextColumn?

  /// How labels name classes.
  @Option(help: "name or number: how all labels name classes, where both fit.")
  public var labelsBy: LabelSpelling?

  /// The second text.
  @Option(help: "Column of the second texts.")
  public var pairColumn: TextColumn?

  /// A header without columns by name.
  @Flag(help: "The first row of TSV or CSV names the columns; understood where a column is given by name.")
  public var header = false

  /// As the parser makes it.
  public init() {}

  /// Whether any of them is given.
  public var isGiven: Bool {
    inputFormat != nil || textColumn != nil || labelColumn != nil || labelsBy != nil || pairColumn != nil || header
  }

  private static let usual = "text in mp-run and tsv elsewhere"

  /// How the file at `path` is to be read; `format` is that of a file whose name does not tell.
  public func layout(of path: String, else format: TextFormat) -> TextLayout {
    var layout = TextLayout(
      inputFormat ?? TextFormat(endingOf: path) ?? format, text: textColumn, label: labelColumn, pair: pairColumn,
      header: header)
    layout.spelling = labelsBy
    return layout
  }
}

/// `--window`, `--stride` and `--aggregate`.
public struct WindowOptions: ParsableArguments {
  /// Tokens of a window.
  @Option(help: "Read texts over the limit in windows of so many tokens, and answer by all of them.")
  public var window: Int?

  /// Tokens that two windows share.
  @Option(help: "Tokens that a window shares with the one before, by default a quarter of it.")
  public var stride: Int?

  /// How their logits become one answer.
  @Option(help: "mean or max: what the logits of windows become.")
  public var aggregate: TextWindows.Aggregate?

  /// As the parser makes it.
  public init() {}

  /// Whether any of them is given.
  public var isGiven: Bool { window != nil || stride != nil || aggregate != nil }

  /// Refuses numbers that no window has.
  public func validate() throws {
    if let window, window < 1 { throw ValidationError("--window must be at least 1, not \(window)") }
    if let stride, stride < 0 { throw ValidationError("--stride must be at least 0") }
  }

  /// What is made of each record: windows where any option is given. Throws what `TextWindows` throws.
  public func plan(for classifier: Classifier) throws -> RecordPlan {
    guard isGiven else { return .whole }
    return .windows(
      try TextWindows(length: window, overlap: stride, aggregation: aggregate ?? .mean, for: classifier))
  }
}

/// `--trace`.
public struct TraceOptions: ParsableArguments {
  /// The file as given.
  @Option(
    help: "Write a timeline of waves, layers, steps and exits that chrome://tracing and ui.perfetto.dev open.",
    completion: .file(extensions: ["json"]))
  public var trace: String?

  /// As the parser makes it.
  public init() {}

  /// A new trace if one is asked for.
  public var recorder: ExecutionTrace? { trace.map { _ in ExecutionTrace() } }

  /// Refuses a place that can't be written before the work, not after it.
  public func check() throws(OutputError) {
    if let trace { _ = try OutputFile(path: trace) }
  }

  /// Writes the file, and returns what is to be said of it.
  public func write(_ recorder: ExecutionTrace?) throws(OutputError) -> [String] {
    guard let trace, let recorder else { return [] }
    try recorder.write(to: trace)
    let leftOut = recorder.leftOut
    return leftOut == 0
      ? [] : ["\(trace): holds the first \(recorder.capacity) events, \(leftOut) more are left out"]
  }
}

/// `--plugin`.
public struct PluginOptions: ParsableArguments {
  /// Paths of plugins.
  @Option(help: "Policy plugin: a Swift source file or a built library; repeatable.", completion: .file())
  public var plugin: [String] = []

  /// As the parser makes it.
  public init() {}

  /// The built-in policies and those of the plugins. From now on a trap inside a plugin's policy ends the tool with a
  /// line that names it. Throws `PluginError` or `PolicyError`.
  public func registry() throws -> PolicyRegistry {
    if !plugin.isEmpty {
      PolicyTrapReporter.install()
      StandardOutput.reserve()
    }
    return try PolicyCatalogue.registry(plugins: plugin)
  }
}

/// The texts of `--version`.
public enum ToolVersion {
  /// `mp-run 0.3.0 (policy SDK 0.5)`.
  public static func text(of tool: String) -> String {
    "\(tool) \(magicPyramidVersion) (policy SDK \(PolicySDK.version))"
  }
}

extension AnswerFormat: ExpressibleByArgument {}
extension LabelSpelling: ExpressibleByArgument {}
extension TextWindows.Aggregate: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
extension TextFormat: ExpressibleByArgument {}
extension TextColumn: ExpressibleByArgument {
  /// A name, or a number from 1.
  public init?(argument: String) { self.init(argument) }
}

/// Runs a tool with the process's arguments.
public func runTool(_ tool: any ParsableCommand.Type) { run(tool, Array(CommandLine.arguments.dropFirst())) }

/// Runs a tool that has a subcommand. It is told apart here, since the parser would want the tool's own arguments for it,
/// too, and for help on it.
public func runTool(_ tool: any ParsableCommand.Type, or part: any ParsableCommand.Type) {
  let words = Array(CommandLine.arguments.dropFirst())
  let name = part.configuration.commandName
  if words.first == name {
    run(part, Array(words.dropFirst()))
  } else if words.first == "help", words.dropFirst().first == name {
    run(part, ["--help"])
  } else {
    run(tool, words)
  }
}

/// What the parser's `main` does, but that errors are shown without what a terminal would act on, as they quote files.
private func run<Tool: ParsableCommand>(_ tool: Tool.Type, _ words: [String]) {
  OutputFile.keepStandardDescriptors()
  UnfinishedFiles.removeAtSignals()
  do {
    var command = try tool.parseAsRoot(words)
    try command.run()
  } catch {
    let code = tool.exitCode(for: error)
    if code == .success { tool.exit(withError: error) }
    let (message, terminal) = (tool.fullMessage(for: error), Terminal(quiet: false))
    // Without arguments the message is the whole help.
    if !message.isEmpty { words.isEmpty ? terminal.note(message) : terminal.complain(message) }
    exit(code.rawValue)
  }
}
