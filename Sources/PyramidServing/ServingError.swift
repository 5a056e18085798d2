// What goes wrong between a request and its answer, in the terms of the service: a transport turns the kind into its
// own code (HTTP status, gRPC status), and the text is for who wrote the request.

/// Why a request has no answer.
public struct ServingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What a transport needs to know of it.
  public enum Kind: Sendable, Equatable {
    /// The request is wrong; it will not be right another time.
    case invalid
    /// It names a model or a version that there is not.
    case notFound
    /// It is larger than the operator allows.
    case tooLarge
    /// The queue is full: another time, after about `retryAfter` seconds.
    case busy(retryAfter: Int)
    /// Its deadline passed before a head could answer.
    case late
    /// The server is not ready, or ends.
    case unavailable
    /// The model's own fault.
    case broken
    /// The model is not of the kind that such requests are for.
    case unfit

    /// For counts.
    var word: String {
      switch self {
      case .invalid: "invalid"
      case .notFound: "not_found"
      case .tooLarge: "too_large"
      case .busy: "busy"
      case .late: "late"
      case .unavailable: "unavailable"
      case .broken: "broken"
      case .unfit: "unfit"
      }
    }
  }

  /// What a transport needs to know of it.
  public let kind: Kind
  /// What is wrong and what to do. It may hold words of the request: it is for the client, and for no log.
  public let description: String

  /// An error.
  public init(_ kind: Kind, _ description: String) { (self.kind, self.description) = (kind, description) }
}
