// Every malformed file below Tests/Corpus gives exactly the error that expected.tsv names for it.
//
// The corpus is made by Scripts/make-corpus, which says what is wrong with each file.

import PyramidFormats
import PyramidModels
import Testing

/// The folder Tests/Corpus of this repository.
let corpus: String = {
  let file = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
  return "/\(file)/Corpus"
}()

struct CorpusCase: CustomTestStringConvertible, Sendable {
  let path: String
  let error: String
  var testDescription: String { path }

  /// The lines of expected.tsv: a path below the corpus and the error's text.
  static let all: [CorpusCase] = {
    guard let file = try? MappedFile(path: corpus + "/expected.tsv") else { return [] }
    return file.withBytes { String(decoding: $0, as: UTF8.self) }.split(separator: "\n").map { line in
      let fields = line.split(separator: "\t", maxSplits: 1)
      return CorpusCase(path: String(fields[0]), error: String(fields[1]))
    }
  }()
}

@Suite struct `Malformed files` {
  @Test func `The corpus is there and has many kinds`() {
    #expect(CorpusCase.all.count >= 100)
  }

  @Test(arguments: CorpusCase.all)
  func `Each gives the error that the corpus expects`(_ test: CorpusCase) throws {
    let error = #expect(throws: FormatError.self) { try read(test.path) }
    // Errors carry the path as given, in the file's name and in commands to copy.
    let parts = (error?.description ?? "").split(separator: corpus + "/", omittingEmptySubsequences: false)
    #expect(parts.joined() == test.error)
  }

  @Test func `The folders that are not malformed are read`() throws {
    for name in ["valid", "valid-tokenizer-json"] {
      let checkpoint = try Checkpoint(path: "\(corpus)/checkpoints/\(name)")
      #expect(checkpoint.configuration.name == name)
      #expect(checkpoint.tokenizer.rules.vocabulary.count == 7)
      #expect(try checkpoint.weights.tensors.floats(of: "bert.x") == [1])
    }
  }

  private func read(_ path: String) throws {
    let full = "\(corpus)/\(path)"
    if path.hasPrefix("json/") {
      _ = try JSONField(path: full)
    } else if path.hasPrefix("safetensors/") {
      // A folder that stands for a file is named by the file in it, which keeps it in version control.
      let file = path.hasSuffix("/README") ? String(full.dropLast("/README".count)) : full
      _ = try SafetensorsFile(path: file)
    } else {
      _ = try Checkpoint(path: full)
    }
  }
}
