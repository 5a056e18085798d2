// mp-run as a user sees it: formats, order, labels, bad records.

import Foundation
import Testing

@Suite struct RunTests {
  static let river = "The Bora River is a tributary of the Lotru River in Romania."

  @Test func `A text given as argument is classified, with its layer and tokens`() throws {
    let result = try Tool.run(Models.pyramid.get(), "--format", "jsonl", Self.river)
    #expect(result.code == 0)
    let answer = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    #expect(answer?["label"] as? String == "NaturalPlace")
    #expect(answer?["index"] as? Int == 0)
    #expect(answer?["exit_layer"] as? Int == 0)
    #expect(answer?["layers"] as? Int == 6)
    #expect(answer?["tokens"] as? [Int] == [17])
    let probabilities = try #require(answer?["probabilities"] as? [Double])
    #expect(probabilities.count == 14 && abs(probabilities.reduce(0, +) - 1) < 1e-5)
    let gflop = try #require(answer?["gflop"] as? Double), dense = try #require(answer?["gflop_dense"] as? Double)
    #expect(gflop > 0 && gflop < dense / 2)
    #expect(answer?["gflop_paper"] is Double)
  }

  @Test(arguments: [
    (["a text", "--text-column", "review"], "are for --input FILE"), (["a text", "--header"], "are for --input FILE"),
    (["--info", "--format", "csv"], "--info classifies nothing"),
    (["--info", "--threads", "2"], "--info classifies nothing"),
    (["--info", "--window", "8"], "--info classifies nothing"),
    (["a text", "--label-threshold", "0.9"], "--label-threshold is for a model of several"),
  ])
  func `An option that nothing would read is refused`(arguments: [String], words: String) throws {
    let result = try Tool.run.run([Models.dense.get()] + arguments)
    #expect(result.code == (words.contains("several") ? 1 : 64) && result.notes.contains(words), "\(result.notes)")
  }

  @Test func `Without policies a text goes through all layers with all tokens`() throws {
    let result = try Tool.run(Models.dense.get(), "--format", "jsonl", Self.river)
    let answer = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    #expect(answer?["exit_layer"] as? Int == 6)
    #expect(answer?["tokens"] as? [Int] == [17, 17, 17, 17, 17, 17])
    #expect(answer?["gflop"] as? Double == answer?["gflop_dense"] as? Double)
  }

  @Test func `Answers come in input order whatever the batches`() throws {
    let texts = try String(contentsOfFile: Models.checkpoint + "/sample.tsv", encoding: .utf8)
      .split(separator: "\n").prefix(40).map(String.init)
    let input = Data(texts.joined(separator: "\n").utf8)
    let wide = try Tool.run(
      Models.pyramid.get(), "-", "--input-format", "tsv", "--format", "jsonl", input: input)
    let narrow = try Tool.run(
      Models.pyramid.get(), "-", "--input-format", "tsv", "--format", "jsonl", "--batch-tokens", "600", "--threads",
      "1",
      input: input)
    #expect(wide.code == 0 && wide.lines.count == 40)
    #expect(wide.output == narrow.output)
    for (index, line) in wide.lines.enumerated() { #expect(line.hasPrefix("{\"index\":\(index),")) }
  }

  @Test func `A looser threshold at run time leaves earlier and costs less`() throws {
    func gflop(_ threshold: String) throws -> Double {
      let result = try Tool.run(
        Models.pyramid.get(), "--format", "csv", "--exit", "entropy(threshold=\(threshold))", Self.river)
      return try #require(Double(result.lines[1].split(separator: ",")[6]))
    }
    let (strict, loose) = (try gflop("0.0006"), try gflop("0.9"))
    #expect(loose < strict)
  }

  @Test func `Bad records are reported by line, the rest is answered, and the exit code is 1`() throws {
    let input = Data(
      "Film\tA film.\nNoSuchLabel\tA text.\nAlbum\tAn album.\ta\tb\nbare text\n13\tFilm by number.\n".utf8)
    let result = try Tool.run(Models.pyramid.get(), "-", "--input-format", "tsv", "--format", "jsonl", input: input)
    #expect(result.code == 1)
    #expect(result.lines.map { $0.prefix(10) } == ["{\"index\":0", "{\"index\":3"])
    #expect(result.notes.contains("line 2: label: the model has no label 'NoSuchLabel'"))
    #expect(result.notes.contains("line 3: has 4 columns"))
    #expect(result.notes.contains("line 5: label: '13' is a class by its number, and the labels before are names"))
  }

  @Test func `JSONL records carry pairs and labels, and malformed ones are named`() throws {
    let input = Data(
      "{\"text\":\"A film\",\"text_pair\":\"by someone\"}\n{\"text\":1}\nnot json\n{\"text\":\"a\",\"text\":\"b\"}\n"
        .utf8)
    let result = try Tool.run(Models.pyramid.get(), "-", "--input-format", "jsonl", "--format", "csv", input: input)
    #expect(result.code == 1)
    #expect(result.lines.count == 2)
    for line in [2, 3, 4] { #expect(result.notes.contains("line \(line)")) }
  }

  @Test func `Columns of a CSV file are found by name, and its ending says what it is`() throws {
    let scratch = try Scratch()
    let path = try scratch.write(
      "reviews.csv", "id,topic,what\n1,Film,\"A film, of \"\"1969\"\".\nShort.\"\n2,Album\n3,Album,An album.\n")
    let result = try Tool.run(
      Models.pyramid.get(), "--input", path, "--text-column", "what", "--label-column", "topic", "--format", "csv")
    #expect(result.code == 1 && result.lines.count == 3)
    #expect(result.notes.contains("reviews.csv: line 4: has 2 columns, the header 3"))
    #expect(result.notes.contains("of 2 with a label"))
    let wrong = try Tool.run(Models.pyramid.get(), "--input", path, "--text-column", "text")
    #expect(wrong.code == 1 && wrong.notes.contains("line 1: has no column 'text'; its columns are id, topic, what"))
  }

  @Test func `A slow stream is answered as it comes`() throws {
    let model = try Models.pyramid.get()
    let process = Process()
    process.environment = Tool.environment
    process.executableURL = Tool.run.url
    process.arguments = [model, "-", "--format", "csv", "--quiet"]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.runLimited()
    try input.fileHandleForWriting.write(contentsOf: Data("One text.\n".utf8))
    var text = ""
    // Blocks until the tool has written: were it to wait for more input first, neither side would go on.
    while !text.contains("\n0,") {
      let piece = output.fileHandleForReading.availableData
      // Empty at the end of the file: the tool has died.
      try #require(!piece.isEmpty, "the tool ended after '\(text)'")
      text += String(decoding: piece, as: UTF8.self)
    }
    try input.fileHandleForWriting.write(contentsOf: Data("Another.\n".utf8))
    try input.fileHandleForWriting.close()
    text += String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0 && text.contains("\n1,"))
  }

  @Test func `Memory does not grow with the number of lines`() throws {
    let process = Process()
    process.environment = Tool.environment
    process.executableURL = Tool.run.url
    process.arguments = [
      try Models.pyramid.get(), "-", "--format", "csv", "--quiet", "--exit", "fixed-layer(layer=1)",
    ]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.runLimited()
    let newline = UInt8(ascii: "\n")
    // In rounds that fit a pipe, so that neither side waits for the other.
    func classify(rounds: Int) throws {
      let lines = Data(String(repeating: "A short text.\n", count: 100).utf8)
      for _ in 0..<rounds {
        try input.fileHandleForWriting.write(contentsOf: lines)
        var answered = 0
        while answered < 100 {
          let answers = output.fileHandleForReading.availableData
          try #require(!answers.isEmpty, "mp-run ended early")
          answered += answers.count { $0 == newline }
        }
      }
    }
    try classify(rounds: 2)
    let few = try peakMemory(of: process)
    try classify(rounds: 60)
    let many = try peakMemory(of: process)
    try input.fileHandleForWriting.close()
    _ = try output.fileHandleForReading.readToEnd()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    // A leak of a kilobyte per line would add 6 MB.
    #expect(many - few < 4096, "\(few) KiB after 200 lines, \(many) KiB after 6200")
  }

  /// The largest resident size of a running process so far, in KiB. Not from `wait4`: what it reports starts from the size of the
  /// process that spawned the child.
  private func peakMemory(of process: Process) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) })
  }
}
