// The model as one of several runtimes that a script times in turn: it is driven by JSON lines on standard input and
// answers each with one on standard output. A request that can't be met is answered with an error and the next one is
// read.

import ArgumentParser
import MagicPyramid
import PyramidFormats
import PyramidTools

struct Worker: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answers timing requests, one JSON line each, on standard input.",
    discussion: """
      It prints {"ready":true,"info":TEXT} first. Requests, and after -> their answers; \
      times are in seconds:

        {"op":"warm","shapes":[[SAMPLES,TOKENS],...]}
          -> {}
        {"op":"time","b":SAMPLES,"s":TOKENS,"min_time":T,"min_iters":N,"max_iters":M}
          -> {"t":[T,...],"operations":N}
        {"op":"batches","batches":[[TOKENS,...],...]}
          -> {"t":T}
        {"op":"texts","texts":[TEXT,...]}
          -> {"t":[T,...],"labels":[NAME,...]}
        {"op":"tokenize","texts":[TEXT,...]}
          -> {"t":T,"ids":[[ID,...],...]}
        {"op":"quit"}
      """)

  @Argument(help: "Compiled model, made by mp-compile.", completion: .file(extensions: ["mpc"]))
  var model: String

  @OptionGroup var team: ThreadOptions

  private static let (mostRuns, mostTokens) = (1_000_000, 1 << 20)

  func run() throws {
    let model = try team.open(self.model)
    let out = StandardOutput()
    let threads = ThreadCount.choose(requested: team.threads)
    try say(["ready": true, "info": .string("\(model.instructionSet.rawValue), \(threads) threads")], out)
    let reader = try LineReader(path: "-")
    while let line = try reader.next() {
      do {
        guard case .bytes(let bytes) = line else { throw RuntimeError("the request is too long") }
        let request = JSONField(try JSONReader.read(bytes, file: "request"), file: "request")
        let operation = try request.required("op")
        if try operation.string() == "quit" { return }
        try say(try answer(operation, request, model), out)
      } catch let error as OutputError {
        throw error
      } catch {
        try say(["error": .string("\(error)")], out)
      }
    }
  }

  private func answer(_ operation: JSONField, _ request: JSONField, _ model: TimedModel) throws -> JSONValue {
    switch try operation.string() {
    case "warm":
      for shape in try request.required("shapes").elements() {
        let numbers = try sizes(shape)
        guard numbers.count == 2 else { throw shape.failure("expected [samples, tokens]") }
        _ = try model.time(try model.batch(lengths: Array(repeating: numbers[1], count: numbers[0])))
      }
      return [:]
    case "time":
      let (samples, tokens) = (try size(request.required("b")), try size(request.required("s")))
      let batch = try model.batch(lengths: Array(repeating: tokens, count: samples))
      let duration = try request.required("min_time")
      guard (0...1e6).contains(try duration.double()) else { throw duration.failure("expected 0 to 1e6 seconds") }
      let operations = try model.operations(batch)
      let times = try model.times(
        batch, least: try request.required("min_iters").integer(in: 1...Self.mostRuns),
        most: try request.required("max_iters").integer(in: 1...Self.mostRuns),
        duration: try duration.double())
      return ["t": .array(times.map { JSONValue($0) }), "operations": JSONValue(operations)]
    case "batches":
      // All batches are made before the first is timed.
      let field = try request.required("batches")
      let lengths = try field.elements().map { try sizes($0) }
      guard max(lengths.count, lengths.joined().reduce(0, +)) <= Self.mostTokens else {
        throw field.failure("expected at most \(Self.mostTokens) batches, and as many tokens in all of them")
      }
      let batches = try lengths.map { try model.batch(lengths: $0) }
      return ["t": JSONValue(try batches.reduce(0) { $0 + (try model.time($1)) })]
    case "texts":
      let texts = try texts(request)
      var (times, labels): ([JSONValue], [JSONValue]) = ([], [])
      for text in texts {
        let (answer, seconds) = try model.answer(to: text)
        times.append(JSONValue(seconds))
        labels.append(JSONValue(answer))
      }
      return ["t": .array(times), "labels": .array(labels)]
    case "tokenize":
      let (ids, seconds) = model.tokens(of: try texts(request))
      return ["t": JSONValue(seconds), "ids": .array(ids.map { .array($0.map { JSONValue(Int($0)) }) })]
    case let other: throw operation.failure("there is no operation \(JSONWriter.string(JSONValue(other)))")
    }
  }

  /// A number of samples or tokens. The bound keeps a request from allocating much before the model is asked what it
  /// admits.
  private func size(_ field: JSONField) throws -> Int { try field.integer(in: 1...Self.mostTokens) }

  private func texts(_ request: JSONField) throws -> [String] {
    try request.required("texts").elements().map { try $0.string() }
  }

  private func sizes(_ field: JSONField) throws -> [Int] { try field.elements().map { try size($0) } }

  private func say(_ value: JSONValue, _ out: StandardOutput) throws {
    try out.print(JSONWriter.string(value))
    try out.flush()
  }
}
