// Log lines on standard error: a JSON object a line for machines, or words for people. What is logged of a request is its
// way and its outcome, never its texts, headers or tokens.

#if Server
  import ArgumentParser
  import Glibc
  import Logging
  import PyramidFormats

  enum LogFormat: String, ExpressibleByArgument, CaseIterable, Sendable { case text, json }

  struct LineLogHandler: LogHandler {
    let format: LogFormat
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let (level, message) = (event.level, event.message)
      let all = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
      var text: String
      switch format {
      case .json:
        var object = JSONObject()
        object["time"] = .string(Self.time())
        object["level"] = .string(level.rawValue)
        object["message"] = .string("\(message)")
        for (key, value) in all { object.append(key, Self.json(value)) }
        text = JSONWriter.string(.object(object))
      case .text:
        let words = all.map { "\($0.key)=\("\($0.value)".printable(limit: 400))" }.joined(separator: " ")
        text = "\(Self.time()) \(level.rawValue) \("\(message)".printable(limit: 400)) \(words)"
      }
      text += "\n"
      // One write a line, so that lines of several threads don't mix.
      _ = text.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// Whole numbers as such, all else as text.
    private static func json(_ value: Logger.MetadataValue) -> JSONValue {
      switch value {
      case .string(let text): .string(text)
      case .stringConvertible(let number as Int): JSONValue(number)
      case .stringConvertible(let number as Double): JSONValue(number)
      case .stringConvertible(let other): .string(other.description)
      case .array(let elements): .array(elements.map(json))
      case .dictionary(let members):
        .object(members.sorted { $0.key < $1.key }.reduce(into: JSONObject()) { $0.append($1.key, json($1.value)) })
      }
    }

    /// UTC to the millisecond, as RFC 3339 has it.
    private static func time() -> String {
      var now = timespec()
      clock_gettime(CLOCK_REALTIME, &now)
      var (seconds, parts) = (now.tv_sec, tm())
      gmtime_r(&seconds, &parts)
      var buffer = [CChar](repeating: 0, count: 32)
      let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S", &parts)
      let milliseconds = String(1000 + now.tv_nsec / 1_000_000).dropFirst()
      return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) + ".\(milliseconds)Z"
    }
  }
#endif
