// The functions of include/magic_pyramid.h, whose comments say what they promise. Here pointers become Swift values and
// errors become text; nothing is kept but the classifier that the caller holds.

import Glibc
import MagicPyramid
import PyramidFormats

/// The number in the header.
private let interface: Int32 = 1

private typealias ErrorText = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?

private func copied(_ text: String) -> UnsafeMutablePointer<CChar>? { strdup(text) }

/// Runs `body`; an error becomes `failed` and its text.
private func guarded<Result>(_ error: ErrorText, _ failed: Result, _ body: () throws -> Result) -> Result {
  do { return try body() } catch let problem {
    error?.pointee = copied("\(problem)")
    return failed
  }
}

private func classifier(_ pointer: UnsafeRawPointer?) throws -> Classifier {
  guard let pointer else { throw RuntimeError("the classifier is NULL") }
  return Unmanaged<Classifier>.fromOpaque(pointer).takeUnretainedValue()
}

@_cdecl("magic_pyramid_interface")
public func magicPyramidInterface() -> Int32 { interface }

@_cdecl("magic_pyramid_version")
public func magicPyramidVersionText() -> UnsafeMutablePointer<CChar>? { copied(magicPyramidVersion) }

@_cdecl("magic_pyramid_free")
public func magicPyramidFree(_ text: UnsafeMutablePointer<CChar>?) { free(text) }

@_cdecl("magic_pyramid_open")
public func magicPyramidOpen(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<CChar>?,
  _ error: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> UnsafeMutableRawPointer? {
  guarded(error, nil) {
    guard let path else { throw RuntimeError("the path is NULL") }
    let options = try options.map { try classifierOptions(String(cString: $0)) } ?? ClassifierOptions()
    return Unmanaged.passRetained(try Classifier(path: String(cString: path), options: options)).toOpaque()
  }
}

@_cdecl("magic_pyramid_close")
public func magicPyramidClose(_ pointer: UnsafeMutableRawPointer?) {
  if let pointer { Unmanaged<Classifier>.fromOpaque(pointer).release() }
}

@_cdecl("magic_pyramid_classes")
public func magicPyramidClasses(_ pointer: UnsafeRawPointer?) -> Int32 {
  (try? Int32(classifier(pointer).columnHead.labels.count)) ?? -1
}

@_cdecl("magic_pyramid_describe")
public func magicPyramidDescribe(_ pointer: UnsafeRawPointer?) -> UnsafeMutablePointer<CChar>? {
  guard let model = try? classifier(pointer) else { return nil }
  let (shape, header) = (model.model.graph.shape, model.model.header)
  let (task, labels) = model.columnHead
  var ofTasks = JSONObject()
  for task in model.tasks { ofTasks[task] = .array(model.head(of: task).labels.map(JSONValue.string)) }
  let description: JSONValue = [
    "labels": .array(labels.map(JSONValue.string)), "task": .string("\(task)"),
    "tasks": .array(model.tasks.map(JSONValue.string)), "labels_of_tasks": .object(ofTasks),
    "layers": JSONValue(shape.layers), "classes": JSONValue(labels.count), "max_tokens": JSONValue(model.tokenLimit),
    "accepts_pairs": .bool(model.acceptsPairs),
    "exit": model.policies.exit.map { .string("\($0.spec)") } ?? .null,
    "prune": model.policies.prune.map { .string("\($0.spec)") } ?? .null, "checkpoint": .string(header.checkpoint),
  ]
  return copied(JSONWriter.string(description))
}

@_cdecl("magic_pyramid_classify_json")
public func magicPyramidClassifyJSON(
  _ pointer: UnsafeRawPointer?, _ bytes: UnsafePointer<UInt8>?, _ offsets: UnsafePointer<Int64>?, _ count: Int64,
  _ pairBytes: UnsafePointer<UInt8>?, _ pairOffsets: UnsafePointer<Int64>?,
  _ error: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> UnsafeMutablePointer<CChar>? {
  guarded(error, nil) {
    let texts = TextColumn(bytes, offsets, count)
    let answers = try classified(classifier(pointer), texts, TextColumn(pairBytes, pairOffsets, count))
    var text = ""
    for (index, answer) in answers.enumerated() { text += JSONWriter.string(answer.json(index: index)) + "\n" }
    return copied(text)
  }
}

@_cdecl("magic_pyramid_classify")
public func magicPyramidClassify(
  _ pointer: UnsafeRawPointer?, _ bytes: UnsafePointer<UInt8>?, _ offsets: UnsafePointer<Int64>?, _ count: Int64,
  _ pairBytes: UnsafePointer<UInt8>?, _ pairOffsets: UnsafePointer<Int64>?, _ label: UnsafeMutablePointer<Int32>?,
  _ score: UnsafeMutablePointer<Float>?, _ scores: UnsafeMutablePointer<Float>?,
  _ exitLayer: UnsafeMutablePointer<Int32>?, _ truncated: UnsafeMutablePointer<UInt8>?,
  _ error: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> Int32 {
  guarded(error, -1) {
    let texts = TextColumn(bytes, offsets, count)
    let model = try classifier(pointer)
    guard model.tasks.count < 2 else {
      throw RuntimeError(
        "columns of answers are for one task, and \(model.tasks.count) are asked: open the model with \"tasks\": "
          + "[\"\(model.tasks[0])\"], or another of them")
    }
    for (index, answer) in try classified(model, texts, TextColumn(pairBytes, pairOffsets, count)).enumerated() {
      let own = answer.tasks.first
      let all = own?.scores ?? answer.scores
      label?[index] = Int32(own?.labelIndex ?? answer.labelIndex)
      score?[index] = own?.score ?? answer.score
      exitLayer?[index] = Int32(answer.answer.exitLayer)
      truncated?[index] = answer.isTruncated ? 1 : 0
      for (place, value) in all.enumerated() { scores?[index * all.count + place] = value }
    }
    return 0
  }
}

extension Classifier {
  /// What columns are of: the one task that is asked, or the model's only one. Where several are asked, all classes of the model.
  fileprivate var columnHead: (kind: ModelTask, labels: [String]) { head(of: tasks.count == 1 ? tasks[0] : nil) }
}

/// Texts end to end, with the places where they begin and end.
private struct TextColumn {
  let bytes: UnsafePointer<UInt8>?
  let offsets: UnsafePointer<Int64>?
  let count: Int

  init(_ bytes: UnsafePointer<UInt8>?, _ offsets: UnsafePointer<Int64>?, _ count: Int64) {
    (self.bytes, self.offsets, self.count) = (bytes, offsets, Int(count))
  }

  /// More than this many texts, of whose answers each has some hundred bytes, are a number that nobody set.
  private static let most = 1 << 28

  /// The texts; nil where there is no column.
  func texts() throws -> [String]? {
    guard let offsets else {
      guard bytes == nil else { throw RuntimeError("there are bytes of texts, and their offsets are NULL") }
      return nil
    }
    guard 0...Self.most ~= count else { throw RuntimeError("\(count) texts, and a call takes 0 to \(Self.most)") }
    return try (0..<count).map { index in
      let (first, last) = (offsets[index], offsets[index + 1])
      guard first >= 0, last >= first else {
        throw RuntimeError("text \(index + 1): the offsets go from \(first) to \(last)")
      }
      guard bytes != nil || last == first else {
        throw RuntimeError("text \(index + 1) has \(last - first) bytes, and the bytes are NULL")
      }
      let text = UnsafeBufferPointer(start: bytes.map { $0 + Int(first) }, count: Int(last - first))
      guard let text = String(validating: text, as: UTF8.self) else {
        throw RuntimeError("text \(index + 1) is not UTF-8")
      }
      return text
    }
  }
}

private func classified(_ model: Classifier, _ texts: TextColumn, _ pairs: TextColumn) throws -> [Classification] {
  guard let first = try texts.texts() else { throw RuntimeError("the offsets are NULL") }
  guard let second = try pairs.texts() else { return try model.classify(first) }
  return try model.classify(pairs: zip(first, second).map { (first: $0, second: $1) })
}

private func classifierOptions(_ text: String) throws -> ClassifierOptions {
  let field = JSONField(try JSONReader.read(text, file: "options"), file: "options")
  var options = ClassifierOptions()
  for (key, member) in try field.members() where member.value != .null {
    switch key {
    case "exit": options.policies.exit = try PolicySpec(member.string())
    case "prune": options.policies.prune = try PolicySpec(member.string())
    case "tasks": options.tasks = try member.elements().map { try $0.string() }
    case "copy": options.copiesModel = try member.bool()
    case "threads": options.threads = try member.integer(in: 1...ThreadCount.limit)
    case "batch_tokens": options.batchTokens = try member.integer(in: 1...(1 << 30))
    case "batch_samples": options.batchSamples = try member.integer(in: 1...(1 << 30))
    case "label_threshold":
      let threshold = try member.double()
      guard (0...1).contains(threshold) else { throw member.failure("expected 0 to 1, found \(threshold)") }
      options.labelThreshold = Float(threshold)
    default: throw member.failure("is not understood")
    }
  }
  return options
}
