// An answer as text, the same from every tool. JSON is the stable form (DESIGN section 9); `pretty` is for eyes, CSV
// for spreadsheets.

import PyramidFormats

extension Classification {
  /// The answer to record `index`, from 0, as one JSON object, after members of its own.
  public func json(index: Int, _ own: [(key: String, value: JSONValue)] = []) -> JSONValue {
    var object = JSONObject()
    object["index"] = JSONValue(index)
    for (key, value) in own { object[key] = value }
    if tasks.isEmpty {
      addAnswer(to: &object)
    } else {
      var answers = JSONObject()
      for task in tasks { answers[task.name] = task.json }
      object["tasks"] = .object(answers)
    }
    object["exit_layer"] = JSONValue(answer.exitLayer)
    object["layers"] = JSONValue(layers)
    object["tokens"] = .array(answer.tokensAlive.map { JSONValue($0) })
    object["gflop"] = JSONValue(Double(answer.operations.executed) / 1e9)
    object["gflop_paper"] = JSONValue(Double(answer.operations.paper) / 1e9)
    object["gflop_dense"] = JSONValue(Double(answer.operations.dense) / 1e9)
    if let limit = answer.limit { object["limited_by"] = .string(limit.rawValue) }
    if let windows { object["windows"] = JSONValue(windows) }
    if isTruncated {
      object["truncated"] = .bool(true)
      object["full_length"] = JSONValue(fullLength)
    }
    return .object(object)
  }

  /// What a model of one task says.
  private func addAnswer(to object: inout JSONObject) {
    if let labels { object["labels"] = .array(labels.map(JSONValue.string)) } else { object["label"] = .string(label) }
    object["score"] = JSONValue(score)
    if !probabilities.isEmpty { object["probabilities"] = .array(probabilities.map { JSONValue($0) }) }
    if let candidates { object["candidates"] = .array(candidates.map(JSONValue.string)) }
    object["scores"] = .array(scores.map { JSONValue($0) })
    object["logits"] = .array(answer.logits.map { JSONValue($0) })
  }
}

extension AnsweredRecord {
  /// What the answer says of the record: its own name, and its place in its group.
  fileprivate var members: [(key: String, value: JSONValue)] {
    var members: [(String, JSONValue)] = []
    if let id = record.id { members.append(("id", id)) }
    if let rank {
      members.append(("group", .string(record.group ?? record.text)))
      members.append(("rank", JSONValue(rank)))
    }
    return members
  }
}

extension Classification {
  /// The label, or all that are likely enough, in a column.
  fileprivate var labelText: String { labels?.joined(separator: "; ") ?? label }
}

/// How answers are written, one per line.
public enum AnswerFormat: String, Sendable, CaseIterable {
  /// Columns for a terminal.
  case pretty
  /// A JSON object per line.
  case jsonl
  /// Comma-separated values with a header line.
  case csv

  /// The line before the first answer, if there is one.
  public var header: String? {
    switch self {
    case .jsonl: nil
    case .pretty: Self.row("label", "score", "layer", "tokens alive", "text")
    case .csv: "index,label,score,exit_layer,layers,tokens,gflop,gflop_paper,gflop_dense,truncated"
    }
  }

  /// The line of one answer, without a newline.
  public func line(_ answered: ClassificationStream.Answered) -> String {
    let result = answered.classification
    let answer = result.answer
    let tokens = answer.tokensAlive.map { "\($0)" }.joined(separator: " ")
    switch self {
    case .jsonl: return JSONWriter.string(result.json(index: answered.index, answered.members))
    case .pretty:
      let text = answered.record.text.printable(limit: 60)
      return Self.row(
        result.labelText.printable(limit: 80), decimal(Double(result.score), 4),
        answer.exitLayer == 0 ? "entry" : "\(answer.exitLayer)/\(result.layers)", tokens,
        text + (result.isTruncated ? "  (cut to \(answered.encodings[0].ids.count) tokens)" : ""))
    case .csv:
      let operations = [answer.operations.executed, answer.operations.paper, answer.operations.dense]
        .map { decimal(Double($0) / 1e9, 6) }.joined(separator: ",")
      return "\(answered.index),\(Self.quoted(result.labelText)),\(result.score),\(answer.exitLayer),\(result.layers),"
        + "\(tokens),\(operations),\(result.isTruncated)"
    }
  }

  private static func row(_ cells: String...) -> String {
    zip(cells, [24, 7, 6, 26, 0]).map { cell, width in
      cell + String(repeating: " ", count: max(0, width - cell.unicodeScalars.count))
    }.joined(separator: " ")
  }

  private static func quoted(_ text: String) -> String {
    guard text.utf8.contains(where: ",\"\n\r".utf8.contains) else { return text }
    return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}
