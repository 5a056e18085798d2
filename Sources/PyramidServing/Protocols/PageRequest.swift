// What the page at / asks: a model, and for one text its policies.

import PyramidFormats

/// A request of the page.
public struct PageRequest: Sendable {
  /// The model; nil for the only one.
  public let model: String?
  /// What is asked of it.
  public let request: ServingRequest

  /// Reads a body. Throws `ServingError`.
  public init(body: [UInt8]) throws(ServingError) {
    do {
      let field = JSONField(try JSONReader.read(body, file: "request", limits: .request), file: "request")
      try field.refuseUnknown(["model", "text", "text_pair", "exit", "prune"])
      model = try field.optional("model")?.string()
      var asked = ServingRequest(
        texts: [(try field.optional("text")?.string() ?? "", try field.optional("text_pair")?.string() ?? "")])
      (asked.exit, asked.prune) = (try field.optional("exit")?.string(), try field.optional("prune")?.string())
      request = asked
    } catch { throw ServingError(.invalid, "\(error)") }
  }
}
