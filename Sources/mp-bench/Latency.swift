// The table of latencies by length. Models take turns of a few runs each, so that what else the machine does hits all
// of them alike, while within a turn the caches hold what they hold when one model serves requests.

import ArgumentParser
import MagicPyramid
import PyramidFormats
import PyramidTools

struct Latency: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints a Markdown table: time of one text by its number of tokens.")

  @Argument(help: "Compiled models, made by mp-compile.", completion: .file(extensions: ["mpc"]))
  var models: [String]

  @Option(help: "Lengths in tokens, separated by commas.", transform: lengths)
  var tokens: [Int] = [8, 16, 32, 64, 128]

  @Option(help: "Timed runs of each model at each length.")
  var repetitions = 100

  @OptionGroup var team: ThreadOptions

  private static let turns = 5

  func validate() throws {
    guard (1...1_000_000).contains(repetitions) else { throw ValidationError("--repetitions must be 1 to 1000000") }
  }

  func run() throws {
    let opened = try models.map(team.open)
    let out = StandardOutput()
    try out.print("| model | tokens | median ms | best ms | GFLOP/s |\n|---|---|---|---|---|")
    for length in tokens {
      for (path, result) in zip(models, try measure(opened, length: length)) {
        let times = result.times.sorted()
        let median = (times[times.count / 2] + times[(times.count - 1) / 2]) / 2
        try out.print(
          "| \(path.printable(limit: 80)) | \(length) | \(decimal(median * 1e3, 3)) | \(decimal(times[0] * 1e3, 3)) "
            + "| \(decimal(Double(result.operations) / median / 1e9, 1)) |")
      }
      try out.flush()
    }
  }

  /// Operations and times of each model.
  private func measure(_ models: [TimedModel], length: Int) throws -> [(operations: Int, times: [Double])] {
    let batches = try models.map { try $0.batch(lengths: [length]) }
    var results = try zip(models, batches).map { model, batch in
      (operations: try model.operations(batch), times: [Double]())
    }
    for turn in 0..<Self.turns {
      let runs = repetitions * (turn + 1) / Self.turns - repetitions * turn / Self.turns
      for index in models.indices where runs > 0 {
        _ = try models[index].time(batches[index])
        results[index].times += try models[index].times(batches[index], least: runs, most: runs)
      }
    }
    return results
  }
}

/// Positive numbers between commas.
func lengths(_ text: String) throws -> [Int] {
  try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
    guard let length = Int(part), length > 0 else { throw ValidationError("'\(part)' is not a number of tokens") }
    return length
  }
}
