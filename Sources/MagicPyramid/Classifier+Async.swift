// Classification for tasks, which are suspended while the inference thread computes; texts are cut on the caller's.

import PyramidRuntime
import PyramidText

extension Classifier {
  /// Classifies texts; answers come in their order. Texts of concurrent calls are computed together, so that a server
  /// need not gather them. `terms` are policies, depth, deadline and tasks of this call alone. Throws `CancellationError`
  /// when the task was cancelled before all texts were admitted; those that were not are not computed. Calls wait without
  /// a bound: a server holds its callers back itself, as `AdmissionGate` of PyramidServing does.
  public func classify(_ texts: [String], on terms: RequestTerms = RequestTerms()) async throws -> [Classification] {
    try await classify(encodings: texts.map { encode($0) }, on: terms)
  }

  /// Classifies pairs of texts, as the other does; an empty second text is none.
  public func classify(
    pairs: [(first: String, second: String)], on terms: RequestTerms = RequestTerms()
  ) async throws -> [Classification] {
    try await classify(encodings: encode(pairs: pairs), on: terms)
  }

  /// Classifies texts that were cut already, as the other does.
  public func classify(
    encodings: [Encoding], on terms: RequestTerms = RequestTerms()
  ) async throws -> [Classification] {
    try Task.checkCancellation()
    try refuseGroupPolicy()
    try checkIDs(encodings)
    let answers = try await executor.run(PackedBatch(encodings), on: terms)
    return try checked(classifications(answers, of: encodings, tasks: terms.tasks))
  }
}

extension Classifier {
  /// Throws `RuntimeError` for terms that this model can't keep.
  public func check(_ terms: RequestTerms) throws { try executor.check(terms) }
}

extension PackedBatch {
  /// Texts that were cut, packed.
  init(_ encodings: [Encoding]) {
    self.init()
    for encoding in encodings { append(encoding) }
  }

  /// Appends a text that was cut.
  mutating func append(_ encoding: Encoding, joinsGroup: Bool = false) {
    append(tokenIDs: encoding.ids, typeIDs: encoding.typeIDs, joinsGroup: joinsGroup)
  }
}
