// What a family of encoders has to say, and which families there are. Everything that sets a family apart stands in its
// one file under Families: a new one is that file and its place in the list.

import PyramidFormats

/// A family of checkpoints: how its config.json is read and its plain graph is built.
protocol ModelFamily: Sendable {
  /// The `model_type` of config.json.
  static var name: String { get }
  /// What exporting classes put in front of tensor names (`bert.embeddings...`); `name` unless a family says otherwise.
  static var prefix: String { get }
  /// Where config.json keeps the sizes.
  static var keys: ConfigurationKeys { get }
  /// The prefix of the classifier's tensors, whose rows are the classes.
  static var classifier: String { get }
  /// The class of `transformers` that classifies texts with it.
  static var architecture: String { get }
  /// First components of the names of the family's head that files keep without the prefix.
  static var unprefixed: Set<String> { get }
  /// What names of buffers end with that files keep beside the weights and that nothing reads.
  static var buffers: [String] { get }
  /// Reads what config.json says that only this family has, and corrects defaults; nothing unless a family says otherwise.
  static func refine(_ configuration: inout ModelConfiguration, _ root: JSONField) throws(FormatError)
  /// Builds the whole graph, from the inputs to the answers, out of blocks.
  static func build(_ model: inout ModelBuilder) throws
}

extension ModelFamily {
  static var prefix: String { name }
  static var buffers: [String] { ["embeddings.position_ids", "embeddings.token_type_ids"] }
  static func refine(_ configuration: inout ModelConfiguration, _ root: JSONField) throws(FormatError) {}
}

/// The families that can be compiled.
enum ModelFamilies {
  /// All of them, in the order in which errors list them.
  static let all: [any ModelFamily.Type] = [
    BERT.self, DistilBERT.self, ELECTRA.self, RoBERTa.self, CamemBERT.self, XLMRoBERTa.self, IBERT.self, LTP.self,
    ALBERT.self, MPNet.self, DeBERTaV2.self, ModernBERT.self,
  ]

  /// The family that a config.json names.
  static func family(of root: JSONField) throws(FormatError) -> any ModelFamily.Type {
    let field = try root.required("model_type")
    let name = try field.string()
    if let family = all.first(where: { $0.name == name }) { return family }
    let supported = all.map { $0.name }.joined(separator: ", ")
    let isEncoderDecoder = try root.optional("is_encoder_decoder")?.bool() ?? false
    if isEncoderDecoder || encoderDecoders.contains(name) {
      throw field.failure(
        "\(field.found) writes texts from texts (encoder and decoder); supported are encoders: \(supported)")
    }
    if decoders.contains(where: name.hasPrefix) {
      throw field.failure("\(field.found) writes text on (a decoder); supported are encoders: \(supported)")
    }
    throw field.failure("family \(field.found) is not supported; supported: \(supported)")
  }

  /// Families that people try, and that are of another kind.
  private static let encoderDecoders: Set = [
    "bart", "blenderbot", "encoder-decoder", "led", "longt5", "m2m_100", "marian", "mbart", "mt5", "pegasus",
    "prophetnet", "t5", "umt5",
  ]
  /// What their names begin with.
  private static let decoders = [
    "bloom", "cohere", "ctrl", "falcon", "gemma", "gpt", "llama", "mistral", "mixtral", "mpt", "olmo", "opt", "phi",
    "qwen", "stablelm", "transfo-xl",
  ]
}
