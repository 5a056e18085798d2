// What all files but the vocabulary say about a tokenizer, put together as transformers does: tokenizer_config.json, and
// where it has no `added_tokens_decoder` special_tokens_map.json, added_tokens.json and the added tokens of
// tokenizer.json. Which of them counts where they disagree was found out by experiment.

import PyramidFormats

/// An added token as a file states it.
struct StatedToken: Hashable {
  var content: String
  var singleWord = false
  var stripsLeft = false
  var stripsRight = false
  /// Nil where the file does not say: then special tokens are looked for in raw text, others in normalised text.
  var normalized: Bool?
  var special = false

  /// The token under its id.
  func token(id: Int32) -> AddedToken {
    AddedToken(
      content: content, id: id, singleWord: singleWord, stripsLeft: stripsLeft, stripsRight: stripsRight,
      normalized: normalized ?? !special, special: special)
  }
}

extension StatedToken {
  /// A token that is a string, which is special, or an object with `content` and flags.
  init(_ field: JSONField) throws(FormatError) {
    if case .string(let content) = field.value {
      self.init(content: content, special: true)
    } else {
      self.init(content: try field.required("content").string())
      singleWord = try field.optional("single_word")?.bool() ?? false
      stripsLeft = try field.optional("lstrip")?.bool() ?? false
      stripsRight = try field.optional("rstrip")?.bool() ?? false
      special = try field.optional("special")?.bool() ?? false
      normalized = try field.optional("normalized")?.bool()
    }
  }
}

/// The settings of a tokenizer.
struct TokenizerSettings {
  /// The roles of special tokens in the order in which transformers adds them.
  static let roles = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

  /// The settings that are neither roles nor added tokens.
  private(set) var values: [String: JSONField] = [:]
  /// What files say about a role: not in the table when they are silent, nil when they say that there is none.
  private(set) var stated: [String: StatedToken?] = [:]
  /// `added_tokens_decoder` or what stands for it, in the order of the ids that the files give.
  private(set) var decoder: [(id: Int, token: StatedToken)] = []
  /// Roles of the model's own, in order.
  private(set) var furtherRoles: [StatedToken] = []
  /// `extra_special_tokens`, formerly `additional_special_tokens`; nil when no file has either.
  private(set) var extra: [StatedToken]?
  /// Where to blame.
  let source: JSONField?

  /// Reads the settings of a folder; a file that is not there is nil.
  init(
    configuration root: JSONField?, specialTokens map: JSONField?, addedTokens: JSONField?, tokenizer: JSONField?
  ) throws(FormatError) {
    source = root
    for (key, field) in try root?.members() ?? [] { values[key] = field }
    if let decoder = try root?.optional("added_tokens_decoder") {
      for (key, field) in try decoder.members() {
        guard let id = Int(key), String(id) == key else { throw field.failure("expected a token's id as the key") }
        self.decoder.append((id, try StatedToken(field)))
      }
      takeOlderName { Self.isEmpty($0) }
    } else {
      takeOlderName { Self.isEmpty($0) }
      try merge(map)
      try readLegacy(addedTokens, tokenizer)
    }
    takeOlderName { $0 == nil }
    decoder.sort { $0.id < $1.id }
    try readExtra()
    try readRoles()
    try refuseUnsupported()
  }

  /// special_tokens_map.json overrides what was said before; its objects are special whatever they say.
  private mutating func merge(_ map: JSONField?) throws(FormatError) {
    for (key, field) in try map?.members() ?? [] {
      guard case .object(var object) = field.value else {
        if key == "extra_special_tokens", case .array(let new) = field.value,
          case .array(let old)? = values[key]?.value
        {
          let known = Set(old.map { ExactString(JSONWriter.string($0)) })
          let list = old + new.filter { !known.contains(ExactString(JSONWriter.string($0))) }
          values[key] = JSONField(.array(list), file: field.file, place: field.place)
        } else {
          values[key] = field
        }
        continue
      }
      object["special"] = .bool(true)
      values[key] = JSONField(.object(object), file: field.file, place: field.place)
    }
  }

  /// added_tokens.json, then the added tokens of tokenizer.json; of two for one id the later one counts.
  private mutating func readLegacy(_ added: JSONField?, _ tokenizer: JSONField?) throws(FormatError) {
    var special: Set<ExactString> = []
    for role in Self.roles {
      if let field = values[role], field.value != .null { special.insert(ExactString(try StatedToken(field).content)) }
    }
    if let field = values["extra_special_tokens"], case .array = field.value {
      for element in try field.elements() { special.insert(ExactString(try StatedToken(element).content)) }
    }
    var tokens: [Int: StatedToken] = [:]
    for (content, field) in try added?.members() ?? [] {
      let isSpecial = special.contains(ExactString(content))
      let id = try field.integer(in: 0...Vocabulary.maximumCount)
      tokens[id] = StatedToken(content: content, normalized: !isSpecial, special: isSpecial)
    }
    for (field, token) in try Self.added(by: tokenizer) {
      tokens[try field.required("id").integer(in: 0...Vocabulary.maximumCount)] = token
    }
    decoder = tokens.map { ($0.key, $0.value) }
  }

  /// The added tokens of a tokenizer.json. Throws for one that is there twice with different flags: nothing says which
  /// of them count.
  static func added(by tokenizer: JSONField?) throws(FormatError) -> [(field: JSONField, token: StatedToken)] {
    var (list, known): ([(field: JSONField, token: StatedToken)], [ExactString: AddedToken]) = ([], [:])
    for field in try tokenizer?.optional("added_tokens")?.elements() ?? [] {
      let token = try StatedToken(field)
      let flags = token.token(id: 0)
      if let other = known.updateValue(flags, forKey: ExactString(token.content)), other != flags {
        throw field.failure("the token \(token.content.quoted) is added twice, with different flags")
      }
      list.append((field, token))
    }
    return list
  }

  /// Renames `additional_special_tokens` where the newer name leaves room.
  private mutating func takeOlderName(where isFree: (JSONField?) -> Bool) {
    guard let older = values["additional_special_tokens"], isFree(values["extra_special_tokens"]) else { return }
    (values["additional_special_tokens"], values["extra_special_tokens"]) = (nil, older)
  }

  private static func isEmpty(_ field: JSONField?) -> Bool {
    switch field?.value {
    case .array(let elements): elements.isEmpty
    case .object(let object): object.count == 0
    case .string(let text): text.isEmpty
    default: true
    }
  }

  private mutating func readExtra() throws(FormatError) {
    guard let field = values.removeValue(forKey: "extra_special_tokens"), field.value != .null else { return }
    if case .object = field.value {
      for (_, member) in try field.members() { furtherRoles.append(try StatedToken(member)) }
    } else {
      extra = []
      for element in try field.elements() { extra?.append(try StatedToken(element)) }
    }
  }

  private mutating func readRoles() throws(FormatError) {
    for role in Self.roles {
      guard let field = values.removeValue(forKey: role) else { continue }
      stated[role] = .some(field.value == .null ? nil : known(try StatedToken(field)))
    }
    for key in values.keys.sorted() where key.hasSuffix("_token") {
      guard let field = values[key] else { continue }
      switch field.value {
      case .string, .object: furtherRoles.append(try StatedToken(field))
      default: continue
      }
      values[key] = nil
    }
  }

  /// The token as the list of added tokens has it, where it is in that list.
  private func known(_ token: StatedToken) -> StatedToken {
    decoder.last { $0.token.content.hasSameBytes(as: token.content) }?.token ?? token
  }

  /// Settings that change ids and are not implemented.
  private func refuseUnsupported() throws(FormatError) {
    if let field = values["split_special_tokens"], field.value == .bool(true) {
      throw field.failure("true is not supported: special tokens in a text are always recognised")
    }
    if let field = values["fast_tokenizer_files"], case .array(let names) = field.value,
      names.contains(where: { $0 != .string("tokenizer.json") })
    {
      throw field.failure("expected tokenizer.json alone; save the tokenizer anew with save_pretrained")
    }
  }
}

extension TokenizerSettings {
  /// The token of a role: what a file says, or what the class has by default.
  func role(_ name: String, _ standard: StatedToken?) -> StatedToken? {
    if let said = stated[name] { said } else { standard }
  }

  /// A switch; nil when no file has it, or it is null.
  func bool(_ key: String) throws(FormatError) -> Bool? {
    guard let field = values[key], field.value != .null else { return nil }
    return try field.bool()
  }

  /// A name; nil when no file has it, or it is null.
  func string(_ key: String) throws(FormatError) -> String? {
    guard let field = values[key], field.value != .null else { return nil }
    return try field.string()
  }

  /// `model_max_length`, formerly `max_len`; transformers writes 1e30, as a float or as its 31 digits, for "no limit",
  /// and takes whatever is above 10^20 for it.
  func maximumLength() throws(FormatError) -> Int? {
    guard let field = values["model_max_length"] ?? values["max_len"], field.value != .null else { return nil }
    let value = try field.double()
    guard value >= 1, value == value.rounded() else {
      throw field.failure("expected a positive integer, found \(field.found)")
    }
    return value <= 1e9 ? Int(value) : nil
  }

  /// Whether texts lose their beginning; `tokenizer` is asked where the settings are silent.
  func truncatesLeft(_ tokenizer: JSONField?) throws(FormatError) -> Bool {
    if let field = values["truncation_side"] {
      switch field.value {
      case .string("left"): return true
      case .string("right"): return false
      default: throw field.failure("expected \"left\" or \"right\", found \(field.found)")
      }
    }
    return try tokenizer?.optional("truncation")?.optional("direction")?.string() == "Left"
  }

  /// Whether encodings have type ids.
  func givesTypes(_ standard: Bool) throws(FormatError) -> Bool {
    guard let field = values["model_input_names"], field.value != .null else { return standard }
    return try field.elements().contains { $0.value == .string("token_type_ids") }
  }
}
