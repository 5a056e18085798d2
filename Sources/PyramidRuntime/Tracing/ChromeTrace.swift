// A trace as the "JSON array format" of Chrome's trace events (Trace Event Format, 2016), which chrome://tracing and
// ui.perfetto.dev open. Waves, layers and steps nest on one track of each model; each request has a track of its own.

import PyramidFormats

extension ExecutionTrace {
  /// Writes the trace to a file, under a temporary name until it is complete. May be called while executors are at work.
  /// Throws `OutputError`.
  public func write(to path: String) throws(OutputError) {
    let (groups, events, leftOut) = snapshot()
    let file = try OutputFile(path: path)
    var (text, isFirst) = ("[", true)
    func append(_ event: JSONObject) throws(OutputError) {
      text += (isFirst ? "\n" : ",\n") + JSONWriter.string(.object(event))
      isFirst = false
      guard text.utf8.count > 1 << 16 else { return }
      try file.write(text)
      text = ""
    }
    for (index, names) in groups.enumerated() {
      try append(Self.name("process_name", names.model, of: index + 1, ChromeTrack.waves))
      for track in ChromeTrack.allCases { try append(Self.name("thread_name", track.rawValue, of: index + 1, track)) }
    }
    for event in events { try append(event.chrome(groups[Int(event.group) - 1])) }
    if leftOut > 0 {
      var note = JSONObject()
      note["name"] = .string("\(leftOut) later events left out: a trace holds \(capacity)")
      (note["ph"], note["s"], note["pid"], note["tid"]) = (.string("i"), .string("g"), JSONValue(1), JSONValue(1))
      note["ts"] = JSONValue(Double(events.last?.end ?? 0) / 1e3)
      try append(note)
    }
    try file.write(text + "\n]\n")
    try file.commit()
  }

  /// An event that names a process or a track of it.
  private static func name(_ kind: String, _ name: String, of group: Int, _ track: ChromeTrack) -> JSONObject {
    var (event, arguments) = (JSONObject(), JSONObject())
    arguments["name"] = .string(name)
    (event["name"], event["ph"], event["args"]) = (.string(kind), .string("M"), .object(arguments))
    (event["pid"], event["tid"]) = (JSONValue(group), JSONValue(track.number))
    return event
  }
}

/// The tracks of a process, by the names that they have in the file.
private enum ChromeTrack: String, CaseIterable {
  case waves = "waves, layers, steps"
  case requests

  var number: Int { self == .waves ? 1 : 2 }
}

extension TraceEvent {
  /// The event as Chrome has it: what lasts in waves is a complete event, what belongs to a request an asynchronous one
  /// with the request's number.
  fileprivate func chrome(_ names: TraceGroup.Names) -> JSONObject {
    switch what {
    case .wave(let number): return spanning("wave", "wave \(number)")
    case .section(let section, let samples, let tokens):
      return spanning("layer", names.sections[Int(section)], [("samples", samples), ("tokens", tokens)])
    case .step(let step): return spanning("step", names.steps[Int(step)])
    case .request(let request, let samples):
      return ofRequest(request, "b", "request \(request)", [("samples", samples)])
    case .complete(let request): return ofRequest(request, "e", "request \(request)")
    case .exit(let request, let sample, let boundary, let limit):
      return ofRequest(
        request, "n", boundary == 0 ? "exit at the entry" : "exit after layer \(boundary)",
        [("sample", sample), ("exit_layer", boundary)], limit: limit)
    case .prune(let request, let sample, let boundary, let kept):
      return ofRequest(
        request, "n", boundary == 0 ? "prune at the entry" : "prune after layer \(boundary)",
        [("sample", sample), ("kept", kept)])
    }
  }

  private func spanning(_ category: String, _ name: String, _ arguments: [(String, Int32)] = []) -> JSONObject {
    var event = object(category, "X", name, .waves, arguments)
    event["dur"] = JSONValue(Double(end - start) / 1e3)
    return event
  }

  private func ofRequest(
    _ request: Int32, _ phase: String, _ name: String, _ arguments: [(String, Int32)] = [], limit: AnswerLimit? = nil
  ) -> JSONObject {
    var event = object("request", phase, name, .requests, arguments, limit)
    event["id"] = JSONValue(Int(request))
    return event
  }

  private func object(
    _ category: String, _ phase: String, _ name: String, _ track: ChromeTrack, _ numbers: [(String, Int32)],
    _ limit: AnswerLimit? = nil
  ) -> JSONObject {
    var (event, arguments) = (JSONObject(), JSONObject())
    (event["name"], event["cat"], event["ph"]) = (.string(name), .string(category), .string(phase))
    // Microseconds.
    event["ts"] = JSONValue(Double(start) / 1e3)
    (event["pid"], event["tid"]) = (JSONValue(Int(group)), JSONValue(track.number))
    for (key, value) in numbers { arguments[key] = JSONValue(Int(value)) }
    if let limit { arguments["limited_by"] = .string(limit.rawValue) }
    event["args"] = .object(arguments)
    return event
  }
}
