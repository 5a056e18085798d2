// mp-train trim-vocabulary: a checkpoint whose word embeddings are those of one's own texts.

import ArgumentParser
import MagicPyramid
import PyramidFormats
import PyramidModels
import PyramidTools
import PyramidTraining

struct TrimVocabulary: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trim-vocabulary",
    abstract: "Keeps the tokens of a checkpoint that texts use most.",
    discussion: """
      Word embeddings are half of a small model. What stays are special tokens, single characters, from which every \
      word can still be spelt, and the tokens that the texts of --data use most; labels are not needed. Of a folder \
      train.* is read. Trim before training.

      EXAMPLES
        mp-train trim-vocabulary all-MiniLM-L6-v2 --data ag_news \\
          --size 8000 --output MiniLM-8k
      """)

  @Argument(help: "Checkpoint folder.", completion: .directory)
  var checkpoint: String

  @Option(help: "Texts, or a folder with train.tsv; repeatable.", completion: .file())
  var data: [String]

  @Option(help: "Tokens that stay.")
  var size: Int

  @Option(help: "Folder for the result, new or empty.", completion: .directory)
  var output: String

  @OptionGroup(title: "Reading") var reading: InputOptions

  @Flag(help: "No notes or progress on standard error.")
  var quiet = false

  func validate() throws {
    if data.isEmpty { throw ValidationError("--data is missing") }
    if size < 1 { throw ValidationError("--size must be at least 1") }
  }

  func run() throws {
    let terminal = Terminal(quiet: quiet)
    let checkpoint = try Checkpoint(path: checkpoint)
    var trim = try VocabularyTrim(of: checkpoint)
    var (texts, before) = (0, 0)
    defer { terminal.endProgress() }
    for path in data {
      let file = try TrainingData.trainFile(of: path)
      let reader = try RecordReader(path: file, layout: reading.layout(of: file, else: .tsv))
      while let record = try reader.next()?.get() {
        trim.count(record.text, pair: record.pair)
        texts += 1
        if texts % 1000 == 0 { terminal.progress("\(texts) texts") }
      }
      guard texts > before else { throw FormatError(file: reader.location.file, problem: "has no rows") }
      before = texts
    }
    try TrimmedCheckpoint(trim, size: size).write(to: output)
    terminal.endProgress()
    terminal.note(
      "kept \(size) of \(checkpoint.tokenizer.rules.vocabulary.count) tokens after \(texts) texts; wrote \(output)")
  }
}
