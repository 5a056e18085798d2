// What --precision auto chooses by: labelled texts, and how much may be lost on them. An option group, since it makes
// sense for that one precision only.

import ArgumentParser
import MagicPyramid
import PyramidFormats
import PyramidPolicyTesting
import PyramidTools

/// `--data`, `--max-drop` and how the data lie in their file.
struct PrecisionOptions: ParsableArguments {
  @Option(help: "Labelled texts that --precision auto chooses by.", completion: .file())
  var data: String?

  @Option(help: "What their accuracy (correlation, of numbers) may lose against f32; 0.002 by default.")
  var maxDrop: Double?

  @OptionGroup var reading: InputOptions

  /// Whether any of them is given.
  var isGiven: Bool { data != nil || maxDrop != nil || reading.isGiven }

  /// Refuses what says nothing of the precision that was asked for.
  func validate(isAuto: Bool) throws {
    guard isAuto else {
      if isGiven {
        throw ValidationError("--data, --max-drop and how data are read are for --precision auto")
      }
      return
    }
    guard let data else { throw ValidationError("--precision auto chooses by labelled texts: give --data FILE") }
    if data == "-" { throw ValidationError("the compiled model names the file of the texts: give one, not -") }
    if let maxDrop, !(maxDrop >= 0 && maxDrop < 1) { throw ValidationError("--max-drop is a share from 0 to below 1") }
  }

  /// Chooses, says what, and makes it the compilation's.
  func choose(for compilation: inout Compilation, _ registry: PolicyRegistry, _ terminal: Terminal) throws {
    guard let data else { return }
    let lowered = compilation.compiler.lowered
    let texts = try LabelledDataSet(
      path: data, labels: lowered.labels, kind: lowered.graph.shape.task.labelKind,
      layout: reading.layout(of: data, else: .tsv))
    defer { terminal.endProgress() }
    let found = try PrecisionSearch(
      compilation, texts: texts, dataChecksum: MappedFile(path: data).withBytes { Checksum.sha256(of: $0) },
      maxDrop: maxDrop ?? 0.002, registry: registry, progress: LongProgress(terminal).report)
    compilation.options = found.applied(to: compilation.options)
    compilation.precisionRecord = found.record
    terminal.endProgress()
    terminal.note("precision of each part, by \(data) (int8 before bf16 before f32; no clock has a say):")
    for line in found.markdown.split(separator: "\n") { terminal.note("  \(line)") }
  }
}
