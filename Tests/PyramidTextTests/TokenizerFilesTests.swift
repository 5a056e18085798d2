// The rules of tokenizers from vocab.txt and from tokenizer.json, and what tokenizer_config.json changes in each.

import PyramidFormats
import Testing

@testable import PyramidText

@Suite struct `Tokenizer files` {
  private let lines = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n"

  private func vocabulary(_ text: String, settings: String? = nil) throws -> TokenizerRules {
    let json = try settings.map { field(try JSONReader.read($0, file: settingsFile)) }
    return try Array(text.utf8).withUnsafeBytes {
      try TokenizerRules(vocabularyFile: $0, file: "vocab.txt", settings: json)
    }
  }

  private let settingsFile = "tokenizer_config.json"

  private func field(_ settings: JSONValue) -> JSONField { JSONField(settings, file: settingsFile) }

  private func read(_ json: JSONValue, settings: JSONValue? = nil) throws -> TokenizerRules {
    try TokenizerRules(json: JSONField(json, file: "tokenizer.json"), settings: settings.map(field))
  }

  @Test func `A vocabulary alone has the defaults of BERT's uncased tokenizer`() throws {
    let tokenizer = try vocabulary(lines)
    #expect(tokenizer.tokens == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"])
    #expect(tokenizer.vocabulary.modelCount == 7)
    #expect(tokenizer.lowercase && tokenizer.splitCJK && tokenizer.cleanText)
    #expect(tokenizer.stripAccents == nil)
    #expect(tokenizer.clsID == 2)
    #expect(tokenizer.maskID == 4)
    #expect(tokenizer.specialTokens.map(\.id) == [0, 1, 2, 3, 4])
    #expect(tokenizer.additionalSpecialTokens.isEmpty)
    #expect(tokenizer.model == .wordPiece(continuingPrefix: "##", maxWordScalars: 100))
    #expect(tokenizer.modelMaxLength == nil)
  }

  @Test func `Lines end in LF or CRLF, and nothing else is stripped`() throws {
    let text = "[PAD]\r\n[UNK]\n[CLS]\r\n[SEP]\n \u{3000}\n\u{E9}\ne\u{301}\n\u{2028}"
    let tokenizer = try vocabulary(text)
    let expected = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", " \u{3000}", "\u{E9}", "e\u{301}", "\u{2028}"]
    #expect(tokenizer.tokens.map { Array($0.utf8) } == expected.map { Array($0.utf8) })
    #expect(tokenizer.maskID == nil)
  }

  @Test func `tokenizer_config.json sets the switches and the special tokens`() throws {
    let tokenizer = try vocabulary(
      "<p>\n<u>\n<c>\n<s>\n<m>\na\n",
      settings: """
        {"do_lower_case": false, "strip_accents": true, "tokenize_chinese_chars": false, "model_max_length": 512,
         "unk_token": "<u>", "sep_token": {"content": "<s>", "__type": "AddedToken"}, "pad_token": "<p>",
         "cls_token": "<c>", "mask_token": {"content": "<m>", "lstrip": true},
         "additional_special_tokens": ["<x>", "a"], "tokenizer_class": "DistilBertTokenizerFast"}
        """)
    #expect(!tokenizer.lowercase && !tokenizer.splitCJK)
    #expect(tokenizer.stripAccents == true)
    #expect(tokenizer.modelMaxLength == 512)
    #expect(tokenizer.unknownID == 1)
    #expect(tokenizer.specialTokens.first { $0.content == "<m>" }?.stripsLeft == true)
    #expect(tokenizer.additionalSpecialTokens.map(\.content) == ["a", "<x>"])
    #expect(tokenizer.tokens.last == "<x>")
    #expect(tokenizer.vocabulary.modelCount == 6)
  }

  @Test(arguments: [
    ("512", 512), ("512.0", 512), ("1e30", nil), ("1000000000000000019884624838656", nil), ("null", nil),
  ])
  func `The maximum length may be absent in several spellings`(_ text: String, _ length: Int?) throws {
    #expect(try vocabulary(lines, settings: #"{"model_max_length": \#(text)}"#).modelMaxLength == length)
  }

  @Test func `Added tokens keep their ids and flags`() throws {
    let tokenizer = try vocabulary(
      lines,
      settings: """
        {"added_tokens_decoder": {"7": {"content": "<w>", "special": false, "single_word": true, "rstrip": true},
                                  "0": {"content": "[PAD]", "special": true}}}
        """)
    let added = try #require(tokenizer.additionalSpecialTokens.first)
    #expect((added.content, added.id) == ("<w>", 7))
    #expect(added.singleWord && added.stripsRight && added.normalized && !added.special && !added.stripsLeft)
  }

  private func description(_ change: (inout TokenizerRules) -> Void = { _ in }) throws -> TokenizerRules {
    var tokenizer = try vocabulary(lines)
    change(&tokenizer)
    return tokenizer
  }

  @Test func `A description survives being written as tokenizer.json`() throws {
    let tokenizer = try description {
      $0.vocabulary = Vocabulary($0.tokens + ["<x>"], modelCount: 7)
      $0.specialTokens.append(SpecialToken(content: "<x>", id: 7))
      $0.lowercase = false
      $0.stripAccents = true
      $0.splitCJK = false
      $0.model = .wordPiece(continuingPrefix: "##", maxWordScalars: 50)
      $0.modelMaxLength = 128
    }
    let json = try JSONReader.read(JSONWriter.string(tokenizer.tokenizerJSON), file: "tokenizer.json")
    let read = try read(json, settings: ["pad_token": "[PAD]", "mask_token": "[MASK]", "model_max_length": 128])
    #expect(read == tokenizer)
  }

  @Test(arguments: [
    (#"{"do_lower_case": false, "strip_accents": true}"#, false, true),
    (#"{"tokenizer_class": "BertTokenizer", "do_lower_case": false}"#, false, nil),
    (#"{"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": false}"#, true, nil),
    (#"{"strip_accents": null}"#, true, nil), ("{}", true, nil),
  ])
  func `The switches of a BERT tokenizer's settings override tokenizer.json`(
    _ settings: String, _ lowercase: Bool, _ stripAccents: Bool?
  ) throws {
    let read = try read(
      description().tokenizerJSON, settings: JSONReader.read(settings, file: settingsFile))
    #expect(read.lowercase == lowercase)
    #expect(read.stripAccents == stripAccents)
  }

  @Test(arguments: [
    JSONValue.null, ["type": "Sequence", "normalizers": []],
  ])
  func `Without a normaliser text stays as it is`(_ normalizer: JSONValue) throws {
    guard case .object(var json) = try description().tokenizerJSON else { return }
    json["normalizer"] = normalizer
    let read = try read(.object(json))
    #expect(!read.lowercase && !read.cleanText && !read.splitCJK)
    #expect(read.stripAccents == false)
  }
}

extension TokenizerRules {
  /// All tokens in id order.
  fileprivate var tokens: [String] { (0..<vocabulary.count).map { vocabulary[$0] } }

  /// The special tokens beyond the five with a role.
  fileprivate var additionalSpecialTokens: [SpecialToken] {
    specialTokens.filter { ![unknownID, clsID, sepID, padID, maskID].contains($0.id) }
  }

  /// The rules as Hugging Face `tokenizers` would write them, without the settings' part.
  fileprivate var tokenizerJSON: JSONValue {
    guard case .wordPiece(let prefix, let maxWordScalars) = model else { return .null }
    var pieces = JSONObject()
    for (id, token) in tokens[..<vocabulary.modelCount].enumerated() { pieces[token] = JSONValue(id) }
    return [
      "version": "1.0", "truncation": .null, "padding": .null,
      "added_tokens": .array(
        specialTokens.map { token in
          [
            "id": JSONValue(Int(token.id)), "content": .string(token.content), "single_word": .bool(token.singleWord),
            "lstrip": .bool(token.stripsLeft), "rstrip": .bool(token.stripsRight),
            "normalized": .bool(token.normalized), "special": .bool(token.special),
          ]
        }),
      "normalizer": [
        "type": "BertNormalizer", "clean_text": .bool(cleanText), "handle_chinese_chars": .bool(splitCJK),
        "strip_accents": stripAccents.map(JSONValue.bool) ?? .null, "lowercase": .bool(lowercase),
      ],
      "pre_tokenizer": ["type": "BertPreTokenizer"],
      "post_processor": [
        "type": "BertProcessing", "sep": [.string(tokens[Int(sepID)]), JSONValue(Int(sepID))],
        "cls": [.string(tokens[Int(clsID)]), JSONValue(Int(clsID))],
      ],
      "model": [
        "type": "WordPiece", "unk_token": .string(tokens[Int(unknownID)]), "continuing_subword_prefix": .string(prefix),
        "max_input_chars_per_word": JSONValue(maxWordScalars), "vocab": .object(pieces),
      ],
    ]
  }
}
