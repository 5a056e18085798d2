// What the machine can do at best, as a table: a kernel's rate says something only beside it.

import ArgumentParser
import MagicPyramid
import PyramidFormats
import PyramidKernels
import PyramidTools

struct Peak: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints the measured peak rate of multiply-adds and of each feature that this CPU has beside them.",
    discussion: "Loops over registers only; each row is the best of fifty runs of a millisecond. No kernel uses f16.")

  @OptionGroup var team: ThreadOptions

  @Option(help: "markdown or json.")
  var format: Format = .markdown

  enum Format: String, ExpressibleByArgument, CaseIterable { case markdown, json }

  func run() throws {
    let rows = try measure()
    let out = StandardOutput()
    switch format {
    case .markdown:
      try out.print("| precision | instruction | threads | GFLOP/s |\n|---|---|---|---|")
      for row in rows {
        try out.print(
          "| \(row.peak.precision) | \(row.peak.instruction) | \(row.threads) | \(decimal(row.gflops, 1)) |")
      }
    case .json:
      let values = rows.map { row -> JSONValue in
        [
          "precision": .string(row.peak.precision), "instruction": .string(row.peak.instruction),
          "threads": JSONValue(row.threads), "gflops": JSONValue(row.gflops),
        ]
      }
      try out.print(JSONWriter.string(["peak": .array(values)], style: .pretty))
    }
    try out.flush()
  }

  /// One thread and all of them; an instruction that the machine lacks is left out.
  private func measure() throws -> [(peak: PeakRate, threads: Int, gflops: Double)] {
    // Throws where MP_ISA or MP_FEATURES make no sense.
    _ = try InstructionSet.native()
    let (asked, cpus) = (ThreadCount.choose(requested: team.threads), ThreadCount.allowedCPUs())
    // Threads that take turns wait for each other at every step of a run, and reach nothing that is called a peak.
    if asked > cpus { Terminal(quiet: false).note("\(asked) threads, but \(cpus) CPUs: measured with \(cpus) threads") }
    let threads = min(asked, cpus)
    Team.setUp(threads: threads)
    return PeakRate.all.flatMap { peak in
      Set([1, threads]).sorted().map { (peak, $0, peak.measure(threads: $0) / 1e9) }
    }
  }
}
