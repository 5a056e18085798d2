// The data of a training: classes, what is held out, batches.

import Glibc
import PyramidEvaluation
import PyramidFormats
import PyramidModels
import PyramidTestSupport
import Testing

@testable import PyramidTraining

/// The training data of a folder of files.
private func data(
  _ files: [String: String], checkpoint: [String] = [], path: String? = nil, dev: String? = nil, header: Bool = false
) throws -> TrainingData {
  let folder = try TemporaryFolder()
  for (name, text) in files { try folder.write(name, text) }
  return try withExtendedLifetime(folder) {
    try TrainingData(
      path: path.map(folder.path) ?? folder.path, dev: dev.map(folder.path), checkpoint: checkpoint, seed: 1,
      layout: { TextLayout(TextFormat(endingOf: $0) ?? .tsv, header: header) })
  }
}

private func rows(_ labels: [String], count: Int = 40) -> String {
  (0..<count).map { "\(labels[$0 % labels.count])\ttext \($0)\n" }.joined()
}

/// Rows of as many classes, and rows whose columns are the wrong way round.
private let lone = rows((0..<25).map { "\($0)" }, count: 25)
private let swapped = (0..<120).map { "text \($0)\t\($0 % 2)\n" }.joined()

@Suite("Training data")
struct DataTests {
  @Test(
    "Classes are those of LABELS.txt, else the checkpoint's where they match, else the data's; the checkpoint's keep its order",
    arguments: [
      (["b", "a"], nil, [], ["a", "b"]),
      (["10", "9"], nil, [], ["9", "10"]),
      (["0", "1"], "0\tno\n1\tyes\n", [], ["no", "yes"]),
      (["yes", "no"], "0\tno\n1\tyes\n", ["yes", "no"], ["yes", "no"]),
      (["yes", "no"], "0\tno\n1\tyes\n", ["positive", "negative"], ["no", "yes"]),
      (["yes", "no"], nil, ["yes", "no"], ["yes", "no"]),
      (["1", "0"], nil, ["negative", "positive"], ["negative", "positive"]),
      (["b", "a"], nil, ["negative", "positive"], ["a", "b"]),
      (["2", "1"], nil, ["negative", "positive"], ["1", "2"]),
    ] as [([String], String?, [String], [String])])
  func classes(labels: [String], file: String?, checkpoint: [String], expected: [String]) throws {
    var files = ["train.tsv": rows(labels)]
    files["LABELS.txt"] = file
    #expect(try data(files, checkpoint: checkpoint).labels == expected)
  }

  @Test("Numbers in a file are classes of LABELS.txt by number, and names in another by name")
  func numbers() throws {
    let data = try data([
      "train.tsv": "1\ta\n0\tb\n0\tc\n1\td\n", "dev.tsv": "yes\te\n", "LABELS.txt": "0\tno\n1\tyes\n",
    ])
    #expect(data.train.map(\.label) == [1, 0, 0, 1] && data.dev.map(\.label) == [1] && data.heldOutRows.isEmpty)
  }

  @Test("Numbers are those of LABELS.txt where the checkpoint has its classes in another order")
  func renumbered() throws {
    let data = try data(
      ["train.tsv": "1\ta\n0\tb\n0\tc\n1\td\n", "dev.tsv": "yes\te\n", "LABELS.txt": "0\tno\n1\tyes\n"],
      checkpoint: ["yes", "no"])
    #expect(data.labels == ["yes", "no"] && data.train.map(\.label) == [0, 1, 1, 0] && data.dev.map(\.label) == [0])
    #expect(data.train.map(\.text) == ["a", "b", "c", "d"])
  }

  @Test(
    "What is wrong with the data is said before anything is written",
    arguments: [
      (["train.tsv": ""], "train.tsv: has no rows, expected label<TAB>text"),
      (["train.tsv": rows(["a"])], "train.tsv: all rows have the label 'a'"),
      (
        ["train.tsv": rows(["0", "1"]), "LABELS.txt": "0\ta\n1\tb\n2\tc\n"],
        "train.tsv: no row has the label 'c' (class 2)"
      ),
      (
        ["train.tsv": rows(["a", "b"]), "dev.tsv": "a\tx\nc\ty\n"],
        "dev.tsv: line 2: the model has no label 'c'; it has a, b, or 0 to 1"
      ),
      (["train.tsv": "a\tx\nb\ty\na\n"], "train.tsv: line 3: has no label, expected label<TAB>text"),
      (
        ["train.tsv": rows(["a", "b"]), "train.csv": "a,b\n"],
        ": has both train.tsv and train.csv; give --data one file"
      ),
      (["test.tsv": rows(["a", "b"])], ": has no train.tsv, train.csv or train.jsonl"),
      (["train.tsv": rows(["a", "b"], count: 10)], "train.tsv: 10 rows are too few to hold some out; give --dev"),
      (["train.tsv": lone], "25 rows are too few to hold some out; give --dev"),
      (["train.tsv": rows(["a", "b"]), "LABELS.txt": "1\ta\n"], "LABELS.txt: line 1: expected 0<TAB>name"),
      (["train.tsv": "a\tx\n\ty\nb\tz\n"], "train.tsv: line 2: has an empty label"),
      (["train.tsv": rows(["a", "b"]), "dev.tsv": "a\tx\n\ty\n"], "dev.tsv: line 2: has an empty label"),
      (
        ["train.jsonl": "{\"text\": \"x\", \"labels\": [\"a\", \"b\"]}\n"],
        "train.jsonl: line 1: has a list of labels, and training is for one"
      ),
      (
        ["train.tsv": swapped],
        "train.tsv: 120 different labels in 120 rows: is the label where the text is? --label-column and --text-column say which column is which"
      ),
    ] as [([String: String], String)])
  func errors(files: [String: String], problem: String) throws {
    let error = #expect(throws: FormatError.self) { try data(files) }
    #expect(error?.description.hasSuffix(problem) == true, "\(error?.description ?? "")")
  }

  @Test("A pipe among a folder's files is refused, not waited for", arguments: ["train.tsv", "dev.tsv", "LABELS.txt"])
  func pipes(name: String) throws {
    let folder = try TemporaryFolder()
    if name != "train.tsv" { try folder.write("train.tsv", rows(["a", "b"])) }
    try #require(mkfifo(folder.path(name), 0o600) == 0)
    let error = #expect(throws: FormatError.self) {
      try TrainingData(path: folder.path, dev: nil, checkpoint: [], seed: 1, layout: { _ in TextLayout(.tsv) })
    }
    #expect(error?.description == "\(folder.path(name)): is not a regular file")
  }

  @Test("LABELS.txt beside a file of rows names its classes, too")
  func labelsBesideAFile() throws {
    let files = ["reviews.tsv": rows(["0", "1"]), "LABELS.txt": "0\tno\n1\tyes\n"]
    #expect(try data(files, path: "reviews.tsv").labels == ["no", "yes"])
  }

  @Test("A first row that alone has its label is taken for a header, wherever columns were said to be")
  func header() throws {
    func problem(_ files: [String: String], _ checkpoint: [String] = []) -> String {
      let error = #expect(throws: FormatError.self) { try data(files, checkpoint: checkpoint) }
      return error?.description ?? ""
    }
    let header = "polarity\twords\n"
    let many = rows((0..<60).map { "class \($0)" }, count: 180)
    let names: [[String]] = [[], ["a", "b"]]
    for rest in [rows(["a", "b"]), rows(["a"]), many] {
      for checkpoint in names {
        let said = problem(["train.tsv": header + rest], checkpoint)
        let expected = "line 1: is the only one with the label 'polarity': is it a header?"
        #expect(said.contains(expected), "\(said)")
      }
    }
    #expect(problem(["train.tsv": "\n\n" + header + rows(["a"])]).contains("line 3: is the only one with the label"))
    let named = problem(["train.tsv": header + rows(["a", "b"]), "LABELS.txt": "0\ta\n1\tb\n"])
    #expect(named.hasSuffix("line 1: the model has no label 'polarity'; it has a, b, or 0 to 1"))
    // A first row that alone has its class is not a header where the checkpoint has that class, or a header was before it.
    let rare = "c\tonly\n" + rows(["a", "b"])
    #expect(try data(["train.tsv": rare], checkpoint: ["a", "b", "c"]).labels == ["a", "b", "c"])
    #expect(try data(["train.tsv": "label\ttext\n" + rare], header: true).labels == ["a", "b", "c"])
    // A rare class that is not first is a class, and so is one of several.
    #expect(try data(["train.tsv": rows(["a", "b"]) + "c\tonly\n"]).labels == ["a", "b", "c"])
    #expect(try data(["train.tsv": "d\tonly\n" + rows(["a", "b"]) + "c\tonly\n"]).labels.count == 4)
  }

  @Test("Without dev 5% of the rows are held out, the same for a seed, and no class loses its last row")
  func heldOut() throws {
    let text = rows(["a", "b"], count: 200) + "c\tthe only one\n"
    let (one, two) = (try data(["train.tsv": text]), try data(["train.tsv": text]))
    #expect(one.heldOutRows.count == 10 && one.dev.count == 10 && one.train.count == 191)
    #expect(one.dev == two.dev && one.train == two.train)
    #expect(Set(one.train.map(\.text)).isDisjoint(with: one.dev.map(\.text)))
    #expect(one.train.contains { $0.label == 2 })
    // The other rows keep their order.
    let numbers = one.dev.compactMap { Int($0.text.dropFirst(5)) }
    #expect(numbers == numbers.sorted())
  }

  @Test("Batches keep the budget, hold every sample once, go by length, and change with the epoch alone")
  func batches() {
    var random = SeededRandom(seed: 3, stream: "lengths")
    let lengths = (0..<3000).map { _ in 2 + random.integer(below: 60) } + [500]
    func plan(_ stream: String) -> [[Int]] {
      var random = SeededRandom(seed: 1, stream: stream)
      return BatchPlan(lengths: lengths, budget: 200, samples: 12, random: &random).batches
    }
    let batches = plan("epoch 0")
    #expect(batches.flatMap { $0 }.sorted() == Array(lengths.indices))
    #expect(batches.allSatisfy { $0.count == 1 || $0.map { lengths[$0] }.reduce(0, +) <= 200 })
    #expect(batches.map(\.count).max() == 12)
    // In a batch lengths differ little, and batches do not come by length.
    let spans = batches.filter { $0.count > 1 }.map { batch in lengths[batch.last!] - lengths[batch[0]] }
    #expect(Double(spans.reduce(0, +)) / Double(spans.count) < 3)
    let firsts = batches.map { lengths[$0[0]] }
    #expect(firsts != firsts.sorted() && zip(firsts, firsts.dropFirst()).count { $0 > $1 } > firsts.count / 4)
    #expect(plan("epoch 0") == batches && plan("epoch 1") != batches)
  }

  @Test("Random numbers have the moments of their distributions")
  func moments() {
    var random = SeededRandom(seed: 1, stream: "x")
    let normal = (0..<20_000).map { _ in Double(random.normal()) }
    #expect(abs(normal.reduce(0, +) / 20_000) < 0.03)
    #expect(abs(normal.reduce(0) { $0 + $1 * $1 } / 20_000 - 1) < 0.05)
    #expect(Set((0..<200).map { _ in random.integer(below: 5) }) == Set(0..<5))
    #expect(random.permutation(50).sorted() == Array(0..<50))
  }
}
