// What is fuzzed: everything that reads bytes that somebody else has written. A target reads one input and throws nothing but
// the errors that its reader promises; what it makes of a sound input must hold together.

import Glibc
import MagicPyramid
import PyramidServing
import PyramidTestSupport
import PyramidTraining

/// One reader of foreign bytes.
public enum FuzzTarget: String, CaseIterable, Sendable {
  case safetensors, json, tokenizer, config, graph, artefact, spec, profile, certificate, records, state, http

  /// A broken promise: a reader threw what it should not, or took something that does not hold together.
  public struct Broken: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
  }

  /// Reads an input. Throws `Broken`; what a reader refuses with one of its own errors is fine, and false.
  @discardableResult
  public func run(_ input: [UInt8]) throws -> Bool {
    do {
      switch self {
      case .safetensors: try Self.readSafetensors(input)
      case .json: try Self.readJSON(input)
      case .tokenizer: try Self.readTokenizer(input)
      case .config: try Self.readConfiguration(input)
      case .graph: try Self.readGraph(input)
      case .artefact: try Self.readArtefact(input)
      case .spec: try Self.readSpec(input)
      case .profile: _ = try PolicyProfile(reading: Self.field(input))
      case .certificate: _ = try Certificate(reading: Self.field(input))
      case .records: try Self.readRecords(input)
      case .state: try Self.readState(input)
      case .http: try Self.readRequest(input)
      }
      return true
    } catch let error where Self.isRefusal(error) {
      // A line for a terminal: neither empty nor without end.
      let text = "\(error)"
      if text.isEmpty || text.utf8.count > 1 << 20 { throw Broken(description: "an error of \(text.utf8.count) bytes") }
      return false
    }
  }

  private static func isRefusal(_ error: any Error) -> Bool {
    error is FormatError || error is ParseError || error is VerifierError || error is RuntimeError
      || error is PolicyError || error is CompileError || error is CheckpointError
      || error is ServingError || error is TrainingError
  }

  private static func field(_ input: [UInt8]) throws -> JSONField {
    JSONField(try JSONReader.read(input, file: "input"), file: "input")
  }

  private static func readSafetensors(_ input: [UInt8]) throws {
    try MemoryFile(input).withPath { path in
      let file = try SafetensorsFile(path: path)
      var bytes = 0
      for tensor in file.tensors {
        bytes += file.bytes(of: tensor).reduce(0) { $0 + Int($1 & 1) }
        if [.F64, .F32, .F16, .BF16].contains(tensor.type) { bytes += try file.floats(of: tensor).count }
      }
      if bytes < 0 { throw Broken(description: "a negative sum") }
    }
  }

  private static func readJSON(_ input: [UInt8]) throws {
    let value = try JSONReader.read(input, file: "input")
    let again = try JSONReader.read(JSONWriter.string(value), file: "written")
    if again != value { throw Broken(description: "JSON that is written is not what was read") }
  }

  private static func readGraph(_ input: [UInt8]) throws {
    let graph = try Graph.parse(String(decoding: input, as: UTF8.self), file: "input")
    let text = graph.description
    guard try Graph.parse(text, file: "printed").description == text else {
      throw Broken(description: "printing is not a fixed point")
    }
    try graph.verify()
    _ = (graph.countOperations(), graph.denseOperations(), graph.dot)
  }

  private static func readSpec(_ input: [UInt8]) throws {
    let spec = try PolicySpec(String(decoding: input, as: UTF8.self))
    if try PolicySpec(spec.description) != spec { throw Broken(description: "a spec's text is another spec") }
    for type in try CompiledCheckpoint.registry.get().all where type.name == spec.name {
      let model = ModelFacts(layers: 4, classes: 3, heads: 2, hidden: 8)
      _ = try type.make(spec, model: model, learned: type.madeUp(for: model) { 0.5 })
    }
  }

  private static func readConfiguration(_ input: [UInt8]) throws {
    _ = try ModelConfiguration(reading: field(input), name: "input")
  }

  /// A first byte says how the rest is to be read.
  private static func readRecords(_ input: [UInt8]) throws {
    guard let first = input.first else { return }
    let formats = TextFormat.allCases
    var layout = TextLayout(formats[Int(first) % formats.count], header: first & 64 != 0)
    if first & 128 != 0 { layout.text = .name("text") }
    try MemoryFile(Array(input.dropFirst())).withPath { path in
      let reader = try RecordReader(path: path, layout: layout, limit: 4096)
      var lines = 0
      while let record = try reader.next() {
        lines += 1
        if case .success(let record) = record, record.text.utf8.count > 3 * 4096 {
          throw Broken(description: "a text of \(record.text.utf8.count) bytes of lines of 4096")
        }
        if lines > input.count + 1 { throw Broken(description: "more records than bytes") }
      }
    }
  }
}

/// A file without a name on any disk.
struct MemoryFile {
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func withPath(_ body: (String) throws -> Void) throws {
    // O_TMPFILE, whose macro Swift does not import, as it does not memfd_create.
    let descriptor = open("/dev/shm", O_RDWR | 0o20000000 | O_DIRECTORY | O_CLOEXEC, 0o600)
    defer { close(descriptor) }
    try Self.fill(descriptor, with: bytes)
    try body("/proc/self/fd/\(descriptor)")
  }

  /// Writes all bytes to a file that was just opened.
  static func fill(_ descriptor: Int32, with bytes: [UInt8]) throws {
    guard descriptor >= 0 else { throw FuzzTarget.Broken(description: "no room for a file") }
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else { throw FuzzTarget.Broken(description: "no room for a file") }
      rest = rest.dropFirst(count)
    }
  }
}

extension FuzzTarget {
  /// Makes a file of these bytes at once: what need not outlive a crash waits for no disk.
  static func put(_ bytes: [UInt8], at path: String) throws {
    // What is mapped of the one before stays as it is.
    unlink(path)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(descriptor) }
    try MemoryFile.fill(descriptor, with: bytes)
  }
}
