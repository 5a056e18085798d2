// A model of which one layer can't be rounded, and texts that the others' rounding does not touch: what searches for
// precisions are tested on. Labels are what the model answers in f32, so that whatever is lost is lost to rounding.

import MagicPyramid
import PyramidFormats

/// A checkpoint of 3 layers, the second of them sensitive, with labelled texts beside it.
public struct PrecisionScene: Sendable {
  /// The checkpoint's folder.
  public let checkpoint: String
  /// The texts' file.
  public let data: String
  /// How many texts there are.
  public let count: Int
  private let folder: TemporaryFolder

  /// The least difference of the two best probabilities of a text that is taken.
  private static let margin: Float = 0.15

  /// Writes both; with a problem type of one number there is one.
  public init() throws {
    folder = try TemporaryFolder()
    var recipe = CheckpointRecipe()
    (recipe.hasExits, recipe.sensitiveLayer) = (false, 1)
    checkpoint = try recipe.write(in: folder)
    data = folder.path("data.tsv")
    let model = try CompiledCheckpoint(checkpoint, for: .native()).model
    let classifier = try Classifier(model: model, registry: CompiledCheckpoint.registry.get())
    var random = SeededValues("texts of a precision scene")
    let texts = (0..<300).map { index in
      (0..<(3 + index % 20)).map { _ in recipe.words[random.integer(in: 5...recipe.vocabulary - 1)] }
        .joined(separator: " ")
    }
    let rows = zip(texts, try classifier.classify(texts)).compactMap { text, answer in
      let best = answer.probabilities.sorted(by: >)
      return best[0] - best[1] > Self.margin ? "\(answer.label)\t\(text)\n" : nil
    }
    count = rows.count
    try OutputFile.write(rows.joined(), to: data)
  }
}
