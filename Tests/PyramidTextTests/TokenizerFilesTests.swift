// The tokenizer of a checkpoint folder: which of its files decides what. What is right here was asked of transformers
// 5.24 (AutoTokenizer) with the same files.

import Glibc
import PyramidFormats
import Testing

@testable import PyramidText

/// A temporary folder with the files of a tokenizer.
final class TokenizerFolder {
  let path: String

  init(_ files: [String: String]) throws {
    var template = Array("/tmp/mp-tokenizer-XXXXXX".utf8CString)
    path = String(cString: try #require(mkdtemp(&template)))
    for (name, text) in files {
      let file = try #require(fopen(path + "/" + name, "w"))
      fputs(text, file)
      fclose(file)
    }
  }

  deinit {
    for name in [
      "config.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json", "added_tokens.json",
      "special_tokens_map.json", "vocab.json", "merges.txt", "spm.model",
    ] { unlink(path + "/" + name) }
    rmdir(path)
  }

  func read() throws -> (tokenizer: Tokenizer, origin: TokenizerOrigin) {
    let folder = try Folder(path: path)
    let configuration = folder.has("config.json") ? try JSONField(path: folder.path(of: "config.json")) : nil
    return try Tokenizer.read(from: folder, configuration: configuration)
  }
}

@Suite struct `Tokenizer files` {
  private let lines = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n"

  private func read(
    vocabulary: String? = nil, settings: String? = nil, _ files: [String: String] = [:]
  ) throws -> (tokenizer: Tokenizer, origin: TokenizerOrigin) {
    var files = files
    files["config.json"] = files["config.json"] ?? #"{"model_type": "bert"}"#
    files["vocab.txt"] = vocabulary ?? lines
    files["tokenizer_config.json"] = settings
    return try TokenizerFolder(files).read()
  }

  private func rules(vocabulary: String? = nil, settings: String? = nil, _ files: [String: String] = [:]) throws
    -> TokenizerRules
  { try read(vocabulary: vocabulary, settings: settings, files).tokenizer.rules }

  private func problem(settings: String? = nil, _ files: [String: String]) -> String {
    do {
      _ = try read(settings: settings, files)
      return "none"
    } catch { return "\(error)" }
  }

  @Test func `A vocabulary alone has the defaults of BERT's uncased tokenizer`() throws {
    let rules = try rules()
    #expect(rules.tokens == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"])
    #expect(rules.vocabulary.modelCount == 7)
    #expect(rules.bert == BertNormaliser())
    #expect(rules.template == .bert(first: 2, separator: 3))
    #expect((rules.firstID, rules.separatorID, rules.maskID, rules.padID) == (2, 3, 4, 0))
    #expect(rules.idsWithoutWord == [0, 2, 3, 4])
    #expect(rules.addedTokens.map(\.id) == [0, 1, 2, 3, 4])
    #expect(rules.model == .wordPiece(continuingPrefix: "##", maxWordScalars: 100))
    #expect(rules.modelMaxLength == nil && !rules.truncatesLeft)
  }

  @Test func `Lines end in LF or CRLF, and white space at a token's end is dropped`() throws {
    let rules = try rules(vocabulary: "[PAD]\r\n[UNK]\n[CLS]\r\n[SEP] \n \u{3000}x\u{3000}\n\u{E9}\ne\u{301}\n\n[MASK]")
    let expected = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", " \u{3000}x", "\u{E9}", "e\u{301}", "", "[MASK]"]
    #expect(rules.tokens.map { Array($0.utf8) } == expected.map { Array($0.utf8) })
  }

  @Test func `Of a token that is there twice the last counts, and a new one is numbered by those that differ`() throws {
    let (tokenizer, origin) = try read(vocabulary: lines + "a\n", ["added_tokens.json": #"{"<x>": 8}"#])
    #expect(tokenizer.encode("a", limit: 9).ids == [2, 7, 3])
    #expect(tokenizer.encode("<x>", limit: 9).ids == [2, 7, 3])
    #expect(origin.notes.contains { $0.contains("twice") } && origin.notes.contains { $0.contains("it gets 7") })
  }

  @Test func `tokenizer_config.json sets the switches and the special tokens`() throws {
    let rules = try rules(
      vocabulary: "<p>\n<u>\n<c>\n<s>\n<m>\na\n",
      settings: """
        {"do_lower_case": false, "strip_accents": true, "tokenize_chinese_chars": false, "model_max_length": 512,
         "unk_token": "<u>", "sep_token": {"content": "<s>", "__type": "AddedToken"}, "pad_token": "<p>",
         "cls_token": "<c>", "mask_token": {"content": "<m>", "lstrip": true}, "truncation_side": "left",
         "additional_special_tokens": ["<x>", "a"], "tokenizer_class": "DistilBertTokenizerFast"}
        """)
    #expect(rules.bert == BertNormaliser(lowercase: false, stripAccents: true, splitCJK: false))
    #expect(rules.modelMaxLength == 512 && rules.truncatesLeft)
    #expect(rules.unknownID == 1)
    #expect(rules.addedTokens.first { $0.content == "<m>" }?.stripsLeft == true)
    #expect(rules.addedTokens.map(\.content) == ["<p>", "<u>", "<c>", "<s>", "<m>", "a", "<x>"])
    #expect(rules.vocabulary.modelCount == 6 && rules.vocabulary.count == 7)
    // DistilBERT's class gives no type ids.
    #expect(rules.template == TokenTemplate.bert(first: 2, separator: 3).withoutTypes)
  }

  @Test(arguments: [
    ("512", 512), ("512.0", 512), ("1e30", nil), ("1000000000000000019884624838656", nil), ("null", nil),
  ])
  func `The maximum length may be absent in several spellings`(_ text: String, _ length: Int?) throws {
    #expect(try rules(settings: #"{"model_max_length": \#(text)}"#).modelMaxLength == length)
  }

  @Test func `Added tokens keep their flags, and their ids where these are the next`() throws {
    let rules = try rules(
      settings: """
        {"added_tokens_decoder": {"7": {"content": "<w>", "special": false, "single_word": true, "rstrip": true},
                                  "0": {"content": "[PAD]", "special": true}}}
        """, ["added_tokens.json": #"{"<unread>": 8}"#])
    let added = try #require(rules.addedTokens.last)
    #expect((added.content, added.id) == ("<w>", 7))
    #expect(added.singleWord && added.stripsRight && added.normalized && !added.special && !added.stripsLeft)
  }

  @Test func `added_tokens.json has words, and what special_tokens_map.json calls extra is special`() throws {
    let files = [
      "added_tokens.json": #"{"[USER]": 7, "[LINK]": 8}"#,
      "special_tokens_map.json": #"{"extra_special_tokens": ["[LINK]"]}"#,
    ]
    let rules = try rules(files)
    #expect(rules.addedTokens.suffix(2).map(\.normalized) == [true, false])
    let tokenizer = try Tokenizer(rules)
    #expect(tokenizer.encode("[USER] [user] [LINK] [link]", limit: 99).ids[1...5] == [7, 7, 8, 1, 1])
  }

  /// Each was compared with all before it.
  @Test func `Many extra tokens are added as fast as few`() throws {
    let list = (0..<16_000).map { "\"<\($0)>\"" }.joined(separator: ", ")
    var found = 0
    let time = try ContinuousClock().measure {
      found = try rules(settings: "{\"extra_special_tokens\": [\(list)]}").addedTokens.count
    }
    #expect(found == 16_005 && time < .seconds(5), "\(found) tokens in \(time)")
  }

  @Test(arguments: [
    ("null", "null", "BertTokenizer"), (#""BertTokenizerFast""#, "null", "BertTokenizer"),
    ("null", #""DistilBertTokenizer""#, "DistilBertTokenizer"),
    (#""BertTokenizer""#, #""DistilBertTokenizer""#, "BertTokenizer"),
  ])
  func `The class is tokenizer_config.json's, else config.json's, else the model's`(
    _ settings: String, _ configuration: String, _ name: String
  ) throws {
    let origin = try read(
      settings: #"{"tokenizer_class": \#(settings)}"#,
      ["config.json": #"{"model_type": "bert", "tokenizer_class": \#(configuration)}"#]
    ).origin
    #expect(origin.className == name)
  }

  @Test(arguments: [
    ("character", [2, 5, 1, 3]), ("wordpiece", [2, 5, 6, 3]),
  ])
  func `BertJapaneseTokenizer splits words into characters or pieces`(_ kind: String, _ ids: [Int32]) throws {
    let tokenizer = try read(
      settings: #"{"subword_tokenizer_type": "\#(kind)"}"#,
      ["config.json": #"{"model_type": "bert", "tokenizer_class": "BertJapaneseTokenizer"}"#]
    ).tokenizer
    #expect(tokenizer.encode("ab", limit: 9).ids == ids)
    #expect(tokenizer.encode("\u{FF41}", limit: 9).ids == [2, kind == "character" ? 5 : 1, 3])
    // An odd token is the first text's here.
    #expect(tokenizer.encode("a a a", pair: "a a a", limit: 6).ids == [2, 5, 5, 3, 5, 3])
  }

  @Test(
    arguments: [
      (#"{"tokenizer_class": "T5Tokenizer"}"#, [:], "\"T5Tokenizer\" is not supported"),
      (#"{"split_special_tokens": true}"#, [:], "split_special_tokens"),
      (#"{"truncation_side": "middle"}"#, [:], "expected \"left\" or \"right\""),
      (#"{"unk_token": "<none>"}"#, [:], "\"<none>\" is not in the vocabulary"),
      (#"{"added_tokens_decoder": {"x": {"content": "y"}}}"#, [:], "expected a token's id as the key"),
      (#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#, [:], "no tokenizer.json"),
      (
        #"{"tokenizer_class": "XLMRobertaTokenizer"}"#, ["spm.model": "x"],
        "spm.model: SentencePiece's format is not read; convert it once with"
      ),
      (
        #"{"subword_tokenizer_type": "sentencepiece", "tokenizer_class": "BertJapaneseTokenizer"}"#, [:],
        "subword_tokenizer_type: \"sentencepiece\" is not supported"
      ),
      (#"{"tokenizer_class": "RobertaTokenizer"}"#, ["vocab.json": "{}"], "vocab.json with merges.txt"),
      (
        #"{"tokenizer_class": "RobertaTokenizer"}"#,
        ["vocab.json": #"{"<s>": 0, "</s>": 1, "a": 2, "b": 3}"#, "merges.txt": "#version: 0.2\na b\n"],
        "merge 1: \"a\" and \"b\": one of them, or both together, is no token"
      ),
      (
        #"{"tokenizer_class": "RobertaTokenizer"}"#,
        ["vocab.json": #"{"<s>": 0, "</s>": 1, "a": 2, "b": 4000000000}"#, "merges.txt": "#version: 0.2\n"],
        "expected an id from 0 to"
      ),
      (
        #"{"tokenizer_class": "RobertaTokenizer"}"#,
        ["vocab.json": #"{"<s>": 0, "</s>": 1, "a": 2}"#, "merges.txt": "a\n"], "line 1: expected two tokens"
      ),
    ] as [(String, [String: String], String)])
  func `What would change ids and is not implemented is refused by its name`(
    _ settings: String, _ files: [String: String], _ message: String
  ) {
    let found = problem(settings: settings, files)
    #expect(found.contains(message), "\(found)")
  }

  @Test(arguments: ["BertTokenizer", "PreTrainedTokenizerFast"])
  func `A token that tokenizer.json adds twice has the same flags both times`(_ name: String) throws {
    func problem(_ flags: String) -> String {
      let file = """
        {"added_tokens": [{"id": 6, "content": "x"}, {"id": 7, "content": "x"\(flags)}],
         "model": {"type": "WordPiece", "unk_token": "[UNK]",
                   "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "a": 5}}}
        """
      return self.problem(settings: #"{"tokenizer_class": "\#(name)"}"#, ["tokenizer.json": file])
    }
    for flags in [#", "lstrip": true"#, #", "normalized": false"#, #", "special": true"#] {
      #expect(problem(flags).contains("the token \"x\" is added twice, with different flags"))
    }
    #expect(!problem(#", "normalized": true, "rstrip": false"#).contains("twice, with"))
  }

  @Test(arguments: ["vocab.txt", "merges.txt"])
  func `A list of tokens of more bytes than a JSON file may have is refused before it is read`(_ name: String) throws {
    let folder = try TokenizerFolder([
      "config.json": #"{"model_type": "\#(name == "vocab.txt" ? "bert" : "roberta")"}"#, "vocab.txt": lines,
      "vocab.json": #"{"<s>": 0, "</s>": 1}"#, "merges.txt": "#version: 0.2\n",
    ])
    let most = JSONLimits.standard.maximumBytes
    // Nothing but a hole follows.
    try #require(truncate("\(folder.path)/\(name)", most + 1) == 0)
    let error = #expect(throws: FormatError.self) { try folder.read() }
    #expect(error?.description.contains("\(name): has \(most + 1) bytes, expected at most \(most)") == true)
  }
}

extension TokenizerRules {
  /// All tokens in id order.
  var tokens: [String] { (0..<vocabulary.count).map { vocabulary[$0] } }
}
