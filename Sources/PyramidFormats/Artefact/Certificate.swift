// What was proven about a model's exits by calibration: `mp-compare calibrate` writes it, `mp-compile` stores it in the
// artefact, and whoever runs the model can read it there. It names the checkpoint, the policies and the precision that it
// holds for, so that it can't be put on another model.

import Glibc

/// A bound on what leaving early costs, and the conditions that it holds under.
public struct Certificate: Sendable, Equatable {
  /// Losses counted among texts, and what is proven of them.
  public struct Bound: Sendable, Equatable {
    /// The exit that the texts leave at, 0 for the entry; nil for all texts.
    public var exit: Int?
    /// Texts, and those of them that were lost.
    public var count, losses: Int
    /// What the share lost is proven to be below, the goal; nil where nobody left.
    public var bound: Double?

    /// A bound.
    public init(exit: Int?, count: Int, losses: Int, bound: Double?) {
      (self.exit, self.count, self.losses, self.bound) = (exit, count, losses, bound)
    }
  }

  /// `sha256:...` of the checkpoint's weights.
  public var checkpoint: String
  /// Number format of the model.
  public var precision: String
  /// The policies with all their arguments; no pruning policy is nil.
  public var exit: String, prune: String?
  /// SHA-256 of the calibration texts' file, and how many texts there were.
  public var dataChecksum: String, count: Int
  /// The largest share that may be lost, and how sure it is that no more is.
  public var maxDrop, confidence: Double
  /// `labels` or `dense`: what a text is lost to.
  public var against: String
  /// Name of the class whose texts alone count; nil for all.
  public var missClass: String?
  /// All texts first, then each exit where exits are bounded by themselves.
  public var bounds: [Bound]

  private static let format = "magic-pyramid-certificate"

  /// A certificate from its parts.
  public init(
    checkpoint: String, precision: String, exit: String, prune: String?, dataChecksum: String, count: Int,
    maxDrop: Double, confidence: Double, against: String, missClass: String?, bounds: [Bound]
  ) {
    (self.checkpoint, self.precision, self.exit, self.prune) = (checkpoint, precision, exit, prune)
    (self.dataChecksum, self.count, self.maxDrop, self.confidence) = (dataChecksum, count, maxDrop, confidence)
    (self.against, self.missClass, self.bounds) = (against, missClass, bounds)
  }

  /// Reads a certificate. Throws when the file is none.
  public init(path: String) throws(FormatError) { try self.init(reading: JSONField(path: path)) }

  /// Checks a certificate that was read already.
  public init(reading field: JSONField) throws(FormatError) {
    guard try field.object()["format"] == .string(Self.format) else {
      throw field.failure("is not a certificate; mp-compare calibrate --output FILE makes one")
    }
    _ = try field.required("version").integer(in: 1...1)
    checkpoint = try field.required("checkpoint").string()
    precision = try field.required("precision").string()
    exit = try field.required("exit").string()
    prune = try field.optional("prune")?.string()
    dataChecksum = try field.required("data_sha256").string()
    count = try field.required("n").integer(in: 1...(1 << 40))
    func share(_ key: String) throws(FormatError) -> Double {
      let field = try field.required(key)
      let value = try field.double()
      guard value > 0, value < 1 else { throw field.failure("expected a share between 0 and 1, found \(value)") }
      return value
    }
    func isDigest(_ text: String) -> Bool { text.utf8.count == 64 && text.utf8.allSatisfy { isxdigit(Int32($0)) != 0 } }
    (maxDrop, confidence) = (try share("max_drop"), try share("confidence"))
    guard isDigest(dataChecksum) else { throw try field.required("data_sha256").failure("expected 64 hex digits") }
    against = try field.required("against").string()
    guard ["labels", "dense"].contains(against) else {
      throw try field.required("against").failure("expected labels or dense")
    }
    missClass = try field.optional("miss_class")?.string()
    bounds = []
    for element in try field.required("bounds").elements() {
      let count = try element.required("n").integer(in: 0...self.count)
      bounds.append(
        Bound(
          exit: try element.optional("exit_layer")?.integer(in: 0...512), count: count,
          losses: try element.required("losses").integer(in: 0...count), bound: try element.optional("bound")?.double())
      )
    }
    let (field, places) = (try field.required("bounds"), bounds.map { $0.exit ?? -1 })
    guard places.first == -1, zip(places, places.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw field.failure("expected all texts first, then exits in their order, each once")
    }
    guard missClass != nil || bounds[0].count == count, bounds.allSatisfy({ isSound($0) }) else {
      throw field.failure("contradict n, max_drop or themselves")
    }
  }

  /// Whether what is said of texts is the goal, and no more of them were lost than that allows.
  private func isSound(_ bound: Bound) -> Bool {
    bound.count > 0
      ? bound.bound == maxDrop && Double(bound.losses) <= maxDrop * Double(bound.count) : bound.bound == nil
  }

  /// The certificate as a JSON value.
  public var json: JSONValue {
    [
      "format": JSONValue(Self.format), "version": 1, "checkpoint": JSONValue(checkpoint),
      "precision": JSONValue(precision), "data_sha256": JSONValue(dataChecksum), "n": JSONValue(count),
      "exit": JSONValue(exit), "prune": prune.map { JSONValue($0) } ?? .null, "max_drop": JSONValue(maxDrop),
      "confidence": JSONValue(confidence), "against": JSONValue(against),
      "miss_class": missClass.map { JSONValue($0) } ?? .null,
      "bounds": .array(
        bounds.map {
          [
            "exit_layer": $0.exit.map { JSONValue($0) } ?? .null, "n": JSONValue($0.count),
            "losses": JSONValue($0.losses), "bound": $0.bound.map { JSONValue($0) } ?? .null,
          ]
        }),
    ]
  }

  /// Throws when a compiled model is not the one that the certificate is of.
  public func check(checkpoint: String, precision: String, exit: String?, prune: String?, file: String)
    throws(FormatError)
  {
    let pairs = [
      ("checkpoint", self.checkpoint, checkpoint), ("precision", self.precision, precision),
      ("exit", self.exit, exit ?? "none"), ("prune", self.prune ?? "none", prune ?? "none"),
    ]
    for (name, mine, other) in pairs where mine != other {
      throw FormatError(file: file, place: name, problem: "the certificate is for \(mine), not for \(other)")
    }
  }

  /// The certificate for people, a line each.
  public var lines: [String] {
    let what =
      against == "dense" ? "texts answered otherwise than by dense" : "texts that dense gets right and the exits lose"
    var lines = [
      "at most \(decimal(100 * maxDrop, 2))% of \(missClass.map { "class \($0.printable(limit: 80))'s " } ?? "")\(what), "
        + "with a confidence of \(decimal(100 * confidence, 1))%",
      "by \(count) texts (sha256:\(dataChecksum.prefix(12)))",
    ]
    for bound in bounds {
      let place = bound.exit.map { $0 == 0 ? "at the entry" : "after layer \($0)" } ?? "in all"
      let proven = bound.bound.map { "at most \(decimal(100 * $0, 2))%" } ?? "nobody leaves there"
      lines.append("\(place): \(bound.losses) of \(bound.count) lost, \(proven)")
    }
    return lines
  }
}
