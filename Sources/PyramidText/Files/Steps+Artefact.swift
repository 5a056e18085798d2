// The steps of a tokenizer as JSON in an artefact, each written and read in one place.

import PyramidFormats

extension BytePairRules {
  /// Everything but the merges.
  var json: JSONValue {
    [
      "type": "BPE", "unknown": unknownID.map { JSONValue(Int($0)) } ?? .null, "fuse_unk": .bool(fusesUnknown),
      "byte_fallback": .bool(fallsBackToBytes), "ignore_merges": .bool(takesWholeWords),
      "prefix": .string(continuingPrefix), "suffix": .string(wordSuffix),
    ]
  }
}

extension NormaliserStep {
  /// The step; the bytes of a compiled map stand elsewhere.
  var json: JSONValue {
    switch self {
    case .bert(let switches):
      [
        "type": "bert", "lowercase": .bool(switches.lowercase),
        "strip_accents": switches.stripAccents.map(JSONValue.bool) ?? .null, "split_cjk": .bool(switches.splitCJK),
        "clean_text": .bool(switches.cleanText),
      ]
    case .japanese(let lowercase): ["type": "japanese", "lowercase": .bool(lowercase)]
    case .form(let form): ["type": .string(form.rawValue)]
    case .lowercase: ["type": "lowercase"]
    case .stripAccents: ["type": "strip_accents"]
    case .strip(let left, let right): ["type": "strip", "left": .bool(left), "right": .bool(right)]
    case .replace(let pattern, let text): ["type": "replace", "pattern": pattern.json, "with": .string(text)]
    case .prepend(let text): ["type": "prepend", "text": .string(text)]
    case .nmt: ["type": "nmt"]
    case .precompiled(let map): ["type": "precompiled", "bytes": JSONValue(map.count)]
    }
  }

  /// Reads a step; `maps` are the compiled maps of the artefact that are left.
  init(_ field: JSONField, maps: inout ArraySlice<UInt8>) throws(FormatError) {
    let type = try field.required("type")
    let name = try type.string()
    switch name {
    case "bert":
      self = .bert(
        BertNormaliser(
          lowercase: try field.required("lowercase").bool(), stripAccents: try field.optional("strip_accents")?.bool(),
          splitCJK: try field.required("split_cjk").bool(), cleanText: try field.required("clean_text").bool()))
    case "japanese": self = .japanese(lowercase: try field.required("lowercase").bool())
    case "lowercase": self = .lowercase
    case "strip_accents": self = .stripAccents
    case "strip": self = .strip(left: try field.required("left").bool(), right: try field.required("right").bool())
    case "replace":
      self = .replace(try TextPattern(field.required("pattern")), with: try field.required("with").string())
    case "prepend": self = .prepend(try field.required("text").string())
    case "nmt": self = .nmt
    case "precompiled":
      let size = try field.required("bytes").integer(in: 0...maps.count)
      self = .precompiled(Array(maps.prefix(size)))
      maps = maps.dropFirst(size)
    default:
      guard let form = NormalForm(rawValue: name) else { throw type.failure("\(type.found) is unknown") }
      self = .form(form)
    }
  }
}

extension TextPattern {
  fileprivate var json: JSONValue {
    switch self {
    case .text(let text): ["text": .string(text)]
    case .expression(let text): ["expression": .string(text)]
    }
  }

  fileprivate init(_ field: JSONField) throws(FormatError) {
    if let text = try field.optional("text") {
      self = .text(try text.string())
    } else {
      self = .expression(try field.required("expression").string())
    }
  }
}

extension SplitterStep {
  /// The step.
  var json: JSONValue {
    switch self {
    case .bert: ["type": "bert"]
    case .byteLevel(let addsBlank, let cuts):
      ["type": "byte_level", "adds_blank": .bool(addsBlank), "cuts": .bool(cuts)]
    case .metaspace(let mark, let scheme, let cuts):
      [
        "type": "metaspace", "mark": .string(String(mark)), "scheme": .string(scheme.rawValue), "cuts": .bool(cuts),
      ]
    case .whitespace: ["type": "whitespace"]
    case .whitespaceSplit: ["type": "whitespace_split"]
    case .punctuation(let behaviour): ["type": "punctuation", "behaviour": .string(behaviour.rawValue)]
    case .digits(let individual): ["type": "digits", "individual": .bool(individual)]
    case .pattern(let pattern, let behaviour, let isInverted):
      [
        "type": "pattern", "pattern": pattern.json, "behaviour": .string(behaviour.rawValue),
        "inverted": .bool(isInverted),
      ]
    }
  }

  /// Reads a step.
  init(_ field: JSONField) throws(FormatError) {
    func value<Value: RawRepresentable<String>>(_ key: String) throws(FormatError) -> Value {
      let field = try field.required(key)
      guard let value = Value(rawValue: try field.string()) else { throw field.failure("\(field.found) is unknown") }
      return value
    }
    let type = try field.required("type")
    switch try type.string() {
    case "bert": self = .bert
    case "byte_level":
      self = .byteLevel(addsBlank: try field.required("adds_blank").bool(), cuts: try field.required("cuts").bool())
    case "metaspace":
      let mark = try field.required("mark")
      guard let scalar = try mark.string().unicodeScalars.first else { throw mark.failure("is empty") }
      self = .metaspace(mark: scalar, try value("scheme"), cuts: try field.required("cuts").bool())
    case "whitespace": self = .whitespace
    case "whitespace_split": self = .whitespaceSplit
    case "punctuation": self = .punctuation(try value("behaviour"))
    case "digits": self = .digits(individual: try field.required("individual").bool())
    case "pattern":
      self = .pattern(
        try TextPattern(field.required("pattern")), try value("behaviour"),
        isInverted: try field.required("inverted").bool())
    default: throw type.failure("\(type.found) is unknown")
    }
  }
}

extension TokenTemplate.Piece {
  /// The piece.
  var json: JSONValue {
    switch self {
    case .text(let index, let type): ["text": JSONValue(index), "type": JSONValue(Int(type))]
    case .token(let id, let type): ["id": JSONValue(Int(id)), "type": JSONValue(Int(type))]
    }
  }

  /// Reads a piece, its id by `id`.
  init(_ field: JSONField, _ id: (JSONField) throws(FormatError) -> Int32) throws(FormatError) {
    let type = Int32(try field.required("type").integer(in: 0...255))
    if let token = try field.optional("id") {
      self = .token(try id(token), type: type)
    } else {
      self = .text(try field.required("text").integer(in: 0...1), type: type)
    }
  }
}

extension AddedToken {
  /// The token with its id and all flags.
  var json: JSONValue {
    [
      "id": JSONValue(Int(id)), "content": .string(content), "single_word": .bool(singleWord),
      "lstrip": .bool(stripsLeft), "rstrip": .bool(stripsRight), "normalized": .bool(normalized),
      "special": .bool(special),
    ]
  }
}
