// The model repository extension of the Open Inference Protocol: what is loaded, and what a change may ask.

import PyramidFormats

extension ModelRepository {
  /// Throws `ServingError` for the body of a load or an unload that asks for more than that: a configuration or files, as
  /// Triton takes them, would otherwise be left out without a word.
  public static func check(change body: [UInt8]) throws(ServingError) {
    guard !body.isEmpty else { return }
    do {
      let field = JSONField(try JSONReader.read(body, file: "request", limits: .request), file: "request")
      for (key, member) in try field.members() {
        guard key == "parameters" else { throw member.failure("is not understood") }
        for (key, parameter) in try member.members() where key != "unload_dependents" {
          throw parameter.failure("is not understood: a model is its file")
        }
      }
    } catch { throw ServingError(.invalid, "\(error)") }
  }

  /// The reply of /v2/repository/index.
  public var index: JSONValue {
    .array(
      models.map {
        ["name": .string($0.name), "version": .string("\($0.version)"), "state": "READY", "reason": ""]
      })
  }
}
