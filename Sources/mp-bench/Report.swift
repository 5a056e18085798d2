// The results of Scripts/bench as a report and a chart: the script measures, what follows from the times is decided in
// PyramidEvaluation.

import ArgumentParser
import MagicPyramid
import PyramidFormats
import PyramidTools
import PyramidEvaluation

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Makes a Markdown report and an SVG chart of a results file of Scripts/bench.")

  @Argument(help: "Results, made by Scripts/bench.", completion: .file(extensions: ["json"]))
  var results: String

  @Option(
    help:
      "Write the report (.md) or the chart of latency ratios (.svg) to a file; repeatable. Else the report is printed.",
    completion: .file())
  var output: [String] = []

  func validate() throws {
    for path in output where !path.hasSuffix(".md") && !path.hasSuffix(".svg") {
      throw ValidationError("--output wants a file that ends in .md or .svg, not \(path)")
    }
  }

  func run() throws {
    let results = try BenchmarkResults(path: self.results)
    let chart = BenchmarkChart(results)
    // The Markdown shows the chart that is written along with it, by its name: both are taken to stay in one folder.
    let chartPath = output.first { $0.hasSuffix(".svg") && chart != nil }
    let report = BenchmarkReport(
      results, chartPath: chartPath.map { $0.split(separator: "/").last.map(String.init) ?? $0 })
    if output.isEmpty {
      let out = StandardOutput()
      try out.print(report.markdown, terminator: "")
      try out.flush()
    }
    for path in output {
      if path.hasSuffix(".md") {
        try OutputFile.write(report.markdown, to: path)
      } else if let chart {
        try OutputFile.write(chart.svg, to: path)
      } else {
        Terminal(quiet: false).note(
          "\(path): not written, there is no latency against \(BenchmarkResults.Runtime.baseline.name)")
      }
    }
  }
}
