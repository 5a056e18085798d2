// The steps of a tokenizer.json: normaliser, pre-tokenizer, post-processor, model. The format can describe any
// pipeline; what is read here is the closed set of steps that are implemented, and any other is refused by its place.

import PyramidFormats

/// Reads the parts of a tokenizer.json.
enum PipelineReader {
  /// Nesting of sequences that is followed.
  private static let maximumDepth = 8

  /// The steps of a normaliser; none when there is no field.
  static func normaliser(_ field: JSONField?, depth: Int = 0) throws(FormatError) -> [NormaliserStep] {
    guard let field else { return [] }
    let type = try field.required("type")
    switch try type.string() {
    case "Sequence":
      return try sequence(field, try field.required("normalizers"), depth: depth, normaliser)
    case "BertNormalizer":
      return [
        .bert(
          BertNormaliser(
            lowercase: try field.required("lowercase").bool(),
            stripAccents: try field.optional("strip_accents")?.bool(),
            splitCJK: try field.required("handle_chinese_chars").bool(),
            cleanText: try field.required("clean_text").bool()))
      ]
    case "NFC": return [.form(.nfc)]
    case "NFD": return [.form(.nfd)]
    case "NFKC": return [.form(.nfkc)]
    case "NFKD": return [.form(.nfkd)]
    case "Lowercase": return [.lowercase]
    case "StripAccents": return [.stripAccents]
    case "Nmt": return [.nmt]
    case "Strip":
      return [
        .strip(left: try field.required("strip_left").bool(), right: try field.required("strip_right").bool())
      ]
    case "Replace":
      return [.replace(try pattern(field.required("pattern")), with: try field.required("content").string())]
    case "Prepend": return [.prepend(try field.required("prepend").string())]
    case "Precompiled": return [.precompiled(try charactersMap(field))]
    default: throw type.failure("\(type.found) is not supported")
    }
  }

  /// The steps of a sequence's elements.
  private static func sequence<Step>(
    _ field: JSONField, _ list: JSONField, depth: Int, _ read: (JSONField?, Int) throws(FormatError) -> [Step]
  ) throws(FormatError) -> [Step] {
    guard depth < maximumDepth else { throw field.failure("a sequence within \(maximumDepth) others") }
    var steps: [Step] = []
    for element in try list.elements() {
      steps += try read(element, depth + 1)
      guard steps.count <= TokenizerRules.mostSteps else {
        throw list.failure("more than \(TokenizerRules.mostSteps) steps")
      }
    }
    return steps
  }

  /// The bytes of a Precompiled normaliser's map.
  static func charactersMap(_ field: JSONField) throws(FormatError) -> [UInt8] {
    let map = try field.required("precompiled_charsmap")
    guard let bytes = Base64.decode(try map.string()) else { throw map.failure("is not base64") }
    return bytes
  }

  private static func pattern(_ field: JSONField) throws(FormatError) -> TextPattern {
    if let text = try field.optional("String") { return .text(try text.string()) }
    let expression = try field.required("Regex")
    let pattern = TextPattern.expression(try expression.string())
    do { _ = try CompiledPattern(pattern) } catch { throw expression.failure("\(error)") }
    return pattern
  }

  /// The steps of a pre-tokenizer; none when there is no field.
  static func splitter(_ field: JSONField?, depth: Int = 0) throws(FormatError) -> [SplitterStep] {
    guard let field else { return [] }
    let type = try field.required("type")
    switch try type.string() {
    case "Sequence":
      return try sequence(field, try field.required("pretokenizers"), depth: depth, splitter)
    case "BertPreTokenizer": return [.bert]
    case "ByteLevel":
      return [
        .byteLevel(
          addsBlank: try field.required("add_prefix_space").bool(),
          cuts: try field.optional("use_regex")?.bool() ?? true)
      ]
    case "Metaspace": return [try metaspace(field)]
    case "Whitespace": return [.whitespace]
    case "WhitespaceSplit": return [.whitespaceSplit]
    case "Punctuation": return [.punctuation(try behaviour(field.optional("behavior")))]
    case "Digits": return [.digits(individual: try field.required("individual_digits").bool())]
    case "Split":
      return [
        .pattern(
          try pattern(field.required("pattern")), try behaviour(field.required("behavior")),
          isInverted: try field.required("invert").bool())
      ]
    default: throw type.failure("\(type.found) is not supported")
    }
  }

  private static func metaspace(_ field: JSONField) throws(FormatError) -> SplitterStep {
    let replacement = try field.required("replacement")
    let scalars = try replacement.string().unicodeScalars
    guard let mark = scalars.first, scalars.count == 1 else {
      throw replacement.failure("expected one character, found \(replacement.found)")
    }
    let scheme = try field.optional("prepend_scheme")
    guard let value = PrependScheme(rawValue: try scheme?.string() ?? "always") else {
      throw try field.required("prepend_scheme").failure("expected always, first or never")
    }
    if let prefix = try field.optional("add_prefix_space"), try !prefix.bool(), value != .never {
      throw prefix.failure("contradicts prepend_scheme")
    }
    return .metaspace(mark: mark, value, cuts: try field.optional("split")?.bool() ?? true)
  }

  private static func behaviour(_ field: JSONField?) throws(FormatError) -> SplitBehaviour {
    guard let field else { return .isolated }
    guard let behaviour = SplitBehaviour(rawValue: try field.string()) else {
      throw field.failure("expected \(SplitBehaviour.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return behaviour
  }

  /// The template of a post-processor; nil when it adds no tokens.
  static func template(_ field: JSONField?) throws(FormatError) -> TokenTemplate? {
    guard let field else { return nil }
    let type = try field.required("type")
    switch try type.string() {
    case "BertProcessing":
      return .bert(first: try pair(field.required("cls")), separator: try pair(field.required("sep")))
    case "RobertaProcessing":
      return .roberta(first: try pair(field.required("cls")), separator: try pair(field.required("sep")))
    case "TemplateProcessing":
      let tokens = try field.required("special_tokens")
      let template = TokenTemplate(
        single: try pieces(field.required("single"), tokens), pair: try pieces(field.required("pair"), tokens))
      if let problem = template.problem { throw field.failure(problem) }
      return template
    case "ByteLevel": return nil
    case "Sequence":
      var found: TokenTemplate?
      for element in try field.required("processors").elements() {
        guard try element.required("type").string() != "Sequence", case let next = try template(element) else {
          throw element.failure("a sequence within a sequence is not supported")
        }
        guard found == nil || next == nil else { throw element.failure("adds tokens, as another one before it does") }
        found = found ?? next
      }
      return found
    default: throw type.failure("\(type.found) is not supported")
    }
  }

  private static func pieces(_ field: JSONField, _ tokens: JSONField) throws(FormatError) -> [TokenTemplate.Piece] {
    var pieces: [TokenTemplate.Piece] = []
    for element in try field.elements() {
      let special = try element.optional("SpecialToken")
      let body = if let special { special } else { try element.required("Sequence") }
      let (name, type) = (try body.required("id").string(), Int32(try body.required("type_id").integer(in: 0...255)))
      if special != nil {
        for id in try tokens.required(name).required("ids").elements() {
          guard pieces.count < TokenizerRules.mostSteps else { throw field.failure("adds more than 64 tokens") }
          pieces.append(.token(Int32(try id.integer(in: 0...Vocabulary.maximumCount)), type: type))
        }
      } else {
        guard name == "A" || name == "B" else { throw body.failure("expected the sequence A or B") }
        pieces.append(.text(name == "A" ? 0 : 1, type: type))
      }
    }
    return pieces
  }

  /// A processor's `["[SEP]", 102]`: its id.
  private static func pair(_ field: JSONField) throws(FormatError) -> Int32 {
    let elements = try field.elements()
    guard elements.count == 2 else { throw field.failure("expected a token and its id") }
    return Int32(try elements[1].integer(in: 0...Vocabulary.maximumCount))
  }
}

/// Base64 as files have it: with padding, and without line ends.
enum Base64 {
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 0xFF, count: 256)
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (value, byte) in alphabet.utf8.enumerated() { values[Int(byte)] = UInt8(value) }
    return values
  }()

  /// The bytes of a text; nil when it is not base64.
  static func decode(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 4 == 0 else { return nil }
    let padding = digits.reversed().prefix { $0 == UInt8(ascii: "=") }.count
    guard padding <= 2 else { return nil }
    var (bytes, bits, count) = ([UInt8](), UInt32(0), 0)
    bytes.reserveCapacity(digits.count / 4 * 3)
    for digit in digits.dropLast(padding) {
      guard values[Int(digit)] != 0xFF else { return nil }
      (bits, count) = (bits << 6 | UInt32(values[Int(digit)]), count + 6)
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return bytes
  }
}
