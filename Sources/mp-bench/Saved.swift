// How much of the operations that policies save becomes saved time, on real texts. Separate from mp-compare, whose times
// are text in, label out: here texts are cut into tokens before the clock runs, so that what is the tokenizer's share of
// a text's time, which no policy can save, does not count against the policies.

import ArgumentParser
import MagicPyramid
import PyramidEvaluation
import PyramidFormats
import PyramidTools

struct Saved: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares a model with policies with the same one without: operations saved, and time.",
    discussion: """
      Both models take turns on the same texts, block by block; speed-ups in time are medians over the repetitions, with \
      95% intervals. The share is the speed-up in time divided by that in executed operations.

      EXAMPLE
        mp-bench saved dense.mpc pyramid.mpc --data test.tsv --threads 2
      """)

  @Argument(help: "The model without policies.", completion: .file(extensions: ["mpc"]))
  var dense: String

  @Argument(help: "The same with policies.", completion: .file(extensions: ["mpc"]))
  var policies: String

  @Option(help: "File of texts with labels, which don't matter.", completion: .file())
  var data: String

  @OptionGroup var reading: InputOptions

  @Option(help: "Use only the first rows of the data.")
  var limit = 500

  @Option(help: "Texts that are handed in together: numbers separated by commas.", transform: lengths)
  var batches = [1, 32]

  @Option(help: "Times that every text is measured.")
  var repetitions = 5

  @OptionGroup var team: ThreadOptions

  @Option(help: "markdown or json.")
  var format: Peak.Format = .markdown

  /// Texts that one model computes before it is the other's turn.
  private static let block = 128

  func validate() throws {
    guard (1...1_000_000).contains(repetitions) else { throw ValidationError("--repetitions must be 1 to 1000000") }
    guard limit >= 1 else { throw ValidationError("--limit must be at least 1") }
  }

  /// What one number of texts at once came to.
  private struct Row {
    let batch, texts: Int
    let operations: Double
    let time: Interval
    var share: Double { time.value / operations }
  }

  func run() throws {
    let models = try [dense, policies].map(team.open)
    let checkpoints = models.map(\.classifier.model.header.checkpoint)
    guard checkpoints[0] == checkpoints[1] else {
      throw RuntimeError("\(dense) and \(policies) were not compiled from the same checkpoint")
    }
    guard models[0].classifier.policies.isEmpty else {
      throw RuntimeError("\(dense) has policies: give it first without")
    }
    guard !models[1].classifier.policies.isEmpty else {
      throw RuntimeError("\(policies) has no policies that could save anything")
    }
    let graphs = models.map(\.classifier.model.graph)
    for (name, values) in [
      ("precision", graphs.map(\.precisionText)), ("target", graphs.map { $0.target?.rawValue ?? "" }),
    ] where values[0] != values[1] {
      throw RuntimeError("\(dense) and \(policies) were compiled with different --\(name): \(values[0]), \(values[1])")
    }
    let records = try LabelledRecords(path: data, layout: reading.layout(of: data, else: .tsv), limit: limit).records
    let encodings = try records.map { try RecordPlan.whole.encodings(of: $0.record, for: models[0].classifier)[0] }
    let rows = try batches.map { try measure(models, encodings, batch: $0) }
    let out = StandardOutput()
    switch format {
    case .markdown:
      try out.print("| texts at once | texts | operations | time | share |\n|--:|--:|--:|--:|--:|")
      for row in rows {
        try out.print(
          "| \(row.batch) | \(row.texts) | \(decimal(row.operations, 2))x | \(decimal(row.time.value, 2))x "
            + "[\(decimal(row.time.low, 2)), \(decimal(row.time.high, 2))] | \(decimal(row.share, 2)) |")
      }
    case .json:
      let values = rows.map { row -> JSONValue in
        [
          "batch": JSONValue(row.batch), "texts": JSONValue(row.texts), "operations": JSONValue(row.operations),
          "time": .array([row.time.value, row.time.low, row.time.high].map { JSONValue($0) }),
        ]
      }
      try out.print(JSONWriter.string(["saved": .array(values)], style: .pretty))
    }
    try out.flush()
  }

  private func measure(_ models: [TimedModel], _ encodings: [Encoding], batch: Int) throws -> Row {
    // A block is several batches in turn: a model takes a moment to have its weights in the caches again.
    let batches = stride(from: 0, to: encodings.count, by: batch).map { first in
      encodings[first..<min(first + batch, encodings.count)].reduce(into: PackedBatch()) { packed, encoding in
        packed.append(tokenIDs: encoding.ids, typeIDs: encoding.typeIDs)
      }
    }
    let each = max(Self.block / batch, 1)
    let blocks = stride(from: 0, to: batches.count, by: each).map { Array(batches[$0..<min($0 + each, batches.count)]) }
    let operations = try models.map { model in try batches.reduce(0) { $0 + Double(try model.operations($1)) } }
    var seconds: [[[Double]]] = [[], []]
    for repetition in 0..<repetitions {
      for index in models.indices { seconds[index].append([]) }
      for (number, block) in blocks.enumerated() {
        // Who comes first changes from block to block.
        for turn in models.indices {
          let index = (turn + number + repetition) % models.count
          seconds[index][repetition].append(try block.reduce(0) { $0 + (try models[index].time($1)) })
        }
      }
    }
    let ratio = PairedRatio(baseline: seconds[0], contender: seconds[1])
    return Row(
      batch: batch, texts: encodings.count, operations: operations[0] / operations[1], time: ratio.interval())
  }
}
