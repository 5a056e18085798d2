// The library as a program that depends on this package uses it: one import, defaults everywhere.

import Foundation
import MagicPyramid
import PyramidTestSupport
import Testing

@Suite struct LibraryTests {
  @Test func `A checkpoint is compiled and classifies texts and pairs, with defaults for everything else`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("model.mpc")
    let compiled = try Compilation(
      checkpoint: CheckpointRecipe().write(in: folder), policies: PolicyChoice(exit: PolicySpec("entropy"))
    ).write(to: path)
    #expect(compiled.check != nil)
    let classifier = try Classifier(path: path)
    let single = try classifier.classify(["w7 w9"])[0]
    let pairs = try classifier.classify(pairs: [("w7 w9", "w8"), ("w7 w9", "")])
    #expect(pairs[1].probabilities == single.probabilities && pairs[0].fullLength == single.fullLength + 2)
  }

  @Test func `A model with one token type refuses pairs`() throws {
    var recipe = CheckpointRecipe()
    recipe.types = 1
    let model = try CompiledCheckpoint(recipe, for: .portable).model
    let classifier = try Classifier(model: model)
    #expect(throws: RuntimeError.self) { try classifier.classify(pairs: [("w7", "w8")]) }
    #expect(try classifier.classify(pairs: [("w7", "")]).count == 1)
  }

  @Test func `Pairs are classified for a task as for a thread`() async throws {
    let classifier = try Classifier(model: CompiledCheckpoint(CheckpointRecipe(), for: .portable).model)
    let pairs = [(first: "w7 w9", second: "w8")]
    let encodings = [classifier.encode("w7 w9", pair: "w8")]
    let expected = try await classifier.classify(encodings: encodings)[0]
    let found = try await classifier.classify(pairs: pairs)[0]
    #expect(found.probabilities == expected.probabilities && found.fullLength == expected.fullLength)
  }

  @Test func `An error's localised description is its message`() {
    let error = #expect(throws: FormatError.self) { try Classifier(path: "/no/such/model.mpc") }
    #expect(error?.localizedDescription == error?.description)
    #expect(error?.localizedDescription.contains("/no/such/model.mpc") == true)
  }

  @Test func `A stream keeps the order of its source, and an error takes the place of a bad record`() throws {
    let folder = try TemporaryFolder()
    let model = try CompiledCheckpoint(CheckpointRecipe(), for: .portable).model
    let lines = try folder.write("lines.tsv", "class 0\tw7\nclass 9\tw8\nclass 1\tw9 w9\n\na\tb\tc\td\n")
    let stream = try ClassificationStream(
      try RecordReader(path: lines, layout: TextLayout(.tsv)), classifier: try Classifier(model: model))
    let lot = try #require(try stream.next())
    #expect(lot.map { (try? $0.get())?.index } == [0, nil, 2, nil])
    let errors = lot.compactMap { if case .failure(let error) = $0 { error.place } else { nil } }
    #expect(errors == ["line 2: label", "line 5"])
    let end = try stream.next()
    #expect(end == nil)
  }

  /// What a stream reads from memory.
  private final class Source: RecordSource {
    let location = (file: "records", place: "")
    let mustWait = false
    private var records: ArraySlice<Result<TextRecord, FormatError>>

    init(_ records: [Result<TextRecord, FormatError>]) { self.records = records[...] }

    func next() -> Result<TextRecord, FormatError>? { records.popFirst() }
  }

  @Test func `A lot of a stream ends at 16 MiB of records, of which ids and errors are a part`() throws {
    let classifier = try Classifier(model: CompiledCheckpoint(CheckpointRecipe(), for: .portable).model)
    func lots(_ records: [Result<TextRecord, FormatError>]) throws -> [Int] {
      let stream = try ClassificationStream(Source(records), classifier: classifier)
      var counts: [Int] = []
      while let lot = try stream.next() { counts.append(lot.count) }
      return counts
    }
    // Of a list of numbers most is not digits.
    var record = TextRecord(text: "w7")
    record.id = .array(Array(repeating: 1, count: 130_000))
    #expect(try lots(Array(repeating: .success(record), count: 5)) == [2, 2, 1])
    let error = FormatError(file: "records", problem: "bad")
    #expect(try lots(Array(repeating: .failure(error), count: 65_537)) == [65_536, 1])
  }
}
