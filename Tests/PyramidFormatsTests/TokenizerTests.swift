// Tokenizer descriptions from vocab.txt and from tokenizer.json, and what tokenizer_config.json changes in each.

import PyramidFormats
import Testing

@Suite struct `Tokenizer description` {
  private let lines = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n"

  private func vocabulary(_ text: String, settings: String? = nil) throws -> TokenizerDescription {
    let json = try settings.map { (try JSONReader.read($0, file: "tokenizer_config.json"), "tokenizer_config.json") }
    return try Array(text.utf8).withUnsafeBytes {
      try TokenizerDescription(vocabulary: $0, file: "vocab.txt", settings: json)
    }
  }

  @Test func `A vocabulary alone has the defaults of BERT's uncased tokenizer`() throws {
    let tokenizer = try vocabulary(lines)
    #expect(tokenizer.vocabulary == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"])
    #expect(tokenizer.wordPieceCount == 7)
    #expect(tokenizer.lowercase && tokenizer.splitCJK && tokenizer.cleanText)
    #expect(tokenizer.stripAccents == nil)
    #expect(tokenizer.clsToken == SpecialToken(content: "[CLS]", id: 2))
    #expect(tokenizer.maskToken == SpecialToken(content: "[MASK]", id: 4))
    #expect(tokenizer.addedTokens.map(\.id) == [0, 1, 2, 3, 4])
    #expect(tokenizer.additionalSpecialTokens.isEmpty)
    #expect((tokenizer.continuingPrefix, tokenizer.maxWordScalars) == ("##", 100))
    #expect(tokenizer.modelMaxLength == nil)
  }

  @Test func `Lines end in LF or CRLF, and nothing else is stripped`() throws {
    let text = "[PAD]\r\n[UNK]\n[CLS]\r\n[SEP]\n \u{3000}\n\u{E9}\ne\u{301}\n\u{2028}"
    let tokenizer = try vocabulary(text)
    let expected = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", " \u{3000}", "\u{E9}", "e\u{301}", "\u{2028}"]
    #expect(tokenizer.vocabulary.map { Array($0.utf8) } == expected.map { Array($0.utf8) })
    #expect(tokenizer.maskToken == nil)
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
    #expect(tokenizer.unknownToken == SpecialToken(content: "<u>", id: 1))
    #expect(tokenizer.addedTokens.first { $0.content == "<m>" }?.stripsLeft == true)
    #expect(tokenizer.additionalSpecialTokens.map(\.content) == ["a", "<x>"])
    #expect(tokenizer.vocabulary.last == "<x>")
    #expect(tokenizer.wordPieceCount == 6)
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

  private func description(_ change: (inout TokenizerDescription) -> Void = { _ in }) throws -> TokenizerDescription {
    var tokenizer = try vocabulary(lines)
    change(&tokenizer)
    return tokenizer
  }

  @Test func `A description survives being written as tokenizer.json`() throws {
    let tokenizer = try description {
      $0.vocabulary.append("<x>")
      $0.addedTokens.append(AddedToken(content: "<x>", id: 7))
      $0.lowercase = false
      $0.stripAccents = true
      $0.splitCJK = false
      $0.maxWordScalars = 50
      $0.modelMaxLength = 128
    }
    let read = try TokenizerDescription(
      reading: JSONReader.read(JSONWriter.string(tokenizer.tokenizerJSON), file: "tokenizer.json"),
      file: "tokenizer.json", settings: (tokenizer.settingsJSON, "tokenizer_config.json"))
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
    let read = try TokenizerDescription(
      reading: description().tokenizerJSON, file: "tokenizer.json",
      settings: (JSONReader.read(settings, file: "tokenizer_config.json"), "tokenizer_config.json"))
    #expect(read.lowercase == lowercase)
    #expect(read.stripAccents == stripAccents)
  }

  @Test(arguments: [
    JSONValue.null, ["type": "Sequence", "normalizers": []],
  ])
  func `Without a normaliser text stays as it is`(_ normalizer: JSONValue) throws {
    guard case .object(var json) = try description().tokenizerJSON else { return }
    json["normalizer"] = normalizer
    let read = try TokenizerDescription(reading: .object(json), file: "tokenizer.json", settings: nil)
    #expect(!read.lowercase && !read.cleanText && !read.splitCJK)
    #expect(read.stripAccents == false)
  }
}
