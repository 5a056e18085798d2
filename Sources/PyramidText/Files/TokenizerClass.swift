// Which of transformers' tokenizer classes a checkpoint gets. It decides more than one would think: most classes take
// the vocabulary out of tokenizer.json and build normaliser, splitter and template themselves; only the general class
// takes the file as it stands.

import PyramidFormats

/// A tokenizer class of transformers.
enum TokenizerClass: String {
  case bert = "BertTokenizer"
  case distilBert = "DistilBertTokenizer"
  case roberta = "RobertaTokenizer"
  case mpnet = "MPNetTokenizer"
  case albert = "AlbertTokenizer"
  case camembert = "CamembertTokenizer"
  case xlmRoberta = "XLMRobertaTokenizer"
  case debertaV2 = "DebertaV2Tokenizer"
  case bertJapanese = "BertJapaneseTokenizer"
  /// The general class, which does what tokenizer.json says.
  case general = "TokenizersBackend"

  /// The class of a name in a file; nil for a name that transformers does not have. Throws for a class that it has and
  /// that is not supported here.
  private init?(_ name: JSONField) throws(FormatError) {
    let text = try name.string()
    let base = text.hasSuffix("Fast") ? String(text.dropLast(4)) : text
    if let known = TokenizerClass(rawValue: base) ?? Self.aliases[base] {
      self = known
    } else if base.hasSuffix("Tokenizer"), Self.unsupported.contains(Substring(base.dropLast(9))) {
      throw name.failure(
        "\(text.quoted) is not supported; save the tokenizer as class PreTrainedTokenizerFast with a tokenizer.json")
    } else {
      return nil
    }
  }

  private static let aliases: [String: TokenizerClass] = [
    "ElectraTokenizer": .bert, "LayoutLMTokenizer": .bert, "LxmertTokenizer": .bert, "MobileBertTokenizer": .bert,
    "SqueezeBertTokenizer": .bert, "BartTokenizer": .roberta, "LEDTokenizer": .roberta,
    "LongformerTokenizer": .roberta, "MvpTokenizer": .roberta, "PreTrainedTokenizer": .general,
    "BloomTokenizer": .general,
  ]

  /// Classes of transformers 5.24 that do otherwise than those above, without `Tokenizer`.
  private static let unsupported = Set(
    """
    Barthez Bartpho Basic BertGeneration Bertweet BigBird BioGpt Blenderbot BlenderbotSmall ByT5 CLIP CTRL Canine \
    Character Clvp CodeGen CodeLlama Cohere ConvBert Cpm CpmAnt DPRContextEncoder DPRQuestionEncoder DPRReader Deberta \
    Dia Esm Esmc FNet FSMT FastSpeech2Conformer Flaubert Funnel GPT2 GPTNeoX GPTNeoXJapanese GPTSw3 Gemma Herbert Lasr \
    LayoutLMv2 LayoutLMv3 LayoutXLM Llama Luke M2M100 MBart MBart50 MLuke Marian MarkupLM Mecab Mgpstr MyT5 Nllb \
    Nougat OpenAIGPT PLBart Parakeet Pegasus Perceiver Phi3 Phobert Pop2Piano ProphetNet Qwen2 Qwen3_5 Rag Reformer \
    RemBert RoCBert RoFormer SeamlessM4T Siglip Siglip2 Speech2Text SpeechT5 Splinter T5 Tapas Tipsv2 Udop VideoPrism Vits \
    Wav2Vec2CTC Wav2Vec2PhonemeCTC Whisper Wordpiece XGLM XLM XLNet
    """.split(separator: " "))

  /// The class of a model that names none.
  private static let registered: [String: TokenizerClass] = [
    "bert": .bert, "distilbert": .bert, "electra": .bert, "roberta": .roberta, "camembert": .camembert,
    "xlm-roberta": .xlmRoberta, "mpnet": .mpnet, "albert": .albert, "deberta-v2": .debertaV2, "modernbert": .general,
  ]

  /// Whether encodings of the class have type ids unless `model_input_names` says otherwise.
  var givesTypes: Bool { self == .bert || self == .debertaV2 }

  /// Chooses as AutoTokenizer does, and says in words why.
  static func choose(
    configuration: JSONField?, settings: JSONField?
  ) throws(FormatError) -> (TokenizerClass, reason: String) {
    let type = try configuration?.optional("model_type")?.string() ?? ""
    let inSettings = try settings?.optional("tokenizer_class")
    let named = if let inSettings { inSettings } else { try configuration?.optional("tokenizer_class") }
    guard let named else {
      return (registered[type] ?? .general, "no file names a class for model type \(type.quoted)")
    }
    let name = try named.string()
    let source = "\(inSettings == nil ? "config.json" : "tokenizer_config.json") names \(name.quoted)"
    let base = name.hasSuffix("Fast") ? String(name.dropLast(4)) : name
    // A class of one's own that a folder brings along is not run; then the names count as they are.
    let hasOwnCode = try settings?.optional("auto_map")?.object()["AutoTokenizer"] != nil
    if let expected = registered[type], expected.rawValue != base, expected == .general, !hasOwnCode {
      return (.general, "models of type \(type.quoted) take tokenizer.json as it stands, although \(source)")
    }
    guard let found = try TokenizerClass(named) else {
      return (.general, "\(source), which transformers does not know")
    }
    return (found, source)
  }
}
