// What the machine can do at best, as a table: a kernel's rate says something only beside it.

import ArgumentParser
import CPyramidKernels
import MagicPyramid
import PyramidFormats
import PyramidTools

struct Peak: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints the measured peak rate of multiply-add and dot-product instructions.",
    discussion: "Loops over registers only; each row is the best of fifty runs of a millisecond.")

  @OptionGroup var team: ThreadOptions

  @Option(help: "markdown or json.")
  var format: Format = .markdown

  enum Format: String, ExpressibleByArgument, CaseIterable { case markdown, json }

  private struct Row {
    let precision: String
    let instruction: String
    let threads: Int
    let gflops: Double
  }

  func run() throws {
    let rows = measure()
    let out = StandardOutput()
    switch format {
    case .markdown:
      try out.print("| precision | instruction | threads | GFLOP/s |\n|---|---|---|---|")
      for row in rows {
        try out.print("| \(row.precision) | \(row.instruction) | \(row.threads) | \(decimal(row.gflops, 1)) |")
      }
    case .json:
      let values = rows.map { row -> JSONValue in
        [
          "precision": .string(row.precision), "instruction": .string(row.instruction),
          "threads": JSONValue(row.threads), "gflops": JSONValue(row.gflops),
        ]
      }
      try out.print(JSONWriter.string(["peak": .array(values)], style: .pretty))
    }
    try out.flush()
  }

  /// One thread and all of them; a precision that the machine has no instruction for is left out.
  private func measure() -> [Row] {
    let threads = ThreadCount.choose(requested: team.threads)
    mp_set_team(Int32(threads))
    let kinds = [("f32", MP_PEAK_F32_FMA), ("bf16", MP_PEAK_BF16_DOT), ("int8", MP_PEAK_INT8_DOT)]
    return kinds.flatMap { precision, kind -> [Row] in
      guard let name = mp_peak_instruction(kind) else { return [] }
      return Set([1, threads]).sorted().map { count in
        Row(
          precision: precision, instruction: String(cString: name), threads: count,
          gflops: mp_peak_rate(kind, Int32(count)) / 1e9)
      }
    }
  }
}
