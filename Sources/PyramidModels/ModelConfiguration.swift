// What a checkpoint's config.json comes down to: the sizes and choices that fix a model's graph.
//
// Separate from its reading so that the compiler, and tests that invent small models, depend on values and not on
// files.

import PyramidFormats
import PyramidIR

/// What the config.json of some families says beyond sizes.
enum FamilyDetails: Sendable, Equatable {
  case none
  /// Rows of the table of biases.
  case mpnet(buckets: Int)
  case deberta(DeBERTaDetails)
  case modernBERT(ModernBERTDetails)
}

/// The sizes and choices of one encoder with its classifier, checked.
public struct ModelConfiguration: Sendable, Equatable {
  /// The path of config.json, for errors.
  public var file = "config.json"
  /// The family's `model_type`, which decides the names of the tensors and the shape of the graph.
  public var family: String
  /// A name for people: the checkpoint folder's own.
  public var name: String
  /// The first of `architectures`, such as `BertForSequenceClassification`, if the file has any.
  public var architecture: String?
  /// The width of a token's vector between layers.
  public var hiddenSize: Int
  /// The width of the embedding tables; where it differs from `hiddenSize` (ELECTRA, ALBERT), they are projected.
  public var embeddingSize: Int
  /// The number of encoder layers.
  public var layers: Int
  /// How the layers share their weights; nil where each has its own.
  public var sharing: LayerSharing?
  /// The number of attention heads; divides `hiddenSize`.
  public var heads: Int
  /// The width between the two halves of a feed-forward block.
  public var intermediateSize: Int
  /// The number of rows of the word embedding table, which may exceed the tokenizer's vocabulary.
  public var vocabularySize: Int
  /// The longest input in tokens: the number of rows of the position table that stand for positions.
  public var maxPositions: Int
  /// The row of the position table that stands for a text's first token; 0 unless the family says otherwise.
  public var firstPosition = 0
  /// The number of rows of the segment table; 0 when the family has none (DistilBERT).
  public var typeVocabularySize: Int
  /// Added to the variance in layer normalisation.
  public var layerNormEpsilon: Double
  /// The feed-forward activation.
  public var activation: Activation
  /// The class names in order; empty when the file does not say, see `labels(count:)`.
  public var labels: [String]
  /// `problem_type`, if the file says it; see `task(logits:)`.
  public var problemType: ProblemType?
  /// What `score` is made by where sentence-transformers said so; nil for the task's own.
  public var scoreFunction: ScoreFunction?
  /// The id of the padding token.
  public var padTokenID: Int
  /// What only its family has.
  var details = FamilyDetails.none
  /// What training drops out.
  public var dropout = DropoutRates()
  /// What the exit heads read, `magic_pyramid.head_input`.
  public var headInput = HeadInput.first
  /// What it says of further tasks, `magic_pyramid.tasks`, by name.
  public var tasks: [String: TaskLabels] = [:]

  /// Labels and kind of a further task.
  public struct TaskLabels: Sendable, Equatable {
    /// The class names; empty when the file does not say.
    public var labels: [String]
    /// `problem_type`.
    public var problemType: ProblemType?
  }

  /// The names for a classifier of `count` rows: those of the file, or `LABEL_0`, `LABEL_1`, ... when it names none.
  /// Throws when the file names another number of classes.
  public func labels(count: Int) throws(FormatError) -> [String] {
    if labels.isEmpty { return ModelConfiguration.numberedLabels(count) }
    guard labels.count == count else {
      throw FormatError(
        file: file, place: "id2label", problem: "\(labels.count) labels, but the classifier has \(count) rows")
    }
    return labels
  }

  /// Layers with shared weights, as ALBERT has them: `groups` groups take turns of equal length, each of `inner` layers
  /// with weights of their own.
  public struct LayerSharing: Sendable, Equatable {
    /// How many groups there are, and how many layers each has.
    public var groups, inner: Int
  }

  static func numberedLabels(_ count: Int) -> [String] { (0..<count).map { "LABEL_\($0)" } }
}
