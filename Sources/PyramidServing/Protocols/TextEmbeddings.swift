// The classifying part of text-embeddings-inference's HTTP interface, as its documentation has it: /predict, /rerank, /info
// and its form of errors. Its replies can't say that a text was cut, so texts over the limit are refused unless the
// request asks for truncation, which is that server's default, too.

import Glibc
import MagicPyramid
import PyramidFormats

/// A request of /predict.
public struct PredictRequest: Sendable {
  /// What is asked.
  public private(set) var request: ServingRequest
  private let isBatch, isRaw: Bool

  /// Reads a body. Throws `ServingError`.
  public init(body: [UInt8]) throws(ServingError) {
    do {
      let field = JSONField(try JSONReader.read(body, file: "request", limits: .request), file: "request")
      try field.refuseUnknown(["inputs", "raw_scores", "truncate", "truncation_direction", "tasks"])
      let inputs = try field.required("inputs")
      switch inputs.value {
      case .string(let text): (request, isBatch) = (ServingRequest(texts: [(text, "")]), false)
      case .array(let elements):
        if case .array = elements.first {
          (request, isBatch) = (ServingRequest(texts: try inputs.elements().map { try $0.sequence() }), true)
        } else {
          (request, isBatch) = (ServingRequest(texts: [try inputs.sequence()]), false)
        }
      default: throw inputs.failure("expected a string, a pair of strings or an array of such, found \(inputs.found)")
      }
      isRaw = try field.optional("raw_scores")?.bool() ?? false
      request.refusesTruncation = try field.refusesTruncation()
      request.tasks = try field.optional("tasks")?.names()
    } catch { throw ServingError(.invalid, "\(error)") }
  }

  /// Throws for a model of several tasks unless one of them is asked: the interface's list of labels has no place for
  /// whose they are, and would be read as if it were one task's.
  public func check(_ classifier: Classifier) throws(ServingError) {
    guard classifier.tasks.count > 1, request.tasks?.count != 1 else { return }
    throw ServingError(
      .invalid,
      "this reply holds the labels of one task: ask one by \"tasks\", of \(classifier.tasks.joined(separator: ", ")); "
        + "/v2/models/NAME/infer answers several")
  }

  /// The reply: of each text all classes with their scores, the largest first. `check` says whether it is all.
  public func reply(_ result: ServingResult, by classifier: Classifier) -> JSONValue {
    let labels = classifier.head(of: result.answers.first?.tasks.first?.name).labels
    let lists = result.answers.map { answer -> JSONValue in
      let (logits, made) = answer.tasks.first.map { ($0.logits, $0.scores) } ?? (answer.answer.logits, answer.scores)
      let scores = isRaw ? logits : made
      let order = scores.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }
      return .array(order.map { ["score": JSONValue(scores[$0]), "label": .string(labels[$0])] })
    }
    return isBatch ? .array(lists) : lists[0]
  }
}

/// A request of /rerank.
public struct RerankRequest: Sendable {
  /// What is asked: the query with each of the texts.
  public let request: ServingRequest
  private let isRaw, returnsText: Bool

  /// Reads a body. Throws `ServingError`.
  public init(body: [UInt8]) throws(ServingError) {
    do {
      let field = JSONField(try JSONReader.read(body, file: "request", limits: .request), file: "request")
      try field.refuseUnknown(["query", "texts", "raw_scores", "return_text", "truncate", "truncation_direction"])
      let query = try field.required("query").string()
      let texts = try field.required("texts").elements()
      if texts.isEmpty { throw try field.required("texts").failure("is empty") }
      var asked = ServingRequest(texts: try texts.map { (query, try $0.string()) })
      asked.refusesTruncation = try field.refusesTruncation()
      request = asked
      isRaw = try field.optional("raw_scores")?.bool() ?? false
      returnsText = try field.optional("return_text")?.bool() ?? false
    } catch { throw ServingError(.invalid, "\(error)") }
  }

  /// Throws for a model that does not rank.
  public func check(_ classifier: Classifier) throws(ServingError) {
    guard classifier.model.graph.shape.classes == 1, classifier.tasks.isEmpty, classifier.acceptsPairs else {
      throw ServingError(.unfit, "the model is not a re-ranker: that takes one logit, and pairs of texts")
    }
  }

  /// The reply: the texts by their score, the largest first.
  public func reply(_ result: ServingResult) -> JSONValue {
    let scores = result.answers.map { isRaw ? $0.answer.logits[0] : $0.scores[0] }
    let order = scores.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }
    return .array(
      order.map { index in
        var entry = JSONObject()
        entry["index"] = JSONValue(index)
        if returnsText { entry["text"] = .string(request.texts[index].second) }
        entry["score"] = JSONValue(scores[index])
        return .object(entry)
      })
  }
}

extension JSONField {
  /// A text, or a pair of them.
  fileprivate func sequence() throws(FormatError) -> (first: String, second: String) {
    let parts = try elements()
    guard (1...2).contains(parts.count) else { throw failure("expected one or two strings, found \(parts.count)") }
    return (try parts[0].string(), try parts.count == 2 ? parts[1].string() : "")
  }

  fileprivate func refusesTruncation() throws(FormatError) -> Bool {
    if let direction = try optional("truncation_direction"), case let word = try direction.string(),
      word.lowercased() != "right"
    {
      throw direction.failure("is \(word.quoted): texts are cut at their right end")
    }
    return try optional("truncate")?.bool() != true
  }
}

extension ServedModel {
  /// The reply of /info.
  public var info: JSONValue {
    func ids(_ labels: [String]) -> JSONValue {
      var (byID, byLabel) = (JSONObject(), JSONObject())
      for (id, label) in labels.enumerated() {
        byID["\(id)"] = .string(label)
        byLabel[label] = JSONValue(id)
      }
      return ["id2label": .object(byID), "label2id": .object(byLabel)]
    }
    var (type, tasks) = (JSONObject(), JSONObject())
    for task in classifier.tasks { tasks[task] = ids(classifier.head(of: task).labels) }
    let several: JSONValue = ["tasks": .object(tasks)]
    let isRanker = classifier.model.graph.shape.classes == 1 && classifier.tasks.isEmpty
    type[isRanker ? "reranker" : "classifier"] = classifier.tasks.isEmpty ? ids(classifier.labels) : several
    return [
      "model_id": .string(name), "model_sha": .string(classifier.model.header.checkpoint),
      "model_dtype": .string(classifier.model.graph.precision.rawValue),
      "model_type": .object(type),
      "max_input_length": JSONValue(classifier.tokenLimit),
      "max_batch_tokens": JSONValue(classifier.batchLimits.tokens),
      "max_batch_requests": JSONValue(classifier.batchLimits.samples),
      "max_client_batch_size": JSONValue(options.maxTexts), "auto_truncate": false,
      // Each request has a token at least; texts are cut by Swift's threads, one for each processor.
      "max_concurrent_requests": JSONValue(gate.capacity),
      "tokenization_workers": JSONValue(max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))),
      "version": .string(magicPyramidVersion),
    ]
  }
}
