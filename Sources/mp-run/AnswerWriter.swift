// The three output formats of mp-run. JSONL is the stable one (DESIGN section 9); pretty is for eyes; CSV for
// spreadsheets.

import ArgumentParser
import MagicPyramid

/// How answers are written.
enum AnswerFormat: String, ExpressibleByArgument, CaseIterable { case pretty, jsonl, csv }

/// Writes one answer a line.
struct AnswerWriter {
  let format: AnswerFormat
  let classifier: Classifier

  /// What stands before the first answer.
  func begin(_ out: OutputStream) throws {
    switch format {
    case .jsonl: break
    case .pretty: try out.print(Self.row("label", "score", "layer", "tokens alive", "text"))
    case .csv: try out.print("index,label,score,exit_layer,layers,tokens,gflop,gflop_paper,gflop_dense,truncated")
    }
  }

  /// Writes the answer to record `index`, from 0.
  func write(_ result: Classification, index: Int, record: TextRecord, _ out: OutputStream) throws {
    let layers = classifier.model.graph.shape.layers
    let (answer, operations) = (result.answer, result.answer.operations)
    switch format {
    case .jsonl:
      try out.print(JSONWriter.string(json(result, index: index, layers: layers)))
    case .pretty:
      let text =
        record.text.printable(limit: 60) + (result.isTruncated ? "  (cut to \(answer.tokensAlive[0]) tokens)" : "")
      try out.print(
        Self.row(
          result.label, decimal(Double(result.score), 4), "\(answer.exitLayer)/\(layers)",
          answer.tokensAlive.map { "\($0)" }.joined(separator: " "), text))
    case .csv:
      let fields = [
        "\(index)", Self.quoted(result.label), "\(result.score)", "\(answer.exitLayer)", "\(layers)",
        answer.tokensAlive.map { "\($0)" }.joined(separator: " "), gigaflop(operations.executed),
        gigaflop(operations.paper),
        gigaflop(operations.dense), "\(result.isTruncated)",
      ]
      try out.print(fields.joined(separator: ","))
    }
  }

  private func json(_ result: Classification, index: Int, layers: Int) -> JSONValue {
    let (answer, operations) = (result.answer, result.answer.operations)
    var object: JSONObject = JSONObject()
    object["index"] = JSONValue(index)
    object["label"] = .string(result.label)
    object["score"] = JSONValue(result.score)
    object["probabilities"] = .array(result.probabilities.map { JSONValue($0) })
    object["exit_layer"] = JSONValue(answer.exitLayer)
    object["layers"] = JSONValue(layers)
    object["tokens"] = .array(answer.tokensAlive.map { JSONValue($0) })
    object["gflop"] = JSONValue(Double(operations.executed) / 1e9)
    object["gflop_paper"] = JSONValue(Double(operations.paper) / 1e9)
    object["gflop_dense"] = JSONValue(Double(operations.dense) / 1e9)
    if result.isTruncated {
      object["truncated"] = .bool(true)
      object["full_length"] = JSONValue(result.fullLength)
    }
    return .object(object)
  }

  private func gigaflop(_ operations: Int) -> String { decimal(Double(operations) / 1e9, 6) }

  private static func row(_ label: String, _ score: String, _ layer: String, _ tokens: String, _ text: String) -> String
  {
    func pad(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.unicodeScalars.count))
    }
    return "\(pad(label, 24)) \(pad(score, 7)) \(pad(layer, 6)) \(pad(tokens, 26)) \(text)"
  }

  private static func quoted(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\n") })
    else { return text }
    return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}
