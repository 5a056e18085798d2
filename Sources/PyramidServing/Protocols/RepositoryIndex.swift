// The model repository extension of the Open Inference Protocol: what is loaded.

import PyramidFormats

extension ModelRepository {
  /// The reply of /v2/repository/index.
  public var index: JSONValue {
    .array(
      models.map {
        ["name": .string($0.name), "version": .string("\($0.version)"), "state": "READY", "reason": ""]
      })
  }
}
