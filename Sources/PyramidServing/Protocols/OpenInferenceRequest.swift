// A request of the Open Inference Protocol, version 2: texts as BYTES tensors, in JSON or by the binary tensor data extension
// (behind the JSON, whose length is told apart from the body's). What is not understood is refused, not ignored.
//
// https://github.com/kserve/open-inference-protocol, and for the extension
// https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md

import PyramidFormats

/// What a client asks of a model by the protocol, apart from which model.
public struct OpenInferenceRequest: Sendable {
  /// Given back with the answer.
  public var id: String?
  /// The model that the body names, as KServe's client does beside the path; nil for none.
  public private(set) var model: String?
  /// What is asked.
  public var request = ServingRequest(texts: [])
  /// The outputs wanted, in their order; all for a request that names none.
  public var outputs: [(output: OpenInferenceOutput, isBinary: Bool)] = []

  /// Reads the body of an HTTP request for a model of `tasks`, none for one of one. `jsonLength` is the header
  /// `Inference-Header-Content-Length`; without it all of the body is JSON. Throws `ServingError`.
  public init(body: [UInt8], jsonLength: Int?, tasks: [String] = []) throws(ServingError) {
    let length = jsonLength ?? body.count
    guard length >= 0, length <= body.count else {
      throw ServingError(.invalid, "Inference-Header-Content-Length is \(length), the body has \(body.count) bytes")
    }
    do {
      let value = try JSONReader.read(
        Array(body[..<length]), file: "request", limits: .request)
      try read(JSONField(value, file: "request"), rest: body[length...], tasks)
    } catch let error as FormatError {
      throw ServingError(.invalid, error.description)
    } catch let error as ServingError {
      throw error
    } catch { throw ServingError(.invalid, "\(error)") }
  }

  /// A request of texts that were read already, as gRPC has them; no outputs are all. Throws `ServingError`.
  public init(
    id: String?, tensors: [(name: String, datatype: String, shape: [Int], texts: [String])],
    parameters: [(key: String, value: JSONValue)], outputs names: [String], tasks: [String] = []
  ) throws(ServingError) {
    self.id = id
    var inputs = Inputs()
    for tensor in tensors {
      try inputs.take(tensor.name, tensor.datatype, tensor.shape) { tensor.texts }
    }
    request.texts = try inputs.texts()
    for (key, value) in parameters {
      do {
        try take(parameter: key, JSONField(value, file: "request", place: "parameters.\(key.printable(limit: 80))"))
      } catch { throw ServingError(.invalid, "\(error)") }
    }
    try take(outputs: names.map { ($0, true) }, isBinary: true, of: tasks)
  }

  private mutating func read(_ field: JSONField, rest: ArraySlice<UInt8>, _ tasks: [String]) throws {
    var (rest, inputs, names) = (rest, Inputs(), [(name: String, isBinary: Bool)]())
    try field.refuseUnknown(["id", "model_name", "inputs", "outputs", "parameters"])
    id = try field.optional("id")?.string()
    model = try field.optional("model_name")?.string()
    for input in try field.required("inputs").elements() {
      try input.refuseUnknown(["name", "datatype", "shape", "parameters", "data"])
      let shape = try input.required("shape").elements().map { try $0.integer(in: 0...(1 << 30)) }
      var size: Int?
      for (key, parameter) in try input.optional("parameters")?.members() ?? [] {
        if key == "binary_data_size" {
          size = try parameter.integer(in: 0...(1 << 40))
        } else if !Self.isContentType(key, parameter.value) {
          throw parameter.failure("is not understood")
        }
      }
      try inputs.take(try input.required("name").string(), try input.required("datatype").string(), shape) {
        guard let size else { return try Self.strings(input.required("data")) }
        if let data = try input.optional("data") { throw data.failure("is there beside binary_data_size: give one") }
        guard size <= rest.count else {
          throw input.failure("binary_data_size is \(size), and \(rest.count) bytes are left")
        }
        defer { rest = rest.dropFirst(size) }
        return try Self.texts(bytes: rest.prefix(size))
      }
    }
    guard rest.isEmpty else { throw field.failure("\(rest.count) bytes after the last tensor") }
    request.texts = try inputs.texts()
    var isBinary = false
    for (key, parameter) in try field.optional("parameters")?.members() ?? [] {
      if key == "binary_data_output" { isBinary = try parameter.bool() } else { try take(parameter: key, parameter) }
    }
    for output in try field.optional("outputs")?.elements() ?? [] {
      try output.refuseUnknown(["name", "parameters"])
      var binary = isBinary
      for (key, parameter) in try output.optional("parameters")?.members() ?? [] {
        guard key == "binary_data" else { throw parameter.failure("is not understood") }
        binary = try parameter.bool()
      }
      names.append((try output.required("name").string(), binary))
    }
    try take(outputs: names, isBinary: isBinary, of: tasks)
  }

  /// Whether a parameter is what MLServer's clients say of strings, of a tensor and of the request.
  public static func isContentType(_ key: String, _ value: JSONValue) -> Bool {
    key == "content_type" && value == .string("str")
  }

  /// Takes outputs by their names, each once, so that a reply is no larger than the answers; all for no names.
  private mutating func take(
    outputs names: [(name: String, isBinary: Bool)], isBinary: Bool, of tasks: [String]
  ) throws(ServingError) {
    let asked = tasks.filter { request.tasks?.contains($0) ?? true }
    // Where none of the tasks that are asked exists, the model says so.
    let all = OpenInferenceOutput.all(of: asked.isEmpty ? tasks : asked)
    if names.isEmpty { outputs = all.map { ($0, isBinary) } }
    let known = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
    var taken: Set<String> = []
    for (name, isBinary) in names {
      guard let output = known[name] else {
        let some = all.prefix(40).map(\.name) + (all.count > 40 ? ["..."] : [])
        throw ServingError(.invalid, "there is no output \(name.quoted): \(some.joined(separator: ", "))")
      }
      guard taken.insert(name).inserted else {
        throw ServingError(.invalid, "output \(name.quoted) is asked for twice")
      }
      outputs.append((output, isBinary))
    }
  }

  private mutating func take(parameter key: String, _ field: JSONField) throws(FormatError) {
    switch key {
    case "exit": request.exit = try field.string()
    case "prune": request.prune = try field.string()
    case "tasks": request.tasks = try field.names()
    case "max_layers": request.maxLayers = try field.integer(in: 0...512)
    case "deadline_ms": request.deadline = .milliseconds(try field.integer(in: 1...86_400_000))
    // What Triton's clients call it, in microseconds.
    case "timeout": request.deadline = .microseconds(try field.integer(in: 1...86_400_000_000))
    case _ where Self.isContentType(key, field.value): break
    default: throw field.failure("is not understood; known are exit, prune, tasks, max_layers, deadline_ms and timeout")
    }
  }

  /// The strings of JSON data, which may be nested as the shape is.
  private static func strings(_ field: JSONField) throws(FormatError) -> [String] {
    var texts: [String] = []
    for element in try field.elements() {
      if case .array = element.value {
        for inner in try element.elements() { texts.append(try inner.string()) }
      } else {
        texts.append(try element.string())
      }
    }
    return texts
  }

  /// The elements of a BYTES tensor: each is four bytes of length, the lowest first, and so many bytes of UTF-8.
  public static func texts(bytes: ArraySlice<UInt8>) throws(ServingError) -> [String] {
    var (texts, rest) = ([String](), bytes)
    while !rest.isEmpty {
      guard texts.count < JSONLimits.request.maximumValues else {
        throw ServingError(.tooLarge, "a BYTES tensor has more than \(texts.count) elements")
      }
      guard rest.count >= 4 else { throw ServingError(.invalid, "a BYTES tensor ends within a length") }
      let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(4)
      guard length <= rest.count else {
        throw ServingError(.invalid, "element \(texts.count) of a BYTES tensor goes beyond its end")
      }
      guard let text = String(validating: rest.prefix(length), as: UTF8.self) else {
        throw ServingError(.invalid, "element \(texts.count) of a BYTES tensor is not UTF-8")
      }
      texts.append(text)
      rest = rest.dropFirst(length)
    }
    return texts
  }
}

extension JSONField {
  /// Throws for a member of another name.
  func refuseUnknown(_ known: Set<String>) throws(FormatError) {
    for (key, member) in try members() where !known.contains(key) { throw member.failure("is not understood") }
  }

  /// Names in a string, joined by commas as `mp-run --tasks` has them.
  func names() throws(FormatError) -> [String] {
    try string().split(separator: ",", omittingEmptySubsequences: false).map { String($0) }
  }
}

extension JSONLimits {
  /// What a request's body may hold. A value takes a hundred times the bytes that it has in the body.
  static let request = JSONLimits(maximumDepth: 16, maximumValues: 200_000)
}

/// The two tensors that a model takes.
private struct Inputs {
  private var first, second: [String]?

  mutating func take(
    _ name: String, _ datatype: String, _ shape: [Int], _ read: () throws -> [String]
  ) throws(ServingError) {
    guard datatype == "BYTES" else {
      throw ServingError(.invalid, "input \(name.quoted) is \(datatype.quoted): texts are BYTES")
    }
    guard shape.count == 1 || (shape.count == 2 && shape[1] == 1), shape[0] > 0 else {
      throw ServingError(.invalid, "input \(name.quoted): the shape is \(shape), expected [n] with n over 0")
    }
    let texts: [String]
    do { texts = try read() } catch let error as ServingError { throw error } catch {
      throw ServingError(.invalid, "\(error)")
    }
    guard texts.count == shape[0] else {
      throw ServingError(.invalid, "input \(name.quoted) has \(texts.count) elements, and its shape says \(shape[0])")
    }
    switch name {
    case "text" where first == nil: first = texts
    case "text_pair" where second == nil: second = texts
    case "text", "text_pair": throw ServingError(.invalid, "input \(name.quoted) is there twice")
    default: throw ServingError(.invalid, "there is no input \(name.quoted): text, and text_pair for pairs")
    }
  }

  func texts() throws(ServingError) -> [(first: String, second: String)] {
    guard let first else { throw ServingError(.invalid, "input \"text\" is missing") }
    guard let second else { return first.map { ($0, "") } }
    guard first.count == second.count else {
      throw ServingError(.invalid, "\(first.count) texts and \(second.count) second texts")
    }
    return zip(first, second).map { ($0, $1) }
  }
}
