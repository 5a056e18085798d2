// mp-compile: checkpoint folder in, artefact out.

import ArgumentParser
import MagicPyramid
import PyramidCompiler
import PyramidFormats
import PyramidIR
import PyramidTools

extension ProblemType: ExpressibleByArgument {}

@main
enum Main {
  static func main() { runTool(MPCompile.self, or: NewPolicy.self) }
}

struct MPCompile: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mp-compile",
    abstract: "Compiles a fine-tuned BERT-type classifier into one file that mp-run maps and runs.",
    usage: """
      mp-compile <checkpoint> --output <output> [<options>]
      mp-compile new-policy <name> --kind <kind> [<options>]
      """,
    discussion: """
      EXAMPLES
        mp-compile Graphs/dbpedia14 -o dense.mpc
        mp-compile Graphs/dbpedia14 -o pyramid.mpc \\
          --exit 'entropy(threshold=0.1)' --prune received-attention
        mp-compile Graphs/dbpedia14 -o placed.mpc \\
          --exit 'entropy(threshold=0.1)' --profile profile.json --explain
        mp-compile my-checkpoint -o mine.mpc --exit lead --plugin Lead.swift
        mp-compile trunk -o both.mpc --task tone=tone-model --task topic=topic-model
        mp-compile my-checkpoint -o mixed.mpc \\
          --precision auto --data dev.tsv --max-drop 0.002
        mp-compile my-checkpoint --inspect
        mp-compile my-checkpoint --emit ir
        mp-compile --list-policies
        mp-compile new-policy lead --kind exit
      """,
    version: ToolVersion.text(of: "mp-compile"),
    subcommands: [NewPolicy.self])

  @Argument(
    help: "Folder with config.json, tokenizer files and model.safetensors, or a model's in the hub's cache.",
    completion: .directory)
  var checkpoint: String?

  @Option(
    help: """
      NAME=CHECKPOINT: a task that the model answers, by the heads of a checkpoint whose encoder is, bit for bit, the one \
      compiled; repeatable.
      """, transform: { try TaskOption($0) })
  var task: [TaskOption] = []

  @Option(name: [.short, .long], help: "The file to write.", completion: .file(extensions: ["mpc"]))
  var output: String?

  @Option(help: "Exit policy, name(key=value, ...).", transform: { try PolicySpec($0) })
  var exit: PolicySpec?

  @Option(help: "Pruning policy, name(key=value, ...).", transform: { try PolicySpec($0) })
  var prune: PolicySpec?

  @Option(
    help: """
      What the logits are, in place of config.json's problem_type: single_label_classification, \
      multi_label_classification, regression.
      """)
  var problemType: ProblemType?

  @Option(
    help: """
      Number format of weights and products: f32, bf16, int8; auto chooses one for each layer, the shortest that labelled \
      texts have room for (see --data).
      """)
  var precision: PrecisionOption = .f32

  @OptionGroup var search: PrecisionOptions

  @Option(help: "Kernels to compile for: native, avx512, avx2, neon, portable.")
  var target: TargetOption = .native

  @Option(
    help: "Drop exit heads and prunings that cost more than they save, by a file of mp-run --write-profile.",
    completion: .file(extensions: ["json"]))
  var profile: String?

  @Option(
    help: "Store what mp-compare calibrate proved, with the policies that it is about.",
    completion: .file(extensions: ["json"]))
  var certificate: String?

  @OptionGroup var plugins: PluginOptions

  @Flag(help: "List the policies with their parameters, ranges, defaults, what they read, and when they decide.")
  var listPolicies = false

  @Option(help: "How --list-policies prints: text or json.")
  var format: ListFormat = .text

  @Option(help: "Leave a pass out; repeatable.")
  var disablePass: [String] = []

  @Option(help: "Print the compiled graph: ir, dot or json.")
  var emit: Emission?

  @Option(help: "Print the graph after a pass, or after all.")
  var printAfter: String?

  @Flag(help: "Print what each decision costs and saves, and what each node costs and why it is there.")
  var explain = false

  @Flag(help: "Print what the checkpoint is, has and would cost, and compile nothing.")
  var inspect = false

  @Flag(help: "Don't compare the output with the reference interpreter.")
  var skipCheck = false

  @Flag(help: "No notes on standard error.")
  var quiet = false

  enum Emission: String, ExpressibleByArgument, CaseIterable { case ir, dot, json }
  enum PrecisionOption: String, ExpressibleByArgument, CaseIterable { case f32, bf16, int8, auto }
  enum ListFormat: String, ExpressibleByArgument, CaseIterable { case text, json }
  enum TargetOption: String, ExpressibleByArgument, CaseIterable { case native, avx512, avx2, neon, portable }

  func validate() throws {
    if listPolicies {
      let isMore = checkpoint != nil || output != nil || emit != nil || printAfter != nil || explain
      if isMore { throw ValidationError("--list-policies compiles nothing: leave checkpoint and outputs out") }
      return
    }
    if format != .text { throw ValidationError("--format is for --list-policies") }
    if checkpoint == nil { throw ValidationError("Missing expected argument '<checkpoint>'") }
    let isForCompiling = output != nil || emit != nil || printAfter != nil || explain
    if inspect {
      if isForCompiling {
        throw ValidationError("--inspect compiles nothing: leave -o, --emit, --explain and such out")
      }
      let isMore =
        exit != nil || prune != nil || precision != .f32 || profile != nil || certificate != nil || skipCheck
        || !disablePass.isEmpty || search.isGiven
      if isMore {
        throw ValidationError("--inspect compiles nothing: leave policies, --precision and how to compile out")
      }
      return
    }
    if !isForCompiling {
      throw ValidationError("nothing to do: give -o FILE, --inspect, --emit, --explain or --print-after")
    }
    if let printAfter, printAfter != "all", !Pipeline.passes.contains(where: { $0.name == printAfter }) {
      let names = Pipeline.passes.map(\.name).joined(separator: ", ")
      throw ValidationError("there is no pass '\(printAfter)'; the passes are \(names)")
    }
    if problemType != nil && !task.isEmpty {
      throw ValidationError("--problem-type is for one task: say it in the config.json of each --task")
    }
    if precision == .auto && !task.isEmpty {
      throw ValidationError("--precision auto measures one task: give --precision that, not auto")
    }
    try search.validate(isAuto: precision == .auto)
    if certificate != nil && precision == .auto {
      throw ValidationError("a certificate names one format: give --precision that, not auto")
    }
    if certificate != nil && profile != nil {
      throw ValidationError("a certificate is for a model that decides wherever it can: leave --profile out")
    }
    if certificate != nil && output == nil { throw ValidationError("--certificate is stored in a file: give -o FILE") }
    if profile != nil, exit == nil && prune == nil || disablePass.contains("place-policies") {
      throw ValidationError("--profile says where policies decide: it wants --exit or --prune, and place-policies")
    }
  }

  func run() throws {
    let terminal = Terminal(quiet: quiet)
    let out = StandardOutput()
    guard let checkpoint, !listPolicies else { return try list(to: out) }
    if inspect { return try inspect(checkpoint, to: out) }
    try checkOutputs(
      [output], inputs: [checkpoint, profile, certificate, search.data] + task.map(\.checkpoint) + plugins.plugin)
    let options = CompileOptions(
      target: try InstructionSet(rawValue: target.rawValue) ?? .native(),
      precision: Precision(rawValue: precision.rawValue) ?? .f32, disabledPasses: Set(disablePass),
      profile: try profile.map { try PolicyProfile(path: $0) })
    let certificate = try certificate.map { try Certificate(path: $0) }
    // A certificate names the policies that it is about: nobody has to type them again.
    let policies = PolicyChoice(
      exit: try exit ?? certificate.map { try PolicySpec($0.exit) },
      prune: try prune ?? certificate?.prune.map { try PolicySpec($0) })
    let registry = try plugins.registry()
    var compilation = try Compilation(
      of: compiler(checkpoint), policies: policies, options: options, registry: registry)
    compilation.certificate = certificate
    for note in compilation.compiler.notes { terminal.note("note: \(note)") }
    if precision == .auto { try search.choose(for: &compilation, registry, terminal) }
    let observe = { (pass: String, graph: Graph) throws in
      if printAfter == pass || printAfter == "all" { try out.print("; after \(pass)\n\(graph)") }
    }
    let graph: Graph
    if let output {
      terminal.progress("compiling \(checkpoint) ...")
      let compiled = try compilation.write(to: output, skipsCheck: skipCheck, observe: observe)
      terminal.endProgress()
      graph = compiled.graph
      report(compiled, certificate, output, terminal)
    } else {
      graph = try compilation.graph(observe: observe)
    }
    switch emit {
    case .ir: try out.print(graph.description)
    case .dot: try out.print(graph.dot)
    case .json: try out.print(graph.json)
    case nil: break
    }
    if explain {
      try out.print(try compilation.placementExplanation() + "\n")
      try out.print(graph.explanation(tokens: 64))
    }
    try out.flush()
  }

  private func inspect(_ checkpoint: String, to out: StandardOutput) throws {
    let target = try InstructionSet(rawValue: target.rawValue) ?? .native()
    try out.print(compiler(checkpoint).inspection(for: target), terminator: "")
    try out.flush()
  }

  /// Reads the checkpoint, with those of tasks.
  private func compiler(_ checkpoint: String) throws -> ModelCompiler {
    try task.isEmpty
      ? ModelCompiler(checkpoint: checkpoint, problemType: problemType)
      : ModelCompiler(trunk: checkpoint, tasks: task.map { ($0.name, $0.checkpoint) })
  }

  private func list(to out: StandardOutput) throws {
    let registry = try plugins.registry()
    switch format {
    case .text: try out.print(registry.listing, terminator: "")
    case .json: try out.print(JSONWriter.string(registry.listingJSON, style: .pretty))
    }
    try out.flush()
  }

  private func report(
    _ compiled: CompiledModel, _ certificate: Certificate?, _ output: String, _ terminal: Terminal
  ) {
    let (shape, isReduced) = (compiled.graph.shape, compiled.graph.precision != .f32)
    terminal.note(
      "\(output): \(shape.family), \(shape.layers) layers x \(shape.hidden), \(shape.classes) classes, "
        + "for \(compiled.graph.target?.rawValue ?? "?")" + (isReduced ? ", \(compiled.graph.precisionText)" : ""))
    if !shape.tasks.isEmpty { terminal.note("  tasks: \(shape.tasks.map(\.name).joined(separator: ", "))") }
    for (kind, spec) in compiled.graph.policies.all { terminal.note("  \(kind.rawValue): \(spec)") }
    for line in certificate?.lines ?? [] { terminal.note("  certificate: \(line)") }
    if let check = compiled.check {
      terminal.note(
        "  self-check: \(check.texts) texts against the reference interpreter, largest difference of a score "
          + "\(scientific(Double(check.largestDifference)))"
          + (!isReduced ? "" : ", \(check.agreeing) of \(check.texts) labels agree"))
      if check.decidedOtherwise > 0 {
        terminal.note(
          "  \(check.decidedOtherwise) \(check.decidedOtherwise == 1 ? "text" : "texts") with a score at its threshold "
            + "left at another layer or kept other tokens")
      }
    } else {
      terminal.note("  self-check: left out")
    }
  }
}

/// `NAME=CHECKPOINT`.
struct TaskOption {
  let name, checkpoint: String

  init(_ text: String) throws {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !parts[1].isEmpty else {
      throw ValidationError("--task wants NAME=CHECKPOINT, as --task tone=models/tone, not '\(text)'")
    }
    (name, checkpoint) = (parts[0], parts[1])
  }
}
