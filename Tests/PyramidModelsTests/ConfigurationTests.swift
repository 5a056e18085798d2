// config.json of the families: which keys are read, and what holds when they are silent.

import PyramidFormats
import PyramidIR
import Testing

@testable import PyramidModels

@Suite struct `Model configuration` {
  private func read(_ text: String) throws -> ModelConfiguration {
    try ModelConfiguration(
      reading: JSONField(JSONReader.read(text, file: "config.json"), file: "config.json"), name: "model")
  }

  @Test func `BERT is read with the defaults of its family`() throws {
    let model = try read(
      """
      {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "hidden_size": 384, "vocab_size": 100,
       "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536, "position_embedding_type": null,
       "is_decoder": false, "pruned_heads": {}, "unknown": [1, {}]}
      """)
    let expected = ModelConfiguration(
      family: "bert", name: "model", architecture: "BertForSequenceClassification", hiddenSize: 384,
      embeddingSize: 384, layers: 6, heads: 12, intermediateSize: 1536, vocabularySize: 100, maxPositions: 512,
      typeVocabularySize: 2, layerNormEpsilon: 1e-12, activation: .gelu, labels: [], padTokenID: 0,
      dropout: DropoutRates(
        embeddings: 0.1, attention: 0.1, attentionOutput: 0.1, feedForward: 0.1, classifier: 0.1))
    #expect(model == expected)
    #expect(model.embeddingSize == 384)
    #expect((model.maxPositions, model.typeVocabularySize, model.layerNormEpsilon) == (512, 2, 1e-12))
  }

  /// The defaults of transformers 5.24's configuration classes.
  @Test(arguments: [
    ("bert", 30522, 768, 768, 12, 12, 3072, 512, 2, 0), ("distilbert", 30522, 768, 768, 6, 12, 3072, 512, 0, 0),
    ("electra", 30522, 256, 128, 12, 4, 1024, 512, 2, 0), ("roberta", 50265, 768, 768, 12, 12, 3072, 510, 2, 1),
    ("camembert", 30522, 768, 768, 12, 12, 3072, 510, 2, 1), ("xlm-roberta", 30522, 768, 768, 12, 12, 3072, 510, 2, 1),
    ("albert", 30000, 4096, 128, 12, 64, 16384, 512, 2, 0),
  ])
  func `A silent file has the defaults of its family's class`(
    family: String, vocabulary: Int, hidden: Int, embedding: Int, layers: Int, heads: Int, intermediate: Int,
    positions: Int, types: Int, pad: Int
  ) throws {
    let model = try read(#"{"model_type": "\#(family)"}"#)
    #expect((model.vocabularySize, model.hiddenSize, model.embeddingSize) == (vocabulary, hidden, embedding))
    #expect((model.layers, model.heads, model.intermediateSize) == (layers, heads, intermediate))
    #expect((model.maxPositions, model.typeVocabularySize, model.padTokenID) == (positions, types, pad))
    #expect((model.activation, model.layerNormEpsilon) == (family == "albert" ? .geluTanh : .gelu, 1e-12))
    #expect(model.firstPosition == (positions == 510 ? 2 : 0))
    #expect((model.dropout.embeddings, model.dropout.attention) == (family == "albert" ? (0, 0) : (0.1, 0.1)))
  }

  @Test func `RoBERTa's first position follows that of padding`() throws {
    func positions(_ pad: String) throws -> [Int] {
      let model = try read(#"{"model_type": "roberta", "max_position_embeddings": 20, "pad_token_id": \#(pad)}"#)
      return [model.firstPosition, model.maxPositions]
    }
    #expect(
      try [positions("1"), positions("0"), positions("7"), positions("-1")] == [[2, 18], [1, 19], [8, 12], [0, 20]])
    for wrong in ["19", "null", "-2"] { #expect(throws: FormatError.self) { try positions(wrong) } }
  }

  @Test func `DistilBERT may have the names of the other families`() throws {
    let model = try read(#"{"model_type": "distilbert", "hidden_size": 24, "num_hidden_layers": 2, "n_heads": 3}"#)
    #expect((model.hiddenSize, model.layers, model.heads, model.intermediateSize) == (24, 2, 3, 3072))
  }

  @Test(arguments: [
    ("gelu", Activation.gelu), ("gelu_python", .gelu), ("gelu_new", .geluTanh), ("gelu_fast", .geluTanh),
    ("gelu_accurate", .geluTanh), ("gelu_pytorch_tanh", .geluTanh), ("gelu_python_tanh", .geluTanh), ("relu", .relu),
    ("tanh", .tanh), ("linear", .none),
  ])
  func `Activations have the names of transformers`(name: String, activation: Activation) throws {
    #expect(try read(#"{"model_type": "bert", "hidden_act": "\#(name)"}"#).activation == activation)
  }

  @Test func `Layers are at most 128, however they are counted`() throws {
    #expect(try read(#"{"model_type": "bert", "num_hidden_layers": 128}"#).layers == 128)
    let wrong = [
      (#""bert", "num_hidden_layers": 129"#, "num_hidden_layers"), (#""distilbert", "n_layers": 129"#, "n_layers"),
      (#""albert", "num_hidden_layers": 64, "inner_group_num": 3"#, "inner_group_num"),
    ]
    for (config, place) in wrong {
      let error = #expect(throws: FormatError.self) { try read(#"{"model_type": \#(config)}"#) }
      #expect(error?.description.hasPrefix("config.json: \(place): expected at most ") == true, "\(error as Any)")
    }
  }

  @Test func `ALBERT says how its layers share weights`() throws {
    let model = try read(
      #"{"model_type": "albert", "num_hidden_layers": 6, "num_hidden_groups": 3, "inner_group_num": 2}"#)
    #expect(model.layers == 12 && model.sharing == .init(groups: 3, inner: 2))
    for wrong in [#""num_hidden_groups": 13"#, #""inner_group_num": 1000"#] {
      #expect(throws: FormatError.self) { try read(#"{"model_type": "albert", \#(wrong)}"#) }
    }
  }

  @Test func `DistilBERT has its own names, no segments and a constant epsilon`() throws {
    let model = try read(
      """
      {"model_type": "distilbert", "dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072, "vocab_size": 30522,
       "activation": "relu", "max_position_embeddings": 256, "layer_norm_eps": 0.5, "pad_token_id": 3}
      """)
    let expected = ModelConfiguration(
      family: "distilbert", name: "model", hiddenSize: 768, embeddingSize: 768, layers: 6, heads: 12,
      intermediateSize: 3072, vocabularySize: 30522, maxPositions: 256, typeVocabularySize: 0, layerNormEpsilon: 1e-12,
      activation: .relu, labels: [], padTokenID: 3,
      dropout: DropoutRates(embeddings: 0.1, attention: 0.1, feedForward: 0.1, classifier: 0.2))
    #expect(model == expected)
  }

  @Test func `ELECTRA may embed into fewer dimensions than it computes in`() throws {
    let model = try read(
      """
      {"model_type": "electra", "embedding_size": 128, "hidden_size": 256, "vocab_size": 30522, "num_hidden_layers": 12,
       "num_attention_heads": 4, "intermediate_size": 1024, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5,
       "type_vocab_size": 1, "hidden_dropout_prob": 0.25, "attention_probs_dropout_prob": 0, "classifier_dropout": 0.5}
      """)
    let expected = ModelConfiguration(
      family: "electra", name: "model", hiddenSize: 256, embeddingSize: 128, layers: 12, heads: 4,
      intermediateSize: 1024, vocabularySize: 30522, maxPositions: 512, typeVocabularySize: 1, layerNormEpsilon: 1e-5,
      activation: .geluTanh, labels: [], padTokenID: 0,
      dropout: DropoutRates(
        embeddings: 0.25, attentionOutput: 0.25, feedForward: 0.25, headInput: 0.5, classifier: 0.5))
    #expect(model == expected)
  }

  @Test func `What exit heads read is read, and refused when it is unknown`() throws {
    func read(_ extra: String) throws -> ModelConfiguration {
      try self.read(
        """
        {"model_type": "bert", "hidden_size": 4, "vocab_size": 9, "num_hidden_layers": 1, "num_attention_heads": 1,
         "intermediate_size": 4\(extra)}
        """)
    }
    #expect(try read("").headInput == .first)
    #expect(try read(#", "magic_pyramid": {"tasks": {}}"#).headInput == .first)
    #expect(try read(#", "magic_pyramid": {"head_input": "first"}"#).headInput == .first)
    #expect(try read(#", "magic_pyramid": {"head_input": "first+mean"}"#).headInput == .firstAndMean)
    for wrong in [#""mean""#, "3"] {
      let error = #expect(throws: FormatError.self) { try read(#", "magic_pyramid": {"head_input": \#(wrong)}"#) }
      #expect(error?.description.contains("magic_pyramid.head_input") == true, "\(error?.description ?? "")")
    }
  }

  private func labels(_ member: String) throws -> ModelConfiguration {
    try read(
      """
      {"model_type": "bert", "hidden_size": 4, "vocab_size": 9, "num_hidden_layers": 1, "num_attention_heads": 1,
       "intermediate_size": 4 \(member)}
      """)
  }

  @Test func `Labels come from id2label, else from num_labels, else from the classifier`() throws {
    let named = try labels(#", "id2label": {"2": "c", "0": "a", "1": "b"}, "num_labels": 3"#)
    #expect(named.labels == ["a", "b", "c"])
    #expect(try named.labels(count: 3) == ["a", "b", "c"])
    #expect(try labels(#", "num_labels": 2"#).labels == ["LABEL_0", "LABEL_1"])
    // As transformers has it: names of another number of classes are not those of this model's.
    #expect(try labels(#", "num_labels": 1, "id2label": {"0": "a", "1": "b"}"#).labels == ["LABEL_0"])
    #expect(try labels(#", "id2label": {"0": 5, "1": 1.5, "2": -1e3}"#).labels == ["5", "1.5", "-1e3"])
    let silent = try labels("")
    #expect(silent.labels.isEmpty)
    #expect(try silent.labels(count: 2) == ["LABEL_0", "LABEL_1"])
    let error = #expect(throws: FormatError.self) { try named.labels(count: 2) }
    #expect(error?.description == "config.json: id2label: 3 labels, but the classifier has 2 rows")
  }
}
