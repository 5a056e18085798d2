// What a run of texts says about where policies pay: how many samples reach each layer and leave after it, how many
// tokens enter and survive. mp-run writes it, mp-compile reads it. The counts are redundant on purpose: a file that
// does not add up was not written by mp-run, and no cost may be worked out from it.

/// Counts of one run of a compiled model, layer by layer.
public struct PolicyProfile: Sendable, Equatable {
  /// One layer and the boundary after it. Tokens are summed over samples.
  public struct Layer: Sendable, Equatable {
    /// Samples that entered the layer, and those of them that left after it.
    public var samplesEntered, samplesLeft: Int
    /// Tokens that entered the layer, those of them in samples that left after it, and those that outlived its
    /// pruning.
    public var tokensEntered, tokensLeft, tokensKept: Int
    /// Whether the profiled model decides after this layer which samples leave and which tokens die.
    public var decidesExit, decidesPrune: Bool

    /// The counts of a layer; none yet.
    public init(
      samplesEntered: Int = 0, samplesLeft: Int = 0, tokensEntered: Int = 0, tokensLeft: Int = 0, tokensKept: Int = 0,
      decidesExit: Bool = false, decidesPrune: Bool = false
    ) {
      (self.samplesEntered, self.samplesLeft) = (samplesEntered, samplesLeft)
      (self.tokensEntered, self.tokensLeft, self.tokensKept) = (tokensEntered, tokensLeft, tokensKept)
      (self.decidesExit, self.decidesPrune) = (decidesExit, decidesPrune)
    }
  }

  /// Where the profile was read from, for errors; empty for one that was not.
  public var file = ""
  /// The graph's name.
  public var model: String
  /// `sha256:...` of the checkpoint's weight files.
  public var checkpoint: String
  /// The policies in force with all their arguments; nil for none.
  public var exit, prune: String?
  /// The boundary before the first layer, as a layer that costs nothing; nil where nothing is decided there.
  public var entry: Layer?
  /// Layers in order.
  public var layers: [Layer]
  /// Samples counted.
  public var samples: Int { (entry ?? layers.first)?.samplesEntered ?? 0 }

  /// A profile.
  public init(
    model: String, checkpoint: String, exit: String?, prune: String?, entry: Layer? = nil, layers: [Layer]
  ) {
    (self.model, self.checkpoint, self.exit, self.prune) = (model, checkpoint, exit, prune)
    (self.entry, self.layers) = (entry, layers)
  }
}

extension PolicyProfile {
  private static let format = "magic-pyramid-profile"
  /// A profile of a hundred layers takes 30 kB.
  private static let limits = JSONLimits(maximumDepth: 4, maximumBytes: 1 << 20, maximumValues: 16384)
  private static let mostLayers = 512
  /// Sums of counts below it are exact in any arithmetic used on them.
  private static let mostCounted = 1 << 40

  /// Reads a profile. Throws when the file is not a profile or its counts contradict each other.
  public init(path: String) throws(FormatError) { try self.init(reading: JSONField(path: path, limits: Self.limits)) }

  /// Checks a profile that was read already.
  public init(reading whole: JSONField) throws(FormatError) {
    guard try whole.object()["format"] == .string(Self.format) else {
      throw whole.failure("is not a profile; mp-run MODEL.mpc --write-profile FILE makes one")
    }
    let written = PolicyProfile(model: "", checkpoint: "", exit: nil, prune: nil, entry: Layer(), layers: [])
    try whole.allowsMembers(of: written.json)
    _ = try whole.required("version").integer(in: 1...1)
    model = try whole.required("model").string()
    checkpoint = try whole.required("checkpoint").string()
    exit = try whole.optional("exit")?.string()
    prune = try whole.optional("prune")?.string()
    let samples = try whole.required("samples").integer(in: 1...Self.mostCounted)
    let field = try whole.required("layers")
    let elements = try field.elements()
    guard (1...Self.mostLayers).contains(elements.count) else {
      throw field.failure("expected 1 to \(Self.mostLayers) layers, found \(elements.count)")
    }
    layers = []
    entry = try whole.optional("entry").map { field throws(FormatError) in
      let entry = try Layer(reading: field, upTo: Self.mostCounted)
      try field.expect(entry.samplesEntered, samples, "samples_entered")
      return entry
    }
    for element in elements {
      let layer = try Layer(reading: element, upTo: Self.mostCounted)
      let entering =
        (layers.last ?? entry).map { ($0.samplesEntered - $0.samplesLeft, $0.tokensKept) }
        ?? (samples, layer.tokensEntered)
      try element.expect(layer.samplesEntered, entering.0, "samples_entered")
      try element.expect(layer.tokensEntered, entering.1, "tokens_entered")
      layers.append(layer)
    }
    let last = layers[layers.count - 1]
    try elements[elements.count - 1].expect(last.samplesLeft, last.samplesEntered, "samples_left")
    file = whole.file
  }

  /// The profile as a JSON value.
  public var json: JSONValue {
    var object = JSONObject()
    object["format"] = JSONValue(Self.format)
    object["version"] = 1
    object["model"] = JSONValue(model)
    object["checkpoint"] = JSONValue(checkpoint)
    object["exit"] = exit.map { JSONValue($0) } ?? .null
    object["prune"] = prune.map { JSONValue($0) } ?? .null
    object["samples"] = JSONValue(samples)
    object["entry"] = entry?.json
    object["layers"] = .array(layers.map(\.json))
    return .object(object)
  }

  /// Writes the profile under a temporary name and renames it.
  public func write(to path: String) throws(OutputError) {
    try OutputFile.write(JSONWriter.string(json, style: .pretty) + "\n", to: path)
  }
}

extension PolicyProfile.Layer {
  fileprivate init(reading field: JSONField, upTo most: Int) throws(FormatError) {
    try field.allowsMembers(of: PolicyProfile.Layer().json)
    samplesEntered = try field.required("samples_entered").integer(in: 0...most)
    samplesLeft = try field.required("samples_left").integer(in: 0...samplesEntered)
    // Every sample has at least one token, [CLS], and at most as many as any position table has rows.
    let mostTokens = min(samplesEntered.multipliedReportingOverflow(by: 1 << 20).partialValue, most)
    tokensEntered = try field.required("tokens_entered").integer(in: samplesEntered...max(mostTokens, samplesEntered))
    tokensLeft = try field.required("tokens_left").integer(in: samplesLeft...tokensEntered)
    let (samples, tokens) = (samplesEntered - samplesLeft, tokensEntered - tokensLeft)
    guard tokens >= samples, samples > 0 || tokens == 0 else {
      throw field.failure("\(samples) samples stay with \(tokens) tokens")
    }
    tokensKept = try field.required("tokens_kept").integer(in: samples...tokens)
    decidesExit = try field.required("decides_exit").bool()
    decidesPrune = try field.required("decides_prune").bool()
  }

  fileprivate var json: JSONValue {
    [
      "samples_entered": JSONValue(samplesEntered), "samples_left": JSONValue(samplesLeft),
      "tokens_entered": JSONValue(tokensEntered), "tokens_left": JSONValue(tokensLeft),
      "tokens_kept": JSONValue(tokensKept), "decides_exit": .bool(decidesExit), "decides_prune": .bool(decidesPrune),
    ]
  }
}

extension JSONField {
  /// Throws when the object has a member that `written` has not.
  fileprivate func allowsMembers(of written: JSONValue) throws(FormatError) {
    for (key, field) in try members() where written[key] == nil { throw field.failure("is not a part of a profile") }
  }

  /// Throws when a count of this object is not what follows from the rest of the file.
  fileprivate func expect(_ found: Int, _ wanted: Int, _ key: String) throws(FormatError) {
    if found != wanted { throw try required(key).failure("expected \(wanted), found \(found)") }
  }
}
